// assay fetch against a server of our own on loopback.

#include "harness/fetch.h"

#include <httplib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "core/hash.h"
#include "core/text.h"
#include "tests/support.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

using testing::error_of;
using testing::TemporaryFolder;

// A server that gives files by path, and counts what it was asked for.
class LoopbackServer {
 public:
  LoopbackServer() {
    server_.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      std::lock_guard lock(mutex_);
      requests.push_back(request.path + (request.has_header("Range") ? " " + request.get_header_value("Range") : ""));
      auto found = files.find(request.path);
      if (found == files.end()) {
        response.status = 404;
        return;
      }
      const std::string bytes = found->second;
      // Where wanted, the connection breaks once after the given number of bytes.
      size_t limit = bytes.size();
      if (break_after > 0) std::swap(limit, break_after);
      if (limit != bytes.size()) break_after = 0;
      response.set_content_provider(bytes.size(), "application/octet-stream",
                                    [bytes, limit](size_t offset, size_t length, httplib::DataSink& sink) {
                                      if (offset >= limit) return false;
                                      sink.write(bytes.data() + offset, std::min(length, limit - offset));
                                      return true;
                                    });
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::setenv("no_proxy", "127.0.0.1", 1);
  }
  ~LoopbackServer() {
    server_.stop();
    thread_.join();
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }

  std::map<std::string, std::string> files;
  std::vector<std::string> requests;
  size_t break_after = 0;

 private:
  httplib::Server server_;
  std::mutex mutex_;
  int port_ = 0;
  std::thread thread_;
};

struct Fixture {
  LoopbackServer server;
  TemporaryFolder folder;
  std::atomic<bool> cancelled{false};

  FetchOptions options(const std::string& name = "set") {
    FetchOptions out;
    out.names = {name};
    out.data = folder.file("data");
    return out;
  }
  std::string content(const std::string& path) { return read_file(folder.file("data/" + path)); }
};

const std::string kText = "{\"question\": \"1 + 1?\"}\n";

}  // namespace

TEST_CASE("a file is downloaded, checked and put in place; the second time nothing is asked") {
  Fixture f;
  f.server.files["/test.jsonl"] = kText;
  const std::string url = f.server.url("/test.jsonl");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), "", "", "set/test.jsonl"}}, true}};
  std::vector<std::pair<std::string, std::string>> sums = {{"set/test.jsonl", sha256_hex(kText)}};
  CHECK(fetch_from(sources, sums, f.options(), f.cancelled));
  CHECK(f.content("set/test.jsonl") == kText);
  CHECK_FALSE(fs::exists(f.folder.file("data/.fetch/set")));
  size_t asked = f.server.requests.size();
  CHECK(fetch_from(sources, sums, f.options(), f.cancelled));
  CHECK(f.server.requests.size() == asked);
}

TEST_CASE("a broken connection is gone on from where it broke") {
  Fixture f;
  std::string large;
  for (int i = 0; i < 200000; ++i) large += std::to_string(i) + "\n";
  f.server.files["/large.jsonl"] = large;
  f.server.break_after = 500000;
  const std::string url = f.server.url("/large.jsonl");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), "", "", "set/large.jsonl"}}, true}};
  CHECK(fetch_from(sources, {{"set/large.jsonl", sha256_hex(large)}}, f.options(), f.cancelled));
  CHECK(f.content("set/large.jsonl") == large);
  REQUIRE(f.server.requests.size() >= 2);
  CHECK(f.server.requests[0] == "/large.jsonl");
  CHECK(f.server.requests[1].find("bytes=") != std::string::npos);
}

TEST_CASE("a wrong checksum of an original is an error, and nothing is put in place") {
  Fixture f;
  f.server.files["/test.jsonl"] = "something else";
  const std::string url = f.server.url("/test.jsonl");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), "", "", "set/test.jsonl"}}, true}};
  std::string message = error_of([&] {
    fetch_from(sources, {{"set/test.jsonl", sha256_hex(kText)}}, f.options(), f.cancelled);
  });
  CHECK(message.find("set: not fetched") == 0);
  CHECK_FALSE(fs::exists(f.folder.file("data/set/test.jsonl")));
}

