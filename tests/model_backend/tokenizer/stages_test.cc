// What the golden files leave open: facts of a checkpoint folder, identity, long texts, broken UTF-8, patterns.
#include <catch2/catch.hpp>
#include <random>

#include "core/json.h"
#include "core/text.h"
#include "model_backend/tokenizer/pair.h"
#include "model_backend/tokenizer/pattern.h"
#include "model_backend/tokenizer/pre_tokenizer.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::TemporaryFolder;
using Ids = std::vector<TokenId>;

const char* const kTokenizer = R"({
  "added_tokens": [{"id": 10, "content": "<s>", "special": true}, {"id": 11, "content": "</s>", "special": true}],
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                     "special_tokens": {"<s>": {"id": "<s>", "ids": [10], "tokens": ["<s>"]}}},
  "decoder": {"type": "Fuse"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3, "?": 4}, "merges": [["a", "b"], ["ab", "ab"]],
            "unk_token": "?"}})";

TEST_CASE("The facts of a folder come from the first file that has them") {
  TemporaryFolder folder;
  folder.write("tokenizer.json", kTokenizer);
  SECTION("only tokenizer.json: what its post-processor puts in front is BOS, once") {
    auto tokenizer = load_tokenizer(folder.path());
    CHECK(tokenizer->bos() == 10);
    CHECK(tokenizer->add_bos());
    CHECK_FALSE(tokenizer->eos());
    CHECK_FALSE(tokenizer->chat_template());
    CHECK(encode_context(*tokenizer, "ab") == Ids{10, 2});
    CHECK(encode_context(*tokenizer, "<s>ab") == Ids{10, 2});
    folder.write("tokenizer_config.json", "{}");
    CHECK(load_tokenizer(folder.path())->add_bos());
    folder.write("tokenizer_config.json", R"({"add_bos_token": false})");
    CHECK_FALSE(load_tokenizer(folder.path())->add_bos());
    folder.write("tokenizer.json", replace_all(kTokenizer, R"({"SpecialToken": {"id": "<s>"}}, )", ""));
    folder.write("tokenizer_config.json", "{}");
    tokenizer = load_tokenizer(folder.path());
    CHECK_FALSE(tokenizer->bos());
    CHECK(tokenizer->vocab_size() == 12);
  }
  SECTION("generation_config.json gives ids, the post-processor decides on BOS") {
    folder.write("generation_config.json", R"({"bos_token_id": 10, "eos_token_id": [11, 2]})");
    auto tokenizer = load_tokenizer(folder.path());
    CHECK(tokenizer->bos() == 10);
    CHECK(tokenizer->eos() == 11);
    CHECK(tokenizer->add_bos());
  }
  SECTION("special_tokens_map.json goes before it") {
    folder.write("generation_config.json", R"({"bos_token_id": 0})");
    folder.write("special_tokens_map.json", R"({"bos_token": {"content": "<s>"}})");
    CHECK(load_tokenizer(folder.path())->bos() == 10);
  }
  SECTION("tokenizer_config.json goes before all, null is none") {
    folder.write("special_tokens_map.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
    folder.write("tokenizer_config.json", R"({"bos_token": null, "eos_token": "<s>", "add_eos_token": true})");
    auto tokenizer = load_tokenizer(folder.path());
    CHECK_FALSE(tokenizer->bos());
    CHECK(tokenizer->eos_text() == "<s>");
    CHECK(tokenizer->add_eos());
  }
  SECTION("special tokens have their names, the configuration's before the map's") {
    folder.write("special_tokens_map.json", R"({"unk_token": "?", "pad_token": "a", "sep_token": "b"})");
    folder.write("tokenizer_config.json",
                 R"({"pad_token": {"content": "</s>"}, "sep_token": null, "bos_token": "<s>", "add_bos_token": true})");
    folder.write("generation_config.json", R"({"eos_token_id": 11})");
    CHECK(load_tokenizer(folder.path())->special_tokens() ==
          std::map<std::string, std::string>{
              {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"pad_token", "</s>"}, {"unk_token", "?"}});
  }
  SECTION("chat_template.jinja goes before the configuration's list") {
    folder.write("tokenizer_config.json",
                 R"({"chat_template": [{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}]})");
    CHECK(load_tokenizer(folder.path())->chat_template() == "D");
    folder.write("chat_template.jinja", "J");
    CHECK(load_tokenizer(folder.path())->chat_template() == "J");
  }
}

TEST_CASE("BOS: the configuration, else the class, else the post-processor") {
  struct Row {
    const char* config;
    bool add_bos;
  };
  std::string bare = replace_all(kTokenizer, R"({"SpecialToken": {"id": "<s>"}}, )", "");
  const Row rows[] = {
      {R"({"bos_token": "<s>"})", false},
      {R"({"bos_token": "<s>", "add_bos_token": true})", true},
      {R"({"bos_token": "<s>", "tokenizer_class": "LlamaTokenizer"})", true},
      {R"({"bos_token": "<s>", "tokenizer_class": "LlamaTokenizer", "add_bos_token": false})", false},
      {R"({"bos_token": "<s>", "tokenizer_class": "Qwen2Tokenizer"})", false},
      {R"({"add_bos_token": true})", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.config);
    CHECK(make_tokenizer(bare, row.config, "t")->add_bos() == row.add_bos);
  }
  CHECK(make_tokenizer(kTokenizer, R"({"bos_token": "<s>"})", "t")->add_bos());
  CHECK_FALSE(make_tokenizer(kTokenizer, R"({"bos_token": "<s>", "add_bos_token": false})", "t")->add_bos());
}

TEST_CASE("The hash changes with what changes ids, and with nothing else") {
  std::string plain = make_tokenizer(kTokenizer, "", "here")->hash();
  CHECK(plain.size() == 64);
  CHECK(plain == make_tokenizer(kTokenizer, R"({"chat_template": "x", "model_max_length": 5})", "there")->hash());
  CHECK(plain == make_tokenizer(kTokenizer, R"({"bos_token": "<s>"})", "here")->hash());
  CHECK(plain != make_tokenizer(kTokenizer, R"({"bos_token": "<s>", "add_bos_token": false})", "here")->hash());
  CHECK(plain != make_tokenizer(std::string(kTokenizer) + " ", "", "here")->hash());
}

TEST_CASE("Tokens have names, special ones are known, and an id without a token has neither") {
  auto tokenizer = make_tokenizer(kTokenizer, "", "t");
  CHECK(tokenizer->token_to_id("abab") == 3);
  CHECK(tokenizer->token_to_id("</s>") == 11);
  CHECK_FALSE(tokenizer->token_to_id("zz"));
  CHECK(tokenizer->id_to_token(10) == "<s>");
  for (TokenId id : {5, 12, -1}) {
    CHECK(tokenizer->id_to_token(id).empty());
    CHECK(tokenizer->token_bytes(id).empty());
    CHECK_FALSE(tokenizer->is_special(id));
  }
  CHECK(tokenizer->is_special(10));
  CHECK(tokenizer->decode(Ids{0, 5, 12, -1, 10}) == "a<s>");
  CHECK(tokenizer->decode(Ids{0, 10}, true) == "a");
}

TEST_CASE("Bytes that are not UTF-8 are read as U+FFFD") {
  auto tokenizer = make_tokenizer(kTokenizer, "", "t");
  CHECK(tokenizer->encode("a\xFF"
                          "b") == tokenizer->encode("a\uFFFDb"));
}

TEST_CASE("A long text without a pre-tokenizer is one piece") {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "ab";
  Ids ids = make_tokenizer(kTokenizer, "", "t")->encode(text);
  CHECK(ids == Ids(50000, 3));
}

TEST_CASE("Matches of a pattern do not overlap, and an empty one does not touch the one before") {
  struct Row {
    const char* expression;
    const char* text;
    const char* replaced;
  };
  const Row rows[] = {{"a+", "baab", "b-b"},           {"x*", "axb", "-a-b-"},
                      {"\\p{Han}", "a\u6211b", "a-b"}, {"(?i:'S)", "it's IT'S", "it- IT-"},
                      {"\\s+$", "a  \n ", "a-"},       {"(?=b)", "ab\u00E9b", "a-b\u00E9-b"}};
  for (const Row& row : rows) {
    CAPTURE(row.expression);
    CHECK(Pattern::regex(row.expression, "t").replace_all(row.text, "-") == row.replaced);
  }
  CHECK(Pattern::literal("aa").replace_all("aaaa", "b") == "bb");
  CHECK(Pattern::literal("").replace_all("aaaa", "b") == "aaaa");
  CHECK(Pattern::literal("a+").replace_all("a+a", "b") == "ba");
}

}  // namespace

