// Ids and texts against those of the libraries that the checkpoints come from: tiny tokenizers of every kind in the
// repository, real ones among the shared inputs.
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/json.h"
#include "core/text.h"
#include "model_backend/tokenizer/normalizer.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::shared_file;
using testing::slurp;
using Ids = std::vector<TokenId>;

// The tokenizer.json of one folder of the shared inputs, under whichever of its three names.
std::shared_ptr<const Tokenizer> shared_tokenizer(const std::string& name) {
  auto folder = shared_file("tokenizers/" + name);
  if (!folder) return nullptr;
  for (const char* file : {"/tokenizer.json", "/tokenizer.json.gz", "/tokenizer.reconstructed.json"}) {
    if (std::filesystem::exists(*folder + file)) return make_tokenizer(slurp(*folder + file), "", *folder + file);
  }
  FAIL("no tokenizer.json in " << *folder);
  return nullptr;
}

TEST_CASE("Tiny tokenizers of every kind give the ids and texts of Hugging Face's library") {
  Json golden = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tokenizer/tiny.json");
  for (const Json& entry : golden["tokenizers"]) {
    CAPTURE(entry["name"]);
    auto tokenizer = make_tokenizer(entry["tokenizer"].dump(), "", "tiny.json");
    for (const Json& row : entry["cases"]) {
      CAPTURE(row[0]);
      std::string text = row[0];
      CHECK(tokenizer->encode(text) == row[1].get<Ids>());
      CHECK(tokenizer->encode_with_special(text) == row[2].get<Ids>());
      if (row[3].is_null()) continue;
      CHECK(tokenizer->decode(row[1].get<Ids>()) == row[3].get<std::string>());
      CHECK(tokenizer->decode(row[2].get<Ids>(), true) == row[4].get<std::string>());
    }
  }
}

TEST_CASE("Normalizers give the texts of Hugging Face's library") {
  const Json golden = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tokenizer/normalizers.json");
  REQUIRE(golden["normalizers"].size() == 6);
  for (const Json& entry : golden["normalizers"]) {
    Normalizer normalizer = read_normalizer(entry["normalizer"], "normalizers.json");
    for (const Json& row : entry["cases"]) {
      INFO(entry["normalizer"]["type"] << ": " << row[0].dump());
      CHECK(normalizer.apply(row[0].get<std::string>()) == row[1].get<std::string>());
    }
  }
}

TEST_CASE("Real tokenizers give the ids and texts of Hugging Face's library") {
  auto folder = shared_file("tokenizers/golden");
  if (!folder) return;
  for (const auto& file : std::filesystem::directory_iterator(*folder)) {
    std::string name = file.path().stem();
    CAPTURE(name);
    auto tokenizer = shared_tokenizer(name);
    Json golden = read_json_file(file.path());
    for (const Json& row : golden["cases"]) {
      CAPTURE(row["name"]);
      CHECK(tokenizer->encode(row["text"].get<std::string>()) == row["ids"].get<Ids>());
      CHECK(tokenizer->encode_with_special(row["text"].get<std::string>()) == row["ids_with_special"].get<Ids>());
      CHECK(tokenizer->decode(row["ids"].get<Ids>()) == row["decoded"].get<std::string>());
      CHECK(tokenizer->decode(row["ids_with_special"].get<Ids>(), true) ==
            row["decoded_with_special_skipped"].get<std::string>());
    }
  }
}

TEST_CASE("Real tokenizers give the ids of transformers.js") {
  auto file = shared_file("tokenizers/vectors/transformers.js/vectors.json");
  if (!file) return;
  for (const Json& entry : read_json_file(*file)) {
    std::string rule = entry["rule"];
    CAPTURE(entry["hub_id"], rule);
    auto tokenizer = shared_tokenizer(entry["tokenizer"]);
    bool bos_first = starts_with(rule, "ids = BOS + ");
    for (const Json& row : entry["cases"]) {
      CAPTURE(row["name"]);
      Ids want = row["ids"];
      std::string text = row["text"];
      if (bos_first) want.erase(want.begin());
      CHECK((bos_first ? tokenizer->encode(text) : tokenizer->encode_with_special(text)) == want);
    }
  }
}

