// Bad input, seen from outside: a clear message naming file and place, the exit code of docs/formats/cli.md, the
// database untouched or still valid. The parsers' own tests have many more cases.

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <functional>

#include "core/json.h"
#include "core/text.h"
#include "tests/harness/process.h"
#include "tests/support.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

using testing::Finished;
using testing::run_assay;
using testing::run_program;
using testing::Start;
using testing::TemporaryFolder;

std::string source(const std::string& path) {
  return std::string(ASSAY_SOURCE_DIR) + "/" + path;
}

// A copy of a bundled checkpoint to be spoilt.
std::string copy_checkpoint(const TemporaryFolder& folder) {
  for (const auto& entry : fs::directory_iterator(source("examples/checkpoints"))) {
    if (!entry.is_directory()) continue;
    fs::copy(entry.path(), folder.file("model"), fs::copy_options::recursive);
    return folder.file("model");
  }
  FAIL("no bundled checkpoint");
  return "";
}

void edit_json(const std::string& path, const std::function<void(Json&)>& edit) {
  Json json = read_json_file(path);
  edit(json);
  write_file_atomically(path, dump_json(json));
}

std::string script(const TemporaryFolder& folder) {
  return "scripted:" +
         folder.write("script.json", R"({"loglikelihood": "hash", "default": "x", "context_length": 50})");
}

bool is_valid_database(const std::string& path) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  bool valid = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK &&
               sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &statement, nullptr) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0))) == "ok";
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return valid;
}

std::vector<std::string> run_words(const std::string& model, const std::string& include, const std::string& tasks,
                                   const std::string& database) {
  return {"run", "--model", model, "--include", include, "--tasks", tasks, "--db", database};
}

// A script for `unshare -rm sh -c` that mounts a small file system of its own and runs the program on it; nothing when
// this machine does not let us.
bool can_mount() {
  return std::system("unshare -rm sh -c 'mount -t tmpfs none /mnt' 2>/dev/null") == 0;
}

}  // namespace

TEST_CASE("a spoilt checkpoint is an input error that names the file") {
  struct Row {
    const char* defect;
    std::function<void(const std::string&)> spoil;
    const char* expected;
  };
  const Row rows[] = {
      {"an index that names an absent shard",
       [](const std::string& model) {
         fs::remove(model + "/model.safetensors");
         write_file_atomically(model + "/model.safetensors.index.json",
                               R"({"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}})");
       },
       "model-00001-of-00002.safetensors"},
      {"a truncated weight file",
       [](const std::string& model) {
         fs::resize_file(model + "/model.safetensors", fs::file_size(model + "/model.safetensors") - 100);
       },
       "model.safetensors"},
      {"a header longer than the file",
       [](const std::string& model) {
         std::string bytes = read_file(model + "/model.safetensors");
         uint64_t length = bytes.size() * 2;
         std::memcpy(bytes.data(), &length, sizeof length);
         write_file_atomically(model + "/model.safetensors", bytes);
       },
       "model.safetensors"},
      {"a shape that config.json does not have",
       [](const std::string& model) {
         edit_json(model + "/config.json", [](Json& json) { json["intermediate_size"] = 8; });
       },
       "model.safetensors"},
      {"NaN weights",
       [](const std::string& model) {
         std::string bytes = read_file(model + "/model.safetensors");
         for (size_t i = bytes.size() - 64; i < bytes.size(); ++i) bytes[i] = '\xFF';
         write_file_atomically(model + "/model.safetensors", bytes);
       },
       "not a number"},
      {"an unknown architecture",
       [](const std::string& model) {
         edit_json(model + "/config.json", [](Json& json) {
           json["model_type"] = "mamba";
           json["architectures"] = {"MambaForCausalLM"};
         });
       },
       "mamba"},
      {"a tokenizer of another vocabulary",
       [](const std::string& model) {
         edit_json(model + "/tokenizer.json", [](Json& json) {
           json["added_tokens"].push_back({{"id", 99999},
                                           {"content", "<far>"},
                                           {"single_word", false},
                                           {"lstrip", false},
                                           {"rstrip", false},
                                           {"normalized", false},
                                           {"special", true}});
         });
       },
       "tokenizer"},
      {"a malformed config.json",
       [](const std::string& model) { write_file_atomically(model + "/config.json", "{\"hidden_size\": "); },
       "config.json: malformed JSON"},
      {"no tokenizer", [](const std::string& model) { fs::remove(model + "/tokenizer.json"); }, "tokenizer.json"},
  };
  for (const Row& row : rows) {
    TemporaryFolder folder;
    std::string model = copy_checkpoint(folder);
    row.spoil(model);
    Finished finished =
        run_assay(run_words(model, source("examples/suites"), "sample_cloze", folder.file("scores.db")));
    INFO(row.defect << ": " << finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.find(row.expected) != std::string::npos);
    CHECK(finished.err.find("internal error") == std::string::npos);
    CHECK(is_valid_database(folder.file("scores.db")));
  }
}

