#include "model_backend/tokenizer/vocab.h"

#include "core/error.h"
#include "core/text.h"

namespace assay {

void Vocab::add(std::string text, int64_t id, std::string_view where) {
  auto in_quotes = [](const std::string& token) { return "\"" + replace_invalid_utf8(token) + "\""; };
  if (id < 0 || id >= kIdLimit) {
    throw_input(where, "token " + in_quotes(text) + " has the id " + std::to_string(id) + ", outside 0.." +
                           std::to_string(kIdLimit - 1));
  }
  TokenId token = static_cast<TokenId>(id);
  if (const std::string* other = this->text(token); other && *other != text) {
    throw_input(where, "tokens " + in_quotes(*other) + " and " + in_quotes(text) + " have the same id " + std::to_string(id));
  }
  auto [entry, inserted] = ids_.emplace(std::move(text), token);
  if (entry->second != token) {
    throw_input(where, "token " + in_quotes(entry->first) + " has two ids, " + std::to_string(entry->second) + " and " +
                           std::to_string(id));
  }
  if (texts_.size() <= static_cast<size_t>(token)) texts_.resize(static_cast<size_t>(token) + 1, nullptr);
  texts_[token] = &entry->first;
}

std::optional<TokenId> Vocab::find(std::string_view text) const {
  auto entry = ids_.find(text);
  if (entry == ids_.end()) return std::nullopt;
  return entry->second;
}

const std::string* Vocab::text(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < texts_.size() ? texts_[id] : nullptr;
}

}  // namespace assay
