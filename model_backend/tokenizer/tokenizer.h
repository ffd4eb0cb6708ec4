// Text -> token ids and back, as the checkpoint's own tokenizer does it.
//
// The stages stand in pipeline.h, one file each. This folder must never know a model's weights, a backend, a request or
// a task: it takes text and gives ids.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model_backend/tokenizer/vocab.h"

namespace assay {

struct EncodeMemory;  // encode_memory.h
struct Pipeline;

// What the files beside the vocabulary say about a tokenizer.
struct TokenizerFacts {
  std::optional<TokenId> bos, eos;
  // Whether the checkpoint puts BOS in front of a text and EOS behind it.
  bool add_bos = false, add_eos = false;
  std::optional<std::string> chat_template;
  std::map<std::string, std::string> special_tokens;
  std::string hash;
};

// Immutable; every method may be called from any thread.
class Tokenizer {
 public:
  Tokenizer(Pipeline pipeline, TokenizerFacts facts);
  ~Tokenizer();

  // No special tokens are added, but those that are written in the text are recognised. Bytes that are not UTF-8 are
  // read as U+FFFD. Near linear in the length of the text. Throws Error(kInput) only where the vocabulary cannot
  // express a text and has no unknown token (Unigram), or where a regular expression of the tokenizer exceeds its
  // limits.
  std::vector<TokenId> encode(std::string_view text) const;
  // The same ids, sooner: `memory` is one thread's and has seen no other tokenizer.
  std::vector<TokenId> encode(std::string_view text, EncodeMemory& memory) const;
  // With the tokens that tokenizer.json's own post-processor puts around (for GGUF: BOS and EOS where it says so). Not
  // always what a harness wants: see add_bos.
  std::vector<TokenId> encode_with_special(std::string_view text) const;

  // Valid UTF-8: what is not becomes U+FFFD. Ids without a token are left out. skip_special leaves out special tokens.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;
  // The bytes that this token adds in the middle of a text; may be a part of a UTF-8 sequence. Empty for an id without
  // a token. For stop strings in a stream: the bytes of all tokens, joined, are the text, but for what decode does at
  // the very start (SentencePiece's first space) and to invalid UTF-8.
  std::string token_bytes(TokenId id) const;

  size_t vocab_size() const;  // highest id + 1
  std::optional<TokenId> token_to_id(std::string_view token) const;
  std::string id_to_token(TokenId id) const;  // as written in the vocabulary; empty for an id without a token
  bool is_special(TokenId id) const;

  std::optional<TokenId> bos() const { return facts_.bos; }
  std::optional<TokenId> eos() const { return facts_.eos; }
  // Whether the checkpoint's tokenizer configuration puts BOS in front, and EOS behind: tokenizer_config's
  // add_bos_token; where that is absent true for the Llama and Gemma classes, whose default it is in transformers; else
  // whether the post-processor begins with BOS, which is its one leading token where no file names another. Never true
  // without a BOS.
  bool add_bos() const { return facts_.add_bos; }
  bool add_eos() const { return facts_.add_eos; }
  std::string bos_text() const;  // empty without a BOS
  std::string eos_text() const;

  const std::optional<std::string>& chat_template() const { return facts_.chat_template; }
  // The special tokens that have a name, for the chat template: "bos_token" -> "<s>".
  const std::map<std::string, std::string>& special_tokens() const { return facts_.special_tokens; }
  // SHA-256 over all that changes ids: two tokenizers with one hash encode alike.
  const std::string& hash() const { return facts_.hash; }

 private:
  std::unique_ptr<const Pipeline> pipeline_;
  TokenizerFacts facts_;
};

// From a checkpoint folder (tokenizer.json; tokenizer_config.json, special_tokens_map.json, generation_config.json and
// chat_template.jinja where they are there) or a FILE.gguf. Throws Error(kInput) naming file and place.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& checkpoint_path);

// From the text of a tokenizer.json and, where not empty, of a tokenizer_config.json. `where` heads messages.
std::shared_ptr<const Tokenizer> make_tokenizer(std::string_view tokenizer_json, std::string_view tokenizer_config,
                                                const std::string& where);

}  // namespace assay
