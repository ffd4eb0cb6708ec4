#include "model_backend/tokenizer/normalizer.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/byte_level.h"
#include "model_backend/tokenizer/unicode.h"

namespace assay {
namespace {

std::string strip_white_space(std::string text, bool left, bool right) {
  size_t begin = left ? text.size() : 0, end = left ? 0 : text.size();
  for (size_t position = 0; position < text.size();) {
    size_t start = position;
    if (is_white_space(next_code_point(text, position))) continue;
    if (left) begin = std::min(begin, start);
    if (right) end = position;
  }
  if (!right) end = text.size();
  return begin < end ? text.substr(begin, end - begin) : std::string();
}

std::optional<NormalForm> normal_form(std::string_view name) {
  if (name == "NFC") return NormalForm::kNfc;
  if (name == "NFD") return NormalForm::kNfd;
  if (name == "NFKC") return NormalForm::kNfkc;
  if (name == "NFKD") return NormalForm::kNfkd;
  return std::nullopt;
}

void read_into(Normalizer& normalizer, const Json& json, const std::string& where) {
  if (json.is_null()) return;
  JsonObject object(json, where);
  std::string type = object.text("type");
  if (type == "Sequence") {
    const Json& steps = object.child("normalizers");
    if (!steps.is_array()) object.fail("normalizers", "must be a list");
    for (size_t i = 0; i < steps.size(); ++i) read_into(normalizer, steps[i], where + "[" + std::to_string(i) + "]");
  } else if (type == "Prepend") {
    normalizer.add(prepend_step(object.text("prepend")));
  } else if (type == "Replace") {
    normalizer.add(replace_step(Pattern::from_json(object.child("pattern"), where), object.text("content")));
  } else if (auto form = normal_form(type)) {
    normalizer.add([form = *form](std::string text) { return normalize_unicode(text, form); }, true);
  } else if (type == "Lowercase") {
    normalizer.add([](std::string text) { return lower_case(text); });
  } else if (type == "Strip") {
    bool left = object.boolean("strip_left", true), right = object.boolean("strip_right", true);
    normalizer.add([left, right](std::string text) { return strip_white_space(std::move(text), left, right); });
  } else if (type == "StripAccents") {
    normalizer.add(replace_step(Pattern::regex("\\p{M}", where), ""));
  } else if (type == "ByteLevel") {
    normalizer.add([](std::string text) {
      std::string out;
      append_byte_level(text, out);
      return out;
    });
  } else {
    throw_input(where, "the normalizer \"" + type + "\" is not supported");
  }
}

}  // namespace

std::string Normalizer::apply(std::string text) const {
  for (const Step& step : steps_) text = step(std::move(text));
  return text;
}

Normalizer::Step prepend_step(std::string prefix) {
  return [prefix = std::move(prefix)](std::string text) { return text.empty() ? text : prefix + text; };
}

Normalizer::Step replace_step(Pattern pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](std::string text) {
    return pattern.replace_all(text, content);
  };
}

Normalizer read_normalizer(const Json& json, const std::string& where) {
  Normalizer normalizer;
  read_into(normalizer, json, where);
  return normalizer;
}

}  // namespace assay
