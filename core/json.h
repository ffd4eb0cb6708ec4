// JSON values with typed reads whose errors name the file and the place.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

// Keys keep their order: prompts and files are written as they were read.
using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Parses one JSON value. `where` (path, or path:line) heads the message of the Error(kInput) for malformed text.
Json parse_json(std::string_view text, std::string_view where);
Json read_json_file(const std::string& path);

// A JSON object seen together with the place it came from, for reads at the door:
//   JsonObject config(json, "config.json");
//   int layers = config.integer("num_hidden_layers");          // Error(kInput) naming file and key when absent/wrong
//   double eps = config.number("rms_norm_eps", 1e-6);          // default when absent or null
class JsonObject {
 public:
  // `value` must outlive this object. Throws Error(kInput) when it is not an object.
  JsonObject(const Json& value, std::string where);

  bool has(std::string_view key) const;  // present and not null
  int64_t integer(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t otherwise) const;
  double number(std::string_view key) const;
  double number(std::string_view key, double otherwise) const;
  bool boolean(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view otherwise) const;
  const Json& child(std::string_view key) const;
  JsonObject object(std::string_view key) const;

  const Json& json() const { return *value_; }
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

 private:
  const Json* value_;
  std::string where_;
};

// Serialises for storage: bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump_json(const Json& value, int indent = -1);

// A value at rest, as its text: a fifth of a small object's memory.
class PackedJson {
 public:
  PackedJson() = default;
  PackedJson(const Json& value) : text_(value.is_null() ? "" : dump_json(value)) {}
  PackedJson(Json::initializer_list_t value) : PackedJson(Json(value)) {}
  // As text() gave it.
  static PackedJson of_text(std::string text);
  Json json() const;  // null where nothing was packed
  std::string text() const { return text_.empty() ? "null" : text_; }
  bool operator==(const PackedJson&) const = default;

 private:
  std::string text_;
};

}  // namespace assay
