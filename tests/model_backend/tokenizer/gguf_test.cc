// Tokenizers out of GGUF files: llama.cpp's vocabulary-only files with its own vectors, and small files written here.
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "core/text.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::shared_file;
using testing::slurp;
using testing::TemporaryFolder;
using Ids = std::vector<TokenId>;

// Writes the metadata of a GGUF file, version 3, without tensors.
class GgufWriter {
 public:
  GgufWriter& text(const std::string& key, const std::string& value) {
    return pair(key, 8, [&] { put_text(value); });
  }
  GgufWriter& boolean(const std::string& key, bool value) {
    return pair(key, 7, [&] { bytes_ += static_cast<char>(value); });
  }
  GgufWriter& integer(const std::string& key, uint32_t value) {
    return pair(key, 4, [&] { put(value); });
  }
  GgufWriter& texts(const std::string& key, const std::vector<std::string>& values) {
    return array(key, 8, values.size(), [&] {
      for (const std::string& value : values) put_text(value);
    });
  }
  GgufWriter& numbers(const std::string& key, const std::vector<float>& values) {
    return array(key, 6, values.size(), [&] {
      for (float value : values) put(value);
    });
  }
  GgufWriter& integers(const std::string& key, const std::vector<int32_t>& values) {
    return array(key, 5, values.size(), [&] {
      for (int32_t value : values) put(value);
    });
  }
  std::string finish() const {
    GgufWriter head;
    head.bytes_ = "GGUF";
    head.put(uint32_t{3});
    head.put(uint64_t{0});
    head.put(pairs_);
    std::string file = head.bytes_ + bytes_;
    file.resize((file.size() + 31) / 32 * 32);
    return file;
  }

 private:
  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(const std::string& value) {
    put(uint64_t{value.size()});
    bytes_ += value;
  }
  GgufWriter& pair(const std::string& key, uint32_t type, const std::function<void()>& value) {
    put_text(key);
    put(type);
    value();
    ++pairs_;
    return *this;
  }
  GgufWriter& array(const std::string& key, uint32_t type, uint64_t count, const std::function<void()>& values) {
    return pair(key, 9, [&] {
      put(type);
      put(count);
      values();
    });
  }

  std::string bytes_;
  uint64_t pairs_ = 0;
};

