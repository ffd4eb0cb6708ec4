#include "model_backend/tokenizer/unigram.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/bpe.h"

namespace assay {
namespace {

constexpr double kUnknownPenalty = 10.0;

// The best way to cut the text up to one place: its last token.
struct Step {
  TokenId id = -1;  // -1: a code point without a token
  size_t begin = 0;
  double score = 0;
  bool reached = false;
};

}  // namespace

Unigram::Unigram(Vocab vocab, std::vector<double> scores, std::optional<int64_t> unknown, bool byte_fallback,
                 std::string where)
    : vocab_(std::move(vocab)), scores_(std::move(scores)), byte_fallback_(byte_fallback), where_(std::move(where)) {
  if (unknown) {
    if (*unknown < 0 || static_cast<size_t>(*unknown) >= vocab_.size()) {
      throw_input(where_, "\"unk_id\" " + std::to_string(*unknown) + " is not an id of the vocabulary");
    }
    unknown_ = static_cast<TokenId>(*unknown);
  }
  unknown_score_ = (scores_.empty() ? 0 : *std::min_element(scores_.begin(), scores_.end())) - kUnknownPenalty;
  for (TokenId id = 0; static_cast<size_t>(id) < vocab_.size(); ++id) {
    if (const std::string* text = vocab_.text(id)) trie_.add(*text, id);
  }
}

void Unigram::encode(std::string_view piece, std::vector<TokenId>& out) const {
  std::vector<Step> best(piece.size() + 1);
  auto offer = [&](size_t begin, size_t end, TokenId id, double score) {
    double total = best[begin].score + score;
    if (!best[end].reached || total > best[end].score) best[end] = {id, begin, total, true};
  };
  for (size_t begin = 0; begin < piece.size();) {
    size_t next = begin;
    next_code_point(piece, next);
    bool covered = false;
    trie_.for_each_prefix(piece.substr(begin), [&](size_t length, TokenId id) {
      offer(begin, begin + length, id, scores_[id]);
      covered |= begin + length == next;
    });
    if (!covered) offer(begin, next, -1, unknown_score_);
    begin = next;
  }
  std::vector<Step> path;
  for (size_t end = piece.size(); end > 0; end = best[end].begin) path.push_back(best[end]);
  std::reverse(path.begin(), path.end());
  for (size_t i = 0; i < path.size();) {
    auto is_unknown = [&](const Step& step) { return step.id < 0 || step.id == unknown_; };
    if (!is_unknown(path[i])) {
      out.push_back(path[i++].id);
      continue;
    }
    size_t run = i;
    while (run < path.size() && is_unknown(path[run])) ++run;
    size_t end = run < path.size() ? path[run].begin : piece.size();
    append_unknown(piece.substr(path[i].begin, end - path[i].begin), out);
    i = run;
  }
}

void Unigram::append_unknown(std::string_view text, std::vector<TokenId>& out) const {
  if (auto id = vocab_.find(text)) {
    out.push_back(*id);
    return;
  }
  if (byte_fallback_) {
    std::vector<TokenId> bytes;
    for (char byte : text) {
      auto id = vocab_.find(byte_token_name(static_cast<uint8_t>(byte)));
      if (!id) break;
      bytes.push_back(*id);
    }
    if (bytes.size() == text.size()) {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return;
    }
  }
  if (!unknown_) {
    throw_input(where_, "\"" + std::string(text) + "\" has no token, and the vocabulary has no unknown token");
  }
  out.push_back(*unknown_);
}

}  // namespace assay
