// assay view: what it answers, to whom, and that it follows the database.

#include "harness/view_server.h"

#include <httplib.h>

#include <catch2/catch.hpp>
#include <thread>

#include "core/json.h"
#include "tests/reports/page/sample_database.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

struct Fixture {
  Fixture() {
    testing::fill_database(database, {3, 4, 8});
    server = std::make_unique<ViewServer>(database);
    port = server->bind(0);
    thread = std::thread([this] { server->serve(); });
    client = std::make_unique<httplib::Client>("127.0.0.1", port);
    client->set_connection_timeout(10);
    client->set_read_timeout(60);
  }
  ~Fixture() {
    // The server may not listen yet; a stop before that would be lost.
    client->Get("/state");
    server->stop();
    thread.join();
  }
  TemporaryFolder folder;
  const std::string database = folder.file("scores.db");
  std::unique_ptr<ViewServer> server;
  int port = 0;
  std::thread thread;
  std::unique_ptr<httplib::Client> client;
};

}  // namespace

TEST_CASE("the page, its data and its items are served") {
  Fixture fixture;
  auto page = fixture.client->Get("/");
  REQUIRE(page);
  CHECK(page->status == 200);
  CHECK(page->body.find("const kLive = true") != std::string::npos);
  CHECK(page->get_header_value("X-Content-Type-Options") == "nosniff");
  auto data = fixture.client->Get("/data");
  REQUIRE(data);
  CHECK(parse_json(data->body, "data")["results"].size() == 12);
  auto items = fixture.client->Get("/items");
  REQUIRE(items);
  CHECK(items->status == 200);
  const Json first = parse_json(
      fixture.client->Get("/items.json?run=1&task=task_01&convention=deepseek&first=0&count=5")->body, "items");
  const Json second = parse_json(
      fixture.client->Get("/items.json?run=1&task=task_01&convention=deepseek&first=5&count=5")->body, "items");
  CHECK(first["total"] == 8);
  CHECK(first["items"].size() == 5);
  CHECK(second["items"].size() == 3);
  CHECK(second["items"][0]["item"] == "test/task_01/5");
  CHECK(first["items"][0]["answers"][0]["responses"][0][0]["text"].get<std::string>().find("</script>") !=
        std::string::npos);
}

TEST_CASE("a foreign name of the host is refused") {
  Fixture fixture;
  struct Row {
    std::string host;
    int status;
  };
  const std::vector<Row> rows = {
      {"evil.example", 403},           {"evil.example:8477", 403}, {"localhost.evil.example", 403},
      {"127.0.0.1.evil.example", 403}, {"10.0.0.1", 403},          {"[::2]:80", 403},
      {"localhost:9000", 200},         {"127.0.0.1", 200},         {"[::1]:80", 200},
  };
  for (const Row& row : rows) {
    INFO(row.host);
    auto answer = fixture.client->Get("/state", {{"Host", row.host}});
    REQUIRE(answer);
    CHECK(answer->status == row.status);
  }
}

TEST_CASE("what is wrong with a question is said, and nothing can be written") {
  Fixture fixture;
  struct Row {
    std::string path;
    int status;
  };
  for (const Row& row : {Row{"/items.json?run=99&task=x&convention=y", 400}, Row{"/items.json?run=-1", 400},
                         Row{"/items.json?run=1%27;DROP", 400}, Row{"/nothing", 404}, Row{"/../etc/passwd", 404}}) {
    INFO(row.path);
    auto answer = fixture.client->Get(row.path);
    REQUIRE(answer);
    CHECK(answer->status == row.status);
  }
  auto posted = fixture.client->Post("/data", "{}", "application/json");
  REQUIRE(posted);
  CHECK(posted->status == 404);
}

TEST_CASE("the state changes when a run writes") {
  Fixture fixture;
  const std::string before = fixture.client->Get("/state")->body;
  CHECK(fixture.client->Get("/state")->body == before);
  {
    auto db = ResultsDb::open(fixture.database, ResultsDb::Mode::kReadWrite);
    db->begin_run({"new", {"i", "step-00900", "m", "w", "t", "n", 900}, Json::object(), "assay test"});
  }
  std::string after = before;
  for (int i = 0; i < 300 && after == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    after = fixture.client->Get("/state")->body;
  }
  CHECK(after != before);
  CHECK(parse_json(fixture.client->Get("/data")->body, "data")["runs"].size() == 4);
}

TEST_CASE("a file that is no database, and a port that is taken") {
  TemporaryFolder folder;
  CHECK(error_of([&] { ViewServer server(folder.file("none.db")); }).find("no such report database") !=
        std::string::npos);
  Fixture fixture;
  ViewServer second(fixture.database);
  CHECK(error_of([&] { second.bind(fixture.port); }).find("--port") != std::string::npos);
}

}  // namespace assay
