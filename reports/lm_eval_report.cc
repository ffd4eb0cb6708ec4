// lm-evaluation-harness's results table, so that it can be pasted where that one is expected. Layout facts: titles are
// centred, numbers right-aligned, groups repeated in a second table, metrics sorted by name, the name of a task only in
// its first row; numbers have four decimals, trailing zeros that a whole column shares are left out.

#include <fmt/format.h>

#include <algorithm>

#include "reports/report.h"
#include "reports/text_table.h"

namespace assay {
namespace {

struct Column {
  std::string title;
  bool right;
};

std::string centred(const std::string& text, size_t width) {
  size_t space = width - display_width(text);
  return std::string(space / 2, ' ') + text + std::string(space - space / 2, ' ');
}

std::string draw(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    size_t width = std::max<size_t>(3, display_width(columns[i].title));
    for (const auto& row : rows) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
  }
  std::string out = "|";
  for (size_t i = 0; i < columns.size(); ++i) out += centred(columns[i].title, widths[i]) + "|";
  out += "\n|";
  for (size_t i = 0; i < columns.size(); ++i) {
    out += columns[i].right ? std::string(widths[i] - 1, '-') + ":|" : std::string(widths[i], '-') + "|";
  }
  out += "\n";
  for (const auto& row : rows) {
    out += "|";
    for (size_t i = 0; i < columns.size(); ++i) out += pad(row[i], widths[i], columns[i].right) + "|";
    out += "\n";
  }
  return out;
}

// Four decimals, less the trailing zeros that all numbers of the column share.
void trim_decimals(std::vector<std::vector<std::string>>& rows, size_t column) {
  auto is_number = [](const std::string& text) { return text.find('.') != std::string::npos; };
  size_t needed = 0;
  for (const auto& row : rows) {
    if (!is_number(row[column])) continue;
    std::string text = row[column];
    while (text.back() == '0') text.pop_back();
    needed = std::max(needed, text.size() - text.find('.') - 1);
  }
  for (auto& row : rows) {
    if (!is_number(row[column])) continue;
    size_t point = row[column].find('.');
    row[column].resize(needed == 0 ? point : point + 1 + needed);
  }
}

std::string table_of(std::vector<const ReportRow*> rows, const std::string& first_title) {
  if (rows.empty()) return "";
  bool any_shots = false;
  std::vector<std::vector<std::string>> cells;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ReportRow& row = *rows[i];
    bool first = i == 0 || rows[i - 1]->task != row.task || rows[i - 1]->convention != row.convention ||
                 rows[i - 1]->run != row.run;
    std::string name = row.alias;
    if (row.depth > 0) name = std::string(static_cast<size_t>(row.depth), ' ') + "- " + name;
    any_shots = any_shots || (row.shots && !row.is_group);
    cells.push_back({first ? name : "", first ? std::to_string(row.version) : "", row.filter,
                     row.is_group || !row.shots ? " " : std::to_string(*row.shots), row.metric,
                     row.higher_is_better ? "↑" : "↓", row.value ? fmt::format("{:.4f}", *row.value) : "N/A", "±",
                     row.stderr_ ? fmt::format("{:.4f}", *row.stderr_) : "N/A"});
  }
  trim_decimals(cells, 6);
  trim_decimals(cells, 8);
  return draw({{first_title, false},
               {"Version", true},
               {"Filter", false},
               {"n-shot", any_shots},
               {"Metric", false},
               {"", false},
               {"Value", true},
               {"", false},
               {"Stderr", true}},
              cells);
}

}  // namespace

std::string render_lm_eval(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  std::vector<const ReportRow*> all, groups;
  for (const ReportRow& row : rows) {
    if (!options.with_members && row.depth > 0) continue;
    all.push_back(&row);
    if (row.is_group) groups.push_back(&row);
  }
  std::string out = table_of(all, "Tasks");
  if (!groups.empty()) out += "\n" + table_of(groups, "Groups");
  return out;
}

}  // namespace assay
