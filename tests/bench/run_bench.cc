// What the harness itself costs: the scripted backend answers at once, so everything that is left is ours.
//
//   build/release/tests/bench/run_bench build/release/assay [DATA]
//
//   a request     CPU time and memory that one more request of a run costs, from two sizes of one task
//   preparation   with DATA: all of MMLU, 5 shots, from process start to scores in SQLite
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Cost {
  double wall = 0, cpu = 0;  // seconds
  double kib = 0;            // most resident
};

Cost cost_of(const std::vector<std::string>& command) {
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> arguments;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, 1), ::dup2(nowhere, 2);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "{} ended with {}\n", command[0], WEXITSTATUS(status));
    std::exit(1);
  }
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          seconds(usage.ru_utime) + seconds(usage.ru_stime), static_cast<double>(usage.ru_maxrss)};
}

// A task of `items` short questions with four options, in its own folder.
fs::path write_task(const fs::path& folder, int items) {
  fs::create_directories(folder);
  std::ofstream data(folder / "test.csv");
  for (int i = 0; i < items; ++i)
    data << "What comes after " << i << "?," << i + 1 << "," << i + 2 << "," << i + 3 << "," << i + 4 << ",A\n";
  std::ofstream(folder / "task.yaml") << R"(task: counting
convention: own
data: {format: csv, columns: [question, A, B, C, D, answer], files: {test: test.csv}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\nAnswer:"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
metric_list:
  - {metric: acc}
)";
  return folder;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: run_bench ASSAY [DATA]\n");
    return 2;
  }
  const std::string assay = argv[1];
  const fs::path scratch = fs::temp_directory_path() / fmt::format("assay_run_bench_{}", ::getpid());
  fs::create_directories(scratch);
  std::ofstream(scratch / "script.json") << R"({"loglikelihood": "gold-first", "context_length": 1000000})";
  const std::string model = "scripted:" + (scratch / "script.json").string();
  auto run = [&](const std::string& task, const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> command = {assay,     "run", "--model", model,
                                        "--tasks", task,  "--db",    (scratch / (name + ".db")).string()};
    command.insert(command.end(), more.begin(), more.end());
    return cost_of(command);
  };
  constexpr int kSmall = 20'000, kLarge = 200'000;
  const Cost small = run("counting", "small", {"--include", write_task(scratch / "small", kSmall).string()});
  const Cost large = run("counting", "large", {"--include", write_task(scratch / "large", kLarge).string()});
  const double more = kLarge - kSmall;
  fmt::print(
      "a request: {:.1f} us of CPU, {:.2f} KiB of memory  ({} requests: {:.1f} s, {:.0f} MiB; {}: {:.1f} s, {:.0f} "
      "MiB)\n",
      1e6 * (large.cpu - small.cpu) / more, (large.kib - small.kib) / more, kSmall, small.wall, small.kib / 1024,
      kLarge, large.wall, large.kib / 1024);
  if (argc > 2) {
    const Cost mmlu = run("mmlu", "mmlu", {"--data", argv[2]});
    fmt::print("all of MMLU, 5 shots, no model: {:.1f} s, {:.1f} s of CPU, {:.0f} MiB\n", mmlu.wall, mmlu.cpu,
               mmlu.kib / 1024);
  }
  fs::remove_all(scratch);
  return 0;
}
