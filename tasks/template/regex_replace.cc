#include <re2/re2.h>

#include <vector>

#include "core/text.h"
#include "tasks/template/argument_reader.h"
#include "tasks/template/filters.h"
#include "tasks/template/python_format.h"

namespace assay::jinja {
namespace {

using Groups = std::vector<re2::StringPiece>;

int group_number(const re2::RE2& pattern, const std::string& name) {
  if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos && name.size() < 4) {
    return std::stoi(name);
  }
  auto found = pattern.NamedCapturingGroups().find(name);
  if (found == pattern.NamedCapturingGroups().end()) fail("IndexError", "unknown group name " + string_repr(name));
  return found->second;
}

// Python's replacement template: \1, \g<1>, \g<name>, \n, \t, \\.
void append_replacement(const re2::RE2& pattern, const std::string& replacement, const Groups& groups,
                        std::string& out) {
  auto append_group = [&](int number) {
    if (number < 0 || number >= static_cast<int>(groups.size())) {
      fail("error", "invalid group reference " + std::to_string(number));
    }
    out.append(groups[static_cast<size_t>(number)].data(), groups[static_cast<size_t>(number)].size());
  };
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '\\') {
      out.push_back(replacement[i]);
      continue;
    }
    if (++i >= replacement.size()) fail("error", "bad escape (end of pattern)");
    const char c = replacement[i];
    if (c >= '0' && c <= '9') {
      int number = c - '0';
      if (i + 1 < replacement.size() && replacement[i + 1] >= '0' && replacement[i + 1] <= '9') {
        number = number * 10 + (replacement[++i] - '0');
      }
      append_group(number);
    } else if (c == 'g') {
      const size_t end = replacement.find('>', i);
      if (end == std::string::npos || replacement[i + 1] != '<') fail("error", "missing group name");
      append_group(group_number(pattern, replacement.substr(i + 2, end - i - 2)));
      i = end;
    } else if (c == 'n' || c == 't' || c == 'r' || c == '\\') {
      out.push_back(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : '\\');
    } else {
      fail("error", std::string("bad escape \\") + c);
    }
  }
}

std::string replace_matches(Runtime& runtime, const re2::RE2& pattern, const std::string& text,
                            const std::string& replacement, int64_t count) {
  Groups groups(static_cast<size_t>(pattern.NumberOfCapturingGroups()) + 1);
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; count == 0 || done < count; ++done) {
    runtime.heap.charge(8);
    if (!pattern.Match(text, at, text.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
      break;
    }
    const size_t begin = static_cast<size_t>(groups[0].data() - text.data());
    out.append(text, at, begin - at);
    append_replacement(pattern, replacement, groups, out);
    if (out.size() > runtime.heap.max_bytes()) runtime.heap.charge_bytes(out.size());
    at = begin + groups[0].size();
    if (!groups[0].empty()) continue;
    // An empty match: the next one lies behind the next character.
    if (at >= text.size()) return out;
    const size_t character = at;
    next_code_point(text, at);
    out.append(text, character, at - character);
  }
  return out + text.substr(at);
}

}  // namespace

Value regex_replace(Runtime& runtime, const Value& self, const Arguments& arguments) {
  ArgumentReader read(runtime, "regex_replace", arguments, {"pattern", "repl", "count"}, 2);
  if (!self.is_string()) fail("TypeError", "expected string or bytes-like object, got '" + type_name(self) + "'");
  std::string source = read.text(0, "");
  if (source.find("\\Z") != std::string::npos) source = replace_all(source, "\\Z", "\\z");
  re2::RE2::Options options;
  options.set_log_errors(false);
  const re2::RE2 pattern(source, options);
  if (!pattern.ok()) fail("error", "the pattern " + string_repr(source) + " is not supported: " + pattern.error());
  return runtime.heap.string(replace_matches(runtime, pattern, self.text(), read.text(1, ""), read.integer(2, 0)));
}

}  // namespace assay::jinja
