#include "tasks/template/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "tasks/template/operators.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

std::string escape_character(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    default:
      break;
  }
  if (c < 0x10000) return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  const uint32_t rest = static_cast<uint32_t>(c) - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
}

class Writer {
 public:
  Writer(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {
    item_separator_ = style.item_separator.value_or(style.indent ? "," : ", ");
    key_separator_ = style.key_separator.value_or(": ");
  }

  void write(const Value& value, int level) {
    runtime_.check_stack();
    switch (value.kind()) {
      case Kind::kNone:
        out_ += "null";
        break;
      case Kind::kBool:
        out_ += value.integer() ? "true" : "false";
        break;
      case Kind::kInt:
        out_ += std::to_string(value.integer());
        break;
      case Kind::kFloat:
        write_real(value.real());
        break;
      case Kind::kString:
        write_text(value.text());
        break;
      case Kind::kList:
      case Kind::kTuple:
        write_array(value.items(), level);
        break;
      case Kind::kDict:
        write_object(value.dict(), level);
        break;
      default:
        fail("TypeError", "Object of type " + json_type_name(value) + " is not JSON serializable");
    }
    runtime_.heap.charge(1);
    if (out_.size() > runtime_.heap.max_bytes()) runtime_.heap.charge_bytes(out_.size());
  }

  std::string take() { return std::move(out_); }

 private:
  Runtime& runtime_;
  const JsonStyle& style_;
  std::string item_separator_, key_separator_;
  std::string out_;

  std::string json_type_name(const Value& value) const {
    return value.is_undefined() && runtime_.environment.strict_undefined ? "StrictUndefined" : type_name(value);
  }

  void write_real(double value) {
    out_ += std::isnan(value) ? "NaN" : std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity") : float_repr(value);
  }

  void write_text(const std::string& text) {
    runtime_.heap.charge_bytes(text.size());
    out_ += '"';
    for (size_t i = 0; i < text.size();) {
      const size_t begin = i;
      const char32_t c = next_code_point(text, i);
      if (c == '"' || c == '\\' || c < 0x20 || (style_.ascii && c > 0x7E)) {
        out_ += escape_character(c);
      } else {
        out_.append(text, begin, i - begin);
      }
    }
    out_ += '"';
  }

  void break_line(int level) {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level; ++i) out_ += *style_.indent;
  }

  void write_array(const std::vector<Value>& items, int level) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += item_separator_;
      break_line(level + 1);
      write(items[i], level + 1);
    }
    break_line(level);
    out_ += ']';
  }

  void write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        write_text(key.text());
        return;
      case Kind::kNone:
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
        out_ += '"';
        write(key, 0);
        out_ += '"';
        return;
      default:
        fail("TypeError", "keys must be str, int, float, bool or None, not " + type_name(key));
    }
  }

  void write_object(const Dict& dict, int level) {
    if (dict.size() == 0) {
      out_ += "{}";
      return;
    }
    std::vector<Dict::Entry> entries = dict.entries();
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const Dict::Entry& a, const Dict::Entry& b) { return less(runtime_, a.first, b.first); });
    }
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i) out_ += item_separator_;
      break_line(level + 1);
      write_key(entries[i].first);
      out_ += key_separator_;
      write(entries[i].second, level + 1);
    }
    break_line(level);
    out_ += '}';
  }
};

Json items_to_json(Runtime& runtime, const Value& value) {
  Json array = Json::array();
  for (const Value& item : to_vector(runtime, value)) array.push_back(to_json(runtime, item));
  return array;
}

}  // namespace

std::string json_dumps(Runtime& runtime, const Value& value, const JsonStyle& style) {
  Writer writer(runtime, style);
  writer.write(value, 0);
  return writer.take();
}

Json to_json(Runtime& runtime, const Value& value) {
  runtime.check_stack();
  switch (value.kind()) {
    case Kind::kUndefined:
      require_defined(runtime, value);
      return nullptr;
    case Kind::kNone:
      return nullptr;
    case Kind::kBool:
      return value.integer() != 0;
    case Kind::kInt:
      return value.integer();
    case Kind::kFloat:
      return value.real();
    case Kind::kString:
      return value.text();
    case Kind::kList:
    case Kind::kTuple:
      return items_to_json(runtime, value);
    case Kind::kDict: {
      Json object = Json::object();
      for (const auto& [key, item] : value.dict().entries()) object[str(runtime, key)] = to_json(runtime, item);
      return object;
    }
    case Kind::kObject:
      break;
  }
  return is_iterable(value) ? items_to_json(runtime, value) : Json(str(runtime, value));
}

}  // namespace assay::jinja
