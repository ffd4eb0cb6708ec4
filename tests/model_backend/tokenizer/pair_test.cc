#include "model_backend/tokenizer/pair.h"

#include <catch2/catch.hpp>

#include "core/json.h"

namespace assay {
namespace {

using Ids = std::vector<TokenId>;

// Byte-level tokens: " " is Ġ; merges make "ab", "Ġa" and "Ġab".
const char* const kTokenizer = R"({
  "added_tokens": [{"id": 20, "content": "<s>", "special": true}, {"id": 21, "content": "</s>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "Ġa": 5, "Ġab": 6, "Ċ": 7},
            "merges": ["a b", "Ġ a", "Ġ ab"]}})";

std::shared_ptr<const Tokenizer> tokenizer_with(const char* config) {
  return make_tokenizer(kTokenizer, config, "test");
}

const char* const kPlain = R"({"eos_token": "</s>"})";
const char* const kBos = R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true})";

TEST_CASE("A pair is cut where the context's own tokens end") {
  struct Row {
    const char* name;
    const char* config;
    const char* context;
    const char* continuation;
    Ids want_context, want_continuation;
    bool joined;
  };
  const Row rows[] = {
      {"plain", kPlain, "c", " ab", {2}, {6}, false},
      {"BOS comes once, in front", kBos, "c", " ab", {20, 2}, {6}, false},
      {"BOS is not doubled", kBos, "<s>c", " ab", {20, 2}, {6}, false},
      {"white space moves to the continuation", kPlain, "c ", "ab", {2}, {6}, false},
      {"line ends move, too", kPlain, "c \n", "b", {2}, {3, 7, 1}, false},
      {"empty context: BOS", kBos, "", "ab", {20}, {4}, false},
      {"empty context without BOS: EOS", kPlain, "", "ab", {21}, {4}, false},
      {"empty context, continuation begins with the prefix", kBos, "", "<s>ab", {20}, {4}, false},
      {"a context of white space is empty", kPlain, " ", "ab", {21}, {6}, false},
      {"empty continuation", kPlain, "c", "", {2}, {}, false},
      {"a token spans the join and leaves nothing", kPlain, "a", "b", {0}, {1}, true},
      {"a token spans the join and leaves a rest", kPlain, "a", "bc", {0}, {2}, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    EncodedPair pair = encode_pair(*tokenizer_with(row.config), row.context, row.continuation);
    CHECK(pair.context == row.want_context);
    CHECK(pair.continuation == row.want_continuation);
    CHECK(pair.joined == row.joined);
  }
}

TEST_CASE("A context gets BOS once") {
  CHECK(encode_context(*tokenizer_with(kBos), "ab") == Ids{20, 4});
  CHECK(encode_context(*tokenizer_with(kBos), "<s>ab") == Ids{20, 4});
  CHECK(encode_context(*tokenizer_with(kBos), "") == Ids{20});
  CHECK(encode_context(*tokenizer_with(kPlain), "ab") == Ids{4});
}

TEST_CASE("A tokenizer without BOS and EOS has no token for an empty context") {
  EncodedPair pair = encode_pair(*tokenizer_with("{}"), "", "ab");
  CHECK(pair.context.empty());
  CHECK(pair.continuation == Ids{4});
  CHECK_FALSE(prefix_token(*tokenizer_with("{}")));
}

}  // namespace
}  // namespace assay
