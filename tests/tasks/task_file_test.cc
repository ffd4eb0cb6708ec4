#include "tasks/task_file.h"

#include <catch2/catch.hpp>

#include "core/text.h"
#include "tests/support.h"

namespace assay {

using testing::error_of;
using testing::TemporaryFolder;

const std::string kSource = ASSAY_SOURCE_DIR;
const std::string kSmall =
    "data: {files: {test: t.jsonl, dev: d.jsonl}}\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n";

Task load_one(const std::string& yaml) {
  TemporaryFolder folder;
  return load_task_file(folder.write("t.yaml", yaml)).tasks.at(0);
}

// The message of loading `yaml`, without the folder.
std::string load_error(const std::string& yaml) {
  TemporaryFolder folder;
  const std::string file = folder.write("t.yaml", yaml);
  return replace_all(error_of([&] { load_task_file(file); }), folder.path() + "/", "");
}

TEST_CASE("the example of the manual loads") {
  const std::string manual = read_file(kSource + "/docs/formats/task_file.md");
  const size_t begin = manual.find("```yaml\n") + 8;
  TemporaryFolder folder;
  const auto file = folder.write("t.yaml", manual.substr(begin, manual.find("```", begin) - begin));
  const TaskRegistry registry = load_task_file(file);
  REQUIRE(registry.tasks.size() == 3);
  const Task& task = registry.tasks[2];
  CHECK(task.key() == "exam_college_biology@own");
  CHECK(task.description == "The following are multiple choice questions (with answers) about college biology.\n\n");
  CHECK(task.data.files.at("dev") == std::vector<std::string>{"exam/dev/college_biology_dev.csv"});
  CHECK(task.data.source == "exam");
  CHECK(task.fewshot.count == 5);
  CHECK(task.fewshot.split == "dev");
  CHECK(task.fewshot.sampler == FewshotSpec::Sampler::kFirstN);
  CHECK(task.doc_to_text.kind == FieldTemplate::Kind::kTemplate);
  CHECK(task.doc_to_choice.list == std::vector<std::string>{"A", "B", "C", "D"});
  CHECK(task.doc_to_target.kind == FieldTemplate::Kind::kColumn);
  CHECK(task.metrics.at(0).normalization == Normalization::kToken);
  CHECK(task.published.at(0).shots == 5);
  CHECK_FALSE(task.truncate_left);
  const TaskGroup* group = registry.find_group("exam@own");
  REQUIRE(group);
  CHECK(group->members ==
        std::vector<std::string>{"exam_anatomy@own", "exam_astronomy@own", "exam_college_biology@own"});
  CHECK(group->weight_by_size);
}

TEST_CASE("subgroups gather tasks by their name and are the members of the group") {
  TemporaryFolder folder;
  folder.write("t.yaml",
               "foreach: [{s: a, c: x}, {s: b, c: y}, {s: c, c: x}]\ntask: t_${s}\ngroup: all\n"
               "subgroup: {name: \"g_${c}\", weight_by_size: false}\n" +
                   kSmall);
  const TaskRegistry registry = load_registry({folder.path()});
  CHECK(registry.find_group("all@own")->members == std::vector<std::string>{"g_x@own", "g_y@own"});
  CHECK(registry.find_group("g_x@own")->members == std::vector<std::string>{"t_a@own", "t_c@own"});
  CHECK_FALSE(registry.find_group("g_x@own")->weight_by_size);
  const TaskSelection selection = select_tasks(registry, "all");
  CHECK(selection.tasks.size() == 3);
  REQUIRE(selection.groups.size() == 3);
  CHECK(selection.groups[0]->name == "all");
}

TEST_CASE("a whole ${name} keeps its type, Jinja's braces stay") {
  const Task task = load_one(
      "foreach: [{n: 3, list: [A, B]}]\ntask: t\nnum_fewshot: ${n}\ndoc_to_choice: ${list}\n"
      "output_type: multiple_choice\ndescription: \"costs ${{n}} and ${n}\"\n" +
      kSmall);
  CHECK(task.fewshot.count == 3);
  CHECK(task.doc_to_choice.list == std::vector<std::string>{"A", "B"});
  CHECK(task.description == "costs ${{n}} and 3");
}

TEST_CASE("lm-evaluation-harness's files load as they are") {
  const TaskRegistry registry = load_registry({kSource + "/tests/data/lm_eval_tasks"});
  const Task* capitals = registry.find_task("capitals@lm-eval");
  REQUIRE(capitals);
  CHECK(capitals->version == 2);
  CHECK(capitals->truncate_left);
  CHECK(capitals->fewshot.sampler == FewshotSpec::Sampler::kLmEvalRandom);
  CHECK(capitals->fewshot.split == "train");
  const Task* few = registry.find_task("capitals_few@lm-eval");
  REQUIRE(few);
  CHECK(few->fewshot.count == 2);
  CHECK(few->fewshot.sampler == FewshotSpec::Sampler::kFirstN);
  CHECK(few->alias == "capitals, two shots");
  const Task* sums = registry.find_task("sums@lm-eval");
  REQUIRE(sums);
  CHECK(sums->data.typed_columns);
  CHECK(sums->generation.stop == std::vector<std::string>{"\n", "."});
  CHECK(sums->generation.max_tokens == 8);
  CHECK(sums->generation.temperature == 0);
  CHECK(sums->generation.samples == 3);
  CHECK(sums->filters.at(0).name == "number");
  CHECK(sums->filters[0].steps.at(0).options["regex_pattern"] == "(-?[0-9]+)");
  CHECK(sums->metrics.at(0).options == Json({{"ignore_case", true}}));
  const TaskGroup* school = registry.find_group("school@lm-eval");
  REQUIRE(school);
  CHECK(school->unavailable == "");
  CHECK(school->members ==
        std::vector<std::string>{"capitals@lm-eval", "school::capitals@lm-eval", "school_sums@lm-eval"});
  CHECK(registry.find_task("school::capitals@lm-eval")->fewshot.count == 1);
  CHECK_FALSE(registry.find_group("school_sums@lm-eval")->weight_by_size);
  CHECK_FALSE(registry.find_group("geography@lm-eval")->aggregate);
}

TEST_CASE("what needs Python or a hub is listed, and refused when it is asked for") {
  const std::string folder = kSource + "/tests/data/lm_eval_tasks";
  const TaskRegistry registry = load_registry({folder});
  CHECK(error_of([&] { select_tasks(registry, "needs_python"); }) ==
        "needs_python@lm-eval: cannot be run: " + folder +
            "/needs_python.yaml:6: process_docs: `!function utils.clean_rows` needs Python");
  const std::string hub = error_of([&] { load_task_file(folder + "/on_a_hub.yaml"); });
  CHECK(hub.find("`someone/some_set` is the name of a data set on a hub, and Assay reads local files (write "
                 "`dataset_path: json`") != std::string::npos);
  CHECK(select_tasks(registry, "geography").tasks.size() == 2);  // the tag has a third that needs Python
}

TEST_CASE("a map that does not fit the task it lands on costs its group, not the folder") {
  TemporaryFolder folder;
  folder.write("g.yaml",
               "group: board\ntask:\n  - {task: hellaswag, fewshot_split: train, num_fewshot: 10}\n  - arc_easy\n");
  folder.write("t.yaml", "task: fine\n" + kSmall);
  const TaskRegistry registry = load_registry({folder.path()});
  CHECK(registry.find_task("fine@own"));
  const std::string error = error_of([&] { select_tasks(registry, "board"); });
  CHECK(error.find("the group board: hellaswag: " + folder.path() +
                   "/g.yaml:3: task/0/fewshot_split: there are no files for the split \"train\"") != std::string::npos);
}

TEST_CASE("a foreign task with a defect costs itself only, and the old form of metadata is read") {
  TemporaryFolder folder;
  const std::string data =
      "dataset_path: json\ndataset_kwargs: {data_files: {test: t.jsonl}}\ntest_split: test\n"
      "doc_to_text: q\ndoc_to_target: a\n";
  folder.write("a.yaml", "task: old_form\n" + data + "metadata:\n  - version: 3\n");
  folder.write("c.yaml", "task: penalty\n" + data + "generation_kwargs: {repetition_penalty: 1.1}\n");
  folder.write("b.yaml", "task: defect\n" + data + "fewshot_config: {no_such: 1}\n");
  const TaskRegistry registry = load_registry({folder.path()});
  REQUIRE(registry.find_task("old_form@lm-eval"));
  CHECK(registry.find_task("old_form@lm-eval")->version == 3);
  CHECK(registry.find_task("old_form@lm-eval")->unavailable == "");
  CHECK(error_of([&] { select_tasks(registry, "penalty"); }).find("the generation setting repetition_penalty is") !=
        std::string::npos);
  CHECK(error_of([&] {
          select_tasks(registry, "defect");
        }).find("defect@lm-eval: cannot be run: " + folder.path() + "/b.yaml:7: unknown field \"no_such\"") !=
        std::string::npos);
}

TEST_CASE("a group is unavailable when a group inside it has a member that is") {
  TemporaryFolder folder;
  folder.write("a.yaml", "task: fine\n" + kSmall);
  folder.write("b.yaml", "task: python\nprocess_docs: !function u.f\n" + kSmall);
  folder.write("g.yaml", "group: outer\ntask: [fine, {group: inner, task: [python]}]\n");
  const TaskRegistry registry = load_registry({folder.path()});
  const std::string error = error_of([&] { select_tasks(registry, "outer"); });
  CHECK(error.find("member inner@own: " + folder.path() + "/b.yaml:2: process_docs: `!function u.f`") !=
        std::string::npos);
}

TEST_CASE("a map in a group file defines a task of its own, includes and all") {
  TemporaryFolder folder;
  folder.write("common", kSmall);
  folder.write("g.yaml", "group: g\ntask:\n  - {task: inline, include: common, num_fewshot: 2}\n");
  const TaskRegistry registry = load_task_file(folder.file("g.yaml"));
  REQUIRE(registry.find_task("inline@own"));
  CHECK(registry.find_task("inline@own")->fewshot.count == 2);
  CHECK(registry.find_group("g@own")->members == std::vector<std::string>{"inline@own"});
}

TEST_CASE("defaults follow the output type") {
  const Task task = load_one("task: t\n" + kSmall);
  CHECK(task.metrics.at(0).metric == "exact_match");
  CHECK(task.filters.at(0).steps.at(0).function == "take_first");
  CHECK(task.generation.stop == std::vector<std::string>{"\n\n"});
  CHECK(task.generation.temperature == 0);
  const Task choice = load_one("task: t\noutput_type: multiple_choice\ndoc_to_choice: [a]\n" + kSmall);
  CHECK(choice.metrics.size() == 2);
  CHECK(choice.filters.empty());
  CHECK(load_one("task: t\ngeneration_kwargs: {do_sample: true, until: x}\n" + kSmall).generation.temperature == 1);
}

TEST_CASE("a defect of a task file is an error that names file, line and field") {
  struct Row {
    std::string defect, yaml, error;
  };
  const std::string head = "task: t\n" + kSmall;
  const Row rows[] = {
      {"malformed YAML", "task: [t\n", "t.yaml:2: malformed YAML"},
      {"unknown field", head + "doc_to_txet: x\n",
       "t.yaml:6: unknown field \"doc_to_txet\" (did you mean \"doc_to_text\"?)"},
      {"key twice", head + "doc_to_text: x\n", "t.yaml:6: the key \"doc_to_text\" is written twice"},
      {"template syntax", head + "description: \"{{ a \"\n", "t.yaml:6"},
      {"unknown metric", head + "metric_list: [{metric: acuracy}]\n",
       "t.yaml:6: metric_list/0/metric: unknown metric \"acuracy\""},
      {"rows without a range", "task: t\ndata: {files: {test: a.jsonl}, rows: {test: }}\n",
       "t.yaml:2: data/rows: `test` has no value"},
      {"labels without a file", "task: t\ndata: {files: {test: a.jsonl}, labels: {test: }}\n",
       "t.yaml:2: data/labels: `test` has no value"},
      {"a part without a text", head + "by: {subject: }\n", "t.yaml:6: by: `subject` has no value"},
      {"a temperature without a number", head + "temperature_by: {field: category, values: {writing: }}\n",
       "t.yaml:6: temperature_by/values: `writing` has no value"},
      {"a function that is no name", head + "process_results: {\"!function\": 3}\n",
       "t@own: cannot be run: t.yaml:6: `process_results"},
      {"metric twice", head + "metric_list: [{metric: exact_match}, {metric: exact_match, ignore_case: true}]\n",
       "t.yaml:6: metric_list/1: the metric exact_match stands here twice"},
      {"unknown filter", head + "filter_list: [{name: n, filter: [{function: rgx}]}]\n",
       "t.yaml:6: filter_list/0/filter/0/function: unknown filter \"rgx\""},
      {"unknown format", "task: t\ndata: {format: xml, files: {test: t.xml}}\n",
       "t.yaml:2: data/format: unknown format \"xml\""},
      {"unknown process_docs", head + "process_docs: no_such\n", "t.yaml:6: process_docs: unknown document transform"},
      {"missing include", "include: no.yaml\n" + head, "t.yaml:1: include: no.yaml: no such file"},
      {"include of itself", "include: t.yaml\n" + head, "t.yaml:1: include: t.yaml: include goes in a circle"},
      {"absent split", head + "num_fewshot: 1\nfewshot_split: train\n",
       "t.yaml:7: fewshot_split: there are no files for the split \"train\" (there are dev, test)"},
      {"bad number", head + "num_fewshot: many\n", "t.yaml:6: num_fewshot: must be a whole number"},
      {"boolean for text", head + "gen_prefix: yes\n", "t.yaml:6: gen_prefix: a text was expected, not true or false"},
      {"unknown group member", "group: g\ntask: [nobody]\n",
       "g@own: cannot be run: t.yaml:2: the group g names nobody, which no file defines"},
      {"foreach name", "foreach: [{a: 1}]\ntask: t_${b}\n" + kSmall,
       "t.yaml:1: foreach/0: the foreach map has no \"b\", which ${b} asks for"},
      {"parts that are no map", head + "by: [level]\n", "t.yaml:6: by: must be a map of names to texts"},
      {"parts of choices", head + "output_type: multiple_choice\ndoc_to_choice: [a]\nby: {level: \"{{level}}\"}\n",
       "t.yaml:8: by: is for output_type generate_until"},
      {"no task", kSmall, "t.yaml: defines no task"},
      {"no data", "task: t\n", "t.yaml: task t does not say where its documents are"},
      {"not a map", "- a\n", "t.yaml:1: a task file is a map of fields"},
      {"Python", head + "process_results: !function metrics.judge\n",
       "t@own: cannot be run: t.yaml:6: process_results: `!function metrics.judge` needs Python"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.defect);
    CHECK(load_error(row.yaml).substr(0, row.error.size()) == row.error);
  }
}

TEST_CASE("two files that define one task are an error, an included one replaces a built-in one") {
  TemporaryFolder folder;
  folder.write("a.yaml", "task: t\n" + kSmall);
  folder.write("b.yaml", "task: t\n" + kSmall);
  const std::string error = error_of([&] { load_registry({folder.path()}); });
  CHECK(error == folder.path() + "/b.yaml: the task t@own is defined twice: also in " + folder.path() + "/a.yaml");
  TemporaryFolder other;
  other.write("g.yaml", "task: gsm8k\nconvention: deepseek\n" + kSmall);
  CHECK(load_registry({other.path()}).find_task("gsm8k@deepseek")->file == other.path() + "/g.yaml");
}

TEST_CASE("selection knows names, groups, globs, conventions and near misses") {
  TemporaryFolder folder;
  folder.write("a.yaml", "task: zz_a\ntag: zz_tag\n" + kSmall);
  folder.write("b.yaml", "task: zz_b\ntag: zz_tag\n" + kSmall);
  folder.write("c.yaml", "task: zz_a\nconvention: deepseek\n" + kSmall);
  folder.write("d.yaml", "task: zz_c\nconvention: one\n" + kSmall);
  folder.write("e.yaml", "task: zz_c\nconvention: two\n" + kSmall);
  const TaskRegistry registry = load_registry({folder.path()});
  auto keys = [&](const std::string& names) {
    std::string out;
    for (const Task* task : select_tasks(registry, names).tasks) out += task->key() + " ";
    return out;
  };
  CHECK(keys("zz_a") == "zz_a@deepseek ");
  CHECK(keys("zz_a@own,zz_b, zz_b") == "zz_a@own zz_b@own ");
  CHECK(keys("zz_tag") == "zz_a@own zz_b@own ");
  CHECK(keys("zz_?@own") == "zz_a@own zz_b@own ");
  CHECK(keys("zz_c@two") == "zz_c@two ");
  CHECK(error_of([&] { keys("zz_c"); }) == "zz_c: has several conventions (say which: zz_c@one, zz_c@two)");
  CHECK(starts_with(error_of([&] { keys("zz_tga"); }), "zz_tga: no such task, group or tag (did you mean zz_"));
  CHECK(starts_with(error_of([&] { keys("zz_a@x"); }), "zz_a@x: no such convention"));
  CHECK(starts_with(error_of([&] { keys("qqqqq*"); }), "qqqqq*: matches no task"));
}

TEST_CASE("every built-in task file loads, and all of its tasks can run") {
  const TaskRegistry registry = load_registry({});
  CHECK(registry.tasks.size() > 100);
  for (const Task& task : registry.tasks) CHECK(task.unavailable == "");
  for (const TaskGroup& group : registry.groups) CHECK(group.unavailable == "");
}

}  // namespace assay
