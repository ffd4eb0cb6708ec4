#include "sandbox/native.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "sandbox/interpreter.h"

namespace assay {
namespace {

// Exit statuses of a C++ program that an exception ended.
constexpr int kThrewStatus = 213, kNoMemoryStatus = 214;

// The whole source: program, tests, and after the last assert the nonce from descriptor 3 to descriptor 4. What the
// tests assert with is taken before the program can change it.
std::string whole_source(const ProgramJob& job, const std::string& program) {
  const std::string both = program + "\n" + job.tests;
  switch (job.language) {
    case Language::kCpp:
      // The tests hold main(): it gets another name, and a main of ours calls it. Their text may lie inside a function
      // of the program's, so <cassert> declares what it has to before the program, and defines its macro once more
      // after it.
      return fmt::format(
          "#include <cassert>\n#define main assay_tests_main\n{}\n#undef NDEBUG\n#include <cassert>\n{}\n#undef main\n"
          "#include <unistd.h>\n#include <cstdio>\n#include <exception>\n#include <new>\n"
          "void assay_terminate() {{\n"
          "  try {{\n    if (auto thrown = std::current_exception()) std::rethrow_exception(thrown);\n"
          "  }} catch (const std::bad_alloc&) {{\n    _exit({});\n"
          "  }} catch (const std::exception& error) {{\n"
          "    std::fprintf(stderr, \"uncaught exception: %s\\n\", error.what());\n  }} catch (...) {{\n  }}\n"
          "  std::fflush(nullptr);\n  _exit({});\n}}\n"
          "int main() {{\n  std::set_terminate(assay_terminate);\n  assay_tests_main();\n  char nonce[64];\n"
          "  ssize_t size = read(3, nonce, sizeof nonce);\n  return write(4, nonce, size) == size ? 0 : 1;\n}}\n",
          program, job.tests, kNoMemoryStatus, kThrewStatus);
    case Language::kJavaScript:
    case Language::kTypeScript:
      return "Object.freeze(require('assert')); Object.freeze(require('assert').strict); " + both +
             "\n;{ const files = require('fs'); files.writeSync(4, files.readFileSync(3)); }\n";
    case Language::kBash:
      return both + "\ncat <&3 >&4\n";
    case Language::kPhp:
      return both + "\nfile_put_contents('php://fd/4', file_get_contents('php://fd/3'));\n";
    case Language::kJava:
      return both +
             "\nclass Main {\n  public static void main(String[] words) throws Exception {\n    Problem.main(words);\n"
             "    try (var in = new java.io.FileInputStream(\"/proc/self/fd/3\");\n"
             "         var out = new java.io.FileOutputStream(\"/proc/self/fd/4\")) {\n      in.transferTo(out);\n    "
             "}\n"
             "    System.exit(0);\n  }\n}\n";
    case Language::kCSharp:
      return replace_all(both, "static void Main(", "static void AssayTests(") +
             "\nclass AssayMain {\n  static void Main(string[] words) {\n    Problem.AssayTests(words);\n"
             "    System.IO.File.WriteAllText(\"/proc/self/fd/4\", System.IO.File.ReadAllText(\"/proc/self/fd/3\"));\n "
             " }\n}\n";
    case Language::kPython:
      break;
  }
  ASSAY_ASSERT(false, "Python programs are not native");
}

// Exit statuses that say more than that the tests did not get through: status -> [verdict, reason].
Json statuses_of(Language language) {
  if (language != Language::kCpp) return Json::object();
  return {{std::to_string(kThrewStatus), {"runtime_error", "ended by an exception that nobody caught"}},
          {std::to_string(kNoMemoryStatus), {"memory_limit", "ended by std::bad_alloc"}}};
}

}  // namespace

bool native_has_compiler(Language language) {
  return language == Language::kCpp || language == Language::kJava || language == Language::kTypeScript ||
         language == Language::kCSharp;
}

std::string native_payload(const ProgramJob& job, const std::string& secret, const std::string& nonce) {
  std::string missing;
  const auto tools = find_toolchain(job.language, missing);
  if (!tools) throw_world(to_string(job.language), missing + " is not installed");
  const uint64_t bytes = static_cast<uint64_t>(job.limits.memory_mb) << 20;
  Json limits = Json::object();
  limits[tools->limits_data ? "data" : "address_space"] = tools->limits_data ? 2 * bytes : bytes;
  return dump_json({{"secret", secret},
                    {"nonce", nonce},
                    {"files", {{tools->source, whole_source(job, job.program)}}},
                    {"compile", tools->compile.empty() ? Json(nullptr) : Json(tools->compile)},
                    {"compile_s", 3 * kCompileSeconds},
                    {"run", tools->run},
                    {"statuses", statuses_of(job.language)},
                    {"limits", limits}});
}

std::string native_check_payload(const ProgramJob& job, const std::string& secret) {
  std::string missing;
  const auto tools = find_toolchain(job.language, missing);
  if (!tools || tools->check.empty()) return "";
  const bool closes = starts_with(strip(job.tests), "}");
  const bool alone = job.stub.empty();
  if (alone && tools->syntax_error.empty()) return "";
  const std::string program = !alone ? job.stub : closes ? tools->opener : "";
  return dump_json({{"secret", secret},
                    {"files", {{tools->source, whole_source(job, program)}}},
                    {"check", tools->check},
                    {"compile_s", 3 * kCompileSeconds},
                    {"syntax_error", alone ? Json(tools->syntax_error) : Json(nullptr)},
                    {"absent_name", tools->absent_name}});
}

}  // namespace assay
