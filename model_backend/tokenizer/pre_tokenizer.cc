#include "model_backend/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/byte_level.h"

namespace assay {

const char* const kGpt2Expression =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const char* const kLlama3Expression =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char* const kQwen2Expression =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

namespace {

constexpr const char* kPunctuation = "[\\p{P}!-/:-@\\[-`{-~]";

// A stretch of a piece: a match of the pattern, or the text between two matches.
struct Stretch {
  size_t begin;
  size_t end;
  bool matched;
};

std::vector<Stretch> stretches_of(std::string_view text, const Pattern& pattern, bool invert,
                                  std::vector<TextRange>& matches) {
  matches.clear();
  pattern.find_all(text, matches);
  std::vector<Stretch> stretches;
  stretches.reserve(2 * matches.size() + 1);
  size_t done = 0;
  for (const TextRange& match : matches) {
    if (done != match.begin) stretches.push_back({done, match.begin, invert});
    stretches.push_back({match.begin, match.end, !invert});
    done = match.end;
  }
  if (done != text.size()) stretches.push_back({done, text.size(), invert});
  return stretches;
}

std::vector<Stretch> merge_with_previous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> merged;
  bool previous = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.matched && !previous && !merged.empty()) {
      merged.back().end = stretch.end;
    } else {
      merged.push_back(stretch);
    }
    previous = stretch.matched;
  }
  return merged;
}

std::vector<Stretch> merge_with_next(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> merged;
  bool previous = false;
  for (auto stretch = stretches.rbegin(); stretch != stretches.rend(); ++stretch) {
    if (stretch->matched && !previous && !merged.empty()) {
      merged.back().begin = stretch->begin;
    } else {
      merged.push_back(*stretch);
    }
    previous = stretch->matched;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Stretch> merge_contiguous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> merged;
  bool previous = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.matched == previous && !merged.empty()) {
      merged.back().end = stretch.end;
    } else {
      merged.push_back(stretch);
    }
    previous = stretch.matched;
  }
  return merged;
}

std::vector<Stretch> apply_behavior(std::vector<Stretch> stretches, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return stretches;
    case SplitBehavior::kRemoved:
      std::erase_if(stretches, [](const Stretch& s) { return s.matched; });
      return stretches;
    case SplitBehavior::kMergedWithPrevious:
      return merge_with_previous(stretches);
    case SplitBehavior::kMergedWithNext:
      return merge_with_next(stretches);
    case SplitBehavior::kContiguous:
      return merge_contiguous(stretches);
  }
  return stretches;
}

// Rebuilds the text with change(view of a piece, piece, out) appending what each piece becomes.
template <typename Change>
void rewrite(Pieces& pieces, Change&& change) {
  std::string text;
  text.reserve(pieces.text.size() + pieces.text.size() / 2);
  for (Piece& piece : pieces.pieces) {
    size_t begin = text.size();
    change(pieces.view(piece), piece, text);
    piece.begin = begin;
    piece.end = text.size();
  }
  pieces.text = std::move(text);
}

PreTokenizer::Kind kind_of(std::string_view expression) {
  if (expression == "\\p{N}") return PreTokenizer::Kind::kDigits;
  const bool words = expression == kGpt2Expression || expression == kLlama3Expression || expression == kQwen2Expression;
  return words ? PreTokenizer::Kind::kWords : PreTokenizer::Kind::kOther;
}

PreTokenizer::Step prefix_space_step() {
  return {[](Pieces& pieces) {
    rewrite(pieces, [](std::string_view view, const Piece&, std::string& out) {
      if (!starts_with(view, " ")) out += ' ';
      out += view;
    });
  }};
}

PreTokenizer::Step metaspace_step(Metaspace metaspace) {
  return {[metaspace = std::move(metaspace)](Pieces& pieces) {
    rewrite(pieces, [&](std::string_view view, const Piece& piece, std::string& out) {
      std::string text = replace_all(std::string(view), " ", metaspace.replacement);
      bool wanted =
          metaspace.scheme == PrependScheme::kAlways || (metaspace.scheme == PrependScheme::kFirst && piece.at_start);
      if (wanted && !starts_with(text, metaspace.replacement)) out += metaspace.replacement;
      out += text;
    });
  }};
}

SplitBehavior behavior_of(const std::string& name, const JsonObject& object) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  object.fail("behavior", "\"" + name + "\" is not known");
}

void add_byte_level(PreTokenizer& pre_tokenizer, const JsonObject& object) {
  if (object.boolean("add_prefix_space", true)) pre_tokenizer.add(prefix_space_step());
  if (object.boolean("use_regex", true)) {
    pre_tokenizer.add(split_step(Pattern::regex(kGpt2Expression, object.where()), SplitBehavior::kIsolated));
  }
  pre_tokenizer.add(byte_level_step());
}

