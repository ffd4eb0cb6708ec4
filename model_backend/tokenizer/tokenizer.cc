#include "model_backend/tokenizer/tokenizer.h"

#include "model_backend/tokenizer/pipeline.h"

namespace assay {

Tokenizer::Tokenizer(Pipeline pipeline, TokenizerFacts facts)
    : pipeline_(std::make_unique<const Pipeline>(std::move(pipeline))), facts_(std::move(facts)) {}

Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  EncodeMemory memory;
  return pipeline_->encode(text, memory);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeMemory& memory) const {
  return pipeline_->encode(text, memory);
}

std::vector<TokenId> Tokenizer::encode_with_special(std::string_view text) const {
  std::vector<TokenId> ids = encode(text);
  const SpecialFrame& frame = pipeline_->frame;
  ids.insert(ids.begin(), frame.before.begin(), frame.before.end());
  ids.insert(ids.end(), frame.after.begin(), frame.after.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  return pipeline_->decode(ids, skip_special);
}

std::string Tokenizer::token_bytes(TokenId id) const {
  const std::string* token = pipeline_->token_text(id);
  return token ? pipeline_->decoder.token_bytes(*token) : std::string();
}

size_t Tokenizer::vocab_size() const {
  return pipeline_->vocab_size();
}

std::optional<TokenId> Tokenizer::token_to_id(std::string_view token) const {
  auto added = pipeline_->added.vocab().find(token);
  return added ? added : pipeline_->model->vocab().find(token);
}

std::string Tokenizer::id_to_token(TokenId id) const {
  const std::string* token = pipeline_->token_text(id);
  return token ? *token : std::string();
}

bool Tokenizer::is_special(TokenId id) const {
  return pipeline_->added.is_special(id);
}

std::string Tokenizer::bos_text() const {
  return facts_.bos ? id_to_token(*facts_.bos) : std::string();
}

std::string Tokenizer::eos_text() const {
  return facts_.eos ? id_to_token(*facts_.eos) : std::string();
}

}  // namespace assay
