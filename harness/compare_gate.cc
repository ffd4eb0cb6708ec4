#include "harness/compare_gate.h"

#include <fmt/format.h>

#include <memory>

#include "core/error.h"
#include "core/text.h"
#include "tasks/task_config.h"

namespace assay {
namespace {

GateLimits read_limits(const ConfigNode& node) {
  GateLimits limits;
  if (auto field = node.field("worse_by_at_most")) limits.worse_by_at_most = field->number();
  if (auto field = node.field("at_least")) limits.at_least = field->number();
  if (limits.worse_by_at_most && *limits.worse_by_at_most < 0) {
    node.fail("worse_by_at_most is a size: not below 0", "0.02 allows a drop of two points of a hundred");
  }
  return limits;
}

bool matches(const std::string& glob, const CompareRow& row) {
  return glob_match(glob, row.task) || glob_match(glob, row.task + "@" + row.convention);
}

bool is_in(const Gate& gate, const CompareRow& row) {
  if (gate.tasks.empty()) return true;
  for (const std::string& glob : gate.tasks) {
    if (matches(glob, row)) return true;
  }
  return false;
}

GateLimits limits_for(const Gate& gate, const CompareRow& row) {
  GateLimits limits = gate.limits;
  for (const auto& [glob, own] : gate.per_task) {
    if (!matches(glob, row)) continue;
    if (own.worse_by_at_most) limits.worse_by_at_most = own.worse_by_at_most;
    if (own.at_least) limits.at_least = own.at_least;
  }
  return limits;
}

// How much worse A is at most and at least, by its interval: [least, most].
std::optional<std::pair<double, double>> drop_of(const CompareRow& row, const CompareTest& test) {
  if (!test.interval) return std::nullopt;
  if (row.higher_is_better) return std::pair{-test.interval->high, -test.interval->low};
  return std::pair{test.interval->low, test.interval->high};
}

void check_drop(const Gate& gate, const CompareRow& row, double limit, std::vector<std::string>& failures) {
  if (row.tests.size() < 2 || !row.tests[1]) {
    failures.push_back(fmt::format("{}: not compared", row.task));
    return;
  }
  const auto drop = drop_of(row, *row.tests[1]);
  if (!drop) {
    failures.push_back(
        fmt::format("{}: the difference has no interval: too few items to say how much worse it is", row.task));
  } else if (gate.proof == Gate::Proof::kOfNoDrop && drop->second > limit) {
    failures.push_back(
        fmt::format("{}: a drop of more than {} is not excluded (it may be {:.4f})", row.task, limit, drop->second));
  } else if (gate.proof == Gate::Proof::kOfDrop && drop->first > limit) {
    failures.push_back(fmt::format("{}: worse by {:.4f} (95 %: at least {:.4f}), allowed {}", row.task,
                                   std::abs(row.tests[1]->difference), drop->first, limit));
  }
}

void check_missing(const CompareRow& row, const std::vector<std::string>& columns, std::vector<std::string>& failures) {
  for (size_t i = 0; i < std::min<size_t>(2, row.cells.size()); ++i) {
    if (!row.cells[i] || row.cells[i]->missing == 0) continue;
    failures.push_back(fmt::format("{}: {} items of {} have no answer: the run is incomplete", row.task,
                                   row.cells[i]->missing, columns[i]));
  }
}

void check_level(const CompareRow& row, double limit, std::vector<std::string>& failures) {
  if (!row.cells[0]) {
    failures.push_back(fmt::format("{}: not measured", row.task));
    return;
  }
  const double value = row.cells[0]->value;
  if (row.higher_is_better ? value < limit : value > limit) {
    failures.push_back(
        fmt::format("{}: {:.4f} is {} {}", row.task, value, row.higher_is_better ? "below" : "above", limit));
  }
}

void check_globs(const Gate& gate, const Comparison& comparison, std::vector<std::string>& failures) {
  std::vector<std::string> globs = gate.tasks;
  for (const auto& [glob, limits] : gate.per_task) globs.push_back(glob);
  for (const std::string& glob : globs) {
    bool found = false;
    for (const CompareRow& row : comparison.rows) found = found || matches(glob, row);
    for (const CompareRow& row : comparison.not_compared) found = found || matches(glob, row);  // said apart
    if (!found) failures.push_back(fmt::format("{}: no such task was compared", glob));
  }
}

}  // namespace

Gate load_gate(const std::string& path) {
  auto document = std::make_shared<const YamlDocument>(parse_yaml(read_file(path), path));
  const ConfigNode root(std::shared_ptr<const Json>(document, &document->value), document, "");
  if (!root.json().is_object()) root.fail("is not a map of thresholds", "docs/formats/gate.md has the fields");
  root.only({"tasks", "worse_by_at_most", "at_least", "proof", "average_at_least", "per_task"});
  Gate gate;
  if (auto field = root.field("tasks")) gate.tasks = field->texts();
  gate.limits = read_limits(root);
  if (auto field = root.field("average_at_least")) gate.average_at_least = field->number();
  if (auto field = root.field("proof")) {
    const std::string text = field->text();
    if (text != "drop" && text != "no_drop") field->fail("unknown proof \"" + text + "\"", "known: drop no_drop");
    if (text == "no_drop") gate.proof = Gate::Proof::kOfNoDrop;
  }
  if (auto field = root.field("per_task")) {
    if (!field->json().is_object()) field->fail("is not a map of tasks");
    for (const auto& [name, value] : field->json().items()) {
      auto own = field->field(name);
      if (!own) continue;
      own->only({"worse_by_at_most", "at_least"});
      gate.per_task[name] = read_limits(*own);
    }
  }
  return gate;
}

std::vector<std::string> gate_failures(const Gate& gate, const Comparison& comparison) {
  std::vector<std::string> failures;
  check_globs(gate, comparison, failures);
  for (const CompareRow& row : comparison.not_compared) {
    if (is_in(gate, row)) failures.push_back(fmt::format("{}: only {} has it", row.task, comparison.columns[1]));
  }
  double sum = 0;
  int64_t count = 0;
  for (const CompareRow& row : comparison.rows) {
    if (!is_in(gate, row)) continue;
    check_missing(row, comparison.columns, failures);
    const GateLimits limits = limits_for(gate, row);
    if (limits.worse_by_at_most) check_drop(gate, row, *limits.worse_by_at_most, failures);
    if (limits.at_least) check_level(row, *limits.at_least, failures);
    if (!row.cells[0] || !is_percent(row.metric) || row.depth > 0) continue;
    sum += row.cells[0]->value;
    ++count;
  }
  if (gate.average_at_least && (count == 0 || sum / static_cast<double>(count) < *gate.average_at_least)) {
    failures.push_back(count == 0 ? std::string("average: nothing to average")
                                  : fmt::format("average of {} tasks: {:.4f} is below {}", count,
                                                sum / static_cast<double>(count), *gate.average_at_least));
  }
  return failures;
}

}  // namespace assay
