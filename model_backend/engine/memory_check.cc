#include "model_backend/engine/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"

namespace assay {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// The first number of a file; nothing where there is none ("max").
std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  int64_t value;
  if (file >> value) return value;
  return std::nullopt;
}

// The number behind a name in a file of "name number" lines; 0 where it is not there.
int64_t entry_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string key, rest;
  while (file >> key) {
    int64_t value = 0;
    if (key == name && file >> value) return value;
    std::getline(file, rest);
  }
  return 0;
}

int64_t left_in_group(const std::string& limit, const std::string& used, const std::string& stat) {
  const auto most = number_in(limit), now = number_in(used);
  if (!most || !now) return kNoLimit;
  const int64_t of_files = entry_in(stat, "active_file") + entry_in(stat, "inactive_file");
  return *most - *now + of_files;
}

// The process's group, "/a/b", in the hierarchy of this controller; version 2 has one without a name. Empty: the root,
// or not known. Lines of the file: "4:memory:/a/b", "0::/a/b".
std::string group_of_process(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t name = line.find(':') + 1, path = line.find(':', name) + 1;
    if (name == 0 || path == 0 || line.substr(name, path - 1 - name) != controller) continue;
    return line.substr(path) == "/" ? "" : line.substr(path);
  }
  return "";
}

// "/a/b" -> "/a/b", "/a", "": a limit holds for all that lies below.
std::vector<std::string> groups_above(std::string group) {
  std::vector<std::string> groups = {group};
  while (!group.empty()) groups.push_back(group.erase(group.rfind('/')));
  return groups;
}

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 30);
}

}  // namespace

int64_t weight_bytes(const Checkpoint& checkpoint, Precision precision) {
  int64_t elements = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) elements += tensor.elements();
  const ModelConfig& config = checkpoint.config();
  if (config.tied_head) elements += int64_t{config.vocab} * config.hidden;
  return elements * static_cast<int64_t>(element_bytes(precision));
}

int64_t machine_memory_bytes() {
  const int64_t kibibytes = entry_in("/proc/meminfo", "MemAvailable:");
  const int64_t system = kibibytes > 0 ? kibibytes * 1024 : kNoLimit;
  int64_t left = system;
  for (const std::string& group : groups_above(group_of_process(""))) {
    const std::string at = "/sys/fs/cgroup" + group + "/memory.";
    left = std::min(left, left_in_group(at + "max", at + "current", at + "stat"));
  }
  for (const std::string& group : groups_above(group_of_process("memory"))) {
    const std::string at = "/sys/fs/cgroup/memory" + group + "/memory.";
    left = std::min(left, left_in_group(at + "limit_in_bytes", at + "usage_in_bytes", at + "stat"));
  }
  return left;
}

void check_memory(const Checkpoint& checkpoint, Precision precision, int64_t available) {
  const int64_t needed = weight_bytes(checkpoint, precision);
  if (needed <= available) return;
  const bool wide = precision == Precision::kFloat32;
  throw_world(checkpoint.path(),
              fmt::format("its weights need {:.3g} GiB in {}, this machine has {:.3g} GiB left", gib(needed),
                          wide ? "float32" : "bfloat16", gib(std::max<int64_t>(0, available))),
              wide ? "free some memory, or give --dtype bfloat16, which needs half of it"
                   : "free some memory, or take a machine with more");
}

}  // namespace assay
