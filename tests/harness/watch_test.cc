// Checkpoints as training writes them: index first, shards slowly, renamed, deleted, broken; the watcher killed and
// started again.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/checkpoint_folder.h"
#include "reports/results_db.h"
#include "reports/stored_json.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

const std::string kExamples = std::string(ASSAY_SOURCE_DIR) + "/examples";

void pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

void write_bytes(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

// The smallest bundled checkpoint as a folder with an index and one shard; `number` makes its weights its own.
class Writer {
 public:
  Writer() : weights_(read_file(kExamples + "/checkpoints/step-00040/model.safetensors")) {
    const uint64_t header = *reinterpret_cast<const uint64_t*>(weights_.data());
    Json map = Json::object();
    const Json tensors = parse_json(weights_.substr(8, header), "header");
    for (const auto& [name, unused] : tensors.items()) {
      if (name != "__metadata__") map[name] = "model-00001-of-00001.safetensors";
    }
    index_ = Json({{"metadata", Json::object()}, {"weight_map", map}}).dump();
  }

  // Everything but the shard.
  void begin(const fs::path& folder) const {
    fs::create_directories(folder);
    write_bytes(folder / "model.safetensors.index.json", index_);
    for (const auto& entry : fs::directory_iterator(kExamples + "/checkpoints/step-00040")) {
      if (entry.path().extension() != ".safetensors") fs::copy(entry.path(), folder / entry.path().filename());
    }
  }
  // The shard in `pieces` with a pause behind each.
  void write_shard(const fs::path& folder, int number, int pieces, double seconds) const {
    std::string bytes = weights_;
    bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ (number & 15));
    const size_t part = bytes.size() / static_cast<size_t>(pieces) + 1;
    for (size_t at = 0; at < bytes.size(); at += part) {
      write_bytes(folder / "model-00001-of-00001.safetensors", std::string_view(bytes).substr(at, part));
      pause(seconds);
    }
  }
  void write(const fs::path& folder, int number) const {
    begin(folder);
    write_shard(folder, number, 3, 0.05);
  }

 private:
  std::string weights_, index_;
};

std::string step_name(int number) {
  return "step-" + std::to_string(1000 + number);
}

std::vector<std::string> watch_arguments(const testing::TemporaryFolder& folder) {
  return {"watch",     folder.file("train"),
          "--tasks",   "sample_mc_animals",
          "--limit",   "3",
          "--include", kExamples + "/suites",
          "--db",      folder.file("scores.db"),
          "--settle",  "0.3",
          "--poll",    "0.2",
          "--give-up", "2"};
}

TEST_CASE("twenty checkpoints, however they are written, are each scored exactly once") {
  testing::TemporaryFolder folder;
  const fs::path train = folder.file("train");
  fs::create_directories(train);
  const Writer writer;
  writer.write(train / step_name(0), 0);
  fs::create_directories(train / "step-900");  // broken for good: its shard ends early
  writer.begin(train / "step-900");
  write_bytes(train / "step-900" / "model-00001-of-00001.safetensors", "too short");
  write_bytes(train / "notes.txt", "no checkpoint");

  std::jthread training([&] {
    for (int i = 1; i < 20; ++i) {
      const fs::path path = train / step_name(i);
      if (i % 5 == 1) {  // under another name until it is whole
        writer.write(train / (step_name(i) + ".tmp"), i);
        fs::rename(train / (step_name(i) + ".tmp"), path);
      } else {
        writer.write(path, i);
      }
      if (i == 7) fs::rename(train / step_name(2), train / "best");  // the same weights under another name
      if (i == 9) fs::remove_all(train / step_name(3));              // scored long ago, or gone for good
      pause(0.15);
    }
  });
  testing::Start start;
  start.arguments = watch_arguments(folder);
  start.kill_after_s = 3;
  CHECK(testing::run_program(start).exit_code == 128 + 9);
  start.kill_after_s = 0, start.interrupt_after_s = 3;
  const testing::Finished stopped = testing::run_program(start);
  INFO(stopped.err);
  training.join();
  start.interrupt_after_s = 0;
  start.arguments.push_back("--once");
  const testing::Finished last = testing::run_program(start);
  INFO(last.err);
  CHECK(last.exit_code <= 1);

  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadOnly);
  std::map<std::string, int> runs;
  for (const StoredRun& run : db->find_runs("")) {
    CHECK(run.complete);
    ++runs[run.label];
  }
  std::map<std::string, int> scored;
  for (const WatchedCheckpoint& one : db->watched()) {
    INFO(one.path << " " << one.state << " " << one.reason);
    if (fs::path(one.path).filename() == "step-900") {
      CHECK(one.state == "failed");
      CHECK_THAT(one.reason, Catch::Contains("model-00001-of-00001.safetensors"));
    } else if (one.state == "scored") {
      ++scored[fs::path(one.path).filename().string()];
    }
  }
  // What was deleted may have been scored before; what was renamed has one of its names.
  for (int i = 0; i < 20; ++i) {
    INFO(step_name(i));
    if (i == 3) continue;
    if (i == 2) {
      CHECK(scored["best"] + scored[step_name(2)] == 1);
    } else {
      CHECK(scored[step_name(i)] == 1);
      CHECK(runs[step_name(i)] == 1);
    }
  }
  CHECK(runs.count("step-900") == 0);
}