TEST_CASE("Real tokenizers give the ids of llama.cpp's vocabulary tests") {
  const std::pair<const char*, const char*> rows[] = {{"llama-spm", "llama-2"},
                                                      {"deepseek-llm", "deepseek-llm"},
                                                      {"deepseek-coder", "deepseek-coder"},
                                                      {"gpt-2", "gpt2"},
                                                      {"falcon", "falcon-7b"},
                                                      {"phi-3", "phi-3-mini"},
                                                      {"llama-bpe", "llama-3"},
                                                      {"qwen2", "qwen2.5"},
                                                      {"deepseek-r1-qwen", "qwen2.5"}};
  for (const auto& [vector, name] : rows) {
    std::string stem = std::string("tokenizers/vectors/llama.cpp/ggml-vocab-") + vector + ".gguf";
    auto inputs = shared_file(stem + ".inp"), outputs = shared_file(stem + ".out");
    if (!inputs || !outputs) continue;
    CAPTURE(vector, name);
    auto tokenizer = shared_tokenizer(name);
    std::string texts = slurp(*inputs), separator = "\n__ggml_vocab_test__\n";
    size_t at = 0, checked = 0;
    for (const std::string& line : split(slurp(*outputs), '\n')) {
      size_t end = texts.find(separator, at);
      if (end == texts.npos) break;
      std::string want;
      for (TokenId id : tokenizer->encode(texts.substr(at, end - at))) want += " " + std::to_string(id);
      CHECK(std::string(strip(want)) == std::string(strip(line)));
      at = end + separator.size();
      ++checked;
    }
    CHECK(checked == 46);
  }
}

TEST_CASE("The tokenizer of stories260K gives the ids of its golden file, and its text back") {
  auto folder = shared_file("models/stories260K");
  if (!folder) return;
  auto tokenizer = load_tokenizer(*folder);
  CHECK(tokenizer->vocab_size() == 512);
  CHECK(tokenizer->bos() == 1);
  CHECK(tokenizer->eos() == 2);
  CHECK(tokenizer->add_bos());
  CHECK_FALSE(tokenizer->add_eos());
  Json golden = read_json_file(*folder + "/golden.json");
  for (const Json& row : golden["cases"]) {
    CAPTURE(row["text"]);
    CHECK(tokenizer->encode_with_special(row["text"].get<std::string>()) == row["ids"].get<Ids>());
  }
}

TEST_CASE("The bytes of all tokens, joined, are the text") {
  for (const char* name : {"gpt2", "llama-2", "qwen2.5", "gemma-2", "deepseek-v3"}) {
    auto tokenizer = shared_tokenizer(name);
    if (!tokenizer) return;
    CAPTURE(name);
    std::string text = "caf\xC3\xA9 \xE6\x88\x91\xE4\xBB\xAC \xF0\x9F\xA6\x99 \xEA\x99\x8A\n\tx  y";
    std::string joined;
    for (TokenId id : tokenizer->encode(text)) joined += tokenizer->token_bytes(id);
    if (starts_with(joined, " ")) joined.erase(0, 1);
    CHECK(joined == text);
  }
}

TEST_CASE("What tokenizer_config.json says about BOS is honoured where the post-processor adds none") {
  struct Row {
    const char* name;
    const char* bos;
    const char* eos;
    bool add_bos;
    bool has_template;
  };
  const Row rows[] = {{"deepseek-coder", "<｜begin▁of▁sentence｜>", "<|EOT|>", true, true},
                      {"deepseek-v3", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", true, true},
                      {"llama-2", "<s>", "</s>", true, false},
                      {"llama-3", "<|begin_of_text|>", "<|end_of_text|>", false, true},
                      {"mistral-7b-instruct-v0.2", "<s>", "</s>", true, true},
                      {"gemma-2", "<bos>", "<eos>", true, false},
                      {"yi", "<|startoftext|>", "<|endoftext|>", false, false},
                      {"phi-3-mini", "<s>", "<|endoftext|>", false, true},
                      {"gpt2", "<|endoftext|>", "<|endoftext|>", false, false},
                      {"pythia", "<|endoftext|>", "<|endoftext|>", false, false},
                      {"qwen2.5", "", "<|im_end|>", false, true}};
  for (const Row& row : rows) {
    auto folder = shared_file(std::string("tokenizers/") + row.name);
    if (!folder) return;
    CAPTURE(row.name);
    std::string json = *folder + "/tokenizer.json";
    if (!std::filesystem::exists(json)) json += ".gz";
    auto tokenizer = make_tokenizer(slurp(json), slurp(*folder + "/tokenizer_config.json"), row.name);
    CHECK(tokenizer->bos_text() == row.bos);
    CHECK(tokenizer->eos_text() == row.eos);
    CHECK(tokenizer->add_bos() == row.add_bos);
    CHECK_FALSE(tokenizer->add_eos());
    CHECK(tokenizer->chat_template().has_value() == row.has_template);
  }
}

}  // namespace
}  // namespace assay
