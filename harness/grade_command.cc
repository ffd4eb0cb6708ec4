// `assay grade export | import`: answers out to people, their labels in.
//
// Both files are JSON Lines; a row is one answer:
//   export  {"id": request hash, "task", "item", "prompt", "answer", "label": ""}
//   import  the same rows with "label" filled (others are passed over), "note" optional; other fields are not read
//
// After an import the runs are scored again: annotators stand among the judges of their tasks as people:ANNOTATOR.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "harness/commands.h"
#include "harness/run_config.h"
#include "harness/scoring.h"
#include "reports/results_db.h"
#include "reports/stats.h"
#include "tasks/judge/protocol.h"

namespace assay {
namespace {

struct GradeOptions {
  Places places;
  std::string run, task, file, annotator;
  bool json = false;
};

// What two annotators say about the answers that both labelled.
struct Agreement {
  struct Difference {
    std::string id, item, label_a, label_b;
  };
  std::string task, a, b;
  size_t common = 0;
  std::optional<double> kappa;  // nothing where only one label occurs
  std::vector<Difference> differences;
};

// Calls `use` for every answered turn of the chosen tasks.
template <typename Use>
void for_each_answer(ResultsDb& db, const GradeOptions& options, Use&& use) {
  bool any = false;
  for (const StoredRun& run : db.find_runs(options.run)) {
    for (const TaskRecord& task : db.tasks_of(run.id)) {
      if (task.is_group || !glob_match(options.task, task.task)) continue;
      for (const StoredItem& item : db.items_of(run.id, task.task, task.convention)) {
        for (size_t part = 0; part < item.responses.size(); ++part) {
          const auto& response = item.responses[part];
          if (!response || response->texts.empty()) continue;
          any = true;
          use(task.task + "@" + task.convention, item, part);
        }
      }
    }
  }
  if (!any)
    throw_input("--task " + options.task, "no stored run has answers of such a task", "`assay report` lists tasks");
}

// What the answer answers: the whole conversation so far where there is one.
std::string prompt_of(const StoredItem& item, size_t part) {
  if (part == 0) return item.prompt.context;
  std::string text = "[User]\n" + item.prompt.context;
  for (size_t turn = 0; turn < part; ++turn) {
    const auto& response = item.responses.at(turn);
    text += "\n\n[Assistant]\n" + (response && !response->texts.empty() ? response->texts.front().text : "") +
            "\n\n[User]\n" + item.prompt.next_turns.at(turn);
  }
  return text;
}

int export_command(const GradeOptions& options) {
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);
  std::string rows;
  std::set<std::string> seen;
  for_each_answer(*db, options, [&](const std::string& task, const StoredItem& item, size_t part) {
    if (!seen.insert(task + item.request_hashes[part]).second) return;
    const std::string prompt = prompt_of(item, part);
    rows += dump_json({{"id", item.request_hashes[part]},
                       {"task", task},
                       {"item", item.prompt.item_id},
                       {"prompt", prompt},
                       {"answer", item.responses[part]->texts.front().text},
                       {"label", ""}}) +
            "\n";
  });
  if (options.file.empty()) {
    print(rows);
  } else {
    write_file_atomically(options.file, rows);
  }
  return kExitDone;
}

std::vector<Grade> read_grades(const GradeOptions& options, const std::set<std::string>& known) {
  std::vector<Grade> grades;
  int line_number = 0;
  for (const std::string& line : split(read_file(options.file), '\n')) {
    ++line_number;
    if (strip(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", options.file, line_number);
    const Json json = parse_json(line, where);
    const JsonObject row(json, where);
    const std::string label(strip(row.text("label", "")));
    if (label.empty()) continue;
    Grade grade{row.text("id"), row.text("task"), options.annotator, label, row.text("note", "")};
    if (!known.count(grade.task + grade.request_hash)) row.fail("id", "no stored answer has this id under this task");
    grades.push_back(std::move(grade));
  }
  if (grades.empty()) throw_input(options.file, "no row has a label");
  return grades;
}

// Labels that the protocol of their task gives no score to.
struct UnknownLabels {
  size_t count = 0;
  std::string first, judge;
};

// Protocols by task.
std::map<std::string, std::string> judges_of(ResultsDb& db, const GradeOptions& options) {
  std::map<std::string, std::string> judges;
  for (const StoredRun& run : db.find_runs(options.run)) {
    const TaskRegistry registry = load_registry_of(run, options.places.include);
    for (const TaskRecord& record : db.tasks_of(run.id)) {
      const Task* task = registry.find_task(record.task + "@" + record.convention);
      if (task && !task->judge.empty()) judges[task->key()] = task->judge;
    }
  }
  return judges;
}

UnknownLabels find_unknown(const std::map<std::string, std::string>& judges, const std::vector<Grade>& grades,
                           const std::map<std::string, Prompt>& prompts) {
  UnknownLabels unknown;
  for (const Grade& grade : grades) {
    const auto judge = judges.find(grade.task);
    if (judge == judges.end()) continue;
    const JudgeProtocol& protocol = *find_judge_protocol(judge->second);
    if (read_label_of_person(protocol, prompts.at(grade.request_hash), grade.label).score) continue;
    if (unknown.count++ == 0) unknown.first = grade.label, unknown.judge = judge->second;
  }
  return unknown;
}

// A label as its protocol reads it ("Safe" is "safe", "7.0" is "7"); one that it does not know stays as it is. Null
// protocol: the task has none.
std::string read_label(const JudgeProtocol* protocol, const Prompt& prompt, const std::string& label) {
  if (!protocol) return label;
  const JudgeWord word = read_label_of_person(*protocol, prompt, label);
  if (!word.score) return label;
  return protocol->few_labels ? word.label : fmt::format("{}", *word.score);
}

// Of each pair of annotators.
std::vector<Agreement> agreements(const std::string& task, const JudgeProtocol* protocol,
                                  const std::vector<Grade>& grades, const std::map<std::string, Prompt>& prompts) {
  std::map<std::string, std::map<std::string, std::string>> by_annotator;
  for (const Grade& grade : grades) {
    const auto prompt = prompts.find(grade.request_hash);
    by_annotator[grade.annotator][grade.request_hash] =
        prompt == prompts.end() ? grade.label : read_label(protocol, prompt->second, grade.label);
  }
  std::vector<Agreement> out;
  for (auto a = by_annotator.begin(); a != by_annotator.end(); ++a) {
    for (auto b = std::next(a); b != by_annotator.end(); ++b) {
      Agreement agreement{task, a->first, b->first, 0, {}, {}};
      std::vector<std::string> left, right;
      for (const auto& [id, label] : a->second) {
        const auto other = b->second.find(id);
        if (other == b->second.end()) continue;
        left.push_back(label), right.push_back(other->second);
        const auto prompt = prompts.find(id);
        if (label != other->second)
          agreement.differences.push_back(
              {id, prompt == prompts.end() ? "" : prompt->second.item_id, label, other->second});
      }
      if (left.empty()) continue;
      agreement.common = left.size();
      agreement.kappa = cohen_kappa(left, right);
      out.push_back(std::move(agreement));
    }
  }
  return out;
}

std::string text_of(const Agreement& agreement) {
  std::string text = fmt::format(
      "{}, {} and {}: {} answers in common, Cohen's kappa {}\n", agreement.task, agreement.a, agreement.b,
      agreement.common, agreement.kappa ? fmt::format("{:.4f}", *agreement.kappa) : "not defined (one label only)");
  for (const auto& difference : agreement.differences) {
    text += fmt::format("  {} {}  {}: {}  {}: {}\n", difference.id.substr(0, 16), difference.item, agreement.a,
                        difference.label_a, agreement.b, difference.label_b);
  }
  return text;
}

Json to_json(const Agreement& agreement) {
  Json differences = Json::array();
  for (const auto& difference : agreement.differences) {
    differences.push_back(
        {{"id", difference.id}, {"item", difference.item}, {"a", difference.label_a}, {"b", difference.label_b}});
  }
  return {{"task", agreement.task},
          {"a", agreement.a},
          {"b", agreement.b},
          {"n", agreement.common},
          {"kappa", or_null(agreement.kappa)},
          {"disagreements", differences}};
}

int import_command(const GradeOptions& options) {
  ResultsDb::open(options.places.db, ResultsDb::Mode::kReadOnly);  // a new file would hold nothing to label
  auto db = ResultsDb::open(options.places.db, ResultsDb::Mode::kReadWrite);
  std::set<std::string> known, tasks;
  std::map<std::string, Prompt> prompts;
  for_each_answer(*db, options, [&](const std::string& task, const StoredItem& item, size_t part) {
    prompts.emplace(item.request_hashes[part], item.prompt);
    known.insert(task + item.request_hashes[part]);
    tasks.insert(task);
  });
  const std::vector<Grade> grades = read_grades(options, known);
  db->put_grades(grades);
  const std::map<std::string, std::string> judges = judges_of(*db, options);
  const UnknownLabels unknown = find_unknown(judges, grades, prompts);
  if (unknown.count > 0) {
    std::fprintf(stderr, "%zu labels (the first: \"%s\") are none of %s's: their answers stay without a score\n",
                 unknown.count, unknown.first.c_str(), unknown.judge.c_str());
  }
  for (const StoredRun& run : db->find_runs(options.run)) {
    const std::vector<TaskRecord> of_run = db->tasks_of(run.id);
    if (std::any_of(of_run.begin(), of_run.end(),
                    [&](const TaskRecord& task) { return glob_match(options.task, task.task); }))
      score_stored_run(*db, run, load_registry_of(run, options.places.include), nullptr, g_cancelled);
  }
  Json list = Json::array();
  std::string text = fmt::format("{} labels of {} taken in\n", grades.size(), options.annotator);
  for (const std::string& task : tasks) {
    const auto judge = judges.find(task);
    const JudgeProtocol* protocol = judge == judges.end() ? nullptr : find_judge_protocol(judge->second);
    for (const Agreement& agreement : agreements(task, protocol, db->grades_of(task), prompts)) {
      list.push_back(to_json(agreement));
      text += text_of(agreement);
    }
  }
  print(options.json
            ? dump_json({{"labels", grades.size()}, {"unknown_labels", unknown.count}, {"agreement", list}}, 2) + "\n"
            : text);
  return kExitDone;
}

void add_flags(CLI::App& command, GradeOptions& options) {
  add_place_flags(command, options.places);
  command.add_option("--run", options.run, "Id of a run or label of a checkpoint (default: all)");
  command.add_option("--task", options.task, "Task or glob")->required();
}

}  // namespace

void declare_grade(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<GradeOptions>();
  command.require_subcommand(1);
  CLI::App& out = *command.add_subcommand("export", "Write answers as JSON Lines, for people to label");
  add_flags(out, *options);
  out.add_option("--out", options->file, "File (default: stdout)");
  out.callback([options, &exit_code] { exit_code = export_command(*options); });
  CLI::App& in = *command.add_subcommand("import", "Take labels in, and say how far annotators agree");
  add_flags(in, *options);
  in.add_option("file", options->file, "The exported rows with labels")->required();
  in.add_option("--annotator", options->annotator, "Who labelled")->required();
  in.add_flag("--json", options->json, "One JSON value on stdout");
  in.callback([options, &exit_code] { exit_code = import_command(*options); });
}

}  // namespace assay
