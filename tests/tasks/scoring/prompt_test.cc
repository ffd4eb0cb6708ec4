#include "tasks/prompt.h"

#include <catch2/catch.hpp>
#include <set>

#include "tasks/fewshot.h"
#include "tasks/requests.h"
#include "tasks/task_file.h"
#include "tests/support.h"

namespace assay {
namespace {

FieldTemplate column(const std::string& name) {
  FieldTemplate field;
  field.kind = FieldTemplate::Kind::kColumn;
  field.text = name;
  return field;
}

FieldTemplate jinja_text(const std::string& source) {
  FieldTemplate field;
  field.kind = FieldTemplate::Kind::kTemplate;
  field.text = source;
  return field;
}

FieldTemplate list(std::vector<std::string> entries) {
  FieldTemplate field;
  field.kind = FieldTemplate::Kind::kList;
  field.list = std::move(entries);
  return field;
}

std::vector<Document> documents(const std::string& split, const std::vector<Json>& rows) {
  std::vector<Document> all;
  for (size_t i = 0; i < rows.size(); ++i) all.push_back({split + "/f/" + std::to_string(i), rows[i]});
  return all;
}

// Questions with letters for answers.
Task letters_task() {
  Task task;
  task.name = "letters";
  task.file = "letters.yaml";
  task.test_split = "test";
  task.fewshot.split = "dev";
  task.output_type = OutputType::kMultipleChoice;
  task.description = "About {{subject}}.\n\n";
  task.doc_to_text = jinja_text("{{q}}\nAnswer:");
  task.doc_to_choice = list({"A", "B"});
  task.doc_to_target = column("answer");
  MetricSpec acc;
  acc.metric = "acc";
  task.metrics = {acc};
  return task;
}

Json letters_row(const std::string& question, const Json& answer) {
  return {{"subject", "sums"}, {"q", question}, {"answer", answer}};
}

Task open_task() {
  Task task;
  task.name = "open";
  task.file = "open.yaml";
  task.test_split = "test";
  task.fewshot.split = "dev";
  task.doc_to_text = jinja_text("Q: {{q}}\nA:");
  task.doc_to_target = column("answer");
  return task;
}

Prompt only(const Task& task, const Json& row, const std::vector<Json>& pool = {}, const PromptOptions& options = {}) {
  const auto prompts = render_prompts(task, documents("test", {row}), documents("dev", pool), options);
  REQUIRE(prompts.size() == 1);
  return prompts[0];
}

std::string error_of_prompt(const Task& task, const Json& row, const std::vector<Json>& pool = {}) {
  return testing::error_of([&] { render_prompts(task, documents("test", {row}), documents("dev", pool), {}); });
}

}  // namespace

TEST_CASE("a prompt is description, shots and the item") {
  Task task = letters_task();
  task.fewshot.count = 2;
  const Prompt prompt =
      only(task, letters_row("1+1?", "B"), {letters_row("2+2?", "A"), letters_row("3+3?", 1), letters_row("x", "A")});
  CHECK(prompt.context == "About sums.\n\n2+2?\nAnswer: A\n\n3+3?\nAnswer: B\n\n1+1?\nAnswer:");
  CHECK(prompt.context.substr(0, prompt.shared_bytes) == "About sums.\n\n2+2?\nAnswer: A\n\n3+3?\nAnswer: B\n\n");
  CHECK(prompt.item_id == "test/f/0");
  CHECK(prompt.delimiter == " ");
  CHECK(prompt.choices == std::vector<std::string>{"A", "B"});
  CHECK(prompt.gold_index == 1);
  CHECK(prompt.golds == std::vector<std::string>{"B"});
  CHECK(prompt.messages.empty());
}

TEST_CASE("the number of shots and the limit can be set from outside") {
  Task task = letters_task();
  task.fewshot.count = 2;
  PromptOptions options;
  options.num_fewshot = 0;
  options.limit = 1;
  const auto prompts =
      render_prompts(task, documents("test", {letters_row("a", "A"), letters_row("b", "B")}), {}, options);
  REQUIRE(prompts.size() == 1);
  CHECK(prompts[0].context == "About sums.\n\na\nAnswer:");
}

TEST_CASE("targets may be numbers, digits, letters, choices and lists") {
  struct Row {
    FieldTemplate target;
    Json answer;
    int gold;
  };
  const Row rows[] = {
      {column("answer"), 1, 1},
      {column("answer"), "B", 1},
      {jinja_text("{{answer}}"), 1, 1},
      {jinja_text("{{answer}}"), "1", 1},
      {jinja_text("{{['A', 'B'].index(answer)}}"), "B", 1},
      {jinja_text("{{answer}}"), Json::array({1, 0}), 1},
      {column("answer"), Json::array({"B", "A"}), 1},
  };
  for (const Row& row : rows) {
    Task task = letters_task();
    task.doc_to_target = row.target;
    CAPTURE(row.target.text, row.answer);
    CHECK(only(task, letters_row("q", row.answer)).gold_index == row.gold);
  }
}

TEST_CASE("a column of digits is the choice that reads so, not its position") {
  Task task = letters_task();
  task.doc_to_choice = list({"2", "1"});
  CHECK(only(task, letters_row("q", "1")).gold_index == 1);
}

TEST_CASE("choices come from a column, a list or a template that prints a list") {
  Task task = letters_task();
  Json row = letters_row("q", 1);
  row["options"] = {"it's", "two"};
  row["nested"] = {{"text", {"it's", "two"}}};
  for (const FieldTemplate& field : {column("options"), jinja_text("{{nested.text}}"), jinja_text("{{options}}"),
                                     list({"it{{\"'\"}}s", "{{options[1]}}"})}) {
    task.doc_to_choice = field;
    CAPTURE(field.text);
    CHECK(only(task, row).choices == std::vector<std::string>{"it's", "two"});
  }
}

TEST_CASE("a gold answer that is no choice is an error that names task, item and what was found") {
  const Task task = letters_task();
  CHECK(error_of_prompt(task, letters_row("q", "E")) ==
        "letters.yaml: task letters@deepseek, item test/f/0, doc_to_target: the gold answer is 'E', the choices are "
        "'A', 'B'");
  CHECK(error_of_prompt(task, letters_row("q", 2)).find("the gold answer is choice 2, there are 2 choices") !=
        std::string::npos);
  CHECK(error_of_prompt(task, letters_row("q", -1)).find("the gold answer is choice -1") != std::string::npos);
}

TEST_CASE("an undefined name is an error that names task, item and field") {
  Task task = letters_task();
  task.doc_to_text = jinja_text("{{no_such}}");
  const std::string message = error_of_prompt(task, letters_row("q", "A"));
  CHECK(message.find("letters.yaml: task letters@deepseek, item test/f/0, doc_to_text: ") == 0);
  CHECK(message.find("no_such") != std::string::npos);
  task.doc_to_text = column("no_such");
  CHECK(error_of_prompt(task, letters_row("q", "A")).find("the document has no column 'no_such'") != std::string::npos);
  task.convention = "lm-eval";
  CHECK(only(task, letters_row("q", "A")).context == "About sums.\n\nno_such");
}

TEST_CASE("open answers keep every accepted text and show the first") {
  Task task = open_task();
  task.fewshot.count = 1;
  task.fewshot_delimiter = "\n";
  const Prompt prompt =
      only(task, {{"q", "b?"}, {"answer", {"x", "y"}}}, {{{"q", "a?"}, {"answer", {"Kans.", "Kansas"}}}});
  CHECK(prompt.context == "Q: a?\nA: Kans.\nQ: b?\nA:");
  CHECK(prompt.golds == std::vector<std::string>{"x", "y"});
  CHECK(prompt.target == "x");
  CHECK(only(open_task(), {{"q", "n"}, {"answer", 3.5}}).target == "3.5");
  CHECK(only(open_task(), {{"q", "n"}, {"answer", true}}).target == "True");
}

TEST_CASE("shots may have templates of their own") {
  Task task = open_task();
  task.fewshot.count = 1;
  task.fewshot.doc_to_target = jinja_text("{{work}} The answer is {{answer}}.");
  const Prompt prompt = only(task, {{"q", "b?"}, {"answer", 2}}, {{{"q", "a?"}, {"work", "1*1=1."}, {"answer", 1}}});
  CHECK(prompt.context == "Q: a?\nA: 1*1=1. The answer is 1.\n\nQ: b?\nA:");
}

TEST_CASE("a prefix of the answer is joined with one delimiter at most") {
  struct Row {
    const char *text, *prefix, *context;
  };
  const Row rows[] = {
      {"Q: {{q}}", "The answer is", "Q: a The answer is 1\n\nQ: b The answer is"},
      {"Q: {{q}}\n", "The answer is", "Q: a\nThe answer is 1\n\nQ: b\nThe answer is"},
      {"Q: {{q}}", "\nA: ", "Q: a\nA: 1\n\nQ: b\nA: "},
  };
  for (const Row& row : rows) {
    Task task = open_task();
    task.fewshot.count = 1;
    task.doc_to_text = jinja_text(row.text);
    task.gen_prefix = row.prefix;
    CHECK(only(task, {{"q", "b"}, {"answer", "2"}}, {{{"q", "a"}, {"answer", "1"}}}).context == row.context);
  }
}

TEST_CASE("the reversed form has one context a choice and one continuation") {
  Task task;
  task.name = "blank";
  task.test_split = "test";
  task.output_type = OutputType::kMultipleChoice;
  task.reversed = true;
  task.doc_to_text = column("gold");
  task.doc_to_choice = column("prefixes");
  task.doc_to_target = column("rest");
  task.target_delimiter = "";
  task.fewshot.count = 1;
  const Json shot = {{"gold", 0}, {"prefixes", {"So Al", "So Bo"}}, {"rest", " sat."}};
  const Json item = {{"gold", 1}, {"prefixes", {"As Cy", "As Di"}}, {"rest", " ran."}};
  const Prompt prompt = only(task, item, {shot});
  CHECK(prompt.contexts == std::vector<std::string>{"So Al sat.\n\nAs Cy", "So Al sat.\n\nAs Di"});
  CHECK(prompt.target == " ran.");
  CHECK(prompt.gold_index == 1);
  const auto requests = make_requests(task, prompt, {});
  REQUIRE(requests.size() == 2);
  CHECK(requests[1].context == "So Al sat.\n\nAs Di");
  CHECK(requests[1].continuations == std::vector<std::string>{" ran."});
  CHECK(requests[1].part == 1);
  CHECK(requests[1].shared_bytes == prompt.shared_bytes);
}

TEST_CASE("in the lm-eval convention a doc_to_text that is a number means the reversed form") {
  Task task = letters_task();
  task.convention = "lm-eval";
  task.description = "";
  task.doc_to_text = jinja_text("{% if answer == '1' %}0{% else %}1{% endif %}");
  task.doc_to_choice = jinja_text("{{[q + ' x', q + ' y']}}");
  task.doc_to_target = jinja_text("end");
  const Prompt prompt = only(task, letters_row("so", "2"));
  CHECK(prompt.contexts == std::vector<std::string>{"so x", "so y"});
  CHECK(prompt.gold_index == 1);
  CHECK(make_requests(task, prompt, {})[0].continuations == std::vector<std::string>{" end"});
}

TEST_CASE("no item is its own example") {
  Task task = letters_task();
  task.description = "";
  task.fewshot.split = "test";
  task.fewshot.count = 2;
  std::vector<Json> rows;
  for (int i = 0; i < 6; ++i) rows.push_back(letters_row("q" + std::to_string(i), "A"));
  rows.push_back(rows[0]);  // a copy of the first
  const auto all = documents("test", rows);
  using Sampler = FewshotSpec::Sampler;
  for (Sampler sampler : {Sampler::kFirstN, Sampler::kStableHash, Sampler::kLmEvalRandom}) {
    task.fewshot.sampler = sampler;
    const auto prompts = render_prompts(task, all, all, {});
    for (size_t i = 0; i < prompts.size(); ++i) {
      const std::string own = rows[i]["q"].get<std::string>() + "\n";
      const std::string head = prompts[i].context.substr(0, prompts[i].shared_bytes);
      CHECK(head.find(own) == std::string::npos);
      CHECK(std::count(head.begin(), head.end(), 'A') == 4);  // "Answer: A" twice
    }
  }
}

// Six rows of each split; "v0" or "t0" is a question. The heads are those of lm-evaluation-harness 0.4.13 over the same
// rows, seed 1234.
TEST_CASE("an item is kept out of its own examples where lm-evaluation-harness does it") {
  struct Row {
    const char* fields;
    std::vector<std::string> contexts;
  };
  const Row rows[] = {
      {"validation_split: validation\n",
       {"v3=x v4=x v0", "v0=x v4=x v1", "v5=x v0=x v2", "v2=x v1=x v3", "v0=x v5=x v4", "v4=x v3=x v5"}},
      {"validation_split: validation\nfewshot_split: validation\n",
       {"v3=x v0=x v0", "v0=x v5=x v1", "v4=x v0=x v2", "v5=x v0=x v3", "v0=x v2=x v4", "v1=x v0=x v5"}},
      {"validation_split: validation\ntraining_split: train\n",
       {"t3=x t0=x v0", "t0=x t4=x v1", "t5=x t0=x v2", "t2=x t1=x v3", "t0=x t5=x v4", "t5=x t4=x v5"}},
      {"validation_split: validation\nfewshot_split: validation\nfewshot_config: {sampler: first_n}\n",
       {"v0=x v1=x v0", "v0=x v1=x v1", "v0=x v1=x v2", "v0=x v1=x v3", "v0=x v1=x v4", "v0=x v1=x v5"}},
      {"validation_split: validation\nfewshot_config: {sampler: first_n}\n",
       {"v1=x v2=x v0", "v0=x v2=x v1", "v0=x v1=x v2", "v0=x v1=x v3", "v0=x v1=x v4", "v0=x v1=x v5"}},
      {"validation_split: validation\nfewshot_split: train\n"
       "fewshot_config: {sampler: first_n, fewshot_indices: [3, 1, 2]}\n",
       {"t0=x t1=x v0", "t0=x t1=x v1", "t0=x t1=x v2", "t0=x t1=x v3", "t0=x t1=x v4", "t0=x t1=x v5"}},
  };
  const auto six = [](const std::string& split) {
    std::vector<Json> all;
    for (int i = 0; i < 6; ++i) all.push_back({{"q", split.substr(0, 1) + std::to_string(i)}, {"a", "x"}});
    return documents(split, all);
  };
  for (const Row& row : rows) {
    CAPTURE(row.fields);
    testing::TemporaryFolder folder;
    const std::string head =
        "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {train: t.jsonl, validation: v.jsonl}}\n"
        "doc_to_text: q\ndoc_to_target: a\nnum_fewshot: 2\ntarget_delimiter: \"=\"\nfewshot_delimiter: \" \"\n";
    const Task task = load_task_file(folder.write("t.yaml", head + row.fields)).tasks.at(0);
    const auto prompts = render_prompts(task, six("validation"), six(task.fewshot.split), {});
    REQUIRE(prompts.size() == row.contexts.size());
    for (size_t i = 0; i < prompts.size(); ++i) CHECK(prompts[i].context == row.contexts[i]);
  }
}

TEST_CASE("num_fewshot: 0 of a foreign file stands, choices of a map are no templates") {
  testing::TemporaryFolder folder;
  const std::string head =
      "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: t.jsonl}}\n"
      "test_split: test\ndoc_to_text: q\ndoc_to_target: a\noutput_type: multiple_choice\n";
  const std::string choices = "doc_to_choice: {one: \"{{q}}\", two: \"no\"}\n";
  const Task zero = load_task_file(folder.write("t.yaml", head + choices + "num_fewshot: 0\n")).tasks.at(0);
  CHECK(shots_of(zero, 5) == 0);
  CHECK(only(zero, {{"q", "x"}, {"a", 1}}).choices == std::vector<std::string>{"{{q}}", "no"});
  const Task open = load_task_file(folder.write("t.yaml", head + choices)).tasks.at(0);
  CHECK(shots_of(open, 5) == 5);
  CHECK(shots_of(open, {}) == 0);
}

TEST_CASE("false and true are the first and the second choice") {
  Task task = letters_task();
  task.fewshot.count = 1;
  const Prompt prompt = only(task, letters_row("1+1?", true), {letters_row("2+2?", false)});
  CHECK(prompt.gold_index == 1);
  CHECK(prompt.golds == std::vector<std::string>{"B"});
  CHECK(prompt.context == "About sums.\n\n2+2?\nAnswer: A\n\n1+1?\nAnswer:");
}

TEST_CASE("examples of the same cluster are the other items of the passage, fewer where there are fewer") {
  Task task = letters_task();
  task.description = "";
  task.fewshot.split = "test";
  task.fewshot.count = 2;
  task.fewshot.sampler = FewshotSpec::Sampler::kSameCluster;
  task.cluster = "passage";
  std::vector<Json> rows;
  for (const char* passage : {"x", "y", "x", "x", "x", "z", "y"}) {
    rows.push_back(letters_row("q" + std::to_string(rows.size()), "A"));
    rows.back()["passage"] = passage;
  }
  const auto all = documents("test", rows);
  const auto prompts = render_prompts(task, all, all, {});
  CHECK(prompts[0].context == "q2\nAnswer: A\n\nq3\nAnswer: A\n\nq0\nAnswer:");
  CHECK(prompts[3].context == "q0\nAnswer: A\n\nq2\nAnswer: A\n\nq3\nAnswer:");
  CHECK(prompts[5].context == "q5\nAnswer:");
  CHECK(prompts[6].context == "q1\nAnswer: A\n\nq6\nAnswer:");
  CHECK(error_of_prompt(task, letters_row("q", "A")).find("no column 'passage'") != std::string::npos);
}

TEST_CASE("hashed examples depend on seed and item, not on what else is asked") {
  Task task = letters_task();
  task.fewshot.count = 3;
  task.fewshot.sampler = FewshotSpec::Sampler::kStableHash;
  std::vector<Json> pool_rows, rows;
  for (int i = 0; i < 40; ++i) pool_rows.push_back(letters_row("p" + std::to_string(i), "A"));
  for (int i = 0; i < 5; ++i) rows.push_back(letters_row("q" + std::to_string(i), "B"));
  const auto pool = documents("dev", pool_rows), items = documents("test", rows);
  const auto all = render_prompts(task, items, pool, {});
  const auto last = render_prompts(task, {items[4]}, pool, {});
  CHECK(last[0].context == all[4].context);
  std::set<std::string> heads;
  for (const Prompt& prompt : all) heads.insert(prompt.context.substr(0, prompt.shared_bytes));
  CHECK(heads.size() == 5);
  PromptOptions other;
  other.seed = 7;
  CHECK(render_prompts(task, items, pool, other)[0].context != all[0].context);
}

TEST_CASE("fixed rows are shown in the order of the task file, fewer when fewer are asked for") {
  Task task = open_task();
  task.fewshot.count = 2;
  task.fewshot.indices = {2, 0};
  const std::vector<Json> pool = {
      {{"q", "a"}, {"answer", "1"}}, {{"q", "b"}, {"answer", "2"}}, {{"q", "c"}, {"answer", "3"}}};
  const Json item = {{"q", "x"}, {"answer", "9"}};
  CHECK(only(task, item, pool).context == "Q: c\nA: 3\n\nQ: a\nA: 1\n\nQ: x\nA:");
  PromptOptions one;
  one.num_fewshot = 1;
  CHECK(only(task, item, pool, one).context == "Q: c\nA: 3\n\nQ: x\nA:");
}

TEST_CASE("shots written in the task file need no pool") {
  Task task = open_task();
  task.fewshot.count = 1;
  task.fewshot.samples = {{{"q", "s"}, {"answer", "t"}}};
  CHECK(only(task, {{"q", "x"}, {"answer", "9"}}).context == "Q: s\nA: t\n\nQ: x\nA:");
}

TEST_CASE("too few examples are an error that says how many there are") {
  Task task = open_task();
  task.fewshot.count = 3;
  const Json item = {{"q", "x"}, {"answer", "9"}};
  CHECK(error_of_prompt(task, item, {item})
            .find("task open@deepseek: 3 few-shot examples were asked for, 1 can be had") != std::string::npos);
  task.fewshot.count = 1;
  CHECK(error_of_prompt(task, item, {item}).find("0 can be had") != std::string::npos);
  task.fewshot.indices = {4};
  CHECK(error_of_prompt(task, item, {item}).find("fewshot_indices names row 4") != std::string::npos);
}

TEST_CASE("chat turns hold the same content") {
  Task task = letters_task();
  task.fewshot.count = 1;
  PromptOptions options;
  options.chat = true;
  options.system_prompt = "Be brief.";
  const Prompt prompt = only(task, letters_row("1+1?", "B"), {letters_row("2+2?", "A")}, options);
  const std::pair<std::string, std::string> expected[] = {{"system", "Be brief.\n\nAbout sums.\n\n"},
                                                          {"user", "2+2?\nAnswer:"},
                                                          {"assistant", "A"},
                                                          {"user", "1+1?\nAnswer:"}};
  REQUIRE(prompt.messages.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(prompt.messages[i].role == expected[i].first);
    CHECK(prompt.messages[i].content == expected[i].second);
  }
  CHECK(prompt.delimiter == "");
}

TEST_CASE("each context of a reversed task is a turn of its own") {
  Task task = letters_task();
  task.reversed = true;
  task.description.clear();
  task.doc_to_text = column("answer");
  task.doc_to_choice = column("contexts");
  task.doc_to_target = column("end");
  task.gen_prefix = "So";
  PromptOptions options;
  options.chat = true;
  const Json row = {{"answer", 1}, {"contexts", {"Ann", "Bob"}}, {"end", "ran."}};
  const Json shot = {{"answer", 0}, {"contexts", {"Cid", "Dan"}}, {"end", "sat."}};
  const auto turns = [](const Request& request) {
    std::string all;
    for (const Message& message : request.messages) all += message.role + ":" + message.content + "|";
    return all;
  };
  RequestOptions chat;
  chat.chat = true;
  const auto bare = make_requests(task, only(task, row, {}, options), chat);
  REQUIRE(bare.size() == 2);
  CHECK(turns(bare[0]) == "user:Ann|assistant:So|");
  CHECK(turns(bare[1]) == "user:Bob|assistant:So|");
  task.fewshot.count = 1;
  task.gen_prefix.clear();
  options.system_prompt = "Be brief.";
  const auto shown = make_requests(task, only(task, row, {shot}, options), chat);
  REQUIRE(shown.size() == 2);
  CHECK(turns(shown[0]) == "system:Be brief.|user:Cid|assistant:sat.|user:Ann|");
  CHECK(turns(shown[1]) == "system:Be brief.|user:Cid|assistant:sat.|user:Bob|");
}

TEST_CASE("requests carry choices with their delimiter, and the neutral context beside") {
  Task task = letters_task();
  MetricSpec uncond;
  uncond.metric = "acc_uncond";
  task.metrics.push_back(uncond);
  task.unconditional_context = "Answer:";
  const auto requests = make_requests(task, only(task, letters_row("q", "A")), {});
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].task == "letters@deepseek");
  CHECK(requests[0].context == "About sums.\n\nq\nAnswer:");
  CHECK(requests[0].continuations == std::vector<std::string>{" A", " B"});
  CHECK(requests[1].context == "Answer:");
  CHECK(requests[1].continuations == std::vector<std::string>{" A", " B"});
  CHECK(requests[1].shared_bytes == 0);
}

