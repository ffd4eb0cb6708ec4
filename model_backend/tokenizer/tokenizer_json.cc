#include "model_backend/tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"
#include "model_backend/tokenizer/bpe.h"
#include "model_backend/tokenizer/unigram.h"

namespace assay {
namespace {

// What the file holds. The vocabulary and the merges, hundreds of thousands of entries, are kept flat and stay out of
// the tree, whose objects are searched one key after the other.
struct TokenizerFile {
  Json tree;
  bool has_vocab = false, has_merges = false;
  std::vector<std::pair<std::string, int64_t>> vocab;  // "vocab" as an object: BPE
  std::vector<std::pair<std::string, double>> scored;  // "vocab" as a list of [text, score]: Unigram
  std::vector<std::pair<std::string, std::string>> merges;
};

class FileReader : public nlohmann::json_sax<Json> {
 public:
  FileReader(TokenizerFile& file, const std::string& where) : file_(file), where_(where) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_integer(int64_t number) override { return value(number); }
  bool number_unsigned(uint64_t number) override { return value(number); }
  bool number_float(double number, const std::string&) override { return value(number); }
  bool string(std::string& text) override { return value(std::move(text)); }
  bool binary(Json::binary_t&) override { return false; }

  bool key(std::string& text) override {
    if (section_ == Section::kTree && open_.back()->size() >= kMostKeys) {
      fail(fmt::format("an object has more than {} keys", kMostKeys));
    }
    key_ = std::move(text);
    if (open_.size() == 1) top_key_ = key_;
    return true;
  }

  bool start_object(size_t) override {
    if (section_ != Section::kTree) fail_entry();
    if (in_model() && key_ == "vocab") {
      enter(Section::kVocab, file_.has_vocab);
    } else {
      push(Json::object());
    }
    return true;
  }

  bool start_array(size_t) override {
    if (section_ == Section::kMerges || section_ == Section::kScored) {
      if (in_pair_) fail_entry();
      in_pair_ = true;
      pair_.clear();
    } else if (section_ == Section::kVocab) {
      fail_entry();
    } else if (in_model() && key_ == "vocab") {
      enter(Section::kScored, file_.has_vocab);
    } else if (in_model() && key_ == "merges") {
      enter(Section::kMerges, file_.has_merges);
    } else {
      push(Json::array());
    }
    return true;
  }

  bool end_object() override { return end(); }

  bool end_array() override {
    if (!in_pair_) return end();
    in_pair_ = false;
    if (pair_.size() != 2 || !pair_[0].is_string()) fail_entry();
    std::string first = std::move(pair_[0].get_ref<std::string&>());
    if (section_ == Section::kMerges && pair_[1].is_string()) {
      file_.merges.emplace_back(std::move(first), std::move(pair_[1].get_ref<std::string&>()));
    } else if (section_ == Section::kScored && pair_[1].is_number()) {
      file_.scored.emplace_back(std::move(first), pair_[1].get<double>());
    } else {
      fail_entry();
    }
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& problem) override {
    std::string what = problem.what();
    if (size_t bracket = what.find("] "); bracket != std::string::npos) what = what.substr(bracket + 2);
    fail("malformed JSON: " + replace_invalid_utf8(what));
  }

 private:
  enum class Section { kTree, kVocab, kScored, kMerges };
  static constexpr size_t kMostKeys = 10000;
  static constexpr size_t kDeepest = 64;  // levels of the tree: what reads it is recursive

  [[noreturn]] void fail(const std::string& what) const { throw_input(where_, what); }

  [[noreturn]] void fail_entry() const {
    if (section_ == Section::kVocab) fail("model: vocab: the id of \"" + key_ + "\" must be a whole number");
    if (section_ == Section::kScored) {
      fail(fmt::format("model: vocab: entry {} must be a pair of text and score", file_.scored.size()));
    }
    fail(fmt::format("model: merges: entry {} must be two texts", file_.merges.size()));
  }

  bool in_model() const { return open_.size() == 2 && top_key_ == "model" && open_.back()->is_object(); }

  void enter(Section section, bool& seen) {
    if (seen) fail("model: \"" + key_ + "\" comes twice");
    seen = true;
    section_ = section;
  }

  bool end() {
    if (section_ == Section::kTree) {
      open_.pop_back();
    } else {
      section_ = Section::kTree;
    }
    return true;
  }

  // Puts a value at the current place of the tree and gives its address, valid until its parent gets another child.
  Json* place(Json json) {
    if (open_.empty()) return &(file_.tree = std::move(json));
    if (open_.back()->is_object()) return &((*open_.back())[key_] = std::move(json));
    open_.back()->push_back(std::move(json));
    return &open_.back()->back();
  }

  void push(Json container) {
    if (open_.size() >= kDeepest) fail(fmt::format("nested deeper than {} levels", kDeepest));
    open_.push_back(place(std::move(container)));
  }

  bool value(Json json) {
    if (section_ == Section::kTree) {
      place(std::move(json));
    } else if (section_ == Section::kVocab) {
      if (!json.is_number_integer()) fail_entry();
      file_.vocab.emplace_back(std::move(key_), json.get<int64_t>());
    } else if (in_pair_) {
      if (pair_.size() == 2) fail_entry();
      pair_.push_back(std::move(json));
    } else if (section_ == Section::kMerges && json.is_string()) {
      add_merge_line(json.get_ref<const std::string&>());
    } else {
      fail_entry();
    }
    return true;
  }

