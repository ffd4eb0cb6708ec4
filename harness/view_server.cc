#include "harness/view_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <filesystem>
#include <mutex>

#include "core/error.h"
#include "harness/page_sections.h"
#include "harness/version.h"
#include "reports/page/page.h"
#include "reports/page/page_data.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLeastInterval = std::chrono::seconds(2);
constexpr int kCostFactor = 10;
constexpr int64_t kMostItems = 200;

// "localhost:8477" -> "localhost", "[::1]:8477" -> "[::1]"
std::string host_name(const std::string& host) {
  if (!host.empty() && host.front() == '[') return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_this_machine(const std::string& host) {
  const std::string name = host_name(host);
  return name == "127.0.0.1" || name == "localhost" || name == "[::1]";
}

int64_t integer_of(const httplib::Request& request, const char* key, int64_t otherwise) {
  const std::string text = request.get_param_value(key);
  if (text.empty()) return otherwise;
  if (text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos) {
    throw_input(key, "needs a whole number");
  }
  return std::stoll(text);
}

ItemsQuery query_of(const httplib::Request& request) {
  ItemsQuery query;
  query.run = integer_of(request, "run", 0);
  query.task = request.get_param_value("task");
  query.convention = request.get_param_value("convention");
  query.against = integer_of(request, "against", 0);
  query.verdict = request.get_param_value("verdict");
  query.text = request.get_param_value("text");
  query.first = integer_of(request, "first", 0);
  query.count = std::clamp<int64_t>(integer_of(request, "count", 50), 1, kMostItems);
  return query;
}

}  // namespace

struct ViewServer::Implementation {
  Implementation(const std::string& database, std::vector<std::string> folders)
      : db(ResultsDb::open(database, ResultsDb::Mode::kReadOnly)), include(std::move(folders)) {}

  std::unique_ptr<ResultsDb> db;
  const std::vector<std::string> include;
  httplib::Server server;

  std::mutex mutex;  // guards the five below
  bool made = false;
  int64_t version = 0;
  Clock::time_point made_at;
  Clock::duration cost{};
  Json data;

  // Makes the data again where it is old; the lock is held by the caller.
  void refresh() {
    const auto now = Clock::now();
    if (made && now - made_at < std::max<Clock::duration>(kLeastInterval, kCostFactor * cost)) return;
    const int64_t current = db->data_version();
    if (made && current == version) return;
    PageOptions options;
    options.title = std::filesystem::path(db->path()).filename().string();
    options.software = std::string("assay ") + kVersion;
    options.items = "items";
    data = whole_page_data(*db, db->find_runs(""), options, include);
    made = true;
    version = current;
    made_at = Clock::now();
    cost = made_at - now;
  }

  std::string state() {
    std::lock_guard lock(mutex);
    refresh();
    return std::to_string(version);
  }

  Json current_data() {
    std::lock_guard lock(mutex);
    refresh();
    return data;
  }

  void add_routes() {
    server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!is_this_machine(request.get_header_value("Host"))) {
        response.status = 403;
        response.set_content("This server answers only under the names of this machine.\n", "text/plain");
        return httplib::Server::HandlerResponse::Handled;
      }
      return httplib::Server::HandlerResponse::Unhandled;
    });
    // The library's own choice would let a second server share the port.
    server.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server.set_default_headers({{"Cache-Control", "no-store"},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Referrer-Policy", "no-referrer"},
                                {"Content-Security-Policy", "frame-ancestors 'none'"}});
    server.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr problem) {
      response.status = 500;
      try {
        std::rethrow_exception(problem);
      } catch (const Error& error) {
        if (error.kind() == Error::Kind::kInput) response.status = 400;
        response.set_content(std::string(error.what()) + "\n", "text/plain; charset=utf-8");
      } catch (const std::exception& error) {
        response.set_content(std::string(error.what()) + "\n", "text/plain; charset=utf-8");
      }
    });
    const char* const html = "text/html; charset=utf-8";
    server.Get("/", [this, html](const httplib::Request&, httplib::Response& response) {
      response.set_content(page_html(current_data(), true), html);
    });
    server.Get("/data", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(dump_json(current_data()), "application/json");
    });
    server.Get("/state", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(state(), "text/plain");
    });
    server.Get("/items", [this, html](const httplib::Request&, httplib::Response& response) {
      response.set_content(items_page_html(items_frame(*db, db->find_runs("")), true), html);
    });
    server.Get("/items.json", [this](const httplib::Request& request, httplib::Response& response) {
      response.set_content(dump_json(items_page(*db, query_of(request))), "application/json");
    });
  }
};

ViewServer::ViewServer(const std::string& database, std::vector<std::string> include)
    : implementation_(std::make_unique<Implementation>(database, std::move(include))) {
  implementation_->add_routes();
}

ViewServer::~ViewServer() = default;

int ViewServer::bind(int port) {
  httplib::Server& server = implementation_->server;
  if (port == 0) {
    const int taken = server.bind_to_any_port("127.0.0.1");
    if (taken > 0) return taken;
  } else if (server.bind_to_port("127.0.0.1", port)) {
    return port;
  }
  throw_world(fmt::format("127.0.0.1:{}", port), "cannot listen there",
              "is the port in use? Choose another --port, or 0");
}

void ViewServer::serve() {
  implementation_->server.listen_after_bind();
}

void ViewServer::stop() {
  implementation_->server.stop();
}

}  // namespace assay