TEST_CASE("requests for text carry the settings of task and run") {
  Task task = open_task();
  task.generation.stop = {"\n"};
  task.generation.max_tokens = 9;
  RequestOptions options;
  options.samples = 4;
  options.temperature = 0.5;
  options.seed = 3;
  const auto requests = make_requests(task, only(task, {{"q", "x"}, {"answer", "9"}}), options);
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].kind == RequestKind::kGenerate);
  CHECK(requests[0].context == "Q: x\nA:");
  CHECK(requests[0].generate.stop == std::vector<std::string>{"\n"});
  CHECK(requests[0].generate.max_tokens == 9);
  CHECK(requests[0].generate.samples == 4);
  CHECK(requests[0].generate.temperature == 0.5);
  CHECK(requests[0].generate.seed == 3);
}

TEST_CASE("whole texts and single targets are asked for as they are") {
  Task rolling;
  rolling.output_type = OutputType::kRolling;
  rolling.doc_to_target = column("text");
  const auto whole = make_requests(rolling, only(rolling, {{"text", " all of it\n"}}), {});
  CHECK(whole.at(0).kind == RequestKind::kRolling);
  CHECK(whole.at(0).text == " all of it\n");

  Task target = open_task();
  target.output_type = OutputType::kLoglikelihood;
  target.doc_to_target = jinja_text(" {{answer}}");
  const auto single = make_requests(target, only(target, {{"q", "x"}, {"answer", "dog"}}), {});
  CHECK(single.at(0).continuations == std::vector<std::string>{" dog"});
}

}  // namespace assay
