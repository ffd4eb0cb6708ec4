#include "sandbox/interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/text.h"
#include "sandbox/fd.h"

extern char** environ;

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAsk =
    "import sys, os; print(os.path.realpath(sys.executable)); print(sys.version_info[0] * 100 + sys.version_info[1]); "
    "print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix)";
constexpr int kOldestPython = 309;
// A wrapper script may look around; one that does not come back is no interpreter.
constexpr std::chrono::seconds kAskTimeout{20};
// With the site module, which finds a virtual environment.
constexpr const char* kAskPackages =
    "import site, sys; print('\\n'.join(p for p in sys.path if p.endswith(('site-packages', 'dist-packages'))))";
constexpr const char* kAskModules =
    "import importlib, sys\nfolders, names = sys.argv[1:3]\nsys.path += [f for f in folders.split(':') if f]\n"
    "for name in names.split(','):\n try:\n  importlib.import_module(name)\n except Exception:\n  print(name)\n";

bool is_executable(const std::string& path) {
  std::error_code ignored;
  return ::access(path.c_str(), X_OK) == 0 && fs::is_regular_file(path, ignored);
}

// Every match of PATH, in order.
std::vector<std::string> on_path(const std::string& name) {
  std::vector<std::string> found;
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
    if (!folder.empty() && is_executable(folder + "/" + name)) found.push_back(folder + "/" + name);
  }
  return found;
}

// Lines of what `arguments` prints; empty when it can't be run or fails.
std::vector<std::string> ask(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  Fd reading(ends[0]), writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return {};
  writing.reset();
  std::string text;
  char part[4096];
  const auto deadline = std::chrono::steady_clock::now() + kAskTimeout;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready = {reading.get(), POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(0, left.count())));
    if (count < 0 && errno == EINTR) continue;
    const ssize_t got = count > 0 ? ::read(reading.get(), part, sizeof part) : -1;
    if (got <= 0) {
      if (got < 0) ::kill(pid, SIGKILL);
      break;
    }
    text.append(part, static_cast<size_t>(got));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) return {};
  return split(text, '\n');
}

// Nothing when it does not run, or is too old: then `too_old` says so.
std::optional<Interpreter> try_python(const std::string& path, std::string& too_old) {
  const std::vector<std::string> lines = ask({path, "-I", "-S", "-c", kAsk});
  if (lines.size() < 4) return std::nullopt;
  if (std::atoi(lines[1].c_str()) < kOldestPython) {
    if (too_old.empty()) too_old = fmt::format("{} is Python {}, too old to run programs", path, lines[2]);
    return std::nullopt;
  }
  Interpreter found;
  found.path = lines[0];
  found.version = lines[2];
  if (lines[3] != "/usr") found.prefix = lines[3];
  found.named = path;
  return found;
}

Interpreter look_for_python() {
  std::string too_old;
  if (const char* named = std::getenv("ASSAY_PYTHON"); named && *named) {
    if (auto found = try_python(named, too_old)) return *found;
    throw_world(
        named,
        too_old.empty() ? "named by ASSAY_PYTHON, is not a Python that runs" : "named by ASSAY_PYTHON: " + too_old,
        "give the path of a Python from 3.9 on");
  }
  std::vector<std::string> candidates = on_path("python3");
  candidates.push_back("/usr/bin/python3");
  for (const std::string& path : candidates) {
    if (!is_executable(path)) continue;
    if (auto found = try_python(path, too_old)) return *found;
  }
  throw_world(
      "python3",
      too_old.empty() ? "is not on this machine, and programs can't be run without it" : "none serves: " + too_old,
      "install Python from 3.9 on, or name one in the environment variable ASSAY_PYTHON");
}

std::string first_on_path(const std::string& name) {
  const std::vector<std::string> found = on_path(name);
  return found.empty() ? "" : fs::canonical(found.front()).string();
}

}  // namespace

const Interpreter& find_python() {
  static const Interpreter found = look_for_python();
  return found;
}

const std::vector<std::string>& find_packages() {
  static const std::vector<std::string> found = [] {
    std::vector<std::string> folders = ask({find_python().named, "-I", "-c", kAskPackages});
    folders.erase(std::remove(folders.begin(), folders.end(), ""), folders.end());
    return folders;
  }();
  return found;
}

