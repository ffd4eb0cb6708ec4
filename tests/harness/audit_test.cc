// The audit on the bundled series: the decorated variant is named, the plain checkpoints are not, whichever items are
// drawn.
#include "harness/audit.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "harness/compare_sides.h"
#include "harness/compare_why.h"
#include "harness/page_sections.h"
#include "harness/run.h"
#include "tests/support.h"

namespace assay {
namespace {

const std::string kExamples = std::string(ASSAY_SOURCE_DIR) + "/examples";

std::string checkpoint(const std::string& name) {
  return kExamples + "/checkpoints/" + name;
}

AuditConfig config_for(const testing::TemporaryFolder& folder) {
  AuditConfig config;
  config.run.places.db = folder.file("scores.db");
  config.run.places.include = {kExamples + "/suites"};
  config.run.tasks = "sample_mc,sample_mc_zh";
  config.run.backend.dtype = "float32";
  return config;
}

TEST_CASE("of the bundled checkpoints the decorated one is named, over twenty draws of items, and no other") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  const std::pair<const char*, const char*> pairs[] = {
      {"step-01000", "step-00600"}, {"step-01800", "step-01000"}, {"decorated", "step-01800"}};
  std::map<std::string, AuditResult> whole;
  for (const auto& [after, before] : pairs) {
    config.subject = checkpoint(after), config.against = checkpoint(before);
    whole[after] = audit_checkpoint(config, {}, cancelled);
    std::printf("%s\n", render_audit(whole[after]).c_str());
  }
  CHECK(whole["decorated"].verdict == AuditVerdict::kDecorated);
  CHECK(whole["step-01000"].verdict == AuditVerdict::kNotShown);
  CHECK(whole["step-01800"].verdict == AuditVerdict::kNotShown);

  const TaskRegistry registry = load_registry(config.run.places.include);
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  std::map<std::string, AuditSubject> subjects;
  for (const char* name : {"step-00600", "step-01000", "step-01800", "decorated"}) {
    subjects[name] = audit_subject(*db, registry, name);
    CHECK(subjects[name].parts.size() == 2);
  }
  std::map<std::string, int> named, named_alone;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const auto& [after, before] : pairs) {
      const AuditSubject a = sampled(subjects[after], 0.6, seed), b = sampled(subjects[before], 0.6, seed);
      named[after] += audit(a, b, {}).verdict == AuditVerdict::kDecorated;
      named_alone[after] += audit(a, std::nullopt, {}).verdict == AuditVerdict::kDecorated;
    }
  }
  for (const auto& [after, before] : pairs) {
    std::printf("%s: named in %d of 20 draws against %s, in %d alone\n", after, named[after], before,
                named_alone[after]);
  }
  CHECK(named["decorated"] == 20);
  CHECK(named["step-01000"] == 0);
  CHECK(named["step-01800"] == 0);
  CHECK(named_alone["step-01000"] == 0);
  CHECK(named_alone["step-01800"] == 0);
}

TEST_CASE("a second audit asks nothing again, and labels are enough") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  config.run.limit = 5, config.run.tasks = "sample_mc_animals";
  config.subject = checkpoint("step-00100");
  const Json first = to_json(audit_checkpoint(config, {}, cancelled));
  CHECK(first["verdict"] == "too_few");
  config.subject = "step-00100", config.run.tasks = "", config.run.model = "", config.run.places.include = {};
  CHECK(to_json(audit_checkpoint(config, {}, cancelled)) == first);
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  CHECK(db->find_runs("").size() == 1);

  // The items in the exam's own words as training text, one of them in a line of JSON.
  const StoredItem item = db->items_of(1, "sample_mc_animals", std::string(kAuditPrefix) + "orders").at(0);
  const std::string text = item.prompt.context.substr(item.prompt.shared_bytes);
  config.training_text = {folder.write("corpus.jsonl", Json{{"id", 7}, {"text", "Before. " + text}}.dump() + "\n")};
  const Json with_text = to_json(audit_checkpoint(config, {}, cancelled));
  const auto found = std::find_if(with_text["tests"].begin(), with_text["tests"].end(),
                                  [](const Json& test) { return test["name"] == "words in the training text"; });
  REQUIRE(found != with_text["tests"].end());
  CHECK((*found)["effect"].get<double>() == Approx(0.2));  // one item of five
  config.training_text = {folder.file("missing")};
  CHECK_THROWS_WITH(audit_checkpoint(config, {}, cancelled), Catch::Contains("missing"));
}

