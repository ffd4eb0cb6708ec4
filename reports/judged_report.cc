// Judged benchmarks as the DeepSeek LLM report prints them: a row a checkpoint and judge, a column a category, each
// number with the half width of its 95 % interval (shares: Wilson's interval). Below each table what the judging itself
// is worth.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "reports/distributions.h"
#include "reports/report.h"
#include "reports/text_table.h"

namespace assay {
namespace {

constexpr const char* kNobody = "none";  // filter of a score before any judge has spoken

struct PublishedTable {
  const char* task;
  const char* title;
  std::vector<std::pair<const char*, const char*>> columns;  // metric, heading
};

const std::vector<PublishedTable>& layouts() {
  static const std::vector<PublishedTable> all = {
      {"mt_bench",
       "MT-Bench (Table 8)",
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

const PublishedTable* layout_of(const std::string& task) {
  for (const PublishedTable& layout : layouts()) {
    if (task == layout.task) return &layout;
  }
  return nullptr;
}

// One judge's numbers on one task of one run, by metric.
struct Block {
  const ReportRow* first = nullptr;
  std::map<std::string, const ReportRow*> rows;
};

bool is_judged(const std::string& metric) {
  for (const char* head : {"score", "label:", "judge_", "length_correlation", "human_", "win_rate:", "position_bias:"})
    if (metric.compare(0, std::string(head).size(), head) == 0) return true;
  return false;
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
    if (metric.compare(0, 5, "score") == 0 || !row->value) continue;
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

std::string published_table(const PublishedTable& layout, const std::vector<Block>& blocks) {
  TextTable table;
  table.columns = {{"checkpoint"}, {"convention"}, {"judge"}};
  for (const auto& [unused, heading] : layout.columns) table.columns.push_back({heading, true});
  for (const Block& block : blocks) {
    std::vector<std::string> cells = {block.first->checkpoint, block.first->convention, block.first->filter};
    for (const auto& [metric, unused] : layout.columns) {
      const auto found = block.rows.find(metric);
      cells.push_back(found == block.rows.end() ? "-" : interval(*found->second, 2));
    }
    table.rows.push_back(std::move(cells));
  }
  return std::string(layout.title) + "\n" + table.plain();
}

std::string title_of(const std::string& task) {
  if (task == "do_not_answer") return "Do-Not-Answer (Table 11)";
  if (task == "safety") return "Safety (Table 10)";
  return task;
}

// Suites whose score is a share: a row a category, safe of all that were judged.
std::string share_table(const std::string& task, const std::vector<Block>& blocks) {
  std::string text;
  for (const Block& block : blocks) {
    TextTable table;
    table.columns = {{"category"}, {"safe / total", true}, {"share", true}, {"95 %", true}, {"missing", true}};
    auto add = [&](const std::string& name, const ReportRow& row) {
      const double share = row.value.value_or(0), n = static_cast<double>(row.n);
      table.rows.push_back({name, fmt::format("{:.0f} / {}", share * n, row.n),
                            row.value ? fmt::format("{:.3f}", share) : "-", share_interval(share, n),
                            std::to_string(row.missing)});
    };
    for (const auto& [metric, row] : block.rows)
      if (metric.compare(0, 6, "score:") == 0) add(metric.substr(6), *row);
    if (const auto all = block.rows.find("score"); all != block.rows.end()) add("Total", *all->second);
    if (table.rows.empty()) continue;
    text += fmt::format("{}: {}, judge {}\n{}", title_of(task), block.first->checkpoint, block.first->filter,
                        table.plain());
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
    const PublishedTable* layout = layout_of(task);
    text += layout ? published_table(*layout, blocks) : share_table(task, blocks);
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
