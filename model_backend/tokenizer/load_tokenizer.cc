// Finds a checkpoint's tokenizer files and reads the facts beside the vocabulary from them. For each fact the first
// source that has it counts: tokenizer_config.json, special_tokens_map.json, generation_config.json.
#include <algorithm>
#include <array>
#include <filesystem>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "model_backend/checkpoint/gguf.h"
#include "model_backend/tokenizer/gguf_vocab.h"
#include "model_backend/tokenizer/pipeline.h"
#include "model_backend/tokenizer/tokenizer.h"
#include "model_backend/tokenizer/tokenizer_json.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

// The files beside tokenizer.json; an absent one is an empty object.
struct SideFiles {
  JsonObject config;
  JsonObject special_tokens;
  JsonObject generation;
};

const Json& empty_object() {
  static const Json empty = Json::object();
  return empty;
}

std::optional<TokenId> id_of(const Pipeline& pipeline, const std::string& token) {
  auto added = pipeline.added.vocab().find(token);
  return added ? added : pipeline.model->vocab().find(token);
}

// A token is written as its text or as an object with "content".
std::optional<std::string> token_text(const JsonObject& object, const char* key) {
  if (!object.has(key)) return std::nullopt;
  const Json& value = object.child(key);
  if (value.is_object()) return object.object(key).text("content");
  return object.text(key);
}

// "bos_token_id" and "eos_token_id" are a number or a list, of which the first counts.
std::optional<TokenId> generation_id(const JsonObject& generation, const std::string& key, const Pipeline& pipeline) {
  if (!generation.has(key)) return std::nullopt;
  const Json* value = &generation.child(key);
  if (value->is_array() && !value->empty()) value = &value->front();
  if (!value->is_number_integer()) generation.fail(key, "must be a token id or a list of them");
  int64_t id = value->get<int64_t>();
  if (id < 0 || id >= Vocab::kIdLimit || !pipeline.token_text(static_cast<TokenId>(id))) return std::nullopt;
  return static_cast<TokenId>(id);
}

std::optional<TokenId> special_token(const SideFiles& files, const std::string& key, const Pipeline& pipeline) {
  for (const JsonObject* object : {&files.config, &files.special_tokens}) {
    if (auto text = token_text(*object, key.c_str())) return id_of(pipeline, *text);
    // Written as null: the tokenizer has none, whatever another file says.
    if (object->json().contains(key)) return std::nullopt;
  }
  return generation_id(files.generation, key + "_id", pipeline);
}

// Every "..._token" of the files beside, and BOS and EOS where only ids are there.
std::map<std::string, std::string> named_tokens(const SideFiles& files, const Pipeline& pipeline,
                                                const TokenizerFacts& facts) {
  std::map<std::string, std::string> tokens;
  for (const JsonObject* object : {&files.special_tokens, &files.config}) {
    for (const auto& [key, value] : object->json().items()) {
      if (!ends_with(key, "_token")) continue;
      if (value.is_null()) tokens.erase(key);
      if (value.is_object() && value.contains("content")) tokens[key] = object->object(key.c_str()).text("content");
      if (value.is_string()) tokens[key] = value.get<std::string>();
    }
  }
  if (facts.bos) tokens["bos_token"] = *pipeline.token_text(*facts.bos);
  if (facts.eos) tokens["eos_token"] = *pipeline.token_text(*facts.eos);
  return tokens;
}

// transformers' Llama and Gemma tokenizers put BOS in front unless the configuration says otherwise.
bool adds_bos_by_class(const JsonObject& config) {
  constexpr std::array<std::string_view, 6> kClasses = {"LlamaTokenizer",     "LlamaTokenizerFast",
                                                        "CodeLlamaTokenizer", "CodeLlamaTokenizerFast",
                                                        "GemmaTokenizer",     "GemmaTokenizerFast"};
  std::string name = config.text("tokenizer_class", "");
  return std::find(kClasses.begin(), kClasses.end(), name) != kClasses.end();
}

// Where no file beside it names a BOS or says what is added, the post-processor runs all the same: its first token is
// the BOS.
void read_frame_bos(const JsonObject& config, const SpecialFrame& frame, TokenizerFacts& facts) {
  const bool is_said = config.has("add_bos_token") || config.has("add_eos_token");
  if (!facts.bos && !is_said && frame.before.size() == 1) facts.bos = frame.before.front();
}