TEST_CASE("a second checkpoint costs no preparation, and its numbers are those of a run of its own") {
  testing::TemporaryFolder folder;
  const fs::path train = folder.file("train");
  fs::create_directories(train);
  const Writer writer;
  writer.write(train / "step-1", 1), writer.write(train / "step-2", 2);
  auto arguments = watch_arguments(folder);
  arguments.push_back("--once");
  const testing::Finished watched = testing::run_assay(arguments);
  INFO(watched.err);
  CHECK(watched.exit_code == 0);
  for (const char* name : {"step-1", "step-2"}) {
    const testing::Finished alone =
        testing::run_assay({"run", "--model", (train / name).string(), "--tasks", "sample_mc_animals", "--limit", "3",
                            "--include", kExamples + "/suites", "--db", folder.file(std::string(name) + ".db")});
    CHECK(alone.exit_code == 0);
    auto responses = [&](const std::string& file) {
      auto db = ResultsDb::open(file, ResultsDb::Mode::kReadOnly);
      std::string all;
      for (const StoredItem& item : db->items_of(db->find_runs(name).front().id, "sample_mc_animals", "sample")) {
        for (const auto& response : item.responses) all += response_json(response.value());
      }
      return all;
    };
    CHECK(responses(folder.file("scores.db")) == responses(folder.file(std::string(name) + ".db")));
  }
}

TEST_CASE("a marker file decides where one is asked for, and the newest can come first") {
  testing::TemporaryFolder folder;
  const fs::path train = folder.file("train");
  fs::create_directories(train);
  const Writer writer;
  for (int i : {1, 2, 3}) writer.write(train / step_name(i), i);
  write_bytes(train / step_name(1) / "DONE", ""), write_bytes(train / step_name(3) / "DONE", "");
  auto arguments = watch_arguments(folder);
  for (const char* more : {"--once", "--marker", "DONE", "--order", "newest"}) arguments.push_back(more);
  const testing::Finished watched = testing::run_assay(arguments);
  INFO(watched.err);
  CHECK(watched.exit_code == 1);  // one was given up
  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadOnly);
  std::vector<std::string> labels;
  for (const StoredRun& run : db->find_runs("")) labels.push_back(run.label);
  CHECK(labels == std::vector<std::string>{step_name(3), step_name(1)});
}

TEST_CASE("a half-copied checkpoint with an old date is waited for, and a failure is forgotten once it is scored") {
  testing::TemporaryFolder folder;
  const fs::path train = folder.file("train"), path = train / "step-1";
  fs::create_directories(train);
  const Writer writer;
  auto begin_old = [&] {
    fs::remove_all(path);
    writer.begin(path);  // the shard is still to come
    for (const auto& file : fs::directory_iterator(path)) {
      fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(24));
    }
  };
  begin_old();
  std::jthread copying([&] {
    pause(1);
    writer.write_shard(path, 1, 1, 0);
  });
  auto arguments = watch_arguments(folder);
  arguments.push_back("--once");
  const testing::Finished waited = testing::run_assay(arguments);
  INFO(waited.err);
  CHECK(waited.exit_code == 0);
  copying.join();

  begin_old();
  CHECK(testing::run_assay(arguments).exit_code == 1);
  auto states = [&] {
    auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadOnly);
    std::multiset<std::string> all;
    for (const WatchedCheckpoint& one : db->watched()) all.insert(one.state);
    return all;
  };
  CHECK(states() == std::multiset<std::string>{"failed", "scored"});
  writer.write_shard(path, 2, 1, 0);
  CHECK(testing::run_assay(arguments).exit_code == 0);
  CHECK(states() == std::multiset<std::string>{"scored", "scored"});
}

TEST_CASE("a checkpoint is known by its files, not by its name") {
  testing::TemporaryFolder folder;
  const Writer writer;
  writer.write(fs::path(folder.path()) / "step-1", 1);
  const FolderEntry before = scan_checkpoints(folder.path()).at(0);
  CHECK(before.step == 1);
  CHECK(defect_of(before, "").empty());
  CHECK_THAT(defect_of(before, "DONE"), Catch::Contains("marker"));
  fs::rename(folder.file("step-1"), folder.file("renamed"));
  CHECK(scan_checkpoints(folder.path()).at(0).fingerprint == before.fingerprint);
  write_bytes(fs::path(folder.file("renamed")) / "model-00001-of-00001.safetensors", "x");
  const FolderEntry changed = scan_checkpoints(folder.path()).at(0);
  CHECK(changed.fingerprint != before.fingerprint);
  CHECK(defect_of(changed, "") != "");
}

TEST_CASE("a checkpoint that the requests do not fit is passed over, and the watch goes on") {
  testing::TemporaryFolder folder;
  const Writer writer;
  for (int number : {1, 2}) writer.write(fs::path(folder.file("train")) / step_name(number), number);
  std::vector<std::string> arguments = watch_arguments(folder);
  arguments.insert(arguments.end(), {"--once", "--kv-memory", "4KiB"});
  const testing::Finished done = testing::run_assay(arguments);
  CHECK(done.exit_code == 1);
  CHECK_THAT(done.err, Catch::Contains(step_name(1) + ": passed over") &&
                           Catch::Contains(step_name(2) + ": passed over") && Catch::Contains("--kv-memory"));
  CHECK_THAT(done.out, Catch::Contains("0 checkpoints scored, 2 failed"));
}

TEST_CASE("a folder that is not there is an error of the input") {
  const testing::Finished done = testing::run_assay({"watch", "/nowhere/at/all", "--tasks", "mmlu"});
  CHECK(done.exit_code == 2);
  CHECK_THAT(done.err, Catch::Contains("/nowhere/at/all"));
}

}  // namespace
}  // namespace assay