TEST_CASE("a bad task or data file is an input error that names file and place, before a database exists") {
  const std::string good =
      "task: t\ndata: {files: {test: t.jsonl}}\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: "
      "\"{{q}}\"\n"
      "doc_to_choice: [\"yes\", \"no\"]\ndoc_to_target: gold\nmetric_list: [{metric: acc}]\n";
  const std::string row = "{\"q\": \"Is it?\", \"gold\": \"no\"}\n";
  struct Row {
    const char* defect;
    std::string yaml, data_name, data, expected;
  };
  const Row rows[] = {
      {"malformed YAML", "task: t\n  doc_to_text: [\n", "t.jsonl", row, "t.yaml:"},
      {"an unknown field", good + "doc_to_txt: x\n", "t.jsonl", row, "doc_to_txt"},
      {"an undefined template name", replace_all(good, "{{q}}", "{{question}}"), "t.jsonl", row, "question"},
      {"a template that never ends",
       replace_all(good, "{{q}}", "{% for a in range(1000000) %}{% for b in range(1000000) %}{% endfor %}{% endfor %}"),
       "t.jsonl", row, "t.yaml"},
      {"a bad JSONL line", good, "t.jsonl", row + row + "{\"q\": \n", "t.jsonl:3"},
      {"a CSV with a broken quote", replace_all(good, "t.jsonl", "t.csv"), "t.csv", "q,gold\n\"open,no\n", "t.csv:2"},
      {"an empty split", good, "t.jsonl", "", "t.jsonl"},
      {"a gold that is no choice", good, "t.jsonl", "{\"q\": \"Is it?\", \"gold\": \"maybe\"}\n", "maybe"},
      {"a gold letter out of range", replace_all(good, "doc_to_target: gold", "doc_to_target: \"{{gold}}\""), "t.jsonl",
       "{\"q\": \"Is it?\", \"gold\": 7}\n", "7"},
      {"a missing data file", replace_all(good, "t.jsonl", "absent.jsonl"), "t.jsonl", row, "absent.jsonl"},
  };
  for (const Row& each : rows) {
    TemporaryFolder folder;
    folder.write("suite/t.yaml", each.yaml);
    folder.write("suite/" + each.data_name, each.data);
    Finished finished = run_assay(run_words(script(folder), folder.file("suite"), "t", folder.file("scores.db")));
    INFO(each.defect << ": " << finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.find(each.expected) != std::string::npos);
    CHECK_FALSE(fs::exists(folder.file("scores.db")));
  }
}

TEST_CASE("wrong words on the command line end with exit code 2") {
  CHECK(run_assay({}).exit_code == 2);
  CHECK(run_assay({"runn"}).exit_code == 2);
  CHECK(run_assay({"run", "--model", "x"}).exit_code == 2);
  CHECK(run_assay({"run", "--model", "x", "--tasks", "gsm8k", "--dtype", "int3"}).exit_code == 2);
  Finished finished = run_assay({"show", "gsm9k"});
  CHECK(finished.exit_code == 2);
  CHECK(finished.err.find("gsm8k") != std::string::npos);  // the nearest name is offered
  CHECK(run_assay({"--help"}).exit_code == 0);
}

TEST_CASE("a prompt longer than the context is missing, counted and reported, not wrong") {
  TemporaryFolder folder;
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += "word ";
  folder.write("suite/t.jsonl",
               "{\"q\": \"short\", \"gold\": \"no\"}\n{\"q\": \"" + longer + "\", \"gold\": \"no\"}\n");
  folder.write(
      "suite/t.yaml",
      "task: t\ndata: {files: {test: t.jsonl}}\ntest_split: test\noutput_type: multiple_choice\n"
      "doc_to_text: \"{{q}}\"\ndoc_to_choice: [\"yes\", \"no\"]\ndoc_to_target: gold\nmetric_list: [{metric: acc}]\n");
  Finished finished = run_assay(run_words(script(folder), folder.file("suite"), "t", folder.file("scores.db")));
  INFO(finished.err << finished.out);
  CHECK(finished.exit_code == 1);
  CHECK(finished.out.find("1 prompts were longer than the context") != std::string::npos);
  Finished report = run_assay({"report", "--db", folder.file("scores.db"), "--json"});
  CHECK(report.exit_code == 1);
  Json result = parse_json(report.out, "report")["results"][0];
  CHECK(result["n"] == 1);
  CHECK(result["missing"] == 1);
}

