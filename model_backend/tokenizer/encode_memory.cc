#include "model_backend/tokenizer/encode_memory.h"

#include <algorithm>

namespace assay {
namespace {

constexpr size_t kMostWords = 1 << 15;
constexpr size_t kLongestWord = 64;  // bytes
constexpr size_t kBetweenPlaces = 16;

}  // namespace

void WordMemory::encode(std::string_view piece, const TokenModel& model, std::vector<TokenId>& out) {
  if (piece.size() > kLongestWord) {
    model.encode(piece, out);
    return;
  }
  if (const auto found = words_.find(piece); found != words_.end()) {
    const auto begin = ids_.begin() + static_cast<ptrdiff_t>(found->second.begin);
    out.insert(out.end(), begin, begin + static_cast<ptrdiff_t>(found->second.count));
    return;
  }
  const size_t before = out.size();
  model.encode(piece, out);
  if (words_.size() == kMostWords) words_.clear(), ids_.clear();
  words_.emplace(std::string(piece), Known{ids_.size(), out.size() - before});
  ids_.insert(ids_.end(), out.begin() + static_cast<ptrdiff_t>(before), out.end());
}

size_t EncodeMemory::keep_common(std::string_view next, size_t distance) {
  const size_t most = std::min(text.size(), next.size());
  const size_t same = static_cast<size_t>(
      std::mismatch(text.begin(), text.begin() + static_cast<ptrdiff_t>(most), next.begin()).first - text.begin());
  while (!places.empty() && places.back().bytes + distance > same) places.pop_back();
  if (places.empty()) {
    forget_text();
    return 0;
  }
  text.resize(places.back().bytes);
  ids.resize(places.back().ids);
  return places.back().bytes;
}

void EncodeMemory::add_place(size_t bytes, size_t ids_so_far) {
  if (places.empty() || bytes >= places.back().bytes + kBetweenPlaces) places.push_back({bytes, ids_so_far});
}

void EncodeMemory::forget_text() {
  text.clear(), ids.clear(), places.clear();
}

}  // namespace assay