TEST_CASE("where our checksum is that of a copy, a difference is kept and said") {
  Fixture f;
  f.server.files["/test.jsonl"] = "a newer release";
  const std::string url = f.server.url("/test.jsonl");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), "", "", "set/test.jsonl"}}, false}};
  CHECK(fetch_from(sources, {{"set/test.jsonl", sha256_hex(kText)}}, f.options(), f.cancelled));
  CHECK(f.content("set/test.jsonl") == "a newer release");
}

TEST_CASE("mirrors are tried first, then the original host, then the other one") {
  Fixture f;
  f.server.files["/other/test.jsonl"] = kText;
  const std::string url = f.server.url("/gone/test.jsonl"), other = f.server.url("/other/test.jsonl");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), other.c_str(), "", "set/test.jsonl"}}, true}};
  FetchOptions options = f.options();
  options.mirrors = {f.server.url("/mirror")};
  CHECK(fetch_from(sources, {}, options, f.cancelled));
  CHECK(f.server.requests ==
        std::vector<std::string>{"/mirror/set/test.jsonl", "/gone/test.jsonl", "/other/test.jsonl"});
}

TEST_CASE("an archive is downloaded once and its parts go where task files expect them") {
  Fixture f;
  f.folder.write("tree/data/dev/a_dev.csv", "dev");
  f.folder.write("tree/data/test/a_test.csv", "test");
  f.folder.write("tree/data/README.txt", "not wanted");
  REQUIRE(std::system(("tar -C " + f.folder.file("tree") + " -czf " + f.folder.file("data.tar") + " data").c_str()) ==
          0);
  f.server.files["/data.tar"] = read_file(f.folder.file("data.tar"));
  const std::string url = f.server.url("/data.tar");
  std::vector<DataSource> sources = {
      {"set", "", {{url.c_str(), "", "data/dev/", "set/dev/"}, {url.c_str(), "", "data/test/", "set/test/"}}, true}};
  CHECK(fetch_from(sources, {{"set/dev/a_dev.csv", sha256_hex("dev")}}, f.options(), f.cancelled));
  CHECK(f.content("set/dev/a_dev.csv") == "dev");
  CHECK(f.content("set/test/a_test.csv") == "test");
  CHECK_FALSE(fs::exists(f.folder.file("data/set/README.txt")));
  CHECK(f.server.requests.size() == 1);
}

TEST_CASE("an archive whose path leaves its folder is refused") {
  Fixture f;
  f.folder.write("tree/data/x", "x");
  REQUIRE(std::system(("tar -C " + f.folder.file("tree") + " -cf " + f.folder.file("bad.tar") +
                       " --transform 's,^data/x,data/../../../x,' -P data/x")
                          .c_str()) == 0);
  f.server.files["/bad.tar"] = read_file(f.folder.file("bad.tar"));
  const std::string url = f.server.url("/bad.tar");
  std::vector<DataSource> sources = {{"set", "", {{url.c_str(), "", "data/", "set/"}}, true}};
  CHECK(error_of([&] { fetch_from(sources, {}, f.options(), f.cancelled); }).find("not fetched") != std::string::npos);
  CHECK_FALSE(fs::exists(f.folder.file("x")));
}

TEST_CASE("an unknown name is an input error that lists the known ones") {
  Fixture f;
  CHECK(error_of([&] {
          fetch(f.options("mlmu"), f.cancelled);
        }).find("mlmu: no known source of this name (known: mmlu ceval") == 0);
}

TEST_CASE("one source that fails does not keep the others back") {
  Fixture f;
  f.server.files["/b.jsonl"] = kText;
  const std::string a = f.server.url("/a.jsonl"), b = f.server.url("/b.jsonl");
  std::vector<DataSource> sources = {{"a", "", {{a.c_str(), "", "", "a/a.jsonl"}}, true},
                                     {"b", "", {{b.c_str(), "", "", "b/b.jsonl"}}, true}};
  FetchOptions options = f.options("a");
  options.names.push_back("b");
  CHECK(error_of([&] { fetch_from(sources, {}, options, f.cancelled); }) == "a: not fetched (see above)");
  CHECK(f.content("b/b.jsonl") == kText);
}

}  // namespace assay
