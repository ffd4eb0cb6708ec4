// What lies between the client and its server: certificates, HTTP/2's offer, proxies, another host.

#include <httplib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "model_backend/http/http_backend.h"
#include "tests/model_backend/http/certificate.h"
#include "tests/model_backend/http/fault_server.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::Certificate;
using testing::FaultServer;

// Sets variables of the environment (empty = takes them away) and puts back what was there.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy",
                             "NO_PROXY", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"})
      set(name, "");
    for (const auto& [name, value] : variables) set(name, value);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) put(name, value);
  }

 private:
  static void put(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* was = std::getenv(name.c_str());
    before_.emplace(name, was ? std::optional<std::string>(was) : std::nullopt);
    put(name, value.empty() ? std::nullopt : std::optional<std::string>(value));
  }
  std::map<std::string, std::optional<std::string>> before_;
};

// A server that takes every POST, and keeps the targets and the Authorization headers that it saw.
struct PlainServer {
  explicit PlainServer(std::unique_ptr<httplib::Server> made) : server(std::move(made)) {
    server->Post(".*", [this](const httplib::Request& in, httplib::Response& out) {
      targets.push_back(in.target);
      keys.push_back(in.get_header_value("Authorization"));
      ports.insert(in.remote_port);
      out.status = status;
      if (!location.empty()) out.set_header("Location", location);
      out.set_content(R"({"choices": [{"message": {"content": "yes"}}]})", "application/json");
    });
    port = server->bind_to_any_port("127.0.0.1");
    thread = std::thread([this] { server->listen_after_bind(); });
    while (!server->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  PlainServer() : PlainServer(std::make_unique<httplib::Server>()) {}
  ~PlainServer() {
    server->stop();
    thread.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  std::unique_ptr<httplib::Server> server;
  int status = 200;
  std::string location;
  std::vector<std::string> targets, keys;  // read once the client has its answer
  std::set<int> ports;                     // of the client: one a connection
  int port = 0;
  std::thread thread;
};

struct One final : ResponseSink {
  Response response;
  void deliver(size_t, Response given) override { response = std::move(given); }
  void progress(const RunStats&) override {}
};

Response ask_once(const std::string& base_url) {
  testing::TemporaryFolder folder;
  BackendOptions options;
  options.http.base_url = base_url;
  options.http.key_file = folder.write("key", "sk-abc-0123456789\n");
  options.http.chat = true;
  options.http.request_s = 5;
  options.http.max_attempts = 1;
  options.http.first_pause_s = 0.01;
  auto backend = open_http_backend("ok", options);
  std::vector<Request> requests(1);
  requests[0].kind = RequestKind::kChat;
  requests[0].messages = {{"user", "question"}};
  One sink;
  const std::atomic<bool> never{false};
  backend->answer(requests, sink, never);
  return sink.response;
}

}  // namespace

TEST_CASE("a certificate that nobody signed is refused with words that say what to do, and accepted when it is named") {
  const Certificate certificate, other;
  testing::TemporaryFolder folder;
  PlainServer server(std::make_unique<httplib::SSLServer>(certificate.certificate.get(), certificate.key.get()));
  const std::string url = "https://" + server.address() + "/v1";
  {
    Environment none({});
    const std::string message = testing::error_of([&] { ask_once(url); });
    CHECK_THAT(message, Catch::Contains(url) && Catch::Contains("certificate is not accepted") &&
                            Catch::Contains("self-signed") && Catch::Contains("SSL_CERT_FILE"));
    CHECK(message.find("sk-abc-0123456789") == std::string::npos);
    CHECK(server.keys.empty());  // the key never left
  }
  for (const char* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    INFO(variable);
    Environment named({{variable, folder.write("own.pem", certificate.pem())}});
    CHECK(ask_once(url).texts.at(0).text == "yes");
    CHECK(server.keys.back() == "Bearer sk-abc-0123456789");
  }
  {
    Environment wrong({{"SSL_CERT_FILE", folder.write("other.pem", other.pem())}});
    CHECK_THAT(testing::error_of([&] { ask_once(url); }), Catch::Contains("certificate is not accepted"));
    Environment absent({{"SSL_CERT_FILE", folder.file("none.pem")}});
    CHECK_THAT(testing::error_of([&] { ask_once(url); }), Catch::Contains("none.pem"));
  }
}

TEST_CASE("a certificate for another host is refused") {
  const Certificate certificate;
  testing::TemporaryFolder folder;
  PlainServer server(std::make_unique<httplib::SSLServer>(certificate.certificate.get(), certificate.key.get()));
  Environment named({{"SSL_CERT_FILE", folder.write("own.pem", certificate.pem())}});
  CHECK_THAT(testing::error_of([&] { ask_once("https://localhost:" + std::to_string(server.port) + "/v1"); }),
             Catch::Contains("certificate is not accepted") && Catch::Contains("localhost"));
  CHECK(server.keys.empty());
}

TEST_CASE("a TLS server is offered HTTP/2 first and HTTP/1.1 after it") {
  const Certificate certificate;
  testing::TemporaryFolder folder;
  auto made = std::make_unique<httplib::SSLServer>(certificate.certificate.get(), certificate.key.get());
  static std::string offered;
  offered.clear();
  SSL_CTX_set_alpn_select_cb(
      made->ssl_context(),
      [](SSL*, const unsigned char** chosen, unsigned char* length, const unsigned char* list, unsigned size, void*) {
        offered.assign(reinterpret_cast<const char*>(list), size);
        static const unsigned char kOld[] = "\x08http/1.1";
        *chosen = kOld + 1;
        *length = kOld[0];
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  PlainServer server(std::move(made));
  Environment named({{"SSL_CERT_FILE", folder.write("own.pem", certificate.pem())}});
  CHECK(ask_once("https://" + server.address() + "/v1").texts.at(0).text == "yes");
  CHECK(offered == "\x02h2\x08http/1.1");
}

TEST_CASE("a proxy of the environment is used, except for hosts in no_proxy") {
  PlainServer proxy;
  {
    Environment through({{"http_proxy", "http://" + proxy.address()}});
    CHECK(ask_once("http://model.example/v1").texts.at(0).text == "yes");
    REQUIRE(proxy.targets.size() == 1);
    CHECK(proxy.targets[0] == "http://model.example/v1/chat/completions");
  }
  for (const char* variable : {"no_proxy", "NO_PROXY"}) {
    INFO(variable);
    FaultServer server;
    Environment beside({{"http_proxy", "http://" + proxy.address()}, {variable, "other.example,127.0.0.1"}});
    CHECK(ask_once(server.base_url()).texts.at(0).text == "the answer");
    CHECK(server.requests() == 1);
    CHECK(proxy.targets.size() == 1);
  }
}

TEST_CASE("a redirect is not followed: the key stays with the host that it was meant for") {
  PlainServer other, first;
  first.status = 307;
  first.location = "http://" + other.address() + "/v1/chat/completions?key=sk-abc-0123456789";
  Environment none({});
  const Response response = ask_once("http://" + first.address() + "/v1");
  CHECK(response.status == ResponseStatus::kFailed);
  CHECK_THAT(response.detail, Catch::Contains("redirects to http://" + other.address()));
  CHECK(response.detail.find("sk-abc-0123456789") == std::string::npos);
  CHECK(first.keys == std::vector<std::string>{"Bearer sk-abc-0123456789"});
  CHECK(other.targets.empty());
}

TEST_CASE("a connection is kept and used again") {
  PlainServer server;
  server.server->set_keep_alive_max_count(100);
  Environment none({});
  BackendOptions options;
  options.http.base_url = "http://" + server.address() + "/v1";
  options.http.chat = true;
  options.http.max_in_flight = 1;
  std::vector<Request> requests(20);
  for (Request& request : requests) {
    request.kind = RequestKind::kChat;
    request.messages = {{"user", "question"}};
  }
  One sink;
  const std::atomic<bool> never{false};
  open_http_backend("ok", options)->answer(requests, sink, never);
  CHECK(server.targets.size() == 20);
  CHECK(server.ports.size() == 1);
}

TEST_CASE("a server that is not there ends the run after some losses, not after all of them") {
  Environment none({});
  BackendOptions options;
  options.http.base_url = "http://127.0.0.1:1/v1";
  options.http.chat = true;
  options.http.max_attempts = 2;
  options.http.first_pause_s = 0.001;
  auto backend = open_http_backend("ok", options);
  std::vector<Request> requests(1000);
  for (Request& request : requests) {
    request.kind = RequestKind::kChat;
    request.messages = {{"user", "question"}};
  }
  struct Count final : ResponseSink {
    int delivered = 0;
    void deliver(size_t, Response) override { ++delivered; }
    void progress(const RunStats&) override {}
  } sink;
  const std::atomic<bool> never{false};
  CHECK_THAT(testing::error_of([&] { backend->answer(requests, sink, never); }),
             Catch::Contains("does not answer") && Catch::Contains("the same command again"));
  CHECK(sink.delivered < 20);
  options.http.chat = false;
  CHECK_THAT(testing::error_of([&] { open_http_backend("ok", options); }), Catch::Contains("does not answer"));
}

}  // namespace assay
