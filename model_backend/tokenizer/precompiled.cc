#include "model_backend/tokenizer/precompiled.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

// Bytes that a cluster has at least which is taken apart.
constexpr size_t kLongCluster = 6;

// Unicode's extended grapheme clusters (UAX 29), as far as they fit into fewer bytes than that.
constexpr const char* kClusters =
    "\\r\\n|"
    "[\\x{600}-\\x{605}\\x{6DD}\\x{70F}\\x{890}\\x{891}\\x{8E2}]*"
    "[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}][\\p{M}\\x{200C}\\x{200D}\\x{FF9E}\\x{FF9F}\\x{1F3FB}-\\x{1F3FF}]*";

std::string decode_base64(std::string_view text, const std::string& where) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  while (ends_with(text, "=")) text.remove_suffix(1);
  for (char c : text) {
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (digit < 0) throw_input(where, "is no base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

uint32_t little_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// A unit of the trie: bit 8 says that a value hangs below it, bits 10 to 30 (shifted by 8 where bit 9 is set) lead to
// its children, bits 0 to 7 are the byte that leads here; a unit with bit 31 is a value.
bool has_value(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t value_of(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t label_of(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t offset_of(uint32_t unit) {
  return unit >> 10 << ((unit & 0x200) >> 6);
}

}  // namespace

Precompiled::Precompiled(std::string_view base64, const std::string& where)
    : clusters_(Pattern::regex(kClusters, where)) {
  const std::string place = where + ": precompiled_charsmap";
  const std::string bytes = decode_base64(base64, place);
  const size_t size = bytes.size() < 4 ? 0 : little_endian(bytes, 0);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4) throw_input(place, "the trie does not fit into it");
  for (size_t at = 4; at < size + 4; at += 4) trie_.push_back(little_endian(bytes, at));
  texts_ = bytes.substr(size + 4);
  if (!is_valid_utf8(texts_)) throw_input(place, "a replacement is not UTF-8");
}

std::string Precompiled::apply(const std::string& text) const {
  std::vector<TextRange> clusters;
  clusters_.find_all(text, clusters);
  std::string out;
  out.reserve(text.size());
  auto next = clusters.begin();
  for (size_t at = 0; at < text.size();) {
    while (next != clusters.end() && next->end <= at) ++next;
    const bool at_cluster = next != clusters.end() && next->begin == at;
    if (at_cluster && next->end - at < kLongCluster &&
        replace(std::string_view(text).substr(at, next->end - at), out)) {
      at = next->end;
      continue;
    }
    const size_t end = at_cluster ? next->end : at + 1;
    while (at < end) {
      const size_t begin = at;
      next_code_point(text, at);
      const std::string_view one = std::string_view(text).substr(begin, at - begin);
      if (!replace(one, out)) out += one;
    }
  }
  return out;
}

bool Precompiled::replace(std::string_view part, std::string& out) const {
  size_t node = offset_of(trie_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= trie_.size() || label_of(trie_[node]) != byte) return false;
    const uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (node >= trie_.size() || value_of(trie_[node]) >= texts_.size()) return false;
    out += texts_.c_str() + value_of(trie_[node]);
    return true;
  }
  return false;
}

}  // namespace assay
