// Files that are wrong: each defect is an Error that names the file and the place.
#include <catch2/catch.hpp>

#include "core/json.h"
#include "model_backend/tokenizer/normalizer.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

constexpr const char* kModel = R"("model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]})";

std::string with_model(const std::string& rest) {
  return "{" + rest + ", " + kModel + "}";
}

TEST_CASE("A defect of tokenizer.json is an error that names the place") {
  struct Row {
    const char* name;
    std::string json;
    const char* want;
  };
  const Row rows[] = {
      {"empty", "", "malformed JSON"},
      {"cut off", R"({"model": {"vocab": {"a": 0)", "malformed JSON"},
      {"not UTF-8", "{\"model\": \"\xFF\"}", "malformed JSON"},
      {"not an object", "[1]", "object was expected"},
      {"no model", "{}", "\"model\" is missing"},
      {"model of the wrong type", R"({"model": 3})", "\"model\""},
      {"unknown model", R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})", "WordPiece"},
      {"no vocabulary", R"({"model": {"type": "BPE", "merges": []}})", "\"vocab\""},
      {"no merges", R"({"model": {"type": "BPE", "vocab": {"a": 0}}})", "\"merges\""},
      {"two vocabularies", R"({"model": {"vocab": {"a": 0}, "vocab": {"a": 0}, "merges": []}})", "comes twice"},
      {"id of the wrong type", R"({"model": {"vocab": {"a": "0"}, "merges": []}})", "id of \"a\""},
      {"id in a list", R"({"model": {"vocab": {"a": [0]}, "merges": []}})", "id of \"a\""},
      {"id with a fraction", R"({"model": {"vocab": {"a": 0.5}, "merges": []}})", "id of \"a\""},
      {"negative id", R"({"model": {"vocab": {"a": -1}, "merges": []}})", "the id -1"},
      {"enormous id", R"({"model": {"vocab": {"a": 4000000000000}, "merges": []}})", "the id 4000000000000"},
      {"one id twice", R"({"model": {"vocab": {"a": 0, "b": 0}, "merges": []}})", "the same id 0"},
      {"one token twice", R"({"model": {"vocab": {"a": 0, "a": 1}, "merges": []}})", "two ids"},
      {"merge of one text", R"({"model": {"vocab": {"a": 0}, "merges": ["a"]}})", "merges: entry 0"},
      {"merge of three texts", R"({"model": {"vocab": {"a": 0}, "merges": ["a a a"]}})", "merges: entry 0"},
      {"merge of three listed texts", R"({"model": {"vocab": {"a": 0}, "merges": [["a", "a", "a"]]}})", "entry 0"},
      {"merge of a number", R"({"model": {"vocab": {"a": 0}, "merges": [["a", 1]]}})", "merges: entry 0"},
      {"merge is an object", R"({"model": {"vocab": {"a": 0}, "merges": [{}]}})", "merges: entry 0"},
      {"merge of an unknown token", R"({"model": {"vocab": {"a": 0, "b": 1}, "merges": ["a z"]}})", "\"z\""},
      {"merge into an unknown token", R"({"model": {"vocab": {"a": 0, "b": 1}, "merges": ["a b"]}})", "\"ab\""},
      {"unknown token not there", R"({"model": {"vocab": {"a": 0}, "merges": [], "unk_token": "<u>"}})", "<u>"},
      {"dropout", R"({"model": {"vocab": {"a": 0}, "merges": [], "dropout": 0.1}})", "dropout"},
      {"unigram entry of one", R"({"model": {"type": "Unigram", "vocab": [["a"]]}})", "vocab: entry 0"},
      {"unigram unknown id", R"({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}})", "unk_id"},
      {"unknown normalizer", with_model(R"("normalizer": {"type": "Sparkle"})"), "Sparkle"},
      {"normalizer list is none", with_model(R"("normalizer": {"type": "Sequence", "normalizers": 1})"), "normalizers"},
      {"unknown pre-tokenizer", with_model(R"("pre_tokenizer": {"type": "UnicodeScripts"})"), "UnicodeScripts"},
      {"bad expression",
       with_model(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"})"),
       "bad regular expression '(a'"},
      {"unknown behavior",
       with_model(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Eaten"})"), "Eaten"},
      {"no pattern", with_model(R"("pre_tokenizer": {"type": "Split", "pattern": {}, "behavior": "Isolated"})"),
       "pre_tokenizer"},
      {"metaspace of two characters", with_model(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "__"})"),
       "replacement"},
      {"unknown scheme",
       with_model(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})"), "last"},
      {"unknown decoder", with_model(R"("decoder": {"type": "CTC"})"), "CTC"},
      {"unknown post-processor", with_model(R"("post_processor": {"type": "Magic"})"), "Magic"},
      {"template without its token",
       with_model(R"("post_processor": {"type": "TemplateProcessing", "special_tokens": {},
                      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]})"),
       "\"<s>\""},
      {"template without text",
       with_model(R"("post_processor": {"type": "TemplateProcessing", "special_tokens": {}, "single": []})"), "single"},
      {"added token without id", with_model(R"("added_tokens": [{"content": "x"}])"), "added_tokens[0]"},
      {"added token with a taken id", with_model(R"("added_tokens": [{"content": "x", "id": 0}])"), "\"a\""},
      {"two added tokens with one id",
       with_model(R"("added_tokens": [{"content": "x", "id": 5}, {"content": "y", "id": 5}])"), "the same id 5"},
      {"added token out of range", with_model(R"("added_tokens": [{"content": "x", "id": 99999999}])"), "out of range"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::string message = error_of([&] { make_tokenizer(row.json, "", "folder/tokenizer.json"); });
    CHECK_THAT(message, Catch::Contains("folder/tokenizer.json") && Catch::Contains(row.want));
  }
}

