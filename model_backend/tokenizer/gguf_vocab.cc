#include "model_backend/tokenizer/gguf_vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/hash.h"
#include "core/text.h"
#include "model_backend/tokenizer/bpe.h"

namespace assay {
namespace {

enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

constexpr const char* kSentencePieceSpace = "\xE2\x96\x81";  // U+2581, its stand-in for a space

// The pre-tokenisers of "gpt2" vocabularies: expressions that split one after the other, each match being a piece.
// The facts are those of the models' own tokenizer.json.
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LINES_AND_SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

constexpr const char* kQwen35 =
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES_AND_SPACES;
constexpr const char* kSeedCoder =
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|" LINES_AND_SPACES;
constexpr const char* kTekken = "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER
                                "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES_AND_SPACES;
constexpr const char* kGpt4o =
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER
    "*" CONTRACTIONS "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES_AND_SPACES;
constexpr const char* kDeepSeekWords =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINES_AND_SPACES;
// DeepSeek LLM lists the letters of the Latin, Greek, Cyrillic, Armenian, Georgian and some smaller alphabets.
constexpr const char* kDeepSeekLetters =
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}"
    "\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-"
    "\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}"
    "\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-"
    "\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-"
    "\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-"
    "\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-"
    "\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}"
    "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}"
    "\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-"
    "\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}"
    "\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+";
constexpr const char* kDeepSeekPunctuation =
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+";
constexpr const char* kIdeographs = "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+";
constexpr const char* kIdeographsAndKana = "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+";
constexpr const char* kBloom = " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+";

struct PreTokenizerRow {
  const char* name;
  std::vector<const char*> expressions;
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};

const std::vector<PreTokenizerRow>& pre_tokenizer_table() {
  static const std::vector<const char*> deepseek_llm = {"[\r\n]", kDeepSeekLetters, kDeepSeekPunctuation,
                                                        "\\s+$",  kIdeographs,      "\\p{N}"};
  static const std::vector<const char*> deepseek_coder = {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kIdeographs,
                                                          "\\p{N}"};
  static const std::vector<const char*> deepseek_v3 = {"\\p{N}{1,3}", kIdeographsAndKana, kDeepSeekWords};
  static const std::vector<const char*> single_digits = {"\\p{N}", kGpt2Expression};
  static const std::vector<const char*> chameleon = {"<sentinel:[0-9]+>",      "IMGIMG[A-I]{1,4}Z",
                                                     "[\\t\\n]|    |  ",       "\\p{N}",
                                                     "[\\p{P}!-/:-@\\[-`{-~]", kGpt2Expression};
  static const std::vector<PreTokenizerRow> table = {
      {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", kGpt2Expression, "\\p{N}+", "[0-9][0-9][0-9]"}},
      {"gpt-2", {kGpt2Expression}},
      {"phi-2", {kGpt2Expression}},
      {"mpt", {kGpt2Expression}},
      {"olmo", {kGpt2Expression}},
      {"jais", {kGpt2Expression}},
      {"trillion", {kGpt2Expression}},
      {"gigachat", {kGpt2Expression}},
      {"exaone4", {kGpt2Expression}},
      {"mellum", {kGpt2Expression}},
      {"a.x-4.0", {kGpt2Expression}},
      {"granite-docling", {kGpt2Expression}},
      {"starcoder", single_digits},
      {"refact", single_digits},
      {"command-r", single_digits},
      {"smollm", single_digits},
      {"codeshell", single_digits},
      {"exaone", single_digits},
      {"minerva-7b", single_digits},
      {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2Expression, "[0-9][0-9][0-9]"}},
      {"llama3", {kLlama3Expression}, true, true},
      {"llama-v3", {kLlama3Expression}, true, true},
      {"llama-bpe", {kLlama3Expression}, true, true},
      {"falcon3", {kLlama3Expression}, true, true},
      {"falcon-h1", {kLlama3Expression}, true, true},
      {"pixtral", {kLlama3Expression}, true, true},
      {"midm-2.0", {kLlama3Expression}, true, true},
      {"lfm2", {kLlama3Expression}, true, true},
      {"dbrx", {kLlama3Expression}},
      {"smaug-bpe", {kLlama3Expression}},
      {"glm4", {kLlama3Expression}},
      {"chatglm-bpe", {kLlama3Expression}},
      {"qwen2", {kQwen2Expression}},
      {"deepseek-r1-qwen", {kQwen2Expression}},
      {"stablelm2", {kQwen2Expression}},
      {"megrez", {kQwen2Expression}},
      {"hunyuan", {kQwen2Expression}},
      {"kormo", {kQwen2Expression}},
      {"seed-coder", {kSeedCoder}},
      {"qwen35", {kQwen35}},
      {"deepseek-llm", deepseek_llm},
      {"deepseek-coder", deepseek_coder},
      {"deepseek-v3", deepseek_v3},
      {"hunyuan-dense", deepseek_v3},
      {"tekken", {kTekken}, true, true},
      {"gpt-4o", {kGpt4o}},
      {"llama4", {kGpt4o}},
      {"kanana2", {kGpt4o}},
      {"poro-chat", {kBloom}},
      {"bloom", {kBloom}},
      {"gpt3-finnish", {kBloom}},
      {"viking", {kBloom, "\\p{N}"}},
      {"chameleon", chameleon, false, true},
      // Numbers in groups of three from the right; words may go on over spaces.
      {"superbpe", {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
  };
  return table;
}

const PreTokenizerRow& find_pre_tokenizer(const GgufFile& file) {
  std::string name = file.text("tokenizer.ggml.pre", "default");
  for (const PreTokenizerRow& row : pre_tokenizer_table()) {
    if (row.name == name) return row;
  }
  file.fail("tokenizer.ggml.pre",
            "names the pre-tokenizer \"" + replace_invalid_utf8(name) + "\", which is not supported");
}

struct TokenTable {
  std::vector<std::string> texts;
  std::vector<int64_t> types;  // kNormal where the file has none
};

TokenTable read_tokens(const GgufFile& file) {
  TokenTable table{file.texts("tokenizer.ggml.tokens"), {}};
  if (table.texts.empty()) file.fail("tokenizer.ggml.tokens", "is empty");
  if (static_cast<int64_t>(table.texts.size()) > Vocab::kIdLimit)
    file.fail("tokenizer.ggml.tokens", "has too many tokens");
  table.types.assign(table.texts.size(), kNormal);
  if (!file.has("tokenizer.ggml.token_type")) return table;
  table.types = file.integers("tokenizer.ggml.token_type");
  if (table.types.size() != table.texts.size()) {
    file.fail("tokenizer.ggml.token_type", "has another length than tokenizer.ggml.tokens");
  }
  return table;
}

Vocab make_vocab(const GgufFile& file, const TokenTable& table) {
  Vocab vocab;
  vocab.reserve(table.texts.size());
  std::string where = file.path() + ": tokenizer.ggml.tokens";
  for (size_t id = 0; id < table.texts.size(); ++id) {
    if (!table.texts[id].empty()) vocab.add(table.texts[id], static_cast<int64_t>(id), where);
  }
  return vocab;
}

// Control and user-defined tokens are found in the text. Phi-3's swallow the white space behind them, which a GGUF file
// has no key for: llama.cpp goes by the model's name, too.
AddedTokens make_added(const GgufFile& file, const TokenTable& table, const Normalizer& normalizer) {
  std::string name = to_lower_ascii(file.text("general.name", ""));
  bool is_phi3 = name.find("phi-3") != name.npos || name.find("phi3") != name.npos;
  std::vector<AddedToken> tokens;
  for (size_t id = 0; id < table.texts.size(); ++id) {
    int64_t type = table.types[id];
    const std::string& text = table.texts[id];
    if (text.empty() || (type != kControl && type != kUserDefined && type != kUnknown)) continue;
    AddedToken token{static_cast<TokenId>(id), text};
    token.special = type != kUserDefined;
    token.rstrip = is_phi3 && text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens), normalizer, file.path() + ": tokenizer.ggml.tokens");
}

std::unique_ptr<const TokenModel> make_score_model(const GgufFile& file, const TokenTable& table) {
  std::vector<double> scores = file.numbers("tokenizer.ggml.scores");
  if (scores.size() != table.texts.size()) {
    file.fail("tokenizer.ggml.scores", "has another length than tokenizer.ggml.tokens");
  }
  for (double score : scores) {
    if (std::isnan(score)) file.fail("tokenizer.ggml.scores", "has a value that is not a number");
  }
  BpeOptions options;
  options.byte_fallback = options.fuse_unknown = true;
  auto unknown = std::find(table.types.begin(), table.types.end(), kUnknown);
  if (unknown != table.types.end()) {
    const std::string& text = table.texts[unknown - table.types.begin()];
    if (!text.empty()) options.unknown_token = text;
  }
  return std::make_unique<Bpe>(
      Bpe::from_scores(make_vocab(file, table), scores, std::move(options), file.path() + ": tokenizer.ggml.tokens"));
}

// A merge is "left right"; the left half may itself begin with a space.
std::unique_ptr<const TokenModel> make_merge_model(const GgufFile& file, const TokenTable& table, bool ignore_merges) {
  std::vector<Bpe::TextPair> merges;
  for (const std::string& line : file.texts("tokenizer.ggml.merges")) {
    size_t space = line.find(' ', 1);
    if (space == line.npos) {
      file.fail("tokenizer.ggml.merges", fmt::format("entry {} is not two texts", merges.size()));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  BpeOptions options;
  options.ignore_merges = ignore_merges;
  return std::make_unique<Bpe>(make_vocab(file, table), merges, std::move(options),
                               file.path() + ": tokenizer.ggml.merges");
}

void build_sentence_piece(const GgufFile& file, const TokenTable& table, Pipeline& pipeline) {
  bool space_prefix = file.boolean("tokenizer.ggml.add_space_prefix", true);
  if (space_prefix) pipeline.normalizer.add(prepend_step(kSentencePieceSpace));
  pipeline.normalizer.add(replace_step(Pattern::literal(" "), kSentencePieceSpace));
  pipeline.model = make_score_model(file, table);
  pipeline.decoder.add(replace_decoder(Pattern::literal(kSentencePieceSpace), " "));
  pipeline.decoder.add(byte_fallback_decoder());
  pipeline.decoder.add(fuse_decoder());
  if (space_prefix) pipeline.decoder.add(strip_decoder(" ", 1, 0));
}

void build_byte_level(const GgufFile& file, const TokenTable& table, const PreTokenizerRow& row, Pipeline& pipeline) {
  for (const char* expression : row.expressions) {
    pipeline.pre_tokenizer.add(split_step(Pattern::regex(expression, file.path()), SplitBehavior::kIsolated));
  }
  pipeline.pre_tokenizer.add(byte_level_step());
  pipeline.model = make_merge_model(file, table, row.ignore_merges);
  pipeline.decoder.add(byte_level_decoder());
}

// SentencePiece's vocabularies have unknown, BOS and EOS in this order; a file may leave their keys out.
constexpr int64_t kNone = -1, kUsualBos = 1, kUsualEos = 2;

std::optional<TokenId> special_id(const GgufFile& file, const char* key, const TokenTable& table, int64_t usual) {
  if (!file.has(key) && static_cast<size_t>(usual + 1) > table.texts.size()) return std::nullopt;
  int64_t id = file.has(key) ? file.integer(key) : usual;
  if (id == kNone || id == 0xFFFFFFFF) return std::nullopt;
  if (id < 0 || static_cast<size_t>(id) >= table.texts.size()) file.fail(key, fmt::format("{} is not a token", id));
  return static_cast<TokenId>(id);
}

std::map<std::string, std::string> named_tokens(const GgufFile& file, const TokenTable& table,
                                                const TokenizerFacts& facts) {
  std::map<std::string, std::string> tokens;
  const auto put = [&](const char* name, std::optional<TokenId> id) {
    if (id) tokens[name] = table.texts[static_cast<size_t>(*id)];
  };
  put("bos_token", facts.bos);
  put("eos_token", facts.eos);
  put("unk_token", special_id(file, "tokenizer.ggml.unknown_token_id", table, kNone));
  put("pad_token", special_id(file, "tokenizer.ggml.padding_token_id", table, kNone));
  return tokens;
}

std::string hash_of(const GgufFile& file, const TokenTable& table, const TokenizerFacts& facts) {
  FieldHash hash;
  hash.add("gguf").add(file.text("tokenizer.ggml.model")).add(file.text("tokenizer.ggml.pre", ""));
  hash.add(file.text("general.name", ""));
  for (size_t id = 0; id < table.texts.size(); ++id) hash.add(table.texts[id]).add_number(table.types[id]);
  if (file.has("tokenizer.ggml.scores")) {
    for (double score : file.numbers("tokenizer.ggml.scores")) hash.add_real(score);
  }
  if (file.has("tokenizer.ggml.merges")) {
    for (const std::string& merge : file.texts("tokenizer.ggml.merges")) hash.add(merge);
  }
  hash.add_number(file.boolean("tokenizer.ggml.add_space_prefix", true));
  hash.add_number(facts.bos.value_or(-1)).add_number(facts.eos.value_or(-1));
  hash.add_number(facts.add_bos).add_number(facts.add_eos);
  return hash.hex();
}

}  // namespace

GgufTokenizer read_gguf_vocab(const GgufFile& file) {
  std::string model = file.text("tokenizer.ggml.model");
  if (model != "llama" && model != "gpt2") {
    file.fail("tokenizer.ggml.model", "\"" + replace_invalid_utf8(model) + "\" is not supported: llama and gpt2 are");
  }
  TokenTable table = read_tokens(file);
  GgufTokenizer out;
  bool add_bos_default = true;
  if (model == "llama") {
    build_sentence_piece(file, table, out.pipeline);
  } else {
    const PreTokenizerRow& row = find_pre_tokenizer(file);
    build_byte_level(file, table, row, out.pipeline);
    add_bos_default = row.add_bos;
  }
  out.pipeline.added = make_added(file, table, out.pipeline.normalizer);
  TokenizerFacts& facts = out.facts;
  const bool has_usual = model == "llama";
  facts.bos = special_id(file, "tokenizer.ggml.bos_token_id", table, has_usual ? kUsualBos : kNone);
  facts.eos = special_id(file, "tokenizer.ggml.eos_token_id", table, has_usual ? kUsualEos : kNone);
  facts.special_tokens = named_tokens(file, table, facts);
  facts.add_bos = facts.bos && file.boolean("tokenizer.ggml.add_bos_token", add_bos_default);
  facts.add_eos = facts.eos && file.boolean("tokenizer.ggml.add_eos_token", false);
  if (facts.add_bos) out.pipeline.frame.before = {*facts.bos};
  if (facts.add_eos) out.pipeline.frame.after = {*facts.eos};
  if (file.has("tokenizer.chat_template")) facts.chat_template = file.text("tokenizer.chat_template");
  facts.hash = hash_of(file, table, facts);
  return out;
}

}  // namespace assay
