// The page: what it holds, how large it is, and that no text of a model can break out of it.

#include "reports/page/page.h"

#include <catch2/catch.hpp>

#include "core/text.h"
#include "reports/page/page_data.h"
#include "tests/reports/page/sample_database.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::fill_database;
using testing::kHostile;
using testing::TemporaryFolder;

struct Fixture {
  explicit Fixture(const testing::SampleSize& size) {
    fill_database(folder.file("scores.db"), size);
    db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadOnly);
    runs = db->find_runs("");
  }
  TemporaryFolder folder;
  std::unique_ptr<ResultsDb> db;
  std::vector<StoredRun> runs;
};

// The JSON inside <script id="data">, as a browser would read it.
Json data_of(const std::string& html) {
  const std::string begin = "<script id=\"data\" type=\"application/json\">";
  const size_t from = html.find(begin) + begin.size();
  return parse_json(html.substr(from, html.find("</script>", from) - from), "page");
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("the page of 20 checkpoints and 40 tasks is below 2 MB, with every result and curve") {
  Fixture fixture({20, 40, 1});
  const std::string html = page_html(page_data(*fixture.db, fixture.runs, {"t", "assay test", nullptr, ""}), false);
  CHECK(html.size() < 2'000'000);
  WARN("page of 20 checkpoints x 40 tasks: " << html.size() / 1000 << " kB");
  const Json data = data_of(html);
  CHECK(data["results"].size() == 800);
  CHECK(data["curves"]["curves"].size() == 40);
  CHECK(data["runs"].size() == 20);
  CHECK(data["curves"]["warnings"][0]["task"] == "task_04");
}

TEST_CASE("curves are drawn against tokens where those are given") {
  Fixture fixture({3, 4, 1});
  std::map<std::string, double> tokens;
  for (const StoredRun& run : fixture.runs) tokens[run.label] = 1e9 * static_cast<double>(run.id);
  PageOptions options;
  options.tokens = &tokens;
  const Json curves = page_data(*fixture.db, fixture.runs, options)["curves"];
  CHECK(curves["x"] == "tokens");
  CHECK(curves["curves"][0]["points"][2]["x"] == 3e9);
  CHECK(curves["curves"][0]["svg"].get<std::string>().find("tokens") != std::string::npos);
}

TEST_CASE("nothing on the page comes from elsewhere") {
  const std::string html = page_html({{"title", "t"}}, false);
  CHECK(html.find("connect-src 'none'") != std::string::npos);
  CHECK(page_html({{"title", "t"}}, true).find("connect-src 'self'") != std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "url(", "@import"}) {
    INFO(outside);
    CHECK(html.find(outside) == std::string::npos);
  }
}

TEST_CASE("a text of a model stays a text, whatever it says") {
  Fixture fixture({2, 4, 2});
  const Json data = items_data(*fixture.db, fixture.runs, 10, 10);
  const std::string html = items_page_html(data, false);
  // Two scripts of ours, and no markup of the model's.
  CHECK(count_of(html, "<script") == 2);
  CHECK(count_of(html, "</script>") == 2);
  CHECK(html.find("<img") == std::string::npos);
  CHECK(data_of(html) == data);
  CHECK(dump_json(data).find("onerror=alert(1)") != std::string::npos);
  const std::string titled = page_html({{"title", kHostile}}, false);
  CHECK(count_of(titled, "</script>") == 2);
  CHECK(titled.find("&lt;/script&gt;&lt;script&gt;document.title") != std::string::npos);
}

TEST_CASE("marks of the frame inside data are data") {
  const std::string html = page_html({{"title", "{{data}}{{script}}"}}, false);
  CHECK(count_of(html, "<title>{{data}}{{script}}</title>") == 1);
}

TEST_CASE("bytes that are no text do not stop the page") {
  CHECK(data_of(page_html({{"title",
                            "a\xff"
                            "b"}},
                          false))["title"] == "a\uFFFDb");
}

