#include "tasks/audit_forms.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tasks/documents.h"
#include "tasks/prompt.h"
#include "tests/support.h"

namespace assay {
namespace {

// A task of three items: a plain one, one whose options speak of each other, one whose question needs its options.
struct Exam {
  testing::TemporaryFolder folder;
  TaskRegistry registry;

  Exam() {
    folder.write("dev.csv", "How many legs has a spider?,two,six,eight,ten,C\n");
    folder.write("test.csv",
                 "What is the capital of France?,Rome,Paris,Berlin,Madrid,B\n"
                 "What can float?,wood,cork,both A and B,lead,C\n"
                 "Which of the following is a metal?,iron,wood,glass,wool,A\n");
    folder.write("exam.yaml", R"(
task: exam
convention: own
data:
  format: csv
  columns: [question, A, B, C, D, answer]
  files: {dev: dev.csv, test: test.csv}
test_split: test
fewshot_split: dev
num_fewshot: 1
output_type: multiple_choice
description: "Answer.\n\n"
doc_to_text: "{{question}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\nAnswer:"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
audit: {question: question, options: ["{{A}}", "{{B}}", "{{C}}", "{{D}}"], language: en}
)");
    registry = load_registry({folder.path()});
  }

  std::vector<Prompt> prompts(const std::string& form) const {
    const Task* task = registry.find_task("exam@audit-" + form);
    REQUIRE(task);
    const DataRoot root;
    return render_prompts(*task, load_documents(*task, "test", root), load_documents(*task, "dev", root), {});
  }
};

TEST_CASE("an item is asked in each cyclic order of its options, unless they speak of each other") {
  const auto prompts = Exam().prompts("orders");
  REQUIRE(prompts.size() == 4 + 1 + 4);
  CHECK(prompts[0].item_id == "test/test/0");
  CHECK(prompts[0].context ==
        "Answer.\n\nHow many legs has a spider?\nA. two\nB. six\nC. eight\nD. ten\nAnswer: C\n\n"
        "What is the capital of France?\nA. Rome\nB. Paris\nC. Berlin\nD. Madrid\nAnswer:");
  CHECK(prompts[0].choices == std::vector<std::string>{"A", "B", "C", "D"});
  CHECK(prompts[0].gold_index == 1);
  CHECK(prompts[1].item_id == "test/test/0#1");
  CHECK(prompts[1].gold_index == 0);
  CHECK_THAT(prompts[1].context, Catch::EndsWith("A. Paris\nB. Berlin\nC. Madrid\nD. Rome\nAnswer:"));
  CHECK(prompts[2].gold_index == 3);
  CHECK(prompts[4].item_id == "test/test/1");
  CHECK(prompts[5].item_id == "test/test/2");
}

TEST_CASE("other labels, other words, no question, no options") {
  Exam exam;
  const auto digits = exam.prompts("digits"), letters = exam.prompts("letters"), reworded = exam.prompts("reworded"),
             blind = exam.prompts("blind");
  CHECK(digits[0].choices == std::vector<std::string>{"1", "2", "3", "4"});
  CHECK_THAT(digits[0].context, Catch::EndsWith("1. Rome\n2. Paris\n3. Berlin\n4. Madrid\nAnswer:"));
  CHECK_THAT(digits[0].context, Catch::Contains("Answer: 3\n\n"));
  CHECK_THAT(letters[0].context, Catch::EndsWith("P. Rome\nQ. Paris\nR. Berlin\nS. Madrid\nAnswer:"));
  CHECK_THAT(reworded[0].context,
             Catch::EndsWith("Consider this problem. What is the capital of France?\nThese answers were offered:\n"
                             "(A) Rome\n(B) Paris\n(C) Berlin\n(D) Madrid\nThe right one is"));
  CHECK_THAT(blind[0].context, Catch::EndsWith("Answer: C\n\nA. Rome\nB. Paris\nC. Berlin\nD. Madrid\nAnswer:"));
  CHECK(blind.size() == 3);
}

TEST_CASE("without options only questions that stand alone are asked") {
  Exam exam;
  const auto cloze = exam.prompts("cloze"), open = exam.prompts("open");
  REQUIRE(cloze.size() == 1);
  CHECK(cloze[0].context ==
        "Question: How many legs has a spider?\nAnswer: eight\n\nQuestion: What is the capital of France?\nAnswer:");
  CHECK(cloze[0].choices == std::vector<std::string>{"Rome", "Paris", "Berlin", "Madrid"});
  CHECK(cloze[0].delimiter == " ");
  REQUIRE(open.size() == 1);
  CHECK(open[0].context == cloze[0].context);
  CHECK(open[0].golds == std::vector<std::string>{"Paris"});
}

TEST_CASE("an item in two halves, and rows of neighbours as they stand and shuffled") {
  Exam exam;
  const auto halves = exam.prompts("verbatim");
  REQUIRE(halves.size() == 3);
  CHECK(halves[0].context + halves[0].target ==
        "What is the capital of France?\nA. Rome\nB. Paris\nC. Berlin\nD. Madrid");
  CHECK(halves[0].context == "What is the capital of France?\nA.");
  CHECK(halves[0].delimiter.empty());
  CHECK(exam.prompts("sequence").empty());  // fewer items than a row
  std::string rows;
  for (int i = 0; i < 12; ++i) rows += "Question " + std::to_string(i) + "?,a,b,c,d,A\n";
  exam.folder.write("test.csv", rows);
  const auto sequences = exam.prompts("sequence");
  REQUIRE(sequences.size() == 2 * 8);
  CHECK(sequences[0].item_id == "test/test/0");
  CHECK_THAT(sequences[0].target, Catch::StartsWith("Question 0?\nA. a\nB. b\nC. c\nD. d\n\nQuestion 1?"));
  CHECK(sequences[1].item_id == "test/test/0#1");
  for (int k = 1; k < 8; ++k) CHECK(sequences[static_cast<size_t>(k)].target.size() == sequences[0].target.size());
  CHECK(sequences[8].item_id == "test/test/5");
}

TEST_CASE("items as whole texts, as they are and with their options turned by half, for the rare tokens") {
  const auto prompts = Exam().prompts("min_k");
  REQUIRE(prompts.size() == 2 + 2);  // the one whose options speak of each other has no other order
  CHECK(prompts[0].item_id == "test/test/0");
  CHECK(prompts[0].target == "What is the capital of France?\nA. Rome\nB. Paris\nC. Berlin\nD. Madrid");
  CHECK(prompts[1].item_id == "test/test/0#2");
  CHECK(prompts[1].target == "What is the capital of France?\nA. Berlin\nB. Madrid\nC. Rome\nD. Paris");
  CHECK(prompts[2].item_id == "test/test/2");
}

TEST_CASE("a form is selected by its full key and by nothing else") {
  Exam exam;
  CHECK(select_tasks(exam.registry, "exam").tasks.size() == 1);
  CHECK(select_tasks(exam.registry, "exa*").tasks.size() == 1);
  const TaskSelection one = select_tasks(exam.registry, "exam@audit-blind");
  REQUIRE(one.tasks.size() == 1);
  CHECK(one.tasks[0]->convention == "audit-blind");
}

TEST_CASE("options that speak of others, and options that don't") {
  const std::pair<const char*, bool> rows[] = {
      {"all of the above", true},
      {"None of these", true},
      {"Both A and B", true},
      {"A and C", true},
      {"neither of the above", true},
      {"以上都是", true},
      {"A和B", true},
      {"选项C", true},
      {"都不对", true},
      {"以上皆是", true},
      {"以上选项均不正确", true},
      {"AB都对", true},
      {"A或B", true},
      {"ABD", true},
      {"Ａ和Ｂ", true},
      {"前两者都是", true},
      {"没有正确答案", true},
      {"全对", true},
      {"All above", true},
      {"both a and b", true},
      {"Both (a) and (b)", true},
      {"A, B and C", true},
      {"(b) and (c)", true},
      {"B or C", true},
      {"All answers are correct", true},
      {"None is right", true},
      {"There is no correct answer", true},
      {"a cat and a dog", false},
      {"above sea level", false},
      {"A cat and B-side", false},
      {"Vitamin A and vitamin D", false},
      {"iron", false},
      {"北京", false},
      {"全部的水", false},
      {"前三天", false},
      {"both a cat and a dog", false},
      {"both a and an article", false},
      {"DNA", false},
      {"CIA", false},
      {"A", false},
      {"all right turns", false},
      {"I and II", false},
  };
  for (const auto& [option, expected] : rows) {
    INFO(option);
    CHECK(speaks_of_other_options({"iron", option}) == expected);
  }
}

TEST_CASE("two, three, five and ten options: each label is one character, and each item of its own length") {
  Exam exam;
  exam.folder.write("test.jsonl",
                    R"({"q": "two?", "o": ["a", "b"], "g": 1})"
                    "\n"
                    R"({"q": "three?", "o": ["a", "b", "c"], "g": 2})"
                    "\n"
                    R"({"q": "five?", "o": ["a", "b", "c", "d", "e"], "g": 0})"
                    "\n"
                    R"({"q": "ten?", "o": ["q", "r", "s", "t", "u", "v", "w", "x", "y", "z"], "g": 9})"
                    "\n"
                    R"({"q": "twelve?", "o": ["1","2","3","4","5","6","7","8","9","10","11","12"], "g": 0})"
                    "\n");
  exam.folder.write("exam.yaml", R"(
task: exam
convention: own
data: {format: jsonl, files: {test: test.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: q
doc_to_choice: o
doc_to_target: g
audit: {question: q, options: o, language: en}
)");
  exam.registry = load_registry({exam.folder.path()});
  auto prompts_of = [&](const std::string& form) {
    const Task* task = exam.registry.find_task("exam@audit-" + form);
    REQUIRE(task);
    return render_prompts(*task, load_documents(*task, "test", DataRoot()), {}, {});
  };
  CHECK(prompts_of("orders").size() == 2 + 3 + 5 + 10 + 12);
  const auto digits = prompts_of("digits"), letters = prompts_of("letters");
  REQUIRE(digits.size() == 4);  // twelve have no twelve digits
  CHECK(digits[3].choices == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7", "8", "9", "0"});
  CHECK(digits[3].gold_index == 9);
  REQUIRE(letters.size() == 4);
  CHECK(letters[3].choices.back() == "Y");
  CHECK(letters[0].choices == std::vector<std::string>{"P", "Q"});
  CHECK(prompts_of("cloze").size() == 5);
}

TEST_CASE("questions that need their options, and questions that don't") {
  const std::pair<const char*, bool> rows[] = {
      {"Which of the following is a metal?", true},
      {"Which statement is true?", true},
      {"All are metals EXCEPT", true},
      {"下列哪一项是金属？", true},
      {"正确的是", true},
      {"Where does Bran live?", false},
      {"What is 2 + 2?", false},
      {"法国的首都是哪里？", false},
  };
  for (const auto& [question, expected] : rows) {
    INFO(question);
    CHECK(needs_its_options(question) == expected);
  }
}

TEST_CASE("an audit block that lacks a part, or has an unknown language, is named with its place") {
  testing::TemporaryFolder folder;
  folder.write("test.csv", "q,x,y,A\n");
  const std::string head =
      "task: t\nconvention: own\ndata: {format: csv, columns: [q, A, B, answer], files: {test: test.csv}}\n"
      "test_split: test\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: [A, B]\n"
      "doc_to_target: answer\n";
  const std::string no_options = folder.write("a.yaml", head + "audit: {question: q}\n");
  CHECK_THROWS_WITH(load_task_file(no_options), Catch::Contains("a.yaml:9") && Catch::Contains("`options` is missing"));
  const std::string language = folder.write("b.yaml", head + "audit: {question: q, options: [x, y], language: fr}\n");
  CHECK_THROWS_WITH(load_task_file(language), Catch::Contains("is en or zh"));
}

TEST_CASE(
    "the report's exams can be audited, CMMLU of its Table 13 among them; passages without the order of their "
    "questions") {
  const TaskRegistry registry = load_registry({});
  for (const char* name :
       {"cmmlu_agronomy", "ceval_law", "mmlu_anatomy", "arc_easy", "openbookqa", "race_high", "c3"}) {
    const Task* task = registry.find_task(std::string(name) + "@deepseek");
    INFO(name);
    REQUIRE(task);
    REQUIRE(task->audit);
    const std::vector<Task> forms = audit_forms(*task);
    const bool sequence = std::any_of(forms.begin(), forms.end(), [](const Task& form) {
      return form.convention == std::string(kAuditPrefix) + "sequence";
    });
    CHECK(sequence == task->cluster.empty());
  }
}

TEST_CASE("a passage is shown once, and does not decide whether its question needs the options") {
  testing::TemporaryFolder folder;
  folder.write(
      "test.csv",
      "\"All of the following is about Ann, who lives in Rome.\",Where does Ann live?,Rome,Paris,Berlin,Madrid,A\n"
      "\"All of the following is about Ann, who lives in Rome.\",Which of the following is true?,w,x,y,z,A\n");
  folder.write("exam.yaml", R"(
task: exam
convention: own
data:
  format: csv
  columns: [passage, question, A, B, C, D, answer]
  files: {test: test.csv}
test_split: test
cluster: passage
output_type: multiple_choice
description: "{{passage}}\n\n"
doc_to_text: "{{question}}"
doc_to_choice: ["{{A}}", "{{B}}", "{{C}}", "{{D}}"]
doc_to_target: "{{['A', 'B', 'C', 'D'].index(answer)}}"
audit: {question: "{{passage}}\n\n{{question}}", options: ["{{A}}", "{{B}}", "{{C}}", "{{D}}"], language: en}
)");
  const TaskRegistry registry = load_registry({folder.path()});
  auto prompts_of = [&](const char* form) {
    const Task* task = registry.find_task(std::string("exam@audit-") + form);
    REQUIRE(task);
    const auto documents = load_documents(*task, "test", DataRoot());
    return render_prompts(*task, documents, {}, {});
  };
  for (const char* form : {"orders", "cloze", "verbatim", "min_k"}) {
    CHECK(registry.find_task(std::string("exam@audit-") + form)->cluster == "passage");
  }
  const std::vector<Prompt> orders = prompts_of("orders"), cloze = prompts_of("cloze");
  const std::string& text = orders.at(0).context;
  const size_t first = text.find("who lives in Rome");
  REQUIRE(first != std::string::npos);
  CHECK(text.find("who lives in Rome", first + 1) == std::string::npos);
  CHECK(cloze.size() == 1);
  CHECK(cloze.at(0).context.find("Where does Ann live?") != std::string::npos);
}

}  // namespace
}  // namespace assay
