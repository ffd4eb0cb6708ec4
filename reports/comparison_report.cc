// A comparison as a table for people and as JSON. The table is laid out as the reports that publish such numbers do: a
// line a benchmark, a column a model, the best in bold; after it, for each column beside the first, what A is against
// it.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/comparison.h"
#include "reports/text_table.h"

namespace assay {
namespace {

// Footnotes in order of first use; equal ones share a number.
class Footnotes {
 public:
  // "[1,3]", or "" for none.
  std::string refer(const std::vector<std::string>& marks) {
    std::string text;
    for (const std::string& mark : marks) text += (text.empty() ? "" : ",") + std::to_string(number(mark));
    return text.empty() ? "" : " [" + text + "]";
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  size_t number(const std::string& mark) {
    auto found = std::find(lines_.begin(), lines_.end(), mark);
    if (found == lines_.end()) found = lines_.insert(lines_.end(), mark);
    return static_cast<size_t>(found - lines_.begin()) + 1;
  }
  std::vector<std::string> lines_;
};

std::string value_text(const std::string& metric, double value) {
  return is_percent(metric) ? fmt::format("{:.1f}", value * 100) : fmt::format("{:.4f}", value);
}

std::string signed_text(const std::string& metric, double value) {
  return is_percent(metric) ? fmt::format("{:+.1f}", value * 100) : fmt::format("{:+.4f}", value);
}

std::string probability(const std::optional<double>& p) {
  if (!p) return "-";
  return *p < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", *p);
}

// Every column with the row's best value, as it is printed; none where there is one column only.
std::set<size_t> best_columns(const CompareRow& row) {
  std::optional<double> best;
  size_t filled = 0;
  for (const auto& cell : row.cells) {
    if (!cell) continue;
    ++filled;
    if (!best || (row.higher_is_better ? cell->value > *best : cell->value < *best)) best = cell->value;
  }
  std::set<size_t> columns;
  for (size_t i = 0; i < row.cells.size() && filled > 1; ++i) {
    if (row.cells[i] && value_text(row.metric, row.cells[i]->value) == value_text(row.metric, *best)) columns.insert(i);
  }
  return columns;
}

std::string emphasised(const std::string& text, const CompareRendering& rendering) {
  if (rendering.markdown) return "**" + text + "**";
  return rendering.bold ? "\033[1m" + text + "\033[0m" : text;
}

std::string cell_text(const CompareRow& row, size_t column, bool best, const CompareRendering& rendering,
                      Footnotes& footnotes) {
  if (!row.cells[column]) return "-";
  const CompareCell& cell = *row.cells[column];
  std::string text = value_text(row.metric, cell.value);
  if (best) text = emphasised(text, rendering);
  if (cell.interval) {
    text += fmt::format(" [{}, {}]", value_text(row.metric, cell.interval->low),
                        value_text(row.metric, cell.interval->high));
  }
  return text + footnotes.refer(cell.marks);
}

void add_test_cells(const CompareRow& row, size_t column, std::vector<std::string>& cells) {
  const auto& test = row.tests[column];
  if (!test) {
    cells.insert(cells.end(), {"-", "-", "-", "-", "-"});
    return;
  }
  std::string difference = signed_text(row.metric, test->difference);
  if (test->interval) {
    difference += fmt::format(" [{}, {}]", signed_text(row.metric, test->interval->low),
                              signed_text(row.metric, test->interval->high));
  }
  cells.push_back(difference);
  cells.push_back(test->a_better ? fmt::format("{}/{}", *test->a_better, *test->b_better) : "-");
  cells.push_back(probability(test->q));
  cells.push_back(test->mde80 ? value_text(row.metric, *test->mde80) : "-");
  std::string verdict = to_string(test->verdict);
  std::replace(verdict.begin(), verdict.end(), '_', ' ');
  cells.push_back(verdict);
}

TextTable table_of(const Comparison& comparison, const CompareRendering& rendering, Footnotes& footnotes) {
  TextTable table;
  table.columns = {{"task"}, {"shots", true}, {"metric"}};
  for (const std::string& name : comparison.columns) table.columns.push_back({name, true});
  const bool several = comparison.columns.size() > 2;
  for (size_t i = 1; i < comparison.columns.size(); ++i) {
    const std::string with = several ? fmt::format(" ({})", i + 1) : "";
    for (const std::string& title : {several ? fmt::format("1 - {}", i + 1) : std::string("A - B"), "flips" + with,
                                     "q" + with, "mde80" + with, "verdict" + with}) {
      table.columns.push_back({title, title[0] != 'v'});
    }
  }
  for (const CompareRow& row : comparison.rows) {
    const std::set<size_t> best = best_columns(row);
    std::vector<std::string> cells = {std::string(static_cast<size_t>(row.depth) * 2, ' ') + row.task,
                                      row.shots ? std::to_string(*row.shots) : "",
                                      row.filter == "none" ? row.metric : row.metric + "/" + row.filter};
    for (size_t i = 0; i < row.cells.size(); ++i)
      cells.push_back(cell_text(row, i, best.count(i) > 0, rendering, footnotes));
    for (size_t i = 1; i < row.tests.size(); ++i) add_test_cells(row, i, cells);
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::string flips_text(const Comparison& comparison) {
  TextTable table;
  table.columns = {{"task"}, {"item"}, {comparison.columns[0], true}, {"", true}, {"against"}};
  for (const CompareRow& row : comparison.rows) {
    for (size_t i = 1; i < row.tests.size(); ++i) {
      if (!row.tests[i]) continue;
      for (const FlippedItem& flip : row.tests[i]->flips) {
        table.rows.push_back({flip.task, flip.item, fmt::format("{:.4g}", flip.a), fmt::format("{:.4g}", flip.b),
                              comparison.columns[i]});
      }
    }
  }
  return table.rows.empty() ? "\nno item flipped\n" : "\n" + table.plain();
}

Json row_json(const CompareRow& row, size_t column, bool flips) {
  const CompareTest& test = *row.tests[column];
  std::vector<std::string> marks = row.cells[0]->marks;
  const auto& others = row.cells[column]->marks;
  marks.insert(marks.end(), others.begin(), others.end());
  Json out = {
      {"task", row.task},
      {"convention", row.convention},
      {"metric", row.metric},
      {"a", test.a},
      {"b", test.b},
      {"difference", test.difference},
      {"ci95", test.interval ? Json({test.interval->low, test.interval->high}) : Json(nullptr)},
      {"p", or_null(test.p)},
      {"q", or_null(test.q)},
      {"test", test.test},
      {"flips", test.a_better ? Json({{"a_better", *test.a_better}, {"b_better", *test.b_better}}) : Json(nullptr)},
      {"mde80", or_null(test.mde80)},
      {"verdict", to_string(test.verdict)},
      {"marks", marks},
      {"filter", row.filter},
      {"shots", or_null(row.shots)},
      {"n", test.items}};
  if (row.cells[0]->run > 0 && row.cells[column]->run > 0) out["runs"] = {row.cells[0]->run, row.cells[column]->run};
  if (flips) {
    Json items = Json::array();
    for (const FlippedItem& flip : test.flips) {
      items.push_back({{"task", flip.task}, {"item", flip.item}, {"a", flip.a}, {"b", flip.b}});
    }
    out["flipped_items"] = std::move(items);
  }
  return out;
}

Json pair_json(const Comparison& comparison, size_t column, bool flips) {
  Json rows = Json::array();
  for (const CompareRow& row : comparison.rows) {
    if (row.tests[column]) rows.push_back(row_json(row, column, flips));
  }
  return {{"a", comparison.columns[0]}, {"b", comparison.columns[column]}, {"rows", std::move(rows)}};
}

}  // namespace

std::string render_comparison(const Comparison& comparison, const CompareRendering& rendering) {
  Footnotes footnotes;
  const TextTable table = table_of(comparison, rendering, footnotes);
  std::string out = (rendering.markdown ? table.markdown() : table.plain()) + "\n";
  const std::string bullet = rendering.markdown ? "- " : "";
  for (size_t i = 0; i < footnotes.lines().size(); ++i) {
    out += fmt::format("{}[{}] {}\n", bullet, i + 1, footnotes.lines()[i]);
  }
  for (const std::string& note : comparison.notes) out += bullet + note + "\n";
  if (rendering.flips) out += flips_text(comparison);
  return out;
}

Json comparison_json(const Comparison& comparison, bool flips) {
  Json out = pair_json(comparison, 1, flips);
  if (comparison.columns.size() > 2) {
    Json more = Json::array();
    for (size_t i = 2; i < comparison.columns.size(); ++i) more.push_back(pair_json(comparison, i, flips));
    out["more"] = std::move(more);
  }
  if (!comparison.notes.empty()) out["notes"] = comparison.notes;
  return out;
}

}  // namespace assay