TEST_CASE("the items file holds the newest runs and says what it leaves out") {
  Fixture fixture({4, 3, 6});
  const Json data = items_data(*fixture.db, fixture.runs, 5, 3);
  CHECK(data["runs"].size() == 3);
  CHECK(data["tasks"].size() == 2);
  REQUIRE(data["items"].size() == 10);
  CHECK(data["items"][0]["answers"].size() == 3);
  CHECK(data["heads"].size() == 1);
  CHECK(data["left_out"].size() == 2);
}

TEST_CASE("items come page by page, filtered by verdict, text and flips") {
  Fixture fixture({3, 4, 30});
  ItemsQuery query;
  query.run = 1, query.task = "task_03", query.convention = "deepseek", query.count = 7;
  struct Row {
    std::string verdict, text;
    int64_t against;
    int64_t total;
  };
  // Item i of checkpoint c (from 0) of task 3 is wrong where (i + c) % 3 == 0, and unparsed where also i % 4 == 3.
  const std::vector<Row> rows = {{"", "", 0, 30},        {"right", "", 0, 20},      {"wrong", "", 0, 10},
                                 {"unparsed", "", 0, 3}, {"flip", "", 2, 20},       {"", "task_03/7", 0, 1},
                                 {"flip", "", 0, 0},     {"right", "nowhere", 0, 0}};
  for (const Row& row : rows) {
    INFO(row.verdict << " " << row.text << " " << row.against);
    query.verdict = row.verdict, query.text = row.text, query.against = row.against, query.first = 0;
    const Json page = items_page(*fixture.db, query);
    CHECK(page["total"] == row.total);
    CHECK(page["items"].size() == static_cast<size_t>(std::min<int64_t>(7, row.total)));
  }
  query.verdict = "flip", query.text = "", query.against = 2, query.first = 14;
  const Json last = items_page(*fixture.db, query);
  CHECK(last["items"].size() == 6);
  CHECK(last["items"][0]["answers"].size() == 2);
  query.task = "nothing";
  CHECK(error_of([&] { items_page(*fixture.db, query); }).find("has no task nothing@deepseek") != std::string::npos);
}

TEST_CASE("the page of 200 checkpoints and 40 tasks is made from the numbers alone") {
  Fixture fixture({200, 40, 0});
  const std::string html = page_html(page_data(*fixture.db, fixture.runs, {"t", "assay test", nullptr, ""}), false);
  const Json data = data_of(html);
  CHECK(data["results"].size() == 8000);
  CHECK(html.size() < 12'000'000);
  WARN("page of 200 checkpoints x 40 tasks: " << html.size() / 1000 << " kB");
}

TEST_CASE("a run that goes on shows how far it is") {
  TemporaryFolder folder;
  auto db = ResultsDb::open(folder.file("scores.db"), ResultsDb::Mode::kReadWrite);
  const int64_t run = db->begin_run({"key", {"i", "step-1", "m", "w", "t", "n", 1}, Json::object(), "assay test"});
  TaskRecord task;
  task.task = "t", task.convention = "c", task.headline = "acc";
  db->put_task(run, task);
  std::vector<ItemRecord> items(3);
  for (int i = 0; i < 3; ++i) {
    items[i].position = i, items[i].prompt.item_id = "i" + std::to_string(i), items[i].prompt.fields = Json::object();
    items[i].requests = {Request{}}, items[i].request_hashes = {"h" + std::to_string(i)};
  }
  db->put_items(run, task, items);
  db->store_response("h0", Response{});
  db->flush();
  const auto facts = db->run_facts({run});
  REQUIRE(facts.size() == 1);
  CHECK_FALSE(facts[0].complete);
  CHECK(facts[0].requests == 3);
  CHECK(facts[0].answered == 1);
  const Json data = page_data(*db, db->find_runs(""), {"t", "s", nullptr, ""});
  CHECK(data["results"].empty());
  CHECK(data["runs"][0]["answered"] == 1);
}

}  // namespace assay
