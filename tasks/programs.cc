#include "tasks/programs.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "tasks/extract.h"
#include "tasks/metrics.h"
#include "tasks/prompt_field.h"

namespace assay {
namespace {

std::string rendered(const Task& task, const std::string& source, const char* name, const Document& document) {
  return PromptText(task, source, std::string("program.") + name).render(document);
}

ProgramJob make_job(const Task& task, const ProgramSpec& spec, const Prompt& prompt, const std::string& answer) {
  Document document{prompt.item_id, prompt.fields.json()};
  document.fields["answer"] = answer;
  ProgramJob job;
  job.language = spec.language;
  job.program = rendered(task, spec.text, "text", document);
  job.tests = rendered(task, spec.tests, "tests", document);
  job.setup = rendered(task, spec.setup, "setup", document);
  job.entry_point = rendered(task, spec.entry_point, "entry_point", document);
  job.stub = rendered(task, spec.stub, "stub", document);
  job.preload = spec.preload;
  job.mode = spec.mode;
  job.limits = spec.limits;
  const std::string name = rendered(task, spec.name, "name", document);
  const auto& items = spec.inline_items;
  if (std::find(items.begin(), items.end(), name) != items.end()) job.mode = ProgramMode::kInline;
  return job;
}

// What a person reads beside the score: "pass", or the first failure with its reason, of several samples how many pass.
std::string shown(const std::vector<std::optional<ProgramOutcome>>& outcomes, int passed) {
  std::string text =
      outcomes.size() > 1 ? std::to_string(passed) + " of " + std::to_string(outcomes.size()) + " pass" : "";
  for (const auto& outcome : outcomes) {
    if (outcome && outcome->verdict == Verdict::kPass && outcomes.size() > 1) continue;
    if (!text.empty()) text += "; first failure: ";
    if (!outcome) return text + "no program in the answer";
    text += to_string(outcome->verdict);
    return outcome->reason.empty() ? text : text + ": " + outcome->reason;
  }
  return text;
}

bool is_verdict(const ProgramOutcome& outcome) {
  return outcome.verdict != Verdict::kSandboxError && outcome.verdict != Verdict::kNotInstalled;
}

}  // namespace

std::vector<std::optional<ProgramJob>> make_programs(const Task& task, const Prompt& prompt,
                                                     const std::vector<std::optional<Response>>& responses) {
  ASSAY_ASSERT(task.program, "only tasks with programs make jobs");
  std::vector<std::optional<ProgramJob>> jobs;
  if (responses.empty() || !responses.front() || responses.front()->status != ResponseStatus::kAnswered) return jobs;
  std::vector<std::string> texts;
  for (const GeneratedText& generated : responses.front()->texts) texts.push_back(generated.text);
  for (const auto& answer : extract_answers(task.filters.front(), texts, prompt.fields.json())) {
    jobs.emplace_back();
    if (answer) jobs.back() = make_job(task, *task.program, prompt, *answer);
  }
  return jobs;
}

std::vector<Score> score_programs(const Task& task, const Prompt& prompt,
                                  const std::vector<std::optional<ProgramOutcome>>& outcomes) {
  int passed = 0;
  bool missing = outcomes.empty();
  for (const auto& outcome : outcomes) {
    passed += outcome && outcome->verdict == Verdict::kPass;
    missing = missing || (outcome && !is_verdict(*outcome));
  }
  std::vector<std::string> filters = {task.filters.front().name};
  for (std::string& part : parts_of_item(task, prompt)) filters.push_back(std::move(part));
  const int samples = static_cast<int>(outcomes.size());
  std::vector<Score> scores;
  for (const std::string& filter : filters) {
    for (const MetricSpec& metric : task.metrics) {
      const int k = std::atoi(metric.metric.c_str() + std::string("pass@").size());
      if (!missing && k > samples) continue;
      Score score;
      score.item_id = prompt.item_id;
      score.metric = metric.metric;
      score.filter = filter;
      score.outcome = missing ? Outcome::kMissing : Outcome::kScored;
      const bool unparsed =
          std::none_of(outcomes.begin(), outcomes.end(), [](const auto& outcome) { return outcome.has_value(); });
      if (!missing && unparsed) score.outcome = Outcome::kUnparsed;
      if (!missing) score.value = pass_at_k(samples, passed, k);
      score.extracted = shown(outcomes, passed);
      score.gold = "pass";
      scores.push_back(std::move(score));
    }
  }
  return scores;
}

double pass_at_k(int n, int c, int k) {
  ASSAY_ASSERT(0 <= c && c <= n && 1 <= k && k <= n, "k samples are drawn from n");
  if (n - c < k) return 1;
  double none = 1;
  for (int i = n - c + 1; i <= n; ++i) none *= 1 - static_cast<double>(k) / i;
  return 1 - none;
}

}  // namespace assay
