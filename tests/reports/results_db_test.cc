#include "reports/results_db.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "core/text.h"
#include "reports/schema.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

RunRecord run_record(const std::string& key) {
  RunRecord run;
  run.run_key = key;
  run.checkpoint = {"identity", "step-00100", "models/step-00100", "w", "t", "n", 100};
  run.settings = {{"tasks", "sample"}};
  run.software = "assay test";
  return run;
}

TaskRecord task_record() {
  TaskRecord task;
  task.task = "sample", task.convention = "deepseek", task.alias = "sample", task.headline = "acc", task.shots = 2;
  return task;
}

ItemRecord item_record(int64_t position, const std::string& question) {
  ItemRecord item;
  item.position = position;
  item.prompt.item_id = "test/sample/" + std::to_string(position);
  item.prompt.context = "Two shots.\n\n" + question;
  item.prompt.shared_bytes = 12;
  item.prompt.delimiter = " ";
  item.prompt.choices = {"yes", "no"};
  item.prompt.gold_index = 1;
  item.prompt.golds = {"no"};
  item.prompt.target = "no";
  item.prompt.fields = {{"question", question}};
  Request request;
  request.context = item.prompt.context;
  request.continuations = {" yes", " no"};
  item.requests = {request};
  item.request_hashes = {"hash" + std::to_string(position)};
  return item;
}

Response answered(double logprob) {
  Response response;
  response.continuations = {{logprob, 1, 4, 4, true}, {logprob - 1, 2, 3, 3, false}};
  response.prompt_tokens = 7;
  return response;
}

void sql(const std::string& path, const std::string& text) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

}  // namespace

TEST_CASE("what is put into a database comes out again") {
  TemporaryFolder folder;
  const std::string path = folder.file("scores.db");
  int64_t run = 0;
  {
    auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
    run = db->begin_run(run_record("key"));
    db->put_task(run, task_record());
    db->put_items(run, task_record(), {item_record(0, "Is it?"), item_record(1, "Was it?")});
    db->store_response("hash0", answered(-0.1 - 1e-17));
    Score score;
    score.item_id = "test/sample/0", score.metric = "acc", score.filter = "none", score.value = 1;
    score.extracted = "yes", score.gold = "no";
    db->put_scores(run, "sample", "deepseek", {{score}});
    Aggregate aggregate;
    aggregate.metric = "acc", aggregate.has_value = true, aggregate.estimate = {0.5, 0.25}, aggregate.items = 1;
    db->put_aggregates(run, "sample", "deepseek", {aggregate});
    db->finish_run(run, true, {{"tokens", 3}});
  }
  auto db = ResultsDb::open(path, ResultsDb::Mode::kReadOnly);
  auto runs = db->find_runs("step-00100");
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].complete);
  auto items = db->items_of(run, "sample", "deepseek");
  REQUIRE(items.size() == 2);
  CHECK(items[0].prompt.context == "Two shots.\n\nIs it?");
  CHECK(items[0].requests[0].context == "Two shots.\n\nIs it?");
  CHECK(items[0].requests[0].continuations == std::vector<std::string>{" yes", " no"});
  REQUIRE(items[0].responses[0].has_value());
  CHECK(items[0].responses[0]->continuations[0].logprob == -0.1 - 1e-17);
  CHECK(items[0].responses[0]->continuations[1].tokens == 2);
  CHECK_FALSE(items[1].responses[0].has_value());
  auto rows = db->report_rows({run});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].step == 100);
  CHECK(rows[0].value == 0.5);
  CHECK(rows[0].stderr_ == 0.25);
}

TEST_CASE("the same key finds its run again, the first answer to a request stays") {
  TemporaryFolder folder;
  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  int64_t first = db->begin_run(run_record("a")), other = db->begin_run(run_record("b"));
  CHECK(first != other);
  RunRecord again = run_record("a");
  again.settings["seed"] = 7;
  CHECK(db->begin_run(again) == first);
  CHECK(db->find_runs(std::to_string(first)).at(0).settings == again.settings);  // those of the last command
  db->store_response("h", answered(-1));
  db->flush();
  db->store_response("h", answered(-2));
  auto known = db->known_responses({"h", "unknown"});
  REQUIRE(known.size() == 1);
  CHECK(known["h"].continuations[0].logprob == -1);
}

