// Judged benchmarks as the DeepSeek LLM report prints them. Grades: a row a checkpoint and judge, a column a category,
// each number with the half width of its 95 % interval. Shares: a row a category, with Wilson's interval. Below each
// table what the judging itself is worth.
//
// Which of the two a task is says its judge: those whose words are labels leave rows "label:...". A task of grades that
// has the categories of a published table gets its columns, whatever its name.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "core/text.h"
#include "reports/distributions.h"
#include "reports/report.h"
#include "reports/text_table.h"

namespace assay {
namespace {

constexpr const char* kNobody = "none";  // filter of a score before any judge has spoken

struct PublishedTable {
  const char* task;
  std::string title;
  bool has_parts;  // means of some categories between the categories and the mean of all
  std::vector<std::pair<const char*, const char*>> columns;  // metric, heading
};

const std::vector<PublishedTable>& layouts() {
  static const std::vector<PublishedTable> all = {
      {"mt_bench",
       "MT-Bench (Table 8)",
       false,
       {{"score:stem", "STEM"},
        {"score:humanities", "Humanities"},
        {"score:reasoning", "Reasoning"},
        {"score:coding", "Coding"},
        {"score:math", "Math"},
        {"score:extraction", "Extraction"},
        {"score:roleplay", "Roleplay"},
        {"score:writing", "Writing"},
        {"score", "Average"}}},
      {"alignbench",
       "AlignBench (Table 7)",
       true,
       {{"score", "Overall"},
        {"score:reasoning", "Reasoning"},
        {"score:数学计算", "Math."},
        {"score:逻辑推理", "Logi."},
        {"score:language", "Language"},
        {"score:基本任务", "Fund."},
        {"score:中文理解", "Chi."},
        {"score:综合问答", "Open."},
        {"score:文本写作", "Writ."},
        {"score:角色扮演", "Role."},
        {"score:专业能力", "Pro."}}},
  };
  return all;
}

// One judge's numbers on one task of one run, by metric.
struct Block {
  const ReportRow* first = nullptr;
  std::map<std::string, const ReportRow*> rows;
};

bool is_judged(const std::string& metric) {
  for (const char* head : {"score", "label:", "judge_", "length_correlation", "human_",
                           "win_rate:", "position_bias:", "refused", "place:"})
    if (starts_with(metric, head)) return true;
  return false;
}

// Rows of a block that are one of its table's.
bool is_in_table(const std::string& metric) {
  return starts_with(metric, "score") || starts_with(metric, "refused") || starts_with(metric, "place:");
}

bool has_labels(const Block& block) {
  for (const auto& [metric, unused] : block.rows)
    if (starts_with(metric, "label:")) return true;
  return false;
}

// The published table whose categories hold all of the block's; null where there is none.
const PublishedTable* layout_of(const Block& block) {
  if (has_labels(block)) return nullptr;
  for (const PublishedTable& layout : layouts()) {
    if (block.first->task == layout.task) return &layout;
    size_t known = 0, all = 0;
    for (const auto& [metric, unused] : block.rows) {
      if (!starts_with(metric, "score:")) continue;
      ++all;
      for (const auto& [column, heading] : layout.columns) known += metric == column;
    }
    if (all > 0 && known == all) return &layout;
  }
  return nullptr;
}

std::vector<Block> blocks_of(const std::vector<ReportRow>& rows) {
  std::vector<Block> blocks;
  std::map<std::tuple<int64_t, std::string, std::string, std::string>, size_t> places;
  for (const ReportRow& row : rows) {
    if (!is_judged(row.metric) || (row.filter == kNobody && !row.value)) continue;
    const auto [place, added] = places.try_emplace({row.run, row.task, row.convention, row.filter}, blocks.size());
    if (added) blocks.push_back({&row, {}});
    blocks[place->second].rows[row.metric] = &row;
  }
  return blocks;
}

// Wilson's interval of a share, which is honest at 0 and 1 and for few items too.
std::string share_interval(double share, double n) {
  if (n <= 0) return "-";
  const double square = kZ95 * kZ95, middle = share + square / (2 * n);
  const double half = kZ95 * std::sqrt(share * (1 - share) / n + square / (4 * n * n));
  return fmt::format("{:.3f} - {:.3f}", std::max(0.0, (middle - half) / (1 + square / n)),
                     std::min(1.0, (middle + half) / (1 + square / n)));
}

std::string interval(const ReportRow& row, int digits) {
  if (!row.value) return "-";
  if (!row.stderr_) return fmt::format("{:.{}f}", *row.value, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", *row.value, digits, kZ95 * *row.stderr_, digits);
}

std::string hygiene_of(const Block& block) {
  std::string text;
  for (const auto& [metric, row] : block.rows) {
    if (is_in_table(metric) || !row->value) continue;
    text += fmt::format("  {}: {} (n {})\n", metric, interval(*row, 3), row->n);
  }
  const auto score = block.rows.find("score");
  if (score != block.rows.end() && score->second->missing > 0)
    text += fmt::format("  without a score: {} of {} items\n", score->second->missing,
                        score->second->missing + score->second->n);
  if (text.empty()) return "";
  return fmt::format("{}, run {}, {}, judge {}:\n{}", block.first->checkpoint, block.first->run,
                     block.first->convention, block.first->filter, text);
}

// A mean of categories, of which some may have no score: " (2 of 8)".
std::string share_of_categories(const PublishedTable& layout, const Block& block, const std::string& metric) {
  static const std::set<std::string> kReasoning = {"score:数学计算", "score:逻辑推理"};
  if (metric != "score" && metric != "score:language" && !(metric == "score:reasoning" && layout.has_parts)) return "";
  size_t there = 0, all = 0;
  for (const auto& [column, unused] : layout.columns) {
    const std::string name = column;
    const bool is_mean =
        name == "score" || (layout.has_parts && (name == "score:reasoning" || name == "score:language"));
    if (is_mean || (metric != "score" && kReasoning.count(name) != (metric == "score:reasoning"))) continue;
    ++all;
    const auto row = block.rows.find(name);
    there += row != block.rows.end() && row->second->value.has_value();
  }
  return there == all ? "" : fmt::format(" ({} of {})", there, all);
}

std::string published_table(const PublishedTable& layout, const std::string& task, const std::vector<Block>& blocks) {
  TextTable table;
  table.columns = {{"checkpoint"}, {"convention"}, {"judge"}};
  for (const auto& [unused, heading] : layout.columns) table.columns.push_back({heading, true});
  for (const Block& block : blocks) {
    std::vector<std::string> cells = {block.first->checkpoint, block.first->convention, block.first->filter};
    for (const auto& [metric, unused] : layout.columns) {
      const auto found = block.rows.find(metric);
      std::string cell = found == block.rows.end() ? "-" : interval(*found->second, 2);
      if (cell != "-") cell += share_of_categories(layout, block, metric);
      cells.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(cells));
  }
  return (task == layout.task ? layout.title : task) + "\n" + table.plain();
}

// Grades of a task with categories of its own: a row a category.
std::string grade_table(const std::string& task, const Block& block) {
  TextTable table;
  table.columns = {{"category"}, {"grade", true}, {"items", true}, {"missing", true}};
  auto add = [&](const std::string& name, const ReportRow& row) {
    table.rows.push_back({name, interval(row, 2), std::to_string(row.n), std::to_string(row.missing)});
  };
  for (const auto& [metric, row] : block.rows)
    if (starts_with(metric, "score:")) add(metric.substr(6), *row);
  if (const auto all = block.rows.find("score"); all != block.rows.end()) add("all", *all->second);
  if (table.rows.empty()) return "";
  return fmt::format("{} (grades from 1 to 10): {}, judge {}\n{}", task, block.first->checkpoint, block.first->filter,
                     table.plain());
}

std::string title_of(const std::string& task) {
  if (task == "do_not_answer") return "Do-Not-Answer (Table 11)";
  if (task == "safety") return "Safety (Table 10)";
  return task;
}

// Names of the categories of "HEAD:NAME" rows: as they come in the file where that is known, else by name.
std::vector<std::string> categories_of(const Block& block, const std::string& head) {
  std::vector<std::string> names;
  for (const auto& [metric, unused] : block.rows)
    if (starts_with(metric, head)) names.push_back(metric.substr(head.size()));
  const auto place_of = [&](const std::string& name) {
    const auto row = block.rows.find("place:" + name);
    return row == block.rows.end() || !row->second->value ? 0.0 : *row->second->value;
  };
  const auto parent_of = [](const std::string& name) { return name.substr(0, name.find(" / ")); };
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    // A subcategory stands below its category, wherever else in the file that goes on.
    const auto key = [&](const std::string& name) {
      return std::tuple(place_of(parent_of(name)), parent_of(name), name != parent_of(name), place_of(name), name);
    };
    return key(a) < key(b);
  });
  return names;
}

// Suites whose score is a share: a row a category, safe of all that were judged; of phrases, refused of all answers.
std::string share_table(const std::string& task, const Block& block) {
  const bool phrases = block.rows.count("refused") > 0;
  const std::string head = phrases ? "refused" : "score";
  // Over-refusal: an answer is right where it does what its request calls for.
  const bool asks_both = task == "xstest" || block.rows.count("label:compliance") > 0;
  TextTable table;
  table.columns = {{"category"}, {phrases ? "refused / total" : asks_both ? "right / total" : "safe / total", true}};
  if (!phrases) table.columns.push_back({asks_both ? "wrong" : "unsafe", true});
  for (const char* name : {"share", "95 %", "missing"}) table.columns.push_back({name, true});
  auto add = [&](const std::string& name, const ReportRow& row) {
    const double share = row.value.value_or(0), n = static_cast<double>(row.n);
    std::vector<std::string> cells = {name, fmt::format("{:.0f} / {}", share * n, row.n)};
    if (!phrases) cells.push_back(fmt::format("{:.0f}", n - std::round(share * n)));
    cells.push_back(row.value ? fmt::format("{:.3f}", share) : "-");
    cells.push_back(share_interval(share, n));
    cells.push_back(std::to_string(row.missing));
    table.rows.push_back(std::move(cells));
  };
  for (const std::string& name : categories_of(block, head + ":")) {
    const size_t cut = name.find(" / ");
    add(cut == std::string::npos ? name : "  " + name.substr(cut + 3), *block.rows.at(head + ":" + name));
  }
  if (const auto all = block.rows.find(head); all != block.rows.end()) add("Total", *all->second);
  if (table.rows.empty()) return "";
  return fmt::format("{}: {}, judge {}\n{}", title_of(task), block.first->checkpoint, block.first->filter,
                     table.plain());
}

// Blocks of one published table together, the others one by one.
std::string tables_of(const std::string& task, const std::vector<Block>& blocks) {
  std::string text;
  for (const PublishedTable& layout : layouts()) {
    std::vector<Block> own;
    std::copy_if(blocks.begin(), blocks.end(), std::back_inserter(own),
                 [&](const Block& block) { return layout_of(block) == &layout; });
    if (!own.empty()) text += published_table(layout, task, own);
  }
  for (const Block& block : blocks) {
    if (layout_of(block)) continue;
    text += has_labels(block) || block.rows.count("refused") ? share_table(task, block) : grade_table(task, block);
  }
  return text;
}

// A number that needs no judge, a row a checkpoint and task.
std::string plain_table(const std::vector<ReportRow>& rows, const char* metric, const char* title) {
  TextTable table;
  table.columns = {{"checkpoint"}, {"task"}, {"convention"}, {metric, true}, {"items", true}};
  for (const ReportRow& row : rows) {
    if (row.metric == metric && row.value)
      table.rows.push_back({row.checkpoint, row.task, row.convention, interval(row, 3), std::to_string(row.n)});
  }
  return table.rows.empty() ? "" : std::string("\n") + title + "\n" + table.plain();
}

std::string not_judged(const std::vector<ReportRow>& rows) {
  std::string text;
  for (const ReportRow& row : rows) {
    if (row.metric == "score" && row.filter == kNobody && !row.value)
      text +=
          fmt::format("{}, run {}: {} has no judge's word yet (`assay judge`)\n", row.checkpoint, row.run, row.task);
  }
  return text;
}

}  // namespace

std::string render_judged(const std::vector<ReportRow>& rows, const ReportOptions&) {
  std::map<std::string, std::vector<Block>> by_task;
  for (Block& block : blocks_of(rows)) by_task[block.first->task].push_back(std::move(block));
  std::string text;
  for (const auto& [task, blocks] : by_task) {
    if (!text.empty()) text += "\n";
    text += tables_of(task, blocks);
    std::set<std::string> notes;
    for (const Block& block : blocks) {
      if (!block.first->note.empty() && notes.insert(block.first->note).second)
        text += "note: " + block.first->note + "\n";
    }
    for (const Block& block : blocks) text += hygiene_of(block);
  }
  text += not_judged(rows);
  text += plain_table(rows, "refusal", "Refusals by their phrases, without a judge");
  text += plain_table(rows, "repetition", "Repetition (Table 12)");
  return text.empty() ? "no judged task in these runs\n" : text;
}

}  // namespace assay