void add_metaspace(PreTokenizer& pre_tokenizer, const JsonObject& object) {
  Metaspace metaspace = read_metaspace(object);
  pre_tokenizer.add(metaspace_step(metaspace));
  if (object.boolean("split", true)) {
    pre_tokenizer.add(split_step(Pattern::literal(metaspace.replacement), SplitBehavior::kMergedWithNext));
  }
}

void read_into(PreTokenizer& pre_tokenizer, const Json& json, const std::string& where) {
  if (json.is_null()) return;
  JsonObject object(json, where);
  std::string type = object.text("type");
  auto split_by = [&](const char* expression, SplitBehavior behavior, bool invert = false) {
    pre_tokenizer.add(split_step(Pattern::regex(expression, where), behavior, invert));
  };
  if (type == "Sequence") {
    const Json& steps = object.child("pretokenizers");
    if (!steps.is_array()) object.fail("pretokenizers", "must be a list");
    for (size_t i = 0; i < steps.size(); ++i) read_into(pre_tokenizer, steps[i], where + "[" + std::to_string(i) + "]");
  } else if (type == "ByteLevel") {
    add_byte_level(pre_tokenizer, object);
  } else if (type == "Split") {
    pre_tokenizer.add(split_step(Pattern::from_json(object.child("pattern"), where),
                                 behavior_of(object.text("behavior"), object), object.boolean("invert", false)));
  } else if (type == "Metaspace") {
    add_metaspace(pre_tokenizer, object);
  } else if (type == "Digits") {
    bool individual = object.boolean("individual_digits", false);
    split_by("\\p{N}", individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  } else if (type == "Punctuation") {
    split_by(kPunctuation, behavior_of(object.text("behavior", "Isolated"), object));
  } else if (type == "Whitespace") {
    split_by("[\\w\\x{200C}\\x{200D}]+|[^\\w\\x{200C}\\x{200D}\\s]+", SplitBehavior::kRemoved, true);
  } else if (type == "WhitespaceSplit") {
    split_by("\\s", SplitBehavior::kRemoved);
  } else if (type == "CharDelimiterSplit") {
    pre_tokenizer.add(split_step(Pattern::literal(object.text("delimiter")), SplitBehavior::kRemoved));
  } else if (type == "BertPreTokenizer") {
    split_by("\\s", SplitBehavior::kRemoved);
    split_by(kPunctuation, SplitBehavior::kIsolated);
  } else {
    throw_input(where, "the pre-tokenizer \"" + type + "\" is not supported");
  }
}

}  // namespace

void PreTokenizer::apply(Pieces& pieces) const {
  for (const Step& step : steps_) step.apply(pieces);
}

bool PreTokenizer::cuts_locally() const {
  size_t next = 0;
  while (next < steps_.size() && steps_[next].kind == Kind::kDigits) ++next;
  return next + 2 == steps_.size() && steps_[next].kind == Kind::kWords && steps_[next + 1].kind == Kind::kBytes;
}

PreTokenizer::Step split_step(Pattern pattern, SplitBehavior behavior, bool invert) {
  const auto kind =
      behavior == SplitBehavior::kIsolated && !invert ? kind_of(pattern.expression()) : PreTokenizer::Kind::kOther;
  return {[pattern = std::move(pattern), behavior, invert](Pieces& pieces) {
            std::vector<Piece> cut;
            cut.reserve(pieces.pieces.size() * 2);
            std::vector<TextRange> matches;
            for (const Piece& piece : pieces.pieces) {
              auto stretches = apply_behavior(stretches_of(pieces.view(piece), pattern, invert, matches), behavior);
              for (const Stretch& stretch : stretches) {
                if (stretch.begin == stretch.end) continue;
                cut.push_back(
                    {piece.begin + stretch.begin, piece.begin + stretch.end, piece.at_start && stretch.begin == 0});
              }
            }
            pieces.pieces = std::move(cut);
          },
          kind};
}

PreTokenizer::Step byte_level_step() {
  return {[](Pieces& pieces) {
            rewrite(pieces,
                    [](std::string_view view, const Piece&, std::string& out) { append_byte_level(view, out); });
          },
          PreTokenizer::Kind::kBytes};
}

Metaspace read_metaspace(const JsonObject& object) {
  std::string replacement = object.text("replacement");
  if (count_code_points(replacement) != 1) object.fail("replacement", "must be one character");
  bool legacy_prefix = object.boolean("add_prefix_space", true);
  std::string scheme = object.text("prepend_scheme", legacy_prefix ? "always" : "never");
  if (scheme == "always") return {replacement, PrependScheme::kAlways};
  if (scheme == "never") return {replacement, PrependScheme::kNever};
  if (scheme == "first") return {replacement, PrependScheme::kFirst};
  object.fail("prepend_scheme", "\"" + scheme + "\" is not known");
}

PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where) {
  PreTokenizer pre_tokenizer;
  read_into(pre_tokenizer, json, where);
  return pre_tokenizer;
}

}  // namespace assay
