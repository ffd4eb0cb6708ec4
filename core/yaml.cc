// yaml-cpp's events build the Json from the inside out: a stack of open lists and maps, closed values being handed to
// the one below. Anchored values are kept whole and copied at each alias, so a cycle can't be made (an alias to a value
// that is still open is an error) and the size of what unfolds is counted before it is copied.
#include "core/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxKeys = 20'000;  // of one map: ordered_json looks keys up one by one

std::optional<bool> read_boolean(const std::string& text) {
  static constexpr std::array kTrue = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
  static constexpr std::array kFalse = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"};
  for (const char* word : kTrue) {
    if (text == word) return true;
  }
  for (const char* word : kFalse) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::optional<int64_t> read_integer(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  std::string digits;
  for (char c : text) {
    if (c != '_') digits.push_back(c);
  }
  int base = 10;
  size_t skip = 0;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o')) {
    base = digits[1] == 'x' ? 16 : 8;
    skip = 2;
  } else if (digits.size() > 1 && digits[0] == '0') {
    base = 8;
    skip = 1;
  }
  int64_t value = 0;
  auto [end, problem] = std::from_chars(digits.data() + skip, digits.data() + digits.size(), value, base);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> read_float(std::string_view text) {
  if (text == ".inf" || text == "+.inf" || text == ".Inf") return INFINITY;
  if (text == "-.inf" || text == "-.Inf") return -INFINITY;
  if (text == ".nan" || text == ".NaN") return NAN;
  if (text.find_first_of("0123456789") == std::string_view::npos) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Json read_plain(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (auto boolean = read_boolean(text)) return *boolean;
  if (auto integer = read_integer(text)) return *integer;
  if (auto number = read_float(text)) return *number;
  return text;
}

// yaml-cpp gives the escapes \_ and \N as the single bytes A0 and 85 instead of UTF-8.
std::string mend_escapes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t before = i;
    const bool invalid = next_code_point(text, i) == 0xFFFD && i - before == 1;
    if (invalid)
      append_utf8(out, static_cast<unsigned char>(text[before]));
    else
      out.append(text.substr(before, i - before));
  }
  return out;
}

