// lm-evaluation-harness's results table, so that it can be pasted where that one is expected. Layout facts: titles are
// centred, numbers right-aligned, groups repeated in a second table, tasks (groups first) and metrics sorted by name,
// the name of a task only in its first row; numbers have four decimals, trailing zeros that a whole column shares are
// left out.

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

// One task or group with all its rows, and what is shown inside it.
struct Entry {
  std::vector<const ReportRow*> rows;
  std::vector<Entry> members;
  std::string shots;  // a group's: its members', where they agree

  const ReportRow& first() const { return *rows.front(); }
};

bool same_entry(const ReportRow& a, const ReportRow& b) {
  return a.task == b.task && a.convention == b.convention && a.run == b.run;
}

// The entries from rows[at] on that lie at `depth` or deeper, sorted by name; at the top groups come first.
std::vector<Entry> entries_at(const std::vector<const ReportRow*>& rows, size_t& at, int depth) {
  std::vector<Entry> entries;
  while (at < rows.size() && rows[at]->depth >= depth) {
    Entry entry;
    const ReportRow& first = *rows[at];
    while (at < rows.size() && same_entry(*rows[at], first)) entry.rows.push_back(rows[at++]);
    entry.members = entries_at(rows, at, first.depth + 1);
    std::stable_sort(entry.rows.begin(), entry.rows.end(), [](const ReportRow* a, const ReportRow* b) {
      return a->metric + "," + a->filter < b->metric + "," + b->filter;
    });
    // Whole texts have no examples, and no shots here.
    entry.shots = first.is_group ? " " : std::to_string(first.shots.value_or(0));
    if (first.is_group && !entry.members.empty()) {
      entry.shots = entry.members.front().shots;
      for (const Entry& member : entry.members)
        if (member.shots != entry.shots) entry.shots = " ";
    }
    entries.push_back(std::move(entry));
  }
  std::stable_sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.first().run != b.first().run) return a.first().run < b.first().run;
    if (depth == 0 && a.first().is_group != b.first().is_group) return a.first().is_group;
    return a.first().task < b.first().task;
  });
  return entries;
}

struct Line {
  const ReportRow* row;
  std::string shots;
};

void add_lines(const std::vector<Entry>& entries, bool groups_only, std::vector<Line>& lines) {
  for (const Entry& entry : entries) {
    for (const ReportRow* row : entry.rows)
      if (row->is_group || !groups_only) lines.push_back({row, entry.shots});
    add_lines(entry.members, groups_only, lines);
  }
}

// That harness gives no error for these.
bool has_error(const ReportRow& row) {
  return row.stderr_ && row.metric != "bits_per_byte" && row.metric != "byte_perplexity" &&
         row.metric != "word_perplexity";
}

std::string table_of(const std::vector<Line>& lines, const std::string& first_title) {
  if (lines.empty()) return "";
  bool any_shots = false;
  std::vector<const ReportRow*> rows;
  for (const Line& line : lines) rows.push_back(line.row);
  std::vector<std::vector<std::string>> cells;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ReportRow& row = *rows[i];
    const bool first = i == 0 || !same_entry(*rows[i - 1], row);
    std::string name = row.alias;
    if (row.depth > 0) name = std::string(static_cast<size_t>(row.depth), ' ') + "- " + name;
    any_shots = any_shots || lines[i].shots != " ";
    cells.push_back({first ? name : "", first ? std::to_string(row.version) : "", row.filter, lines[i].shots,
                     row.metric, row.higher_is_better ? "↑" : "↓",
                     row.value ? fmt::format("{:.4f}", *row.value) : "N/A", "±",
                     has_error(row) ? fmt::format("{:.4f}", *row.stderr_) : "N/A"});
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
  std::vector<const ReportRow*> shown;
  for (const ReportRow& row : rows) shown.push_back(&row);
  size_t at = 0;
  std::vector<Entry> entries = entries_at(shown, at, 0);
  if (!options.with_members)
    for (Entry& entry : entries) entry.members.clear();
  std::vector<Line> all, groups;
  add_lines(entries, false, all);
  add_lines(entries, true, groups);
  std::string out = table_of(all, "Tasks");
  if (!groups.empty()) out += "\n" + table_of(groups, "Groups");
  return out;
}

}  // namespace assay