void read_frame_facts(const JsonObject& config, const SpecialFrame& frame, TokenizerFacts& facts) {
  bool framed_bos = facts.bos && !frame.before.empty() && frame.before.front() == *facts.bos;
  bool framed_eos = facts.eos && !frame.after.empty() && frame.after.back() == *facts.eos;
  facts.add_bos = facts.bos && config.boolean("add_bos_token", framed_bos || adds_bos_by_class(config));
  facts.add_eos = facts.eos && config.boolean("add_eos_token", framed_eos);
}

// A text, or a list of {name, template} of which "default" counts.
std::optional<std::string> config_template(const JsonObject& config) {
  if (!config.has("chat_template")) return std::nullopt;
  const Json& value = config.child("chat_template");
  if (!value.is_array()) return config.text("chat_template");
  for (const Json& entry : value) {
    JsonObject named(entry, config.where() + ": chat_template");
    if (named.text("name") == "default") return named.text("template");
  }
  return std::nullopt;
}

std::shared_ptr<const Tokenizer> assemble(std::string_view tokenizer_json, const SideFiles& files,
                                          const std::string& where, std::optional<std::string> chat_template) {
  Pipeline pipeline = read_tokenizer_json(tokenizer_json, where);
  TokenizerFacts facts;
  facts.bos = special_token(files, "bos_token", pipeline);
  facts.eos = special_token(files, "eos_token", pipeline);
  facts.special_tokens = named_tokens(files, pipeline, facts);
  read_frame_bos(files.config, pipeline.frame, facts);
  read_frame_facts(files.config, pipeline.frame, facts);
  facts.chat_template = chat_template ? std::move(chat_template) : config_template(files.config);
  facts.hash = FieldHash()
                   .add("tokenizer.json")
                   .add(tokenizer_json)
                   .add_number(facts.bos.value_or(-1))
                   .add_number(facts.eos.value_or(-1))
                   .add_number(facts.add_bos)
                   .add_number(facts.add_eos)
                   .hex();
  return std::make_shared<const Tokenizer>(std::move(pipeline), std::move(facts));
}

std::shared_ptr<const Tokenizer> load_folder(const fs::path& folder) {
  fs::path main = folder / "tokenizer.json";
  if (!fs::exists(main)) {
    std::string next = fs::exists(folder / "tokenizer.model")
                           ? "there is only a SentencePiece tokenizer.model: save the tokenizer once with transformers "
                             "(use_fast=True), which writes tokenizer.json"
                           : "a checkpoint folder needs its tokenizer.json";
    throw_input(main.string(), "the file is missing", next);
  }
  auto read_json = [&](const char* name) {
    fs::path path = folder / name;
    return fs::exists(path) ? read_json_file(path.string()) : empty_object();
  };
  Json config = read_json("tokenizer_config.json");
  Json special = read_json("special_tokens_map.json");
  Json generation = read_json("generation_config.json");
  auto place = [&](const char* name) { return (folder / name).string(); };
  SideFiles files{JsonObject(config, place("tokenizer_config.json")),
                  JsonObject(special, place("special_tokens_map.json")),
                  JsonObject(generation, place("generation_config.json"))};
  std::optional<std::string> chat_template;
  if (fs::exists(folder / "chat_template.jinja")) chat_template = read_file(place("chat_template.jinja"));
  return assemble(read_file(main.string()), files, main.string(), std::move(chat_template));
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& checkpoint_path) {
  if (fs::is_directory(checkpoint_path)) return load_folder(checkpoint_path);
  if (!ends_with(checkpoint_path, ".gguf")) {
    throw_input(checkpoint_path, "neither a checkpoint folder nor a .gguf file");
  }
  GgufTokenizer loaded = read_gguf_vocab(GgufFile::open(checkpoint_path));
  return std::make_shared<const Tokenizer>(std::move(loaded.pipeline), std::move(loaded.facts));
}

std::shared_ptr<const Tokenizer> make_tokenizer(std::string_view tokenizer_json, std::string_view tokenizer_config,
                                                const std::string& where) {
  std::string config_place = where + ": tokenizer_config";
  Json config = tokenizer_config.empty() ? empty_object() : parse_json(tokenizer_config, config_place);
  SideFiles files{JsonObject(config, config_place), JsonObject(empty_object(), where),
                  JsonObject(empty_object(), where)};
  return assemble(tokenizer_json, files, where, std::nullopt);
}

}  // namespace assay
