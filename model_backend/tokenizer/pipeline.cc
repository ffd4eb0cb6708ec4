#include "model_backend/tokenizer/pipeline.h"

#include <algorithm>

#include "core/text.h"

namespace assay {
namespace {

// A word's end is found by what follows it at once; this is more than the longest code point and contraction.
constexpr size_t kWordLookAhead = 8;

bool is_ascii_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

}  // namespace

bool Pipeline::can_resume(std::string_view text) const {
  const bool unchanged =
      normalizer.empty() ||
      (normalizer.keeps_ascii() && std::all_of(text.begin(), text.end(), [](char byte) { return byte >= 0; }));
  return unchanged && pre_tokenizer.cuts_locally() && added.match_locally();
}

// The ids of a text without added tokens. `offset`: where it lies in the whole text.
void Pipeline::encode_plain(std::string_view text, bool at_start, size_t offset, bool note_places,
                            EncodeMemory& memory) const {
  Pieces pieces{std::string(text), {{0, text.size(), at_start}}};
  pre_tokenizer.apply(pieces);
  for (const Piece& piece : pieces.pieces) {
    const std::string_view view = pieces.view(piece);
    memory.words.encode(view, *model, memory.ids);
    if (!note_places) continue;
    offset += count_code_points(view);  // each stands for a byte
    if (is_ascii_letter(view.back())) memory.add_place(offset, memory.ids.size());
  }
}

std::vector<TokenId> Pipeline::encode(std::string_view text, EncodeMemory& memory) const {
  const bool resumes = can_resume(text);
  const size_t distance = std::max(kWordLookAhead, added.longest());
  const size_t from = resumes ? memory.keep_common(text, distance) : 0;
  if (!resumes) memory.forget_text();
  std::string repaired;
  std::string_view rest = text.substr(from);
  const bool valid = is_valid_utf8(rest);
  if (!valid) rest = repaired = replace_invalid_utf8(rest);
  memory.text.clear();  // what follows may throw
  for (const AddedTokens::Part& raw : added.split_raw(rest)) {
    if (raw.token) {
      memory.ids.push_back(raw.token->id);
      continue;
    }
    const std::string normalized = normalizer.apply(std::string(raw.text));
    const size_t offset = from + static_cast<size_t>(raw.text.data() - rest.data());
    for (const AddedTokens::Part& part : added.split_normalized(normalized)) {
      if (part.token) {
        memory.ids.push_back(part.token->id);
        continue;
      }
      const size_t inside = static_cast<size_t>(part.text.data() - normalized.data());
      encode_plain(part.text, offset + inside == 0, offset + inside, resumes && valid, memory);
    }
  }
  if (resumes && valid) {
    memory.text = text;
    return memory.ids;
  }
  std::vector<TokenId> ids = std::move(memory.ids);
  memory.forget_text();
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
