// The result table: for a terminal, as Markdown, CSV and JSON.

#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"
#include "reports/comparison.h"
#include "reports/report.h"
#include "reports/text_table.h"

namespace assay {
namespace {

bool is_shown(const ReportRow& row, const ReportOptions& options) {
  if (options.headline_only && row.metric != row.headline) return false;
  return options.with_members || row.depth == 0;
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "-";
}

std::string full_number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

std::string shots_text(const ReportRow& row) {
  return row.shots ? std::to_string(*row.shots) : "";
}

std::optional<Interval> row_interval(const ReportRow& row) {
  if (!row.value) return std::nullopt;
  return interval_of(row.metric, {*row.value, row.stderr_}, row.n, row.units);
}

// The one that is wider than it would have to be has a star.
std::string interval_text(const ReportRow& row) {
  const auto interval = row_interval(row);
  if (!interval) return "-";
  return fmt::format("{:.4f} to {:.4f}{}", interval->low, interval->high, interval->conservative ? "*" : " ");
}

bool several_filters(const std::vector<ReportRow>& rows) {
  for (const ReportRow& row : rows) {
    if (row.filter != "none") return true;
  }
  return false;
}

TextTable people_table(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  const bool filters = several_filters(rows);
  TextTable table;
  table.columns = {{"checkpoint"}, {"task"}, {"convention"}, {"shots", true}, {"metric"}};
  if (filters) table.columns.push_back({"filter"});
  for (const char* title : {"value", "± stderr", "95 % interval ", "items", "unparsed", "missing"})
    table.columns.push_back({title, true});
  std::string previous_checkpoint;
  int64_t previous_run = -1;
  for (const ReportRow& row : rows) {
    if (!is_shown(row, options)) continue;
    bool same = row.run == previous_run && row.checkpoint == previous_checkpoint;
    previous_run = row.run, previous_checkpoint = row.checkpoint;
    std::vector<std::string> cells = {same ? "" : row.checkpoint + (row.complete ? "" : " (incomplete)"),
                                      std::string(static_cast<size_t>(row.depth) * 2, ' ') + row.task, row.convention,
                                      shots_text(row), row.metric};
    if (filters) cells.push_back(row.filter);
    cells.push_back(number(row.value));
    cells.push_back(row.stderr_ ? "± " + number(row.stderr_) : "-");
    cells.push_back(interval_text(row));
    for (int64_t count : {row.n, row.unparsed, row.missing}) cells.push_back(std::to_string(count));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

// What a reader must know beside the numbers: how groups are weighted, what differs from a protocol. A note that
// several tasks share comes once, with the first of them.
std::string footnotes(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  struct Footnote {
    std::string text;
    std::vector<std::string> tasks;
  };
  std::vector<Footnote> footnotes;
  auto add = [&](const std::string& task, const std::string& text) {
    auto same = std::find_if(footnotes.begin(), footnotes.end(),
                             [&](const Footnote& footnote) { return footnote.text == text; });
    if (same == footnotes.end()) same = footnotes.insert(footnotes.end(), {text, {}});
    if (std::find(same->tasks.begin(), same->tasks.end(), task) == same->tasks.end()) same->tasks.push_back(task);
  };
  for (const ReportRow& row : rows) {
    if (!is_shown(row, options)) continue;
    const std::string task = row.task + "@" + row.convention;
    if (row.is_group) add(task, "mean over " + row.weighting);
    if (!row.note.empty()) add(task, row.note);
  }
  std::string out;
  const bool starred = std::any_of(rows.begin(), rows.end(), [&](const ReportRow& row) {
    const auto interval = row_interval(row);
    return is_shown(row, options) && interval && interval->conservative;
  });
  if (starred) out += "*: few items or clusters, or nearly all right or wrong: wider than 95 % needs\n";
  for (const auto& [text, tasks] : footnotes) {
    out += tasks.front() + (tasks.size() > 1 ? fmt::format(" and {} more", tasks.size() - 1) : "") + ": " + text + "\n";
  }
  return out;
}

}  // namespace

std::string render_table(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  std::string notes = footnotes(rows, options);
  return people_table(rows, options).plain() + (notes.empty() ? "" : "\n" + notes);
}

std::string render_markdown(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  std::string out = people_table(rows, options).markdown();
  std::string notes = footnotes(rows, options);
  if (notes.empty()) return out;
  out += "\n";
  size_t begin = 0;
  while (begin < notes.size()) {
    size_t end = notes.find('\n', begin);
    out += "- " + notes.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return out;
}

std::string render_csv(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  TextTable table;
  for (const char* title : {"run", "checkpoint", "step", "task", "convention", "shots", "metric", "filter", "value",
                            "stderr", "n", "unparsed", "missing", "ci95_low", "ci95_high"}) {
    table.columns.push_back({title});
  }
  for (const ReportRow& row : rows) {
    if (!is_shown(row, options)) continue;
    const auto interval = row_interval(row);
    table.rows.push_back({std::to_string(row.run), row.checkpoint, row.step ? std::to_string(*row.step) : "", row.task,
                          row.convention, shots_text(row), row.metric, row.filter, full_number(row.value),
                          full_number(row.stderr_), std::to_string(row.n), std::to_string(row.unparsed),
                          std::to_string(row.missing), interval ? fmt::format("{}", interval->low) : "",
                          interval ? fmt::format("{}", interval->high) : ""});
  }
  return table.csv();
}

std::string render_json(const std::vector<ReportRow>& rows, const ReportOptions& options) {
  Json results = Json::array();
  for (const ReportRow& row : rows) {
    if (!is_shown(row, options)) continue;
    const auto interval = row_interval(row);
    results.push_back({{"run", row.run},
                       {"checkpoint", row.checkpoint},
                       {"step", or_null(row.step)},
                       {"task", row.task},
                       {"convention", row.convention},
                       {"shots", or_null(row.shots)},
                       {"metric", row.metric},
                       {"filter", row.filter},
                       {"value", or_null(row.value)},
                       {"stderr", or_null(row.stderr_)},
                       {"ci95", interval ? Json{interval->low, interval->high} : Json()},
                       {"conservative", interval && interval->conservative},
                       {"n", row.n},
                       {"unparsed", row.unparsed},
                       {"missing", row.missing},
                       {"group", row.is_group},
                       {"note", row.note}});
  }
  return dump_json({{"schema", 1}, {"results", results}}, 2) + "\n";
}

}  // namespace assay