TEST_CASE("an audit of a few items does not stand for one of all, nor one task's answers for another's") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  config.subject = checkpoint("step-00100");
  auto items_of = [](const AuditResult& result, const std::string& name) {
    for (const AuditTest& test : result.tests) {
      if (test.name == name) return test.n;
    }
    return int64_t{-1};
  };
  config.run.limit = 3, config.run.tasks = "sample_mc_animals";
  CHECK(items_of(audit_checkpoint(config, {}, cancelled), "options without the question") == 3);
  config.run.limit = 6;
  CHECK(items_of(audit_checkpoint(config, {}, cancelled), "options without the question") == 6);
  config.run.limit = 3;  // the newer run of six does not count here
  CHECK(items_of(audit_checkpoint(config, {}, cancelled), "options without the question") == 3);
  config.run.tasks = "sample_mc_homes";
  CHECK(items_of(audit_checkpoint(config, {}, cancelled), "options without the question") == 3);

  // What was asked for is what the page shows: here the last of both tasks, with its scope.
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  REQUIRE(db->audits().size() == 1);
  CHECK(db->audits()[0].checkpoint == "step-00100");
  CHECK(db->audits()[0].scope["tasks"] == Json::array({"sample_mc_homes@sample"}));
  CHECK(db->audits()[0].scope["limit"] == 3);
}

TEST_CASE("items on one passage are one unit in the audit, and the right option's place is known") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  std::string rows;
  for (int i = 0; i < 12; ++i) {
    const std::string people[] = {"Bran", "Ann", "Tom"};
    rows +=
        people[i / 4] + " lives here.,Where does " + people[i / 4] + " live? (" + std::to_string(i) + "),Rome,Paris,";
    rows += std::string("Berlin,") + "ABC"[i % 3] + "\n";
  }
  folder.write("test.csv", rows);
  folder.write("exam.yaml", R"(
task: exam
convention: own
data: {format: csv, columns: [passage, question, A, B, C, answer], files: {test: test.csv}}
test_split: test
cluster: passage
output_type: multiple_choice
doc_to_text: "{{passage}}\n\n{{question}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nAnswer:"
doc_to_choice: [A, B, C]
doc_to_target: answer
audit: {question: "{{passage}}\n\n{{question}}", options: ["{{A}}", "{{B}}", "{{C}}"], language: en}
)");
  AuditConfig config = config_for(folder);
  config.run.places.include = {folder.path()};
  config.run.tasks = "exam", config.subject = checkpoint("step-00100");
  const AuditResult result = audit_checkpoint(config, {}, cancelled);
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  const AuditSubject subject = audit_subject(*db, load_registry(config.run.places.include), "step-00100");
  REQUIRE(subject.parts.size() == 1);
  const AuditPart& part = subject.parts[0];
  REQUIRE(part.clusters.size() == 12);
  std::set<std::string> passages;
  for (const auto& [unused, passage] : part.clusters) passages.insert(passage);
  CHECK(passages.size() == 3);
  CHECK(part.clusters.at("exam@own/test/test/4") == "exam@own/Ann lives here.");
  CHECK(part.gold_position.at("exam@own/test/test/4") == 1);
  CHECK(part.gold_position.at("exam@own/test/test/5") == 2);

  AuditSubject alone = subject;
  alone.parts[0].clusters.clear();
  const AuditResult without = audit(alone, std::nullopt, {});
  REQUIRE(without.tests.size() == result.tests.size());
  bool wider = false;
  for (size_t i = 0; i < result.tests.size(); ++i) {
    CHECK(result.tests[i].effect == Approx(without.tests[i].effect));
    if (result.tests[i].low) wider = wider || *result.tests[i].high > *without.tests[i].high + 1e-9;
  }
  CHECK(wider);
  // The forms' own intervals count passages too.
  const int64_t run = db->find_runs("step-00100").at(0).id;
  const auto scores = db->item_scores(run, "exam", std::string(kAuditPrefix) + "cloze", "acc_bytes", "none");
  REQUIRE(scores.size() == 12);
  for (const ItemScore& score : scores) CHECK_THAT(score.cluster, Catch::Contains(" lives here."));
}

