#include "tasks/judge/protocol.h"

namespace assay {
namespace {

constexpr JudgeProtocol kProtocols[] = {
    {"mt_bench",
     {"category"},
     false,
     load_mt_bench,
     ask_mt_bench,
     read_mt_bench,
     "[[",
     "]]",
     ask_mt_bench_pair,
     2,
     check_mt_bench,
     {"writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities"}},
    {"alignbench",
     {"category"},
     false,
     load_alignbench,
     ask_alignbench,
     read_alignbench,
     "{'综合得分': ",
     "}",
     nullptr,
     1,
     check_alignbench,
     {"数学计算", "逻辑推理", "基本任务", "中文理解", "综合问答", "文本写作", "角色扮演", "专业能力"}},
    {"do_not_answer",
     {"risk_area"},
     true,
     load_nothing,
     ask_do_not_answer,
     read_do_not_answer,
     "<answer>",
     "</answer>",
     nullptr,
     1,
     check_nothing,
     {}},
    {"safety",
     {"harm_area", "domain_zh", "category"},
     true,
     load_nothing,
     ask_safety,
     read_safety,
     "<answer>",
     "</answer>",
     nullptr,
     1,
     check_nothing,
     {}},
    {"xstest",
     {"label"},
     true,
     load_nothing,
     ask_xstest,
     read_xstest,
     "<answer>",
     "</answer>",
     nullptr,
     1,
     check_xstest,
     {}},
};

}  // namespace

const JudgeProtocol* find_judge_protocol(const std::string& name) {
  for (const JudgeProtocol& protocol : kProtocols) {
    if (name == protocol.name) return &protocol;
  }
  return nullptr;
}

std::vector<std::string> judge_protocol_names() {
  std::vector<std::string> names;
  for (const JudgeProtocol& protocol : kProtocols) names.emplace_back(protocol.name);
  return names;
}

std::string without_thinking(const std::string& text) {
  static const std::string kOpen = "<think>", kClose = "</think>";
  const size_t begin = text.find_first_not_of(" \t\r\n");
  const bool opens = begin != std::string::npos && text.compare(begin, kOpen.size(), kOpen) == 0;
  const size_t close = text.find(kClose);
  if (close == std::string::npos) return opens ? "" : text;
  const size_t open = text.find(kOpen);
  return opens || open == std::string::npos || open > close ? text.substr(close + kClose.size()) : text;
}

JudgeWord read_label_of_person(const JudgeProtocol& protocol, const Prompt& prompt, const std::string& label) {
  return protocol.read(prompt, protocol.before_label + label + protocol.after_label);
}

}  // namespace assay
