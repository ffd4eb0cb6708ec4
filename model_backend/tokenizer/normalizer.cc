#include "model_backend/tokenizer/normalizer.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/byte_level.h"
#include "model_backend/tokenizer/precompiled.h"
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

constexpr char32_t kDropped = 0x110000;

// Each code point through `map`, which may give kDropped.
template <typename Map>
std::string mapped(const std::string& text, Map&& map) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const char32_t code = map(next_code_point(text, position));
    if (code != kDropped) append_utf8(out, code);
  }
  return out;
}

// The clean-up of neural machine translation: control characters go, all kinds of space become one.
std::string nmt_text(const std::string& text) {
  return mapped(text, [](char32_t code) -> char32_t {
    const bool dropped = (code >= 0x1 && code <= 0x8) || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F ||
                         code == 0x8F || code == 0x9F;
    if (dropped) return kDropped;
    const bool space = code == 0x9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 ||
                       (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 ||
                       code == 0xFEFF || code == 0xFFFD;
    return space ? ' ' : code;
  });
}

// The ideographs that BERT puts spaces around.
bool is_ideograph(char32_t code) {
  return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
         (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
         (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

std::string spaced_ideographs(const std::string& text) {
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const char32_t code = next_code_point(text, position);
    const bool spaced = is_ideograph(code);
    if (spaced) out += ' ';
    append_utf8(out, code);
    if (spaced) out += ' ';
  }
  return out;
}

std::string plain_spaces(const std::string& text) {
  return mapped(text, [](char32_t code) { return is_white_space(code) ? U' ' : code; });
}

void add_bert_steps(Normalizer& normalizer, const JsonObject& object, const std::string& where) {
  const bool lowercase = object.boolean("lowercase", true);
  if (object.boolean("clean_text", true)) {
    normalizer.add(replace_step(Pattern::regex("[\\x{0}\\x{FFFD}]|[\\p{Cc}\\p{Cf}\\p{Co}&&[^\\t\\n\\r]]", where), ""));
    normalizer.add(plain_spaces);
  }
  if (object.boolean("handle_chinese_chars", true)) normalizer.add(spaced_ideographs);
  const bool strips = object.has("strip_accents") ? object.boolean("strip_accents", false) : lowercase;
  if (strips) {
    normalizer.add([](const std::string& text) { return normalize_unicode(text, NormalForm::kNfd); });
    normalizer.add(replace_step(Pattern::regex("\\p{Mn}", where), ""));
  }
  if (lowercase) normalizer.add([](const std::string& text) { return lower_case(text); });
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
  } else if (type == "Nmt") {
    normalizer.add(nmt_text);
  } else if (type == "BertNormalizer") {
    add_bert_steps(normalizer, object, where);
  } else if (type == "Precompiled") {
    normalizer.add([table = Precompiled(object.text("precompiled_charsmap"), where)](const std::string& text) {
      return table.apply(text);
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