TEST_CASE("a database of a newer schema is refused and left alone") {
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(database.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, "CREATE TABLE t (x); PRAGMA user_version = 99;", nullptr, nullptr, nullptr) ==
          SQLITE_OK);
  sqlite3_close(handle);
  std::string before = read_file(database);
  Finished finished = run_assay(run_words(script(folder), source("examples/suites"), "sample_cloze", database));
  CHECK(finished.exit_code == 2);
  CHECK(finished.err.find("schema version 99") != std::string::npos);
  CHECK(read_file(database) == before);
}

TEST_CASE("a full disk ends the run with exit code 3; with room again the same command completes it") {
  if (!can_mount()) return testing::skip("this machine does not let us mount a small file system");
  TemporaryFolder folder;
  const std::string saved = folder.file("saved.db"), model = script(folder);
  std::string suites = source("examples/suites");
  Start start;
  start.wrapper = {
      "unshare", "-rm", "sh", "-c",
      "mount -t tmpfs -o size=400k none /mnt && \"$0\" \"$@\"; code=$?; cp /mnt/scores.db* \"$SAVE\"; exit $code"};
  start.environment = {{"SAVE", folder.path()}};
  start.arguments = run_words("scripted:" + folder.write("big.json", R"({"loglikelihood": "hash", "default": "x"})"),
                              suites, "sample", "/mnt/scores.db");
  Finished finished = run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 3);
  CHECK(finished.err.find("disk is full") != std::string::npos);
  REQUIRE(is_valid_database(folder.file("scores.db")));
  start.arguments.back() = folder.file("scores.db");
  Finished again = run_assay(start.arguments);
  INFO(again.err);
  CHECK(again.exit_code == 0);
}

TEST_CASE("a read-only database ends with exit code 3") {
  if (!can_mount()) return testing::skip("this machine does not let us mount a small file system");
  TemporaryFolder folder;
  Start start;
  start.wrapper = {
      "unshare", "-rm", "sh", "-c",
      "mount -t tmpfs none /mnt && cp \"$SEED\" /mnt/scores.db && mount -o remount,ro /mnt && \"$0\" \"$@\""};
  const std::string seed = folder.file("seed.db");
  std::vector<std::string> words = run_words(script(folder), source("examples/suites"), "sample_wino", seed);
  words.insert(words.end(), {"--limit", "2"});
  run_assay(words);
  start.environment = {{"SEED", seed}};
  start.arguments = run_words(script(folder), source("examples/suites"), "sample_wino", "/mnt/scores.db");
  Finished finished = run_program(start);
  INFO(finished.err);
  CHECK(finished.exit_code == 3);
  CHECK(finished.err.find("read-only") != std::string::npos);
}

TEST_CASE("--device cuda says how far it came and why it stopped") {
  TemporaryFolder folder;
  std::string model = copy_checkpoint(folder);
  std::vector<std::string> words = run_words(model, source("examples/suites"), "sample_wino", folder.file("scores.db"));
  words.insert(words.end(), {"--device", "cuda", "--limit", "1"});
  Finished finished = run_assay(words);
  INFO(finished.err);
  if (finished.exit_code == 0) return;  // a GPU is here
  CHECK(finished.exit_code == 3);
  CHECK(finished.err.find("CUDA") != std::string::npos);
}

#if ASSAY_HAS_CUDA
TEST_CASE("a program that was moved away from its CUDA library says which file is missing, and only then") {
  TemporaryFolder folder;
  Start start;
  start.arguments = {"run",
                     "--model",
                     copy_checkpoint(folder),
                     "--tasks",
                     "bpb",
                     "--text",
                     source("README.md"),
                     "--db",
                     folder.file("x.db"),
                     "--device",
                     "cuda"};
  start.wrapper = {"sh", "-c",
                   "cp \"$0\" '" + folder.file("assay") + "' && exec '" + folder.file("assay") + "' \"$@\""};
  const Finished moved = run_program(start);
  CHECK(moved.exit_code == 3);
  CHECK_THAT(moved.err, Catch::Contains("cannot open libassay_cuda.so"));
  CHECK_THAT(moved.err, Catch::Contains("use --device cpu"));

  start.arguments = {"tasks"};
  CHECK(run_program(start).exit_code == 0);
}
#endif

}  // namespace assay
