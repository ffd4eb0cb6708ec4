#include "tasks/judge/protocol.h"

namespace assay {
namespace {

constexpr JudgeProtocol kProtocols[] = {
    {"mt_bench", "category", 1, 10, load_mt_bench, ask_mt_bench, read_mt_bench, ask_mt_bench_pair},
    {"alignbench", "category", 1, 10, load_alignbench, ask_alignbench, read_alignbench, nullptr},
    {"do_not_answer", "risk_area", 0, 1, load_nothing, ask_do_not_answer, read_do_not_answer, nullptr},
    {"safety", "category", 0, 1, load_nothing, ask_safety, read_safety, nullptr},
    {"xstest", "label", 0, 1, load_nothing, ask_xstest, read_xstest, nullptr},
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

}  // namespace assay
