#include "tasks/judge/prompt_text.h"

#include "core/error.h"
#include "tasks/prompt_field.h"

namespace assay {
namespace {

std::string names_of(const PromptFields& fields) {
  std::string names;
  for (const auto& [name, unused] : fields) names += (names.empty() ? "{" : ", {") + name + "}";
  return names;
}

}  // namespace

std::string fill_fields(const std::string& text, const PromptFields& fields, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    if (c == '}' && !doubled) throw_input(where, "a closing brace stands alone", "write }} for a brace");
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (doubled) {
      out += c;
      ++i;
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string::npos) throw_input(where, "an opening brace is never closed", "write {{ for a brace");
    const std::string name = text.substr(i + 1, end - i - 1);
    const auto field = fields.find(name);
    if (field == fields.end())
      throw_input(where, "the judge prompt has the field {" + name + "}, which is not given here",
                  "this place gives " + names_of(fields));
    out += field->second;
    i = end;
  }
  return out;
}

std::vector<Message> judge_messages(const JudgePrompt& prompt, const PromptFields& fields, const std::string& where) {
  std::vector<Message> messages;
  if (!prompt.system.empty()) messages.push_back({"system", prompt.system});
  messages.push_back({"user", fill_fields(prompt.text, fields, where)});
  return messages;
}

std::string judged_field(const Prompt& prompt, const std::string& name) {
  const Json fields = prompt.fields.json();
  const auto field = fields.find(name);
  if (field == fields.end()) throw_input(prompt.item_id, "has no field \"" + name + "\", which its judge needs");
  return python_text(*field);
}

}  // namespace assay