TEST_CASE("A defect of a compiled table of replacements is an error, and a trie that leads nowhere replaces nothing") {
  const auto read = [](const char* base64) {
    return read_normalizer(Json({{"type", "Precompiled"}, {"precompiled_charsmap", base64}}), "normalizer");
  };
  for (const char* bad : {"!", "", "AAAA", "/////wAA", "AwAAAAAA", "CAAAAAAAAAA="})
    CHECK(testing::error_of([&] { read(bad); }).find("normalizer: precompiled_charsmap: ") == 0);
  CHECK(read("BAAAAAD///8=").apply("a\r\nb") == "a\r\nb");
}

TEST_CASE("A file nested without end is refused") {
  std::string deep = R"({"normalizer": )";
  for (int i = 0; i < 100000; ++i) deep += R"({"type": "Sequence", "normalizers": [)";
  CHECK_THAT(error_of([&] { make_tokenizer(deep, "", "t"); }), Catch::Contains("nested deeper than 64 levels"));
}

TEST_CASE("A defect of tokenizer_config.json is an error that names the key") {
  struct Row {
    const char* config;
    const char* want;
  };
  const Row rows[] = {
      {"[", "malformed JSON"},
      {"[]", "object was expected"},
      {R"({"bos_token": 3})", "\"bos_token\""},
      {R"({"eos_token": {"lstrip": true}})", "\"content\""},
      {R"({"bos_token": "a", "add_bos_token": "yes"})", "\"add_bos_token\""},
      {R"({"chat_template": 1})", "\"chat_template\""},
      {R"({"chat_template": [1]})", "chat_template"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.config);
    std::string message = error_of([&] { make_tokenizer("{" + std::string(kModel) + "}", row.config, "f"); });
    CHECK_THAT(message, Catch::Contains("tokenizer_config") && Catch::Contains(row.want));
  }
}

TEST_CASE("A folder without tokenizer.json says what to do") {
  TemporaryFolder folder;
  CHECK_THAT(error_of([&] { load_tokenizer(folder.path()); }), Catch::Contains("tokenizer.json"));
  folder.write("tokenizer.model", "x");
  CHECK_THAT(error_of([&] { load_tokenizer(folder.path()); }), Catch::Contains("transformers"));
  CHECK_THAT(error_of([&] { load_tokenizer(folder.file("weights.bin")); }), Catch::Contains("weights.bin"));
}

}  // namespace
}  // namespace assay
