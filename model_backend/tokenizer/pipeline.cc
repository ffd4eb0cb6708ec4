#include "model_backend/tokenizer/pipeline.h"

#include <algorithm>
#include <unordered_map>

#include "core/text.h"

namespace assay {
namespace {

// Where the ids of a piece that was encoded before lie in the output.
struct Known {
  size_t begin;
  size_t count;
};

// Words come again and again in a text: a piece seen before costs one lookup.
void encode_pieces(const Pieces& pieces, const TokenModel& model, std::vector<TokenId>& out) {
  std::unordered_map<std::string_view, Known> seen;
  for (const Piece& piece : pieces.pieces) {
    std::string_view view = pieces.view(piece);
    if (pieces.pieces.size() == 1) {
      model.encode(view, out);
      return;
    }
    auto [entry, fresh] = seen.try_emplace(view);
    if (fresh) {
      size_t begin = out.size();
      model.encode(view, out);
      entry->second = {begin, out.size() - begin};
      continue;
    }
    for (size_t i = 0; i < entry->second.count; ++i) {
      TokenId id = out[entry->second.begin + i];
      out.push_back(id);
    }
  }
}

}  // namespace

std::vector<TokenId> Pipeline::encode(std::string_view text) const {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = replace_invalid_utf8(text);
  std::vector<TokenId> ids;
  for (const AddedTokens::Part& raw : added.split_raw(text)) {
    if (raw.token) {
      ids.push_back(raw.token->id);
      continue;
    }
    std::string normalized = normalizer.apply(std::string(raw.text));
    for (const AddedTokens::Part& part : added.split_normalized(normalized)) {
      if (part.token) {
        ids.push_back(part.token->id);
        continue;
      }
      bool at_start = raw.text.data() == text.data() && part.text.data() == normalized.data();
      Pieces pieces{std::string(part.text), {{0, part.text.size(), at_start}}};
      pre_tokenizer.apply(pieces);
      encode_pieces(pieces, *model, ids);
    }
  }
  return ids;
}

std::string Pipeline::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (TokenId id : ids) {
    const std::string* token = token_text(id);
    if (token && !(skip_special && added.is_special(id))) tokens.push_back(*token);
  }
  return decoder.decode(std::move(tokens));
}

const std::string* Pipeline::token_text(TokenId id) const {
  const std::string* token = added.vocab().text(id);
  return token ? token : model->vocab().text(id);
}

size_t Pipeline::vocab_size() const {
  return std::max(added.vocab().size(), model->vocab().size());
}

}  // namespace assay