TEST_CASE("a lost request is not stored, so that it is asked again") {
  TemporaryFolder folder;
  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  Response lost;
  lost.status = ResponseStatus::kFailed;
  db->store_response("h", lost);
  CHECK(db->known_responses({"h"}).empty());
}

TEST_CASE("two open databases on one file write at once") {
  TemporaryFolder folder;
  auto one = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  auto two = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  for (int i = 0; i < 500; ++i) {
    one->store_response("one" + std::to_string(i), answered(-i));
    two->store_response("two" + std::to_string(i), answered(-i));
  }
  int64_t run_one = one->begin_run(run_record("one")), run_two = two->begin_run(run_record("two"));
  CHECK(run_one != run_two);
  one->flush();
  two->flush();
  CHECK(one->known_responses({"two0", "two499", "one499"}).size() == 3);
}

TEST_CASE("far more responses than the disk takes at once are all kept, and a failed write is told") {
  TemporaryFolder folder;
  const std::string path = folder.file("scores.db");
  constexpr int kMany = 70'000;
  {
    auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
    for (int i = 0; i < kMany; ++i) db->store_response("h" + std::to_string(i), answered(-1));
    db->flush();
    CHECK(db->known_responses({"h0", "h69999"}).size() == 2);
  }
  sql(path, "CREATE TRIGGER refuse BEFORE INSERT ON responses BEGIN SELECT RAISE(ABORT, 'no more'); END");
  auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
  const auto store_many = [&] {
    for (int i = 0; i < kMany; ++i) db->store_response("later" + std::to_string(i), answered(-1));
  };
  CHECK_THROWS_WITH(store_many(), Catch::Contains("no more"));
  CHECK_THROWS_WITH(db->flush(), Catch::Contains("no more"));
}

TEST_CASE("lengths of texts are those of the last complete run of the task but one's own") {
  TemporaryFolder folder;
  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  const auto run_of = [&](const std::string& key, int tokens, bool complete) {
    const int64_t run = db->begin_run(run_record(key));
    db->put_task(run, task_record());
    ItemRecord item = item_record(0, "Is it?");
    item.request_hashes = {key};
    db->put_items(run, task_record(), {item});
    Response response;
    response.texts = {{"yes", FinishReason::kStop, tokens}, {"no", FinishReason::kStop, tokens + 1}};
    db->store_response(key, response);
    db->flush();
    db->finish_run(run, complete, {});
    return run;
  };
  CHECK(db->text_lengths("sample", "deepseek", 0).empty());
  run_of("first", 10, true);
  const int64_t second = run_of("second", 20, true);
  run_of("stopped", 30, false);
  CHECK(db->text_lengths("sample", "deepseek", 0) == std::vector<int>{20, 21});
  CHECK(db->text_lengths("sample", "deepseek", second) == std::vector<int>{10, 11});
  CHECK(db->text_lengths("other", "deepseek", 0).empty());
}

TEST_CASE("a database of an older schema is brought forward with its rows") {
  TemporaryFolder folder;
  const std::string path = folder.file("old.db");
  sql(path, std::string(migrations()[0]) +
                "PRAGMA user_version = 1;"
                "INSERT INTO responses VALUES ('h', 'answered', 3, 0, '{}');");
  auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
  CHECK(db->known_responses({"h"}).size() == 1);
}

TEST_CASE("a database of a newer schema is refused and left alone") {
  TemporaryFolder folder;
  const std::string path = folder.file("new.db");
  sql(path, "CREATE TABLE t (x); PRAGMA user_version = 99;");
  const std::string before = read_file(path);
  std::string message = error_of([&] { ResultsDb::open(path, ResultsDb::Mode::kReadWrite); });
  CHECK(message.find("has schema version 99") != std::string::npos);
  message = error_of([&] { ResultsDb::open(path, ResultsDb::Mode::kReadOnly); });
  CHECK(message.find("has schema version 99") != std::string::npos);
}