std::string missing_modules(const std::vector<std::string>& modules) {
  if (modules.empty()) return "";
  static std::mutex mutex;
  static std::map<std::string, std::string> known;
  const std::string names = fmt::format("{}", fmt::join(modules, ","));
  std::lock_guard lock(mutex);
  const auto [place, fresh] = known.try_emplace(names);
  if (fresh) {
    const std::string folders = fmt::format("{}", fmt::join(find_packages(), ":"));
    std::vector<std::string> missing = ask({find_python().path, "-I", "-S", "-c", kAskModules, folders, names});
    missing.erase(std::remove(missing.begin(), missing.end(), ""), missing.end());
    place->second = fmt::format("{}", fmt::join(missing, ", "));
  }
  return place->second;
}

std::optional<Toolchain> find_toolchain(Language language, std::string& missing) {
  auto tool = [&](const char* name) {
    std::string path = first_on_path(name);
    if (path.empty()) missing = name;
    return path;
  };
  switch (language) {
    case Language::kCpp: {
      const std::string compiler = tool("g++");
      if (compiler.empty()) return std::nullopt;
      Toolchain tools{"program.cc", {compiler, "-std=c++17", "-O0", "program.cc", "-o", "program"}, {"/tmp/program"}};
      tools.check = {compiler, "-std=c++17", "-fsyntax-only", "program.cc"};
      tools.opener = "#include <assert.h>\n#include <bits/stdc++.h>\nvoid assay_stub() {\n";
      tools.syntax_error = "expected|missing terminating|stray|unterminated";
      tools.absent_name = "was not declared|has not been declared|does not name a type";
      return tools;
    }
    case Language::kJavaScript: {
      const std::string node = tool("node");
      if (node.empty()) return std::nullopt;
      Toolchain tools{"program.js", {}, {node, "--max-old-space-size=400", "program.js"}, true};
      tools.check = {node, "--check", "program.js"};
      tools.opener = "function assay_stub() {\n";
      tools.syntax_error = "SyntaxError";
      return tools;
    }
    case Language::kBash: {
      const std::string bash = tool("bash");
      if (bash.empty()) return std::nullopt;
      Toolchain tools{"program.sh", {}, {bash, "program.sh"}};
      tools.check = {bash, "-n", "program.sh"};
      tools.opener = "assay_stub() {\n:\n";
      tools.syntax_error = "syntax error|unexpected EOF";
      return tools;
    }
    case Language::kJava: {
      const std::string compiler = tool("javac"), java = tool("java");
      if (compiler.empty() || java.empty()) return std::nullopt;
      Toolchain tools{"Problem.java",
                      {compiler, "-J-Xmx512m", "-d", ".", "Problem.java"},
                      {java, "-ea", "-Xmx256m", "-XX:+UseSerialGC", "-cp", ".", "Main"},
                      true};
      tools.check = tools.compile;
      tools.opener = "class Problem {\n    static void assayStub() {\n";
      tools.syntax_error = "error: .*(expected|illegal|unclosed|reached end of file|not a statement)";
      tools.absent_name = "cannot find symbol|does not exist";
      return tools;
    }
    case Language::kPhp: {
      const std::string php = tool("php");
      if (php.empty()) return std::nullopt;
      return Toolchain{"program.php", {}, {php, "program.php"}};
    }
    case Language::kTypeScript: {
      const std::string compiler = tool("tsc"), node = tool("node");
      if (compiler.empty() || node.empty()) return std::nullopt;
      return Toolchain{"program.ts",
                       {node, compiler, "--target", "es2020", "--module", "commonjs", "--noCheck", "program.ts"},
                       {node, "--max-old-space-size=400", "program.js"},
                       true};
    }
    case Language::kCSharp: {
      const std::string compiler = tool("mcs"), mono = tool("mono");
      if (compiler.empty() || mono.empty()) return std::nullopt;
      return Toolchain{"program.cs", {compiler, "-d:DEBUG", "program.cs"}, {mono, "program.exe"}, true};
    }
    case Language::kPython:
      break;
  }
  ASSAY_ASSERT(false, "Python has no toolchain: it has the zygote");
}

}  // namespace assay
