// YAML -> Json, with the line of every value.
//
// Of YAML 1.1 as PyYAML reads it: plain scalars `true yes on` and `false no off` (three spellings of case each) are
// booleans; `~ null` and nothing are null; decimal, 0x, 0o and leading-zero octal integers and floats (also `1e-5`,
// which PyYAML leaves a text) are numbers. Quoted and block scalars are text. `<<` merges. Keys are always text. A
// value with an application tag, `!function module.name`, becomes {"!function": "module.name"}; so a reader that does
// not expect an object there refuses it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace assay {

struct YamlDocument {
  std::string path;  // heads messages
  Json value;
  std::map<std::string, int> lines;  // JSON pointer ("/metric_list/0/metric") -> 1-based line

  // "path:line" of a JSON pointer; of its nearest ancestor where the value came in by an alias or merge.
  std::string where(const std::string& pointer) const;
};

// Parses one document; no document gives null. Throws Error(kInput) "path:line: ..." for malformed text, a key written
// twice, an unknown alias, more than one document, and for input that unfolds beyond kMaxYamlValues values or 64 levels
// (aliases of aliases). With `repeated_keys` a key written twice is no error: its last value holds, as in PyYAML, and
// the message is appended there.
YamlDocument parse_yaml(std::string_view text, const std::string& path,
                        std::vector<std::string>* repeated_keys = nullptr);

constexpr size_t kMaxYamlValues = 500'000;

// One step of a JSON pointer: "~" and "/" escaped.
std::string pointer_step(std::string_view key);

}  // namespace assay
