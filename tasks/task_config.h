// A task file as fields with their places: includes resolved, one config for each map of its `foreach`.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/yaml.h"

namespace assay {

// A value of a task file together with where it was written. Cheap to copy; keeps what it points at alive.
class ConfigNode {
 public:
  ConfigNode(std::shared_ptr<const Json> value, std::shared_ptr<const YamlDocument> document, std::string pointer);

  const Json& json() const { return *value_; }
  std::string where() const { return document_->where(pointer_); }  // "path:line"
  const std::string& path() const { return document_->path; }
  const std::string& pointer() const { return pointer_; }
  [[noreturn]] void fail(const std::string& what, const std::string& next = "") const;

  // Map: the field, nothing when it is absent or null; list: all items. Error(kInput) where this is neither.
  std::optional<ConfigNode> field(const std::string& key) const;
  ConfigNode needed(const std::string& key) const;  // as field(), but Error(kInput) where it is absent or null
  std::vector<ConfigNode> items() const;
  // Map: an Error(kInput) for the first key that is not among `known`, with the nearest one that is.
  void only(const std::vector<std::string>& known) const;

  // Typed reads; Error(kInput) at the place.
  std::string text() const;  // a number is a text too; a boolean is not
  bool boolean() const;
  int64_t integer(int64_t least, int64_t most) const;
  double number() const;
  std::vector<std::string> texts() const;  // one text or a list of them

  // Another value at the same place.
  ConfigNode with_value(std::shared_ptr<const Json> value) const;

  // The first {"!function": name} in it.
  std::optional<std::string> python_function() const;

 private:
  std::shared_ptr<const Json> value_;  // aliases the value of the whole field
  std::shared_ptr<const YamlDocument> document_;
  std::string pointer_;
};

// Top-level fields, each from the file that won.
struct TaskConfig {
  std::string path;                          // of the file itself
  std::map<std::string, ConfigNode> fields;  // null values are absent
  std::vector<std::string> repeated_keys;    // "path:line: ..." of keys written twice, in includes too

  std::optional<ConfigNode> field(const std::string& key) const;
};

// The built-in files have paths of their own, "built-in:/mmlu/mmlu.yaml"; any other path is a file on disk.
inline constexpr std::string_view kBuiltIn = "built-in:/";

// The file with its includes, fields of later ones winning over earlier ones and own ones over all. A list under `task`
// is not inherited. Throws Error(kInput) for malformed YAML, an absent include, a cycle, a file that is no map.
TaskConfig load_config(const std::string& path);

// One config for each map of `foreach`, `${name}` replaced everywhere; the config itself where there is no `foreach`.
std::vector<TaskConfig> expand_foreach(const TaskConfig& config);

// `config` with the fields of a map, and of what the map includes, put over its own.
TaskConfig override_config(TaskConfig config, const ConfigNode& overrides);

// Error(kInput) at `where` that names the nearest known field.
[[noreturn]] void fail_unknown_field(const std::string& where, const std::string& name,
                                     const std::vector<std::string>& known);

// The nearest of `known` by edit distance; empty when none is near.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

}  // namespace assay