TEST_CASE("the page shows the pairs that were audited, and audit runs are nobody's newest run") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  config.run.limit = 4, config.run.tasks = "sample_mc_animals,sample_cloze";
  for (const char* step : {"step-00600", "step-01000", "step-01800"}) {
    RunConfig plain = config.run;
    plain.model = checkpoint(step);
    REQUIRE(run(plain, cancelled).complete);
  }
  config.run.tasks = "sample_mc_animals";
  config.subject = "step-01800", config.against = "step-00600";  // not neighbours
  audit_checkpoint(config, {}, cancelled);
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  const std::vector<StoredRun> runs = db->find_runs("");
  REQUIRE(runs.size() == 5);
  const Json page = whole_page_data(*db, runs, {});
  REQUIRE(page["audits"].size() == 1);
  CHECK(page["audits"][0]["checkpoint"] == "step-01800");
  CHECK(page["audits"][0]["against"] == "step-00600");
  CHECK(page["comparisons"][0]["runs"] == Json({3, 2}));
  for (const Json& row : page["comparisons"][0]["rows"]) CHECK(row["runs"] == Json({3, 2}));

  const Json why = explain_difference(*db, find_side(db.get(), "step-01800"), find_side(db.get(), "step-00600"));
  CHECK(why["a"] == "step-01800 (run 3)");
  CHECK(why["b"] == "step-00600 (run 1)");
  for (const Json& task : why["tasks"]) CHECK(task["convention"][0] == "sample");
}

TEST_CASE("task files are found again from another folder, given once relative and once absolute") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(kExamples);
  config.run.limit = 3, config.run.tasks = "sample_mc_animals", config.run.places.include = {"suites"};
  config.run.model = "checkpoints/step-00100";
  CHECK(run(config.run, cancelled).complete);
  // The same folder twice is no contradiction.
  CHECK(load_registry({"suites", kExamples + "/suites"}).find_task("sample_mc_animals@sample"));
  std::filesystem::current_path(folder.path());
  config.run.model = "", config.run.places.include = {}, config.subject = "step-00100";
  CHECK_FALSE(audit_checkpoint(config, {}, cancelled).tests.empty());
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  for (const StoredRun& stored : db->find_runs("")) {
    CHECK(stored.settings["include"] == Json::array({std::filesystem::canonical(kExamples + "/suites").string()}));
    CHECK(stored.settings["model"] == std::filesystem::canonical(checkpoint("step-00100")).string());
  }
  std::filesystem::current_path(here);
}

