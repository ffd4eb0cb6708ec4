// Comparisons of runs with each other and with published numbers: what is put side by side, the test, the verdict.
//
// The first column is A; every other column is compared with it: difference = A - other, and the verdict says what A
// is. Two runs are compared item by item (reports/paired.h); a published number is one sample's null, which is weaker:
// it has no items to pair, and is taken as exact.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "reports/paired.h"
#include "reports/results_db.h"

namespace assay {

// kNotTested: there are no items, as between two published numbers.
enum class CompareVerdict { kBetter, kWorse, kNoDifferenceShown, kTooFewItems, kNotTested };
const char* to_string(CompareVerdict verdict);  // as in --json

// Items and clusters below which "no difference" is no statement.
inline constexpr size_t kFewestItems = 30;
inline constexpr size_t kFewestClusters = 10;
// Members from which a group's items are taken as clusters by member (docs/decisions/0012-comparisons.md).
inline constexpr size_t kMembersAsClusters = 20;

// How a metric's values make one number, and its scale.
bool is_ratio(const std::string& metric);    // bits per byte, perplexities
bool is_percent(const std::string& metric);  // shown times 100

// The interval of a stored number, by its metric: unit_interval() for rates, student_interval() for others. `units`:
// the independent ones among its items; 0 = all of them. Nothing where the number has no error.
std::optional<Interval> interval_of(const std::string& metric, const Estimate& estimate, int64_t items, int64_t units);

// One run's scores of a task, or of a group's tasks.
struct ComparedScores {
  struct Member {
    std::string task;
    std::vector<ItemScore> items;
  };
  std::vector<Member> members;  // a plain task has one
  bool by_members = false;      // groups: mean over members, not over items
};

struct FlippedItem {
  std::string task, item;
  double a = 0, b = 0;
};

// One comparison in one row.
struct CompareTest {
  double a = 0, b = 0, difference = 0;  // over the common items
  std::optional<Interval> interval;
  std::optional<double> p, q, mde80;  // q: Benjamini-Hochberg over all tests of the table
  std::string test;
  std::optional<int64_t> a_better, b_better;  // items
  std::vector<FlippedItem> flips;
  size_t items = 0, units = 0;
  bool clustered = false;
  CompareVerdict verdict = CompareVerdict::kTooFewItems;
};

// The test without q and verdict, or nothing where no item is common. Adds what is worth a mark ("common items ...").
std::optional<CompareTest> compare_scores(const ComparedScores& a, const ComparedScores& b, const std::string& metric,
                                          std::vector<std::string>& marks);
// `estimate`: as stored, used for groups; a plain task's is worked out from its items.
CompareTest compare_with_published(const ComparedScores& a, const Estimate& estimate, const std::string& metric,
                                   double number);

struct CompareCell {
  double value = 0;
  std::optional<Interval> interval;
  std::string convention;  // of a run
  std::string source;      // of a published number
  std::optional<int> shots;
  int64_t run = 0;                 // of a run
  int64_t missing = 0;             // items of a run without an answer
  std::vector<std::string> marks;  // how it differs from A's
};

struct CompareRow {
  std::string task, convention, metric, filter;
  bool higher_is_better = true;
  int depth = 0;
  std::optional<int> shots;
  std::vector<std::optional<CompareCell>> cells;  // one a column
  std::vector<std::optional<CompareTest>> tests;  // one a column; the first is empty
};

struct Comparison {
  std::vector<std::string> columns;  // as they were asked for
  std::vector<CompareRow> rows;
  std::vector<CompareRow> not_compared;  // task and convention only: B was run on them, and no row has B's number
  std::vector<std::string> notes;        // under the table
};

// Fills every q and verdict.
void judge(Comparison& comparison);

struct CompareRendering {
  bool markdown = false;
  bool bold = false;   // terminal escapes for the best of a row
  bool flips = false;  // list the items that flipped
};
std::string render_comparison(const Comparison& comparison, const CompareRendering& rendering);
// docs/formats/cli.md has the shape.
Json comparison_json(const Comparison& comparison, bool flips);

}  // namespace assay
