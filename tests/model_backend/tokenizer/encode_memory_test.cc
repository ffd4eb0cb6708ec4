// What is remembered from one text to the next saves work and changes no id.
#include "model_backend/tokenizer/encode_memory.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "core/json.h"
#include "model_backend/tokenizer/pair.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::shared_file;
using testing::slurp;

// Pieces of text that ends of words, contractions, added tokens and normalisers make hard.
const std::vector<std::string> kFragments = {"a",
                                             "b",
                                             "word",
                                             " the",
                                             " The answer is",
                                             " ",
                                             "  ",
                                             "    ",
                                             "\n",
                                             "\r\n",
                                             "\n \n",
                                             "\t",
                                             "'s",
                                             "'S",
                                             "'ll",
                                             "'L",
                                             "'",
                                             "1",
                                             "234",
                                             " 5",
                                             "!",
                                             "...",
                                             " (A) x.",
                                             "=",
                                             "\xC3\xA9",
                                             "e\xCC\x81",
                                             "\xE6\x88\x91\xE4\xBB\xAC",
                                             "\xF0\x9F\xA6\x99",
                                             "\xC5\xBF",
                                             "\xC2\xA0",
                                             "<|im_end|>",
                                             "<|im_",
                                             "<|endoftext|>",
                                             "<s>",
                                             "</s",
                                             "<|begin_of_text|>",
                                             "<unk>",
                                             "\xFF",
                                             "\xE6\x88",
                                             "camelCase",
                                             "\xE2\x96\x81"};

// Each text keeps some of the one before, cut at any byte, and goes on by chance.
class Texts {
 public:
  const std::string& next() {
    text_.resize(random_() % 3 == 0 ? random_() % (text_.size() + 1)
                                    : text_.size() - std::min<size_t>(text_.size(), 9));
    const size_t more = random_() % 12;
    for (size_t i = 0; i < more; ++i) text_ += kFragments[random_() % kFragments.size()];
    if (text_.size() > 600) text_.resize(300);
    return text_;
  }

 private:
  std::mt19937 random_{7};
  std::string text_;
};

void check_against_fresh(const Tokenizer& tokenizer, int texts) {
  EncodeMemory memory;
  Texts source;
  for (int i = 0; i < texts; ++i) {
    const std::string& text = source.next();
    const auto want = tokenizer.encode(text);
    if (tokenizer.encode(text, memory) == want) continue;
    CAPTURE(i, text);
    CHECK(tokenizer.encode(text, memory) == want);
    FAIL("ids differ");
  }
}

TEST_CASE("Tiny tokenizers of every kind give the same ids whatever they encoded before") {
  const Json golden = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tokenizer/tiny.json");
  for (const Json& entry : golden["tokenizers"]) {
    CAPTURE(entry["name"]);
    check_against_fresh(*make_tokenizer(entry["tokenizer"].dump(), "", "tiny.json"), 300);
  }
}

TEST_CASE("Real tokenizers give the same ids whatever they encoded before") {
  auto folder = shared_file("tokenizers");
  if (!folder) return;
  for (const char* name : {"gpt2", "llama-3", "qwen2.5", "pythia", "falcon-7b", "deepseek-v3", "phi-3-mini"}) {
    CAPTURE(name);
    std::string json = *folder + "/" + name + "/tokenizer.json";
    if (!std::filesystem::exists(json)) json += ".gz";
    check_against_fresh(*make_tokenizer(slurp(json), "", name), 4000);
  }
}

// Split at single digits, then by GPT-2's expression; "foo" is found in the text itself.
const char* const kByteLevel = R"({
  "added_tokens": [{"id": 30, "content": "<|end of it|>", "special": true}],
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": true},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "o": 2, "Ġ": 3, "ab": 4, "Ġa": 5, "Ġab": 6, "Ċ": 7, "f": 8, "1": 9},
            "merges": ["a b", "Ġ a", "Ġ ab"]}})";

TEST_CASE("The beginning that two texts share is encoded once") {
  auto tokenizer = make_tokenizer(kByteLevel, "", "test");
  EncodeMemory memory;
  const std::string shots = "ab ab ab 1 ab ab\n\nab ab ab ab ab ab ab ab ab";
  CHECK(tokenizer->encode(shots + " a", memory) == tokenizer->encode(shots + " a"));
  REQUIRE_FALSE(memory.places.empty());
  const size_t kept = memory.keep_common(shots + " bb", 13);
  CHECK(kept >= shots.size() - 32);
  CHECK(kept <= shots.size() - 12);
  CHECK(memory.text == shots.substr(0, kept));
  CHECK(memory.ids == tokenizer->encode(shots.substr(0, kept)));
}

TEST_CASE("An added token that swallows or asks for its surroundings leaves nothing to go on from") {
  std::string json = kByteLevel;
  const std::string plain = R"("special": true)";
  json.replace(json.find(plain), plain.size(), R"("special": true, "lstrip": true)");
  auto tokenizer = make_tokenizer(json, "", "test");
  EncodeMemory memory;
  tokenizer->encode("ab ab ab ab ab ab ab ab", memory);
  CHECK(memory.places.empty());
}

TEST_CASE("A text that can't be encoded leaves a memory that still gives the right ids") {
  auto tokenizer = make_tokenizer(
      R"({"model": {"type": "Unigram", "unk_id": null, "vocab": [["a", -1.0], ["b", -2.0]]}})", "", "test");
  EncodeMemory memory;
  CHECK_THROWS(tokenizer->encode("abc", memory));
  CHECK(tokenizer->encode("abba", memory) == std::vector<TokenId>{0, 1, 1, 0});
}

TEST_CASE("More words than the memory holds give the same ids") {
  auto tokenizer = make_tokenizer(kByteLevel, "", "test");
  EncodeMemory memory;
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::string text;
    for (int i = 0; i < 1000; ++i) {
      text += ' ';
      for (int j = 0; j < 17; ++j) text += "abof"[random() % 4];
    }
    REQUIRE(tokenizer->encode(text, memory) == tokenizer->encode(text));
  }
}

}  // namespace
}  // namespace assay
