#include "model_backend/tokenizer/unicode.h"

#include <algorithm>
#include <vector>

#include "core/text.h"
#include "model_backend/tokenizer/unicode_tables.h"

namespace assay {
namespace {

// Hangul syllables are composed by arithmetic (Unicode 3.12).
constexpr char32_t kSyllableBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161, kTrailBase = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTrails = 28, kSyllables = kLeads * kVowels * kTrails;

struct Mark {
  char32_t code;
  uint8_t combining;  // canonical combining class, 0 for a starter
};

template <typename Row>
const Row* find_code(const Row* rows, size_t count, char32_t code) {
  const Row* end = rows + count;
  const Row* found =
      std::lower_bound(rows, end, code, [](const Row& row, char32_t wanted) { return row.code < wanted; });
  return found != end && found->code == code ? found : nullptr;
}

uint8_t combining_class(char32_t code) {
  if (code < 0x300) return 0;
  const unicode::CombiningRange* end = unicode::kCombining + unicode::kCombiningCount;
  const auto* found =
      std::lower_bound(unicode::kCombining, end, code,
                       [](const unicode::CombiningRange& range, char32_t wanted) { return range.last < wanted; });
  return found != end && found->first <= code ? found->value : 0;
}

void append_decomposed(std::vector<Mark>& out, char32_t code, bool compatibility) {
  if (code >= kSyllableBase && code < kSyllableBase + kSyllables) {
    char32_t index = code - kSyllableBase;
    out.push_back({kLeadBase + index / (kVowels * kTrails), 0});
    out.push_back({kVowelBase + index % (kVowels * kTrails) / kTrails, 0});
    if (index % kTrails != 0) out.push_back({kTrailBase + index % kTrails, 0});
    return;
  }
  const unicode::Decomposition* found = nullptr;
  if (compatibility) found = find_code(unicode::kCompatibility, unicode::kCompatibilityCount, code);
  if (!found) found = find_code(unicode::kCanonical, unicode::kCanonicalCount, code);
  if (!found) {
    out.push_back({code, combining_class(code)});
    return;
  }
  for (size_t i = 0; i < found->length; ++i) {
    char32_t part = unicode::kDecompositionPool[found->offset + i];
    out.push_back({part, combining_class(part)});
  }
}

void sort_marks(std::vector<Mark>& marks) {
  for (size_t i = 0; i < marks.size();) {
    if (marks[i].combining == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < marks.size() && marks[end].combining != 0) ++end;
    std::stable_sort(marks.begin() + i, marks.begin() + end,
                     [](const Mark& a, const Mark& b) { return a.combining < b.combining; });
    i = end;
  }
}

// The composed code point, or 0.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLeadBase && first < kLeadBase + kLeads && second >= kVowelBase && second < kVowelBase + kVowels) {
    return kSyllableBase + ((first - kLeadBase) * kVowels + (second - kVowelBase)) * kTrails;
  }
  if (first >= kSyllableBase && first < kSyllableBase + kSyllables && (first - kSyllableBase) % kTrails == 0 &&
      second > kTrailBase && second < kTrailBase + kTrails) {
    return first + (second - kTrailBase);
  }
  const unicode::Composition* end = unicode::kCompositions + unicode::kCompositionsCount;
  const auto* found = std::lower_bound(unicode::kCompositions, end, std::pair(first, second),
                                       [](const unicode::Composition& row, const std::pair<char32_t, char32_t>& key) {
                                         return std::pair<char32_t, char32_t>(row.first, row.second) < key;
                                       });
  return found != end && found->first == first && found->second == second ? found->composed : 0;
}

void compose_marks(std::vector<Mark>& marks) {
  size_t kept = 0;
  ptrdiff_t starter = -1;
  uint8_t last_class = 0;
  for (const Mark& mark : marks) {
    bool adjacent = starter >= 0 && static_cast<size_t>(starter) + 1 == kept;
    bool reachable = starter >= 0 && (adjacent || (last_class != 0 && last_class < mark.combining));
    char32_t composed = reachable ? compose(marks[starter].code, mark.code) : 0;
    if (composed) {
      marks[starter].code = composed;
      continue;
    }
    if (mark.combining == 0) starter = static_cast<ptrdiff_t>(kept);
    last_class = mark.combining;
    marks[kept++] = mark;
  }
  marks.resize(kept);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string normalize_unicode(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<Mark> marks;
  marks.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    append_decomposed(marks, next_code_point(text, position), compatibility);
  }
  sort_marks(marks);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose_marks(marks);
  std::string out;
  out.reserve(text.size());
  for (const Mark& mark : marks) append_utf8(out, mark.code);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    char32_t code = next_code_point(text, position);
    // U+0130, the dotted capital I, is the one code point whose lower case is two.
    if (code == 0x130) {
      out += "i\xCC\x87";
      continue;
    }
    const unicode::LowerCase* found = find_code(unicode::kLowerCase, unicode::kLowerCaseCount, code);
    append_utf8(out, found ? found->lower : code);
  }
  return out;
}

}  // namespace assay
