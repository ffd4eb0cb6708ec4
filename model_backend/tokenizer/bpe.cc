#include "model_backend/tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr uint64_t kEmptyKey = std::numeric_limits<uint64_t>::max();
// Code points below this have their ids in a table.
constexpr char32_t kShortIds = 0x3000;
// A token that scores could merge is tried at every split; real ones have at most some dozens of bytes.
constexpr size_t kLongestScoredToken = 1024;

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

std::string in_quotes(std::string_view text) {
  return "\"" + replace_invalid_utf8(text) + "\"";
}

struct Symbol {
  TokenId id;    // -1: merged away
  int32_t left;  // index of the neighbour, -1 at the ends
  int32_t right;
};

struct Candidate {
  uint32_t rank;
  int32_t position;  // of the left symbol
  TokenId merged;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

using CandidateHeap = std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>>;

MergeTable rank_merges(const Vocab& vocab, const std::vector<Bpe::TextPair>& merges, const BpeOptions& options,
                       const std::string& where) {
  if (merges.size() >= std::numeric_limits<uint32_t>::max()) throw_input(where, "too many merges");
  MergeTable table(merges.size());
  size_t prefix = options.continuing_subword_prefix.size();
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    // Names of their own: clang 14 takes no structured binding into a lambda.
    const std::string &left = merges[rank].first, &right = merges[rank].second;
    joined.assign(left).append(right, std::min(prefix, right.size()));
    auto id = [&](const std::string& text) {
      auto found = vocab.find(text);
      if (!found) {
        throw_input(where, fmt::format("merge {} ({} + {}) names {}, which is not in the vocabulary", rank,
                                       in_quotes(left), in_quotes(right), in_quotes(text)));
      }
      return *found;
    };
    table.set(id(left), id(right), {static_cast<uint32_t>(rank), id(joined)});
  }
  return table;
}

// Ranks by falling score; equal scores share a rank, so that the leftmost of them merges first.
std::vector<uint32_t> rank_scores(const std::vector<double>& scores) {
  std::vector<double> order = scores;
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<uint32_t> ranks;
  ranks.reserve(scores.size());
  for (double score : scores) {
    auto place = std::lower_bound(order.begin(), order.end(), score, std::greater<>());
    ranks.push_back(static_cast<uint32_t>(place - order.begin()));
  }
  return ranks;
}

MergeTable merges_from_scores(const Vocab& vocab, const std::vector<double>& scores, const std::string& where) {
  MergeTable table(2 * vocab.count());
  std::vector<uint32_t> ranks = rank_scores(scores);
  for (TokenId id = 0; static_cast<size_t>(id) < vocab.size(); ++id) {
    const std::string* text = vocab.text(id);
    if (!text) continue;
    if (text->size() > kLongestScoredToken) {
      throw_input(where, fmt::format("token {} has {} bytes; the longest that can be merged by score has {}", id,
                                     text->size(), kLongestScoredToken));
    }
    std::string_view whole = *text;
    for (size_t cut = 0; cut < whole.size();) {
      next_code_point(whole, cut);
      if (cut == whole.size()) break;
      auto left = vocab.find(whole.substr(0, cut));
      if (!left) continue;
      if (auto right = vocab.find(whole.substr(cut))) table.set(*left, *right, {ranks[id], id});
    }
  }
  return table;
}

}  // namespace

std::string byte_token_name(uint8_t byte) {
  return fmt::format("<0x{:02X}>", byte);
}

MergeTable::MergeTable(size_t expected) : slots_(std::bit_ceil(2 * expected + 16), Slot{kEmptyKey, {}}) {}

size_t MergeTable::slot_of(uint64_t key) const {
  size_t mask = slots_.size() - 1;
  size_t slot = static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
  while (slots_[slot].key != kEmptyKey && slots_[slot].key != key) slot = (slot + 1) & mask;
  return slot;
}

void MergeTable::set(TokenId left, TokenId right, Merge merge) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  uint64_t key = pair_key(left, right);
  Slot& slot = slots_[slot_of(key)];
  if (slot.key == kEmptyKey) ++used_;
  slot = {key, merge};
}

void MergeTable::grow() {
  std::vector<Slot> old(2 * slots_.size(), Slot{kEmptyKey, {}});
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.key != kEmptyKey) slots_[slot_of(slot.key)] = slot;
  }
}

const MergeTable::Merge* MergeTable::find(TokenId left, TokenId right) const {
  const Slot& slot = slots_[slot_of(pair_key(left, right))];
  return slot.key == kEmptyKey ? nullptr : &slot.merge;
}

Bpe::Bpe(Vocab vocab, const std::vector<TextPair>& merges, BpeOptions options, std::string where)
    : Bpe(std::move(vocab), MergeTable(0), std::move(options), where) {
  merges_ = rank_merges(vocab_, merges, options_, where_);
}

