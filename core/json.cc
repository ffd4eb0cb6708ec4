#include "core/json.h"

#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace assay {

Json parse_json(std::string_view text, std::string_view where) {
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::exception& problem) {
    // The library's text is "[json.exception...] parse error at line 3, column 4: ...": keep what follows the bracket.
    std::string what = problem.what();
    if (size_t bracket = what.find("] "); bracket != std::string::npos) what = what.substr(bracket + 2);
    throw_input(where, "malformed JSON: " + replace_invalid_utf8(what));
  }
}

Json read_json_file(const std::string& path) {
  return parse_json(read_file(path), path);
}

JsonObject::JsonObject(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {
  if (!value.is_object()) throw_input(where_, "a JSON object was expected");
}

void JsonObject::fail(std::string_view key, std::string_view what) const {
  throw_input(where_, "\"" + std::string(key) + "\" " + std::string(what));
}

bool JsonObject::has(std::string_view key) const {
  auto it = value_->find(std::string(key));
  return it != value_->end() && !it->is_null();
}

const Json& JsonObject::child(std::string_view key) const {
  if (!has(key)) fail(key, "is missing");
  return *value_->find(std::string(key));
}

JsonObject JsonObject::object(std::string_view key) const {
  const Json& value = child(key);
  if (!value.is_object()) fail(key, "must be an object");
  return JsonObject(value, where_ + ": " + std::string(key));
}

int64_t JsonObject::integer(std::string_view key) const {
  const Json& value = child(key);
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) {
    double number = value.get<double>();
    if (number == std::floor(number) && std::abs(number) < 9e15) return static_cast<int64_t>(number);
  }
  fail(key, "must be a whole number");
}

int64_t JsonObject::integer(std::string_view key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double JsonObject::number(std::string_view key) const {
  const Json& value = child(key);
  if (!value.is_number()) fail(key, "must be a number");
  return value.get<double>();
}

double JsonObject::number(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool JsonObject::boolean(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const Json& value = child(key);
  if (!value.is_boolean()) fail(key, "must be true or false");
  return value.get<bool>();
}

std::string JsonObject::text(std::string_view key) const {
  const Json& value = child(key);
  if (!value.is_string()) fail(key, "must be a text");
  return value.get<std::string>();
}

std::string JsonObject::text(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

PackedJson PackedJson::of_text(std::string text) {
  PackedJson packed;
  if (text != "null") packed.text_ = std::move(text);
  return packed;
}

Json PackedJson::json() const {
  return text_.empty() ? Json() : Json::parse(text_);
}

}  // namespace assay