TEST_CASE("expressions matched by hand over ASCII match as the expression itself does") {
  const std::string alphabet[] = {"a",  "Z", "'",  "s",    "ll", "'re", " ",      "  ", "\n",  "\t",   "7",
                                  "42", ".", "!?", "\x01", "é",  "日",  "\u00a0", "½",  "'ve", "\r\n", "_"};
  std::mt19937 random(5);
  for (const char* one : {kGpt2Expression, "\\p{N}"}) {
    const std::string expression = one;
    const Pattern by_hand = Pattern::regex(expression, "test"),
                  by_engine = Pattern::regex("(?:" + expression + ")", "test");
    for (int i = 0; i < 5000; ++i) {
      std::string text;
      const size_t parts = random() % 12, letters = random() % 3 == 0 ? 15 : std::size(alphabet);
      for (size_t k = 0; k < parts; ++k) text += alphabet[random() % letters];
      std::vector<TextRange> got, expected;
      by_hand.find_all(text, got);
      by_engine.find_all(text, expected);
      INFO(expression << " on '" << text << "'");
      REQUIRE(got.size() == expected.size());
      for (size_t k = 0; k < got.size(); ++k) {
        REQUIRE(got[k].begin == expected[k].begin);
        REQUIRE(got[k].end == expected[k].end);
      }
    }
  }
}

}  // namespace assay
