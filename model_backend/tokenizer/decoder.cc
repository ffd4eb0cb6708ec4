#include "model_backend/tokenizer/decoder.h"

#include <charconv>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/byte_level.h"
#include "model_backend/tokenizer/pre_tokenizer.h"

namespace assay {
namespace {

// A step that looks at each token alone.
template <typename Change>
Decoder::Step token_by_token(Change change) {
  return {[change](std::vector<std::string>& tokens) {
            for (std::string& token : tokens) token = change(std::move(token));
          },
          change};
}

// The byte of "<0x41>".
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !starts_with(token, "<0x") || token.back() != '>') return std::nullopt;
  unsigned value = 0;
  auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

// A run of byte tokens is one text; when it is not UTF-8, each of its bytes is U+FFFD.
void fuse_fallback_bytes(std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  auto flush = [&] {
    if (run.empty()) return;
    if (is_valid_utf8(run)) {
      out.push_back(run);
    } else {
      out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
    }
    run.clear();
  };
  for (std::string& token : tokens) {
    if (auto byte = fallback_byte(token)) {
      run.push_back(*byte);
      continue;
    }
    flush();
    out.push_back(std::move(token));
  }
  flush();
  tokens = std::move(out);
}

std::string strip_token(std::string token, const std::string& content, size_t start, size_t stop) {
  std::string_view view = token;
  for (size_t i = 0; i < start && starts_with(view, content); ++i) view.remove_prefix(content.size());
  for (size_t i = 0; i < stop && ends_with(view, content); ++i) view.remove_suffix(content.size());
  return std::string(view);
}

Decoder::Step metaspace_decoder(Metaspace metaspace) {
  bool drops_first = metaspace.scheme != PrependScheme::kNever;
  std::string replacement = metaspace.replacement;
  return {[=](std::vector<std::string>& tokens) {
            for (size_t i = 0; i < tokens.size(); ++i) {
              tokens[i] = replace_all(std::move(tokens[i]), replacement, i == 0 && drops_first ? "" : " ");
            }
          },
          [=](std::string token) { return replace_all(std::move(token), replacement, " "); }};
}

// A suffix marks the end of a word: a space, but not at the end of the text.
Decoder::Step suffix_decoder(std::string suffix) {
  auto to_space = [suffix](std::string token) { return suffix.empty() ? token : replace_all(token, suffix, " "); };
  return {[=](std::vector<std::string>& tokens) {
            for (size_t i = 0; i < tokens.size(); ++i) {
              bool last = i + 1 == tokens.size();
              tokens[i] = last && !suffix.empty() ? replace_all(tokens[i], suffix, "") : to_space(tokens[i]);
            }
          },
          to_space};
}

std::string clean_up_spaces(std::string text) {
  constexpr const char* kPairs[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                       {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                       {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& pair : kPairs) text = replace_all(std::move(text), pair[0], pair[1]);
  return text;
}

// A token without the prefix begins a word: a space goes in front of it, but not in front of the first.
Decoder::Step word_piece_decoder(std::string prefix, bool cleanup) {
  auto decode_later = [=](std::string token) {
    if (starts_with(token, prefix)) {
      token.erase(0, prefix.size());
    } else {
      token.insert(0, " ");
    }
    return cleanup ? clean_up_spaces(std::move(token)) : token;
  };
  return {[=](std::vector<std::string>& tokens) {
            for (size_t i = 0; i < tokens.size(); ++i) {
              if (i > 0) {
                tokens[i] = decode_later(std::move(tokens[i]));
              } else if (cleanup) {
                tokens[i] = clean_up_spaces(std::move(tokens[i]));
              }
            }
          },
          decode_later};
}

size_t strip_count(const JsonObject& object, const char* key) {
  int64_t count = object.integer(key);
  if (count < 0) object.fail(key, "must not be negative");
  return static_cast<size_t>(count);
}

void read_into(Decoder& decoder, const Json& json, const std::string& where) {
  if (json.is_null()) return;
  JsonObject object(json, where);
  std::string type = object.text("type");
  if (type == "Sequence") {
    const Json& steps = object.child("decoders");
    if (!steps.is_array()) object.fail("decoders", "must be a list");
    for (size_t i = 0; i < steps.size(); ++i) read_into(decoder, steps[i], where + "[" + std::to_string(i) + "]");
  } else if (type == "ByteLevel") {
    decoder.add(byte_level_decoder());
  } else if (type == "ByteFallback") {
    decoder.add(byte_fallback_decoder());
  } else if (type == "Fuse") {
    decoder.add(fuse_decoder());
  } else if (type == "Replace") {
    decoder.add(replace_decoder(Pattern::from_json(object.child("pattern"), where), object.text("content")));
  } else if (type == "Strip") {
    std::string content = object.text("content");
    if (count_code_points(content) != 1) object.fail("content", "must be one character");
    decoder.add(strip_decoder(content, strip_count(object, "start"), strip_count(object, "stop")));
  } else if (type == "Metaspace") {
    decoder.add(metaspace_decoder(read_metaspace(object)));
  } else if (type == "BPEDecoder") {
    decoder.add(suffix_decoder(object.text("suffix", "</w>")));
  } else if (type == "WordPiece") {
    decoder.add(word_piece_decoder(object.text("prefix", "##"), object.boolean("cleanup", true)));
  } else {
    throw_input(where, "the decoder \"" + type + "\" is not supported");
  }
}

}  // namespace

std::string Decoder::decode(std::vector<std::string> tokens) const {
  for (const Step& step : steps_) step.apply(tokens);
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && steps_.empty()) out += ' ';
    out += tokens[i];
  }
  return replace_invalid_utf8(out);
}

std::string Decoder::token_bytes(std::string token) const {
  for (const Step& step : steps_) {
    if (step.raw) token = step.raw(std::move(token));
  }
  return token;
}

Decoder::Step byte_level_decoder() {
  return {[](std::vector<std::string>& tokens) {
            std::string bytes;
            for (const std::string& token : tokens) bytes += byte_level_bytes(token);
            tokens = {replace_invalid_utf8(bytes)};
          },
          [](std::string token) { return byte_level_bytes(token); }};
}

Decoder::Step byte_fallback_decoder() {
  return {fuse_fallback_bytes, [](std::string token) {
            auto byte = fallback_byte(token);
            return byte ? std::string(1, *byte) : token;
          }};
}

Decoder::Step fuse_decoder() {
  return {[](std::vector<std::string>& tokens) {
            std::string all;
            for (const std::string& token : tokens) all += token;
            tokens = {std::move(all)};
          },
          nullptr};
}

Decoder::Step replace_decoder(Pattern pattern, std::string content) {
  return token_by_token([pattern = std::move(pattern), content = std::move(content)](std::string token) {
    return pattern.replace_all(token, content);
  });
}

Decoder::Step strip_decoder(std::string content, size_t start, size_t stop) {
  return {[=](std::vector<std::string>& tokens) {
            for (std::string& token : tokens) token = strip_token(std::move(token), content, start, stop);
          },
          nullptr};
}

Decoder read_decoder(const Json& json, const std::string& where) {
  Decoder decoder;
  read_into(decoder, json, where);
  return decoder;
}

}  // namespace assay