class JsonBuilder : public YAML::EventHandler {
 public:
  JsonBuilder(YamlDocument& document, std::vector<std::string>* repeated_keys)
      : document_(document), repeated_keys_(repeated_keys) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, Built{nullptr, 1, 1}, anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (!is_valid_utf8(text)) return OnScalar(mark, tag, anchor, mend_escapes(text));
    const bool at_key = !open_.empty() && open_.back().value.is_object() && !open_.back().key;
    if (at_key) return set_key(mark, text);
    if (tag == "?") return add(mark, Built{read_plain(text), 1, 1}, anchor);
    if (tag == "!" || tag.empty() || tag == "tag:yaml.org,2002:str") return add(mark, Built{text, 1, 1}, anchor);
    if (starts_with(tag, "tag:yaml.org,2002:")) return add(mark, Built{read_plain(text), 1, 1}, anchor);
    if (tag[0] != '!') fail(mark, "unknown YAML tag " + tag);
    Json tagged = Json::object();
    tagged[tag] = text;
    add(mark, Built{std::move(tagged), 2, 2}, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Json::array());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Json::object());
  }
  void OnSequenceEnd() override { end(); }
  void OnMapEnd() override { end(); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto it = anchored_.find(anchor);
    if (it == anchored_.end()) fail(mark, "an alias to a value that contains it");
    if (it->second.size + size_ > kMaxYamlValues) fail(mark, "aliases unfold to too many values");
    if (!open_.empty() && open_.back().value.is_object() && !open_.back().key) {
      if (!it->second.value.is_string()) fail(mark, "a map key must be a text");
      return set_key(mark, it->second.value.get<std::string>());
    }
    add(mark, it->second, 0);
  }

 private:
  struct Built {
    Json value;
    size_t size;   // values in it, itself included
    size_t depth;  // levels in it, itself included
  };
  struct Open {
    Json value;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    size_t size = 1, depth = 1;
    std::string pointer;
    std::optional<std::string> key;        // map: the key whose value comes next
    std::unordered_set<std::string> keys;  // map: those written here, merges not included
    std::vector<Json> merges;              // map: values of "<<"
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw_input(document_.path + ":" + std::to_string(mark.line + 1), what);
  }

  std::string pointer_of_next() const {
    if (open_.empty()) return "";
    const Open& open = open_.back();
    return open.pointer + "/" + (open.key ? pointer_step(*open.key) : std::to_string(open.value.size()));
  }

  void set_key(const YAML::Mark& mark, const std::string& key) {
    Open& open = open_.back();
    if (!open.keys.insert(key).second) repeat_key(mark, key);
    if (open.keys.size() > kMaxKeys) fail(mark, "a map of too many keys");
    open.key = key;
    document_.lines.emplace(pointer_of_next(), mark.line + 1);
  }

  void repeat_key(const YAML::Mark& mark, const std::string& key) {
    const std::string what = "the key \"" + key + "\" is written twice";
    if (!repeated_keys_) fail(mark, what);
    repeated_keys_->push_back(document_.path + ":" + std::to_string(mark.line + 1) + ": " + what);
    open_.back().value.erase(key);
  }

  void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Json value) {
    if (!open_.empty() && open_.back().value.is_object() && !open_.back().key) fail(mark, "a map key must be a text");
    if (!tag.empty() && tag[0] == '!' && tag.size() > 1) fail(mark, "the tag " + tag + " on a list or map");
    if (open_.size() >= kMaxDepth) fail(mark, "nested too deeply");
    Open open{std::move(value), mark, anchor};
    open.pointer = pointer_of_next();
    document_.lines.emplace(open.pointer, mark.line + 1);
    open_.push_back(std::move(open));
  }

  void end() {
    Open open = std::move(open_.back());
    open_.pop_back();
    for (const Json& merge : open.merges) apply_merge(open, merge);
    size_ -= open.size - 1;  // add() counts the whole
    add(open.mark, Built{std::move(open.value), open.size, open.depth}, open.anchor);
  }

  // Keys written in the map itself win over merged ones, earlier merges over later.
  void apply_merge(Open& open, const Json& merge) const {
    for (const auto& [key, value] : merge.items()) {
      if (open.value.contains(key)) continue;
      if (open.value.size() > kMaxKeys) fail(open.mark, "a map of too many keys");
      open.value[key] = value;
    }
  }

  void add(const YAML::Mark& mark, Built built, YAML::anchor_t anchor) {
    if (anchor) anchored_.insert_or_assign(anchor, built);
    size_ += built.size;
    if (size_ > kMaxYamlValues) fail(mark, "too many values");
    if (open_.empty()) {
      document_.lines.emplace("", mark.line + 1);
      document_.value = std::move(built.value);
      return;
    }
    Open& open = open_.back();
    open.size += built.size;
    open.depth = std::max(open.depth, built.depth + 1);
    if (open_.size() + built.depth > kMaxDepth) fail(mark, "nested too deeply");
    if (open.value.is_array()) {
      document_.lines.emplace(pointer_of_next(), mark.line + 1);
      open.value.push_back(std::move(built.value));
    } else if (!open.key) {
      fail(mark, "a map key must be a text");
    } else if (*open.key == "<<") {
      add_merge(mark, open, built.value);
    } else {
      open.value.emplace(*open.key, std::move(built.value));
    }
    open.key.reset();
  }

  void add_merge(const YAML::Mark& mark, Open& open, const Json& value) const {
    auto merge_one = [&](const Json& one) {
      if (!one.is_object()) fail(mark, "\"<<\" merges a map or a list of maps");
      open.merges.push_back(one);
    };
    if (!value.is_array()) return merge_one(value);
    for (const Json& one : value) merge_one(one);
  }

  YamlDocument& document_;
  std::vector<std::string>* repeated_keys_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Built> anchored_;
  size_t size_ = 0;
};

// A stream over borrowed bytes.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

std::string pointer_step(std::string_view key) {
  return replace_all(replace_all(std::string(key), "~", "~0"), "/", "~1");
}

std::string YamlDocument::where(const std::string& pointer) const {
  for (std::string at = pointer;; at.resize(at.rfind('/'))) {
    if (auto it = lines.find(at); it != lines.end()) return path + ":" + std::to_string(it->second);
    if (at.empty()) return path;
  }
}

YamlDocument parse_yaml(std::string_view text, const std::string& path, std::vector<std::string>* repeated_keys) {
  YamlDocument document;
  document.path = path;
  if (!is_valid_utf8(text)) throw_input(path, "is not UTF-8");
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    JsonBuilder builder(document, repeated_keys);
    if (!parser.HandleNextDocument(builder)) return document;
    YamlDocument rest;
    JsonBuilder second(rest, nullptr);
    if (parser.HandleNextDocument(second)) throw_input(path, "holds more than one YAML document");
  } catch (const YAML::Exception& problem) {
    const std::string place = problem.mark.is_null() ? path : path + ":" + std::to_string(problem.mark.line + 1);
    throw_input(place, "malformed YAML: " + replace_invalid_utf8(problem.msg));
  }
  return document;
}

}  // namespace assay