// "<unk> <s> </s>", three letters, their joins, and the bytes of U+00E9.
GgufWriter unnamed_score_vocabulary() {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens",
             {"<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "ba", "\u2581a", "<0xC3>", "<0xA9>", "[x]"})
      .numbers("tokenizer.ggml.scores", {0, 0, 0, -9, -9, -9, -2, -1, -3, 0, 0, 0})
      .integers("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1, 1, 1, 1, 6, 6, 4});
  return writer;
}

GgufWriter score_vocabulary() {
  GgufWriter writer = unnamed_score_vocabulary();
  writer.integer("tokenizer.ggml.bos_token_id", 1).integer("tokenizer.ggml.eos_token_id", 2);
  return writer;
}

GgufWriter merge_vocabulary() {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"a", "b", "\u0120", "ab", "\u0120ab", "<|end|>"})
      .texts("tokenizer.ggml.merges", {"a b", "\u0120 ab"})
      .integers("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 3});
  return writer;
}

std::shared_ptr<const Tokenizer> load(const GgufWriter& writer) {
  TemporaryFolder folder;
  return load_tokenizer(folder.write("model.gguf", writer.finish()));
}

TEST_CASE("llama.cpp's vocabularies give the ids of its vectors") {
  for (const char* name : {"llama-spm", "phi-3", "gpt-2", "falcon", "starcoder", "deepseek-coder", "deepseek-llm"}) {
    auto file = shared_file(std::string("tokenizers/vectors/llama.cpp/ggml-vocab-") + name + ".gguf");
    if (!file) continue;
    CAPTURE(name);
    auto tokenizer = load_tokenizer(*file);
    std::string texts = slurp(*file + ".inp"), separator = "\n__ggml_vocab_test__\n";
    size_t at = 0, checked = 0;
    for (const std::string& line : split(slurp(*file + ".out"), '\n')) {
      size_t end = texts.find(separator, at);
      if (end == texts.npos) break;
      std::string text = texts.substr(at, end - at), got;
      for (TokenId id : tokenizer->encode(text)) got += " " + std::to_string(id);
      CHECK(std::string(strip(got)) == std::string(strip(line)));
      // DeepSeek's added tokens such as "\u00FC" decode to the one byte they stand for in the byte alphabet.
      if (!starts_with(name, "deepseek")) CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
      at = end + separator.size();
      ++checked;
    }
    CHECK(checked == 46);
  }
}

TEST_CASE("A vocabulary with scores merges the best token first, the leftmost of equal ones") {
  auto tokenizer = load(score_vocabulary());
  CHECK(tokenizer->encode("ab") == Ids{3, 6});
  CHECK(tokenizer->encode("ba") == Ids{3, 7});
  CHECK(tokenizer->encode("aba") == Ids{8, 7});
  CHECK(tokenizer->encode("\u00E9") == Ids{3, 9, 10});
  CHECK(tokenizer->encode("a[x]<s>b") == Ids{8, 11, 1, 3, 5});
  CHECK(tokenizer->encode_with_special("b") == Ids{1, 3, 5});
  CHECK(tokenizer->decode(Ids{1, 3, 5, 9, 10}, true) == "b\u00E9");
  CHECK(tokenizer->token_bytes(9) == "\xC3");
  CHECK(tokenizer->add_bos());
  CHECK(load(score_vocabulary().boolean("tokenizer.ggml.add_space_prefix", false))->encode("ba") == Ids{7});
  CHECK_FALSE(load(score_vocabulary().boolean("tokenizer.ggml.add_bos_token", false))->add_bos());
}

TEST_CASE("A vocabulary with scores that names no BOS and EOS has the usual ones") {
  auto tokenizer = load(unnamed_score_vocabulary());
  CHECK(tokenizer->bos() == 1);
  CHECK(tokenizer->eos() == 2);
  CHECK(tokenizer->add_bos());
  CHECK(tokenizer->encode_with_special("b") == Ids{1, 3, 5});
  CHECK_FALSE(load(unnamed_score_vocabulary().integer("tokenizer.ggml.bos_token_id", 0xFFFFFFFF))->bos());
}

TEST_CASE("A vocabulary with merges is byte-level, split as its pre-tokenizer says") {
  auto tokenizer =
      load(merge_vocabulary().text("tokenizer.ggml.pre", "gpt-2").text("tokenizer.chat_template", "{{x}}"));
  CHECK(tokenizer->encode("ab ab<|end|>a") == Ids{3, 4, 5, 0});
  CHECK(tokenizer->decode(Ids{3, 4, 5}, true) == "ab ab");
  CHECK(tokenizer->chat_template() == "{{x}}");
  CHECK_FALSE(tokenizer->bos());
  CHECK_FALSE(tokenizer->add_bos());
}

TEST_CASE("Vocabularies that share another's pre-tokenizer are known by their own names") {
  for (const char* name : {"mellum", "a.x-4.0", "granite-docling", "kormo", "seed-coder", "kanana2"})
    CHECK(load(merge_vocabulary().text("tokenizer.ggml.pre", name))->encode("ab ab") == Ids{3, 4});
  for (const char* name : {"midm-2.0", "lfm2"}) {
    auto tokenizer =
        load(merge_vocabulary().text("tokenizer.ggml.pre", name).integer("tokenizer.ggml.bos_token_id", 5));
    CHECK(tokenizer->encode_with_special("ab ab") == Ids{5, 3, 4});
  }
}

TEST_CASE("Numbers fall into digits or into groups of three from the right where the pre-tokenizer says so") {
  const auto with = [](const char* name) {
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", name)
        .texts("tokenizer.ggml.tokens", {"1", "2", "3", "4", "12", "23", "34", "\u0120"})
        .texts("tokenizer.ggml.merges", {"1 2", "2 3", "3 4"});
    return load(writer);
  };
  CHECK(with("gpt-2")->encode("1234") == Ids{4, 6});
  CHECK(with("superbpe")->encode("1234") == Ids{0, 5, 3});
  CHECK(with("chameleon")->encode("12 34") == Ids{0, 1, 7, 2, 3});
}

TEST_CASE("The hash of a GGUF tokenizer changes with what changes ids") {
  std::string plain = load(merge_vocabulary())->hash();
  CHECK(plain == load(merge_vocabulary().text("tokenizer.chat_template", "x"))->hash());
  CHECK(plain != load(merge_vocabulary().text("tokenizer.ggml.pre", "gpt-2"))->hash());
  CHECK(plain != load(merge_vocabulary().integer("tokenizer.ggml.bos_token_id", 5))->hash());
}

TEST_CASE("A defect of a GGUF tokenizer is an error that names the key") {
  struct Row {
    const char* name;
    GgufWriter writer;
    const char* want;
  };
  auto without_tokens = GgufWriter().text("tokenizer.ggml.model", "gpt2");
  auto two_tokens = GgufWriter().text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"a", "b"});
  const Row rows[] = {
      {"no model", GgufWriter(), "tokenizer.ggml.model"},
      {"model of another kind", GgufWriter().text("tokenizer.ggml.model", "t5"), "t5"},
      {"no tokens", without_tokens, "tokenizer.ggml.tokens"},
      {"no scores", two_tokens, "tokenizer.ggml.scores"},
      {"short scores", GgufWriter(two_tokens).numbers("tokenizer.ggml.scores", {1}), "tokenizer.ggml.scores"},
      {"short types", GgufWriter(two_tokens).integers("tokenizer.ggml.token_type", {1}), "tokenizer.ggml.token_type"},
      {"unknown pre-tokenizer", merge_vocabulary().text("tokenizer.ggml.pre", "nobody"), "nobody"},
      {"BOS out of range", merge_vocabulary().integer("tokenizer.ggml.bos_token_id", 6), "tokenizer.ggml.bos_token_id"},
      {"token twice",
       GgufWriter()
           .text("tokenizer.ggml.model", "gpt2")
           .texts("tokenizer.ggml.tokens", {"a", "a"})
           .texts("tokenizer.ggml.merges", {}),
       "two ids"},
      {"merge of one text",
       GgufWriter()
           .text("tokenizer.ggml.model", "gpt2")
           .texts("tokenizer.ggml.tokens", {"a"})
           .texts("tokenizer.ggml.merges", {"a"}),
       "tokenizer.ggml.merges"},
      {"merge of an unknown token",
       GgufWriter()
           .text("tokenizer.ggml.model", "gpt2")
           .texts("tokenizer.ggml.tokens", {"a"})
           .texts("tokenizer.ggml.merges", {"a z"}),
       "\"z\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::string message = error_of([&] { load(row.writer); });
    CHECK_THAT(message, Catch::Contains("model.gguf") && Catch::Contains(row.want));
  }
}

TEST_CASE("A GGUF file cut off anywhere is an error that names the file") {
  std::string whole = merge_vocabulary().finish();
  TemporaryFolder folder;
  for (size_t length = 0; length + 32 < whole.size(); length += 7) {
    CAPTURE(length);
    std::string path = folder.write("cut.gguf", whole.substr(0, length));
    CHECK_THAT(error_of([&] { load_tokenizer(path); }), Catch::Contains("cut.gguf"));
  }
}

}  // namespace
}  // namespace assay
