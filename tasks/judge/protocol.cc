#include "tasks/judge/protocol.h"

namespace assay {
namespace {

constexpr JudgeProtocol kProtocols[] = {
    {"mt_bench", {"category"}, false, load_mt_bench, ask_mt_bench, read_mt_bench, "[[", "]]", ask_mt_bench_pair},
    {"alignbench",
     {"category"},
     false,
     load_alignbench,
     ask_alignbench,
     read_alignbench,
     "{'综合得分': ",
     "}",
     nullptr},
    {"do_not_answer",
     {"risk_area"},
     true,
     load_nothing,
     ask_do_not_answer,
     read_do_not_answer,
     "<answer>",
     "</answer>",
     nullptr},
    {"safety",
     {"harm_area", "domain_zh", "category"},
     true,
     load_nothing,
     ask_safety,
     read_safety,
     "<answer>",
     "</answer>",
     nullptr},
    {"xstest", {"label"}, true, load_nothing, ask_xstest, read_xstest, "<answer>", "</answer>", nullptr},
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

JudgeWord read_label_of_person(const JudgeProtocol& protocol, const Prompt& prompt, const std::string& label) {
  return protocol.read(prompt, protocol.before_label + label + protocol.after_label);
}

}  // namespace assay
