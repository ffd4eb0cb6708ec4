#include "tasks/task_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/error.h"
#include "core/text.h"
#include "tasks/embedded_specs.h"

namespace assay {
namespace {

constexpr size_t kMaxIncludeDepth = 20;

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// The function named by the first "!function" value at or below `value`.
std::optional<std::string> find_function(const Json& value) {
  if (value.is_object() && value.size() == 1 && value.contains("!function") && value["!function"].is_string()) {
    return value["!function"].get<std::string>();
  }
  if (!value.is_structured()) return std::nullopt;
  for (const Json& child : value) {
    if (auto found = find_function(child)) return found;
  }
  return std::nullopt;
}

// "${name}" -> values[name] in every text.
class Substitution {
 public:
  Substitution(const Json& values, const ConfigNode& place) : values_(values), place_(place) {}

  Json in(const Json& value) const {
    if (value.is_string()) return in_text(value.get_ref<const std::string&>());
    if (!value.is_structured()) return value;
    Json out = value;
    for (Json& child : out) child = in(child);
    return out;
  }

 private:
  Json in_text(const std::string& text) const {
    std::string out;
    size_t from = 0;
    for (size_t at; (at = text.find("${", from)) != std::string::npos;) {
      const size_t end = name_end(text, at + 2);
      out.append(text, from, at - from);
      from = end + 1;
      if (end == std::string::npos) {  // "${{answer}}" and the like
        out += "${";
        from = at + 2;
        continue;
      }
      const Json& value = value_of(text.substr(at + 2, end - at - 2));
      if (at == 0 && from == text.size()) return value;
      if (value.is_structured()) place_.fail("a list or map stands inside a longer text: " + text);
      out += value.is_string() ? value.get<std::string>() : value.dump();
    }
    return out + text.substr(from);
  }

  // Position of the '}' after a name, npos when there is no name here.
  static size_t name_end(const std::string& text, size_t at) {
    const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", at);
    return end != std::string::npos && end > at && text[end] == '}' ? end : std::string::npos;
  }

  const Json& value_of(const std::string& name) const {
    auto it = values_.find(name);
    if (it == values_.end()) place_.fail("the foreach map has no \"" + name + "\", which ${" + name + "} asks for");
    return *it;
  }

  const Json& values_;
  const ConfigNode& place_;
};

void put_fields(TaskConfig& config, const ConfigNode& map) {
  for (const auto& [key, value] : map.json().items()) {
    if (auto field = map.field(key)) {
      config.fields.insert_or_assign(key, *field);
    } else {
      config.fields.erase(key);
    }
  }
}

std::string read_task_file(const std::string& path) {
  if (!starts_with(path, kBuiltIn)) return read_file(path);
  for (const EmbeddedSpec& spec : embedded_specs()) {
    if (path.substr(kBuiltIn.size()) == spec.path) return std::string(spec.text);
  }
  throw_input(path, "no such file");
}

std::string include_path(const std::string& includer, const std::string& name) {
  if (starts_with(name, kBuiltIn)) return name;
  return (std::filesystem::path(includer).parent_path() / name).lexically_normal().string();
}

TaskConfig load_nested(const std::string& path, std::vector<std::string>& chain);

// The fields of every file that an `include` of `path` names.
void put_included(TaskConfig& config, const ConfigNode& include, const std::string& path,
                  std::vector<std::string>& chain) {
  for (const std::string& name : include.texts()) {
    const std::string file = include_path(path, name);
    TaskConfig included;
    try {
      included = load_nested(file, chain);
    } catch (const Error& error) {
      if (error.where() == file) include.fail(error.what());  // it can't be read at all
      throw;
    }
    config.repeated_keys.insert(config.repeated_keys.end(), included.repeated_keys.begin(),
                                included.repeated_keys.end());
    for (auto& [key, field] : included.fields) {
      if (key != "task" || !field.json().is_array()) config.fields.insert_or_assign(key, field);
    }
  }
}

TaskConfig load_nested(const std::string& path, std::vector<std::string>& chain) {
  const bool cycle = std::find(chain.begin(), chain.end(), path) != chain.end();
  if (cycle) throw_input(path, "include goes in a circle");
  if (chain.size() > kMaxIncludeDepth) throw_input(path, "includes nest too deeply");
  chain.push_back(path);
  TaskConfig config{path, {}, {}};
  auto document = std::make_shared<YamlDocument>(parse_yaml(read_task_file(path), path, &config.repeated_keys));
  const ConfigNode own(std::shared_ptr<const Json>(document, &document->value), document, "");
  if (!document->value.is_object()) own.fail("a task file is a map of fields");
  if (auto include = own.field("include")) put_included(config, *include, path, chain);
  put_fields(config, own);
  config.fields.erase("include");
  chain.pop_back();
  return config;
}

}  // namespace

ConfigNode::ConfigNode(std::shared_ptr<const Json> value, std::shared_ptr<const YamlDocument> document,
                       std::string pointer)
    : value_(std::move(value)), document_(std::move(document)), pointer_(std::move(pointer)) {}

void ConfigNode::fail(const std::string& what, const std::string& next) const {
  const size_t slash = pointer_.rfind('/');
  const std::string name = slash == std::string::npos ? "" : pointer_.substr(1);
  throw_input(where(), name.empty() ? what : name + ": " + what, next);
}

std::optional<ConfigNode> ConfigNode::field(const std::string& key) const {
  if (!value_->is_object()) fail("must be a map");
  auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return ConfigNode(std::shared_ptr<const Json>(value_, &*it), document_, pointer_ + "/" + pointer_step(key));
}

ConfigNode ConfigNode::needed(const std::string& key) const {
  if (auto found = field(key)) return *found;
  fail("`" + key + "` has no value");
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (!value_->is_array()) fail("must be a list");
  std::vector<ConfigNode> out;
  for (const Json& item : *value_) {
    out.emplace_back(std::shared_ptr<const Json>(value_, &item), document_,
                     pointer_ + "/" + std::to_string(out.size()));
  }
  return out;
}

void ConfigNode::only(const std::vector<std::string>& known) const {
  if (!value_->is_object()) fail("must be a map");
  for (const auto& [key, value] : value_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail_unknown_field(document_->where(pointer_ + "/" + pointer_step(key)), key, known);
  }
}

std::string ConfigNode::text() const {
  if (value_->is_string()) return value_->get<std::string>();
  if (value_->is_number()) return value_->dump();
  fail(value_->is_boolean() ? "a text was expected, not true or false: quote yes, no, on, off" : "must be a text");
}

bool ConfigNode::boolean() const {
  if (!value_->is_boolean()) fail("must be true or false");
  return value_->get<bool>();
}

int64_t ConfigNode::integer(int64_t least, int64_t most) const {
  if (!value_->is_number_integer()) fail("must be a whole number");
  const int64_t value = value_->get<int64_t>();
  if (value < least || value > most) {
    fail("must lie between " + std::to_string(least) + " and " + std::to_string(most));
  }
  return value;
}

double ConfigNode::number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail("must be a number");
  return value_->get<double>();
}

