#include "tests/support.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/text.h"

namespace assay::testing {
namespace fs = std::filesystem;

std::optional<std::string> shared_folder() {
  std::string path;
  if (const char* named = std::getenv("ASSAY_SHARED")) {
    path = named;
  } else {
    path = std::string(ASSAY_SOURCE_DIR) + "/../shared";
  }
  if (!fs::is_directory(path)) return std::nullopt;
  return path;
}

void skip(const std::string& reason) {
  std::string test = Catch::getResultCapture().getCurrentTestName();
  std::printf("SKIPPED %s: %s\n", test.c_str(), reason.c_str());
  SUCCEED("skipped: " << reason);
}

std::optional<std::string> shared_file(const std::string& relative) {
  auto folder = shared_folder();
  if (folder && fs::exists(*folder + "/" + relative)) return *folder + "/" + relative;
  skip("the shared inputs have no " + relative);
  return std::nullopt;
}

std::string slurp(const std::string& path) {
  if (!ends_with(path, ".gz")) return read_file(path);
  std::string command = "gzip -dc '" + path + "'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string bytes;
  char buffer[1 << 16];
  while (size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) bytes.append(buffer, got);
  REQUIRE(::pclose(pipe) == 0);
  return bytes;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "assay_test_XXXXXX").string();
  if (!::mkdtemp(name.data())) throw_errno(name, "cannot make a folder", errno);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::string path = file(name);
  fs::create_directories(fs::path(path).parent_path());
  write_file_atomically(path, bytes);
  return path;
}

}  // namespace assay::testing