TEST_CASE("files that are no report databases are refused by name") {
  TemporaryFolder folder;
  std::string text = folder.write("text.db", std::string(5000, 'x'));
  CHECK(error_of([&] { ResultsDb::open(text, ResultsDb::Mode::kReadWrite); }).find("is not a report database") !=
        std::string::npos);
  std::string foreign = folder.file("foreign.db");
  sql(foreign, "CREATE TABLE mine (x);");
  CHECK(error_of([&] { ResultsDb::open(foreign, ResultsDb::Mode::kReadWrite); }).find("is not a report database") !=
        std::string::npos);
  CHECK(error_of([&] {
          ResultsDb::open(folder.file("none.db"), ResultsDb::Mode::kReadOnly);
        }).find("no such report database") != std::string::npos);
  CHECK(error_of([&] {
          ResultsDb::open(folder.file("no/folder/x.db"), ResultsDb::Mode::kReadWrite);
        }).find("no/folder") != std::string::npos);
}

TEST_CASE("stored JSON is written as the JSON library would write it") {
  const std::string odd = "quote \" back \\ \b\f\n\r\t \x01\x1f\x7f slash / é 日本 \xf0\x9f\x90\x90";
  Response response;
  response.detail = odd, response.answered_by = "cut \xc3 and \xff";
  response.texts = {{odd, FinishReason::kLength, 12}, {"", FinishReason::kEndOfText, 0}};
  Json expected = {{"detail", odd}, {"answered_by", response.answered_by}};
  std::mt19937_64 random(3);
  std::vector<double> numbers = {0.0,           -0.0, -1.0,   1e15,    1e16, 123456789012345680.0,
                                 1e-4,          1e-5, 5e-324, 1.7e308, -0.1, std::numeric_limits<double>::infinity(),
                                 -std::log(3.0)};
  for (int i = 0; i < 2000; ++i) {
    numbers.push_back(-static_cast<double>(random() >> 11) * std::ldexp(1.0, static_cast<int>(random() % 120) - 110));
  }
  for (double number : numbers) {
    response.continuations.push_back({number, 3, int64_t{1} << 40, 7, number < -1});
    expected["continuations"].push_back({{"logprob", number},
                                         {"tokens", 3},
                                         {"bytes", int64_t{1} << 40},
                                         {"characters", 7},
                                         {"is_greedy", number < -1}});
  }
  response.continuations.back().rarest = -1.0 / 3;
  expected["continuations"].back()["rarest"] = -1.0 / 3;
  expected["texts"] = {{{"text", odd}, {"finish", "length"}, {"tokens", 12}},
                       {{"text", ""}, {"finish", "end_of_text"}, {"tokens", 0}}};
  CHECK(response_json(response) == dump_json(expected));
  CHECK(response_json({}) == "{}");

  ItemRecord item = item_record(0, odd);
  item.prompt.next_turns = {"and then?"};
  item.requests.emplace_back();
  item.requests.back().kind = RequestKind::kGenerate;
  item.requests.back().context = "another head " + odd;
  item.requests.back().generate.stop = {"\n"};
  item.requests.back().generate.temperature = 0.7;
  item.requests.back().generate.seed = 18446744073709551615u;
  item.request_hashes.push_back("other");
  const std::string text = item_json({0, &item.prompt, item.requests, item.request_hashes}, "Two shots.\n\n");
  const Json content = parse_json(text, "item");
  CHECK(text == dump_json(content));
  CHECK(content["context"] == odd);
  Prompt prompt;
  std::vector<Request> requests;
  item_from_json(content, "Two shots.\n\n", prompt, requests);
  CHECK(prompt.context == item.prompt.context);
  CHECK(prompt.fields == item.prompt.fields);
  CHECK(prompt.next_turns == item.prompt.next_turns);
  REQUIRE(requests.size() == 2);
  for (size_t i = 0; i < 2; ++i) CHECK(request_hash(requests[i], "") == request_hash(item.requests[i], ""));
}

}  // namespace assay
