// The example queries of docs/formats/database.md, run against a small database.
#include <sqlite3.h>

#include <catch2/catch.hpp>

#include "core/text.h"
#include "reports/results_db.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::TemporaryFolder;

// The texts of the fenced sql blocks, in order.
std::vector<std::string> queries_of(const std::string& markdown) {
  std::vector<std::string> queries;
  for (size_t at = 0; (at = markdown.find("```sql\n", at)) != std::string::npos;) {
    at += 7;
    const size_t end = markdown.find("```", at);
    queries.push_back(markdown.substr(at, end - at));
    at = end;
  }
  return queries;
}

// Rows as "a|b|c".
std::vector<std::string> rows_of(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
  INFO(sql);
  const int prepared = sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr);
  INFO(sqlite3_errmsg(handle));
  REQUIRE(prepared == SQLITE_OK);
  std::vector<std::string> rows;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    std::string row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
      row += (i > 0 ? "|" : "") + std::string(text ? text : "NULL");
    }
    rows.push_back(row);
  }
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return rows;
}

struct Answer {
  double value;
  const char* extracted;
  Outcome outcome = Outcome::kScored;
};

void put_run(ResultsDb& db, int64_t step, const std::vector<Answer>& answers) {
  const std::string label = "step-" + std::to_string(step);
  RunRecord record;
  record.run_key = label;
  record.checkpoint = {"identity " + label, label, label, "w", "t", "n", step};
  record.settings = Json::object();
  record.software = "test";
  const int64_t run = db.begin_run(record);
  TaskRecord task;
  task.task = task.alias = "exam", task.convention = "own", task.headline = "acc", task.shots = 0;
  db.put_task(run, task);
  std::vector<ItemRecord> items;
  std::vector<std::vector<Score>> scores;
  std::vector<Score> column;
  for (size_t i = 0; i < answers.size(); ++i) {
    ItemRecord item;
    item.position = static_cast<int64_t>(i);
    item.prompt.item_id = "test/exam/" + std::to_string(i);
    item.prompt.context = "question " + std::to_string(i);
    item.requests.resize(1);
    item.request_hashes = {label + "/" + std::to_string(i)};
    if (answers[i].outcome != Outcome::kMissing) {
      Response response;
      response.prompt_tokens = 7;
      response.texts = {{answers[i].extracted, FinishReason::kStop, 1}};
      db.store_response(item.request_hashes[0], response);
    }
    items.push_back(item);
    Score score{item.prompt.item_id, "acc", "none", answers[i].outcome, answers[i].value, 1, answers[i].extracted, "4"};
    scores.push_back({score});
    column.push_back(score);
  }
  db.put_items(run, task, items);
  db.put_scores(run, "exam", "own", scores);
  db.put_aggregates(run, "exam", "own", {aggregate_scores(column, "mean", true)});
  // The same items in a form of the audit: on no view.
  task.convention = "audit-orders", task.position = 1;
  db.put_task(run, task);
  for (ItemRecord& item : items) item.request_hashes[0] += "/audit";
  db.put_items(run, task, items);
  db.put_scores(run, "exam", "audit-orders", scores);
  db.put_aggregates(run, "exam", "audit-orders", {aggregate_scores(column, "mean", true)});
  db.finish_run(run, true, Json::object());
}

}  // namespace

TEST_CASE("the ten example queries of the documentation run, and answer what they say") {
  TemporaryFolder folder;
  const std::string path = folder.file("scores.db");
  {
    auto db = ResultsDb::open(path, ResultsDb::Mode::kReadWrite);
    put_run(*db, 100, {{1, "4"}, {0, "5"}, {0, "", Outcome::kUnparsed}, {0, "", Outcome::kMissing}});
    put_run(*db, 200, {{1, "4"}, {1, "4"}, {0, "7"}, {0, "8"}});
  }
  const std::vector<std::string> queries =
      queries_of(read_file(std::string(ASSAY_SOURCE_DIR) + "/docs/formats/database.md"));
  REQUIRE(queries.size() == 10);
  const std::vector<std::vector<std::string>> expected = {
      {"step-100|exam|acc|0.3333|0.3333|3", "step-200|exam|acc|0.5|0.2887|4"},
      {"100|0.3333", "200|0.5"},
      {"exam|step-200|0.5"},
      {"exam|test/exam/1|5|4|4"},
      {"exam|0|1|3"},
      {},  // checked below: it ends in a raw answer
      {"exam|test/exam/2|2", "exam|test/exam/3|1"},
      {"step-100|exam|none|1|3|0.333"},
      {"1|exam|4|21|7", "2|exam|4|28|7"},
      {"1|exam|test/exam/3|never answered"},
  };
  for (size_t i = 0; i < queries.size(); ++i) {
    const std::vector<std::string> rows = rows_of(path, queries[i]);
    INFO("query " << i + 1);
    if (i == 5) {
      REQUIRE(rows.size() >= 2);
      CHECK(starts_with(rows[0], "test/exam/1|5|4|{"));
    } else {
      CHECK(rows == expected[i]);
    }
  }
}

}  // namespace assay