std::vector<std::string> ConfigNode::texts() const {
  if (!value_->is_array()) return {text()};
  std::vector<std::string> out;
  for (const ConfigNode& item : items()) out.push_back(item.text());
  return out;
}

std::optional<std::string> ConfigNode::python_function() const {
  return find_function(*value_);
}

ConfigNode ConfigNode::with_value(std::shared_ptr<const Json> value) const {
  return ConfigNode(std::move(value), document_, pointer_);
}

std::optional<ConfigNode> TaskConfig::field(const std::string& key) const {
  auto it = fields.find(key);
  if (it == fields.end()) return std::nullopt;
  return it->second;
}

TaskConfig load_config(const std::string& path) {
  std::vector<std::string> chain;
  return load_nested(std::filesystem::path(path).lexically_normal().string(), chain);
}

std::vector<TaskConfig> expand_foreach(const TaskConfig& config) {
  const auto foreach = config.field("foreach");
  if (!foreach) return {config};
  std::vector<TaskConfig> out;
  for (const ConfigNode& values : foreach->items()) {
    if (!values.json().is_object()) values.fail("must be a map");
    TaskConfig one{config.path, {}, config.repeated_keys};
    for (const auto& [key, field] : config.fields) {
      if (key == "foreach") continue;
      auto replaced = std::make_shared<const Json>(Substitution(values.json(), values).in(field.json()));
      one.fields.emplace(key, field.with_value(std::move(replaced)));
    }
    out.push_back(std::move(one));
  }
  if (out.empty())
    foreach
      ->fail("is empty");
  return out;
}

TaskConfig override_config(TaskConfig config, const ConfigNode& overrides) {
  config.path = overrides.path();
  std::vector<std::string> chain = {config.path};
  if (auto include = overrides.field("include")) put_included(config, *include, config.path, chain);
  put_fields(config, overrides);
  config.fields.erase("include");
  return config;
}

void fail_unknown_field(const std::string& where, const std::string& name, const std::vector<std::string>& known) {
  const std::string near = nearest_name(name, known);
  throw_input(where, "unknown field \"" + name + "\"",
              near.empty() ? "docs/formats/task_file.md lists the fields" : "did you mean \"" + near + "\"?");
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : known) {
    if (candidate.size() > name.size() + best || name.size() > candidate.size() + best) continue;
    const size_t distance = edit_distance(name, candidate);
    if (distance < best) best = distance, nearest = candidate;
  }
  return nearest;
}

}  // namespace assay