  // "left right"; a first line "#version: ..." is what old files have.
  void add_merge_line(const std::string& line) {
    if (starts_with(line, "#version")) return;
    size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) fail_entry();
    file_.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }

  TokenizerFile& file_;
  const std::string& where_;
  std::vector<Json*> open_;  // containers of the tree that are not closed yet
  std::string key_, top_key_;
  Section section_ = Section::kTree;
  bool in_pair_ = false;
  std::vector<Json> pair_;
};

TokenizerFile parse_file(std::string_view text, const std::string& where) {
  TokenizerFile file;
  FileReader reader(file, where);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return file;
}

Vocab make_vocab(std::vector<std::pair<std::string, int64_t>> entries, const std::string& where) {
  Vocab vocab;
  vocab.reserve(entries.size());
  for (auto& [text, id] : entries) vocab.add(std::move(text), id, where);
  return vocab;
}

std::unique_ptr<const TokenModel> read_bpe(const JsonObject& model, TokenizerFile& file) {
  if (file.vocab.empty()) model.fail("vocab", "is missing or empty");
  if (!file.has_merges) model.fail("merges", "is missing");
  if (model.number("dropout", 0) != 0) model.fail("dropout", "is not supported: encoding must be repeatable");
  BpeOptions options;
  if (model.has("unk_token")) options.unknown_token = model.text("unk_token");
  options.continuing_subword_prefix = model.text("continuing_subword_prefix", "");
  options.end_of_word_suffix = model.text("end_of_word_suffix", "");
  options.fuse_unknown = model.boolean("fuse_unk", false);
  options.byte_fallback = model.boolean("byte_fallback", false);
  options.ignore_merges = model.boolean("ignore_merges", false);
  Vocab vocab = make_vocab(std::move(file.vocab), model.where() + ": vocab");
  return std::make_unique<Bpe>(std::move(vocab), file.merges, std::move(options), model.where() + ": merges");
}

std::unique_ptr<const TokenModel> read_unigram(const JsonObject& model, TokenizerFile& file) {
  if (file.scored.empty()) model.fail("vocab", "must be a list of pairs of text and score");
  Vocab vocab;
  std::vector<double> scores;
  for (auto& [text, score] : file.scored) {
    vocab.add(std::move(text), static_cast<int64_t>(scores.size()), model.where() + ": vocab");
    scores.push_back(score);
  }
  std::optional<int64_t> unknown;
  if (model.has("unk_id")) unknown = model.integer("unk_id");
  return std::make_unique<Unigram>(std::move(vocab), std::move(scores), unknown, model.boolean("byte_fallback", false),
                                   model.where());
}

std::unique_ptr<const TokenModel> read_model(const JsonObject& root, TokenizerFile& file) {
  JsonObject model = root.object("model");
  // Files of old versions of the library have no type; lists of scores are Unigram, all else was BPE.
  std::string type = model.text("type", file.scored.empty() ? "BPE" : "Unigram");
  if (type == "BPE") return read_bpe(model, file);
  if (type == "Unigram") return read_unigram(model, file);
  model.fail("type", "\"" + type + "\" is not supported: BPE and Unigram are");
}

std::vector<AddedToken> read_added_tokens(const JsonObject& root, const Vocab& vocab) {
  std::vector<AddedToken> tokens;
  if (!root.has("added_tokens")) return tokens;
  const Json& list = root.child("added_tokens");
  if (!list.is_array()) root.fail("added_tokens", "must be a list");
  for (size_t i = 0; i < list.size(); ++i) {
    JsonObject object(list[i], fmt::format("{}: added_tokens[{}]", root.where(), i));
    AddedToken token;
    token.content = object.text("content");
    if (token.content.empty()) continue;
    int64_t id = object.integer("id");
    if (id < 0 || id >= Vocab::kIdLimit) object.fail("id", std::to_string(id) + " is out of range");
    // Where the vocabulary has the text, its id counts, as in the library that writes these files.
    token.id = vocab.find(token.content).value_or(static_cast<TokenId>(id));
    if (const std::string* other = vocab.text(token.id); other && *other != token.content) {
      object.fail("id", fmt::format("{} is the id of \"{}\" in the vocabulary", id, *other));
    }
    token.single_word = object.boolean("single_word", false);
    token.lstrip = object.boolean("lstrip", false);
    token.rstrip = object.boolean("rstrip", false);
    token.special = object.boolean("special", false);
    token.normalized = object.boolean("normalized", !token.special);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

Pipeline read_tokenizer_json(std::string_view text, const std::string& where) {
  TokenizerFile file = parse_file(text, where);
  JsonObject root(file.tree, where);
  auto part = [&](const char* key) { return root.has(key) ? root.child(key) : Json(); };
  Pipeline pipeline;
  pipeline.normalizer = read_normalizer(part("normalizer"), where + ": normalizer");
  pipeline.pre_tokenizer = read_pre_tokenizer(part("pre_tokenizer"), where + ": pre_tokenizer");
  pipeline.frame = read_post_processor(part("post_processor"), where + ": post_processor");
  pipeline.decoder = read_decoder(part("decoder"), where + ": decoder");
  pipeline.model = read_model(root, file);
  pipeline.added =
      AddedTokens(read_added_tokens(root, pipeline.model->vocab()), pipeline.normalizer, where + ": added_tokens");
  return pipeline;
}

}  // namespace assay
