// Solutions of ours to HumanEval problems in C++ and JavaScript, each with three broken twins: one returns nothing
// useful, one does not compile, one ends with status 0 before the tests are through.

#include <catch2/catch.hpp>
#include <mutex>

#include "core/json.h"
#include "core/text.h"
#include "sandbox/interpreter.h"
#include "sandbox/sandbox.h"
#include "tests/support.h"

namespace assay {
namespace {

const std::string kSolutions = std::string(ASSAY_SOURCE_DIR) + "/tests/sandbox/solutions.jsonl";

std::vector<Json> rows_of(const std::string& path) {
  std::vector<Json> rows;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (!strip(line).empty()) rows.push_back(parse_json(line, path));
  }
  return rows;
}

struct Twin {
  const char *head, *tail;
  Verdict verdict;
};

void try_language(Language language, const std::string& data, const std::vector<Twin>& twins) {
  const std::string name = to_string(language);
  const auto path = testing::shared_file(data);
  if (!path) return;
  std::string missing;
  if (!find_toolchain(language, missing)) {
    testing::skip(name + ": " + missing + " is not installed");
    return;
  }
  const std::vector<Json> problems = rows_of(*path), solutions = rows_of(kSolutions);
  SandboxOptions options;
  options.unsafe = true;
  Sandbox sandbox(options);
  int jobs = 0;
  std::vector<std::string> wrong;
  std::mutex mutex;
  for (const Json& solution : solutions) {
    for (const Json& problem : problems) {
      if (!starts_with(problem["name"].get<std::string>(), solution["problem"].get<std::string>())) continue;
      // The data's own tests of this one do not parse (a line break inside a string): no program can be blamed for it.
      const bool broken_tests =
          language == Language::kJavaScript && starts_with(problem["name"].get<std::string>(), "HumanEval_51_");
      for (const Twin& twin : twins) {
        ProgramJob job;
        job.language = language;
        job.mode = ProgramMode::kInline;
        job.program = problem["prompt"].get<std::string>() + twin.head + solution[name].get<std::string>() + twin.tail;
        job.tests = problem["tests"].get<std::string>();
        job.limits.cpu_s = 10, job.limits.wall_s = 60;
        job.limits.memory_mb = 1024, job.limits.processes = 64, job.limits.file_mb = 64;
        ++jobs;
        const std::string where = problem["name"].get<std::string>() + twin.head + twin.tail;
        sandbox.submit(job, [&mutex, &wrong, where,
                             expected = broken_tests ? Verdict::kSandboxError : twin.verdict](ProgramOutcome out) {
          std::lock_guard lock(mutex);
          if (out.verdict != expected)
            wrong.push_back(where + ": " + to_string(out.verdict) + " " + out.reason + out.output);
        });
      }
    }
  }
  const std::atomic<bool> never{false};
  sandbox.wait(never);
  for (const std::string& text : wrong) FAIL_CHECK(text);
  CHECK(jobs >= 30 * 4);
}

}  // namespace

TEST_CASE("solutions in C++ pass and their broken twins do not") {
  try_language(Language::kCpp, "data/humaneval_multi/humaneval-cpp.jsonl",
               {{"", "", Verdict::kPass},
                {"return {};\n", "", Verdict::kWrongAnswer},
                {"", " @", Verdict::kRuntimeError},
                {"std::_Exit(0);\n", "", Verdict::kRuntimeError}});
}

TEST_CASE("solutions in JavaScript pass and their broken twins do not") {
  try_language(Language::kJavaScript, "data/humaneval_multi/humaneval-js.jsonl",
               {{"", "", Verdict::kPass},
                {"return undefined;\n", "", Verdict::kWrongAnswer},
                {"@", "", Verdict::kWrongAnswer},
                {"process.exit(0);\n", "", Verdict::kRuntimeError}});
}

}  // namespace assay