TEST_CASE("task files that are gone leave the rest of the page, and --include brings them back") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  const std::string gone = folder.file("suites"), moved = folder.file("moved");
  for (const char* part : {"suites", "data"}) {
    std::filesystem::copy(kExamples + "/" + part, folder.file(part), std::filesystem::copy_options::recursive);
  }
  config.run.limit = 3, config.run.tasks = "sample_mc_animals", config.run.places.include = {gone};
  config.subject = checkpoint("step-00100");
  audit_checkpoint(config, {}, cancelled);
  for (const char* step : {"step-00100", "step-00600"}) {
    RunConfig plain = config.run;
    plain.model = checkpoint(step);
    REQUIRE(run(plain, cancelled).complete);
  }
  std::filesystem::rename(gone, moved);
  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  const Json page = whole_page_data(*db, db->find_runs(""), {});
  CHECK(page["comparisons"].size() == 1);
  CHECK(page["left_out"].dump().find("suites") != std::string::npos);
  CHECK(page["audits"][0]["tests"].empty());
  const Json again = whole_page_data(*db, db->find_runs(""), {}, {moved});
  CHECK_FALSE(again["audits"][0]["tests"].empty());
}

TEST_CASE("word problems are asked with their own numbers and with others, and the gain is listed") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  config.run.tasks = "sample_math";
  config.subject = checkpoint("step-01800"), config.against = checkpoint("step-00100");
  const AuditResult result = audit_checkpoint(config, {}, cancelled);
  std::printf("%s\n", render_audit(result).c_str());
  REQUIRE(result.tests.size() == 4);
  CHECK(result.tests[0].name == "other numbers in word problems");
  CHECK(result.tests[2].name == "rare tokens, beside other numbers");
  CHECK(result.tests[3].name == "rare tokens, beside other numbers, since then");
  CHECK(result.tests[0].n >= 40);
  CHECK(result.verdict == AuditVerdict::kTooFew);  // nothing was asked that could show technique

  auto db = ResultsDb::open(config.run.places.db, ResultsDb::Mode::kReadOnly);
  const auto own = db->items_of(1, "sample_math", std::string(kAuditPrefix) + "unchanged"),
             other = db->items_of(1, "sample_math", std::string(kAuditPrefix) + "numbers");
  REQUIRE(own.size() == other.size());
  for (size_t i = 0; i < own.size(); ++i) {
    CHECK(own[i].prompt.item_id == other[i].prompt.item_id);
    CHECK(own[i].prompt.context != other[i].prompt.context);
  }
}

TEST_CASE("published numbers alone: twenty million exam questions are named, a chat model of the same base is not") {
  std::atomic<bool> cancelled{false};
  AuditConfig config;
  config.subject = "published:DeepSeek LLM 7B Chat + MC (20M)", config.against = "published:DeepSeek LLM 7B Chat";
  const AuditResult decorated = audit_checkpoint(config, {}, cancelled);
  CHECK(decorated.verdict == AuditVerdict::kDecorated);
  CHECK_THAT(decorated.sentence,
             Catch::Contains("+11.5 points in MMLU") && Catch::Contains("+24.2 points in C-Eval and CMMLU"));
  config.subject = "published:DeepSeek LLM 67B Chat", config.against = "published:DeepSeek LLM 67B Base";
  CHECK(audit_checkpoint(config, {}, cancelled).verdict == AuditVerdict::kNotShown);
  // Chinese exams beside English questions made this one look practised.
  config.subject = "published:DeepSeek LLM 67B Base@table5", config.against = "published:LLaMA-2 70B@table5";
  CHECK(audit_checkpoint(config, {}, cancelled).verdict == AuditVerdict::kNotShown);
  config.against = "";
  CHECK_THROWS_WITH(audit_checkpoint(config, {}, cancelled), Catch::Contains("--against"));
}

TEST_CASE("an unknown checkpoint and tasks without other forms are clear errors") {
  testing::TemporaryFolder folder;
  std::atomic<bool> cancelled{false};
  AuditConfig config = config_for(folder);
  config.subject = "nobody";
  CHECK_THROWS_WITH(audit_checkpoint(config, {}, cancelled), Catch::Contains("has no run or checkpoint \"nobody\""));
  config.subject = checkpoint("step-00100"), config.run.tasks = "sample_endings";
  CHECK_THROWS_WITH(audit_checkpoint(config, {}, cancelled), Catch::Contains("can be asked in other forms"));
}

}  // namespace
}  // namespace assay
