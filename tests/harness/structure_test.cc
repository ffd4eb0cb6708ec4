// The house as docs/architecture.md has it, read from the include lines.

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "core/text.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

const std::map<std::string, std::set<std::string>> kMaySee = {
    {"core", {"core"}},
    {"tasks", {"core", "tasks"}},
    {"model_backend", {"core", "model_backend"}},
    {"sandbox", {"core", "sandbox"}},
    {"reports", {"core", "reports"}},
    {"harness", {"core", "tasks", "model_backend", "sandbox", "reports", "harness"}},
};

// Outside libraries that one place alone may know: a head of the include's path -> heads of the paths that may have it.
const std::map<std::string, std::vector<std::string>> kOutside = {
    {"sqlite3.h", {"reports/results_db.cc"}},
    {"re2/", {"tasks/"}},
    {"oniguruma.h", {"tasks/", "model_backend/tokenizer/"}},
    {"curl/", {"harness/fetch", "model_backend/http/"}},
    {"archive", {"harness/fetch", "tasks/"}},
    {"yaml-cpp/", {"core/yaml.cc"}},
    {"oneapi/", {"model_backend/engine/cpu/"}},
    {"dnnl", {"model_backend/engine/cpu/"}},
    {"hwy/", {"model_backend/engine/cpu/"}},
    {"cuda", {"model_backend/engine/cuda/"}},
    {"cublas", {"model_backend/engine/cuda/"}},
    {"nccl.h", {"model_backend/engine/collective_nccl.cc", "model_backend/engine/cuda/"}},
    {"CLI/", {"harness/"}},
    {"httplib.h", {"harness/view_server.cc"}},
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> kEndings = {".h", ".cc", ".cu", ".cuh", ".inc"};
  return kEndings.count(path.extension().string()) > 0;
}

// Every include of every source under a folder: (file relative to the root, included name, quoted).
struct Include {
  std::string file, name;
  bool quoted;
};

std::vector<Include> includes_under(const std::string& folder) {
  std::vector<Include> found;
  const fs::path root = ASSAY_SOURCE_DIR;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    for (const std::string& line : split(read_file(entry.path().string()), '\n')) {
      if (!starts_with(line, "#include ") || line.size() < 12) continue;
      char open = line[9];
      if (open != '"' && open != '<') continue;
      size_t end = line.find(open == '"' ? '"' : '>', 10);
      found.push_back({fs::relative(entry.path(), root).string(), line.substr(10, end - 10), open == '"'});
    }
  }
  return found;
}

}  // namespace

TEST_CASE("no folder includes what the star forbids") {
  for (const auto& [folder, allowed] : kMaySee) {
    for (const Include& include : includes_under(folder)) {
      std::string top = include.name.substr(0, include.name.find('/'));
      if (!kMaySee.count(top)) continue;
      INFO(include.file << " includes " << include.name);
      CHECK(allowed.count(top) == 1);
    }
  }
}

TEST_CASE("one place knows each outside library") {
  for (const auto& [folder, allowed] : kMaySee) {
    for (const Include& include : includes_under(folder)) {
      for (const auto& [head, places] : kOutside) {
        if (include.quoted || !starts_with(include.name, head)) continue;
        bool known = false;
        for (const std::string& place : places) known = known || starts_with(include.file, place);
        INFO(include.file << " includes <" << include.name << ">");
        CHECK(known);
      }
    }
  }
}

TEST_CASE("a model file includes no device header") {
  for (const Include& include : includes_under("model_backend/engine/models")) {
    INFO(include.file << " includes " << include.name);
    CHECK_FALSE(starts_with(include.name, "model_backend/engine/cpu/"));
    CHECK_FALSE(starts_with(include.name, "model_backend/engine/cuda/"));
  }
}

TEST_CASE("the plan knows no model") {
  for (const Include& include : includes_under("model_backend/engine")) {
    if (include.file != "model_backend/engine/plan.h" && include.file != "model_backend/engine/plan.cc") continue;
    INFO(include.file << " includes " << include.name);
    CHECK_FALSE(starts_with(include.name, "model_backend/engine/models/"));
    CHECK_FALSE(starts_with(include.name, "model_backend/checkpoint/"));
  }
}

}  // namespace assay