Bpe Bpe::from_scores(Vocab vocab, const std::vector<double>& scores, BpeOptions options, std::string where) {
  ASSAY_ASSERT(scores.size() >= vocab.size(), "every token needs a score");
  MergeTable merges = merges_from_scores(vocab, scores, where);
  return Bpe(std::move(vocab), std::move(merges), std::move(options), std::move(where));
}

Bpe::Bpe(Vocab vocab, MergeTable merges, BpeOptions options, std::string where)
    : vocab_(std::move(vocab)), merges_(std::move(merges)), options_(std::move(options)), where_(std::move(where)) {
  if (options_.unknown_token) {
    unknown_ = vocab_.find(*options_.unknown_token);
    if (!unknown_)
      throw_input(where_, "the unknown token " + in_quotes(*options_.unknown_token) + " is not in the vocabulary");
  }
  for (int byte = 0; byte < 256; ++byte) {
    byte_tokens_.push_back(vocab_.find(byte_token_name(static_cast<uint8_t>(byte))).value_or(-1));
  }
  if (!options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty()) return;
  for (char32_t code = 0; code < kShortIds; ++code) {
    std::string text;
    append_utf8(text, code);
    short_ids_.push_back(vocab_.find(text).value_or(-1));
  }
}

void Bpe::encode(std::string_view piece, std::vector<TokenId>& out) const {
  if (options_.ignore_merges) {
    if (auto id = vocab_.find(piece)) {
      out.push_back(*id);
      return;
    }
  }
  std::vector<TokenId> symbols;
  symbols.reserve(piece.size());
  read_first_symbols(piece, symbols);
  if (symbols.size() > 1) merge(symbols);
  out.insert(out.end(), symbols.begin(), symbols.end());
}

bool Bpe::append_bytes(std::string_view text, std::vector<TokenId>& symbols) const {
  for (char byte : text) {
    if (byte_tokens_[static_cast<uint8_t>(byte)] < 0) return false;
  }
  for (char byte : text) symbols.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
  return true;
}

// Unknown code points wait in `pending` until the next known one, so that a run of them can be fused.
void Bpe::read_first_symbols(std::string_view piece, std::vector<TokenId>& symbols) const {
  bool pending = false;
  auto flush = [&] {
    if (pending) symbols.push_back(*unknown_);
    pending = false;
  };
  std::string affixed;
  for (size_t position = 0; position < piece.size();) {
    size_t begin = position;
    char32_t code = next_code_point(piece, position);
    std::string_view text = piece.substr(begin, position - begin);
    TokenId id;
    if (code < short_ids_.size()) {
      id = short_ids_[code];
    } else {
      if (short_ids_.empty()) {
        affixed.assign(begin > 0 ? options_.continuing_subword_prefix : "").append(text);
        if (position == piece.size()) affixed += options_.end_of_word_suffix;
        text = affixed;
      }
      id = vocab_.find(text).value_or(-1);
    }
    if (id >= 0) {
      flush();
      symbols.push_back(id);
    } else if (options_.byte_fallback && append_bytes(text, symbols)) {
      continue;
    } else if (unknown_) {
      if (!options_.fuse_unknown) flush();
      pending = true;
    }
  }
  flush();
}

void Bpe::merge(std::vector<TokenId>& ids) const {
  if (ids.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw_input(where_, "a text of more than 2^31 symbols cannot be encoded");
  }
  int32_t count = static_cast<int32_t>(ids.size());
  std::vector<Symbol> symbols(ids.size());
  std::vector<Candidate> first;
  first.reserve(ids.size());
  auto candidate = [&](int32_t left, int32_t right) -> std::optional<Candidate> {
    const MergeTable::Merge* found = merges_.find(symbols[left].id, symbols[right].id);
    if (!found) return std::nullopt;
    return Candidate{found->rank, left, found->merged};
  };
  for (int32_t i = 0; i < count; ++i) symbols[i] = {ids[i], i - 1, i + 1 < count ? i + 1 : -1};
  for (int32_t i = 0; i + 1 < count; ++i) {
    if (auto found = candidate(i, i + 1)) first.push_back(*found);
  }
  CandidateHeap heap(std::greater<>(), std::move(first));
  while (!heap.empty()) {
    Candidate top = heap.top();
    heap.pop();
    Symbol& left = symbols[top.position];
    if (left.id < 0 || left.right < 0) continue;
    // The neighbours may have changed since the candidate was put in.
    auto current = candidate(top.position, left.right);
    if (!current || current->merged != top.merged) continue;
    Symbol& right = symbols[left.right];
    left.id = top.merged;
    left.right = right.right;
    right.id = -1;
    if (left.right >= 0) {
      symbols[left.right].left = top.position;
      if (auto found = candidate(top.position, left.right)) heap.push(*found);
    }
    if (left.left >= 0) {
      if (auto found = candidate(left.left, top.position)) heap.push(*found);
    }
  }
  ids.clear();
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
}

}  // namespace assay
