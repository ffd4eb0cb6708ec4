#include "model_backend/tokenizer/pattern.h"

#include <oniguruma.h>

#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/ascii_scan.h"

namespace assay {
namespace {

const OnigUChar* bytes(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string onig_message(int code, OnigErrorInfo* info = nullptr) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  int length = info ? onig_error_code_to_str(buffer, code, info) : onig_error_code_to_str(buffer, code);
  return replace_invalid_utf8({reinterpret_cast<const char*>(buffer), static_cast<size_t>(length)});
}

// Oniguruma wants its encodings made known once, before the first use from any thread.
void initialize_once() {
  static const int done = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1);
  }();
  ASSAY_ASSERT(done == ONIG_NORMAL, "Oniguruma cannot be initialised");
}

struct RegionHolder {
  OnigRegion* region = onig_region_new();
  RegionHolder() = default;
  RegionHolder(const RegionHolder&) = delete;
  RegionHolder& operator=(const RegionHolder&) = delete;
  ~RegionHolder() { onig_region_free(region, 1); }
};

size_t code_point_length(std::string_view text, size_t position) {
  size_t next = position;
  next_code_point(text, next);
  return next - position;
}

}  // namespace

struct Pattern::Compiled {
  std::string expression;
  std::string where;
  regex_t* regex = nullptr;
  AsciiScan scan = nullptr;  // where the expression is one of ascii_scan.h
  Compiled(std::string_view expression_text, std::string_view place) : expression(expression_text), where(place) {}
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (regex) onig_free(regex);
  }
};

Pattern Pattern::literal(std::string_view text) {
  Pattern pattern;
  pattern.literal_ = text;
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, std::string_view where) {
  initialize_once();
  auto compiled = std::make_shared<Compiled>(expression, where);
  OnigErrorInfo info;
  int code = onig_new(&compiled->regex, bytes(expression), bytes(expression) + expression.size(), ONIG_OPTION_NONE,
                      ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
  if (code != ONIG_NORMAL) {
    compiled->regex = nullptr;
    throw_input(where, "bad regular expression '" + std::string(expression) + "': " + onig_message(code, &info));
  }
  compiled->scan = find_ascii_scan(expression);
  Pattern pattern;
  pattern.compiled_ = std::move(compiled);
  return pattern;
}

Pattern Pattern::from_json(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  if (object.has("String")) return literal(object.text("String"));
  if (object.has("Regex")) return regex(object.text("Regex"), where);
  throw_input(where, "neither \"String\" nor \"Regex\" is there");
}

void Pattern::find_all(std::string_view text, std::vector<TextRange>& matches) const {
  if (!compiled_) {
    if (literal_.empty()) return;
    for (size_t at = text.find(literal_); at != text.npos; at = text.find(literal_, at + literal_.size())) {
      matches.push_back({at, at + literal_.size()});
    }
    return;
  }
  std::optional<RegionHolder> holder;
  const OnigUChar* start = bytes(text);
  const OnigUChar* end = start + text.size();
  size_t from = 0, last_end = text.npos;
  while (from <= text.size()) {
    if (compiled_->scan) {
      TextRange match;
      const Scanned scanned = compiled_->scan(text, from, match.begin, match.end);
      if (scanned == Scanned::kNoMatch) return;
      if (scanned == Scanned::kMatch) {
        matches.push_back(match);
        from = last_end = match.end;
        continue;
      }
    }
    if (!holder) holder.emplace();
    int found = onig_search(compiled_->regex, start, end, start + from, end, holder->region, ONIG_OPTION_NONE);
    if (found == ONIG_MISMATCH) return;
    if (found < 0) {
      throw_input(compiled_->where, "regular expression '" + compiled_->expression + "' gave up on a text of " +
                                        std::to_string(text.size()) + " bytes: " + onig_message(found));
    }
    size_t match_begin = static_cast<size_t>(holder->region->beg[0]);
    size_t match_end = static_cast<size_t>(holder->region->end[0]);
    if (match_begin == match_end && match_end == last_end) {
      from = match_end + (match_end < text.size() ? code_point_length(text, match_end) : 1);
      continue;
    }
    matches.push_back({match_begin, match_end});
    from = last_end = match_end;
  }
}

std::string_view Pattern::expression() const {
  return compiled_ ? std::string_view(compiled_->expression) : std::string_view();
}

std::string Pattern::replace_all(std::string_view text, std::string_view replacement) const {
  std::vector<TextRange> matches;
  find_all(text, matches);
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  for (const TextRange& match : matches) {
    out.append(text, done, match.begin - done);
    out += replacement;
    done = match.end;
  }
  out.append(text, done);
  return out;
}

bool is_word_character(char32_t code_point) {
  initialize_once();
  return code_point == 0x200C || code_point == 0x200D ||
         ONIGENC_IS_CODE_WORD(ONIG_ENCODING_UTF8, static_cast<OnigCodePoint>(code_point));
}

bool is_white_space(char32_t code_point) {
  initialize_once();
  return ONIGENC_IS_CODE_SPACE(ONIG_ENCODING_UTF8, static_cast<OnigCodePoint>(code_point));
}

}  // namespace assay
