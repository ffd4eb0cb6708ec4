#include "tests/model_backend/http/fault_server.h"

#include <httplib.h>

#include <chrono>

#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"

namespace assay::testing {
namespace {

void say(httplib::Response& out, int status, const std::string& body, const char* type = "application/json") {
  out.status = status;
  out.set_content(body, type);
}

// A body of `bytes` that claims to be as long as `claimed`, sent in pieces with a pause between them.
void drip(httplib::Response& out, size_t claimed, size_t bytes, size_t piece, int pause_ms) {
  out.status = 200;
  out.set_content_provider(claimed, "application/json", [=](size_t offset, size_t length, httplib::DataSink& sink) {
    if (offset >= bytes) return false;  // cuts the connection
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    const std::string part(std::min({piece, length, bytes - offset}), ' ');
    return sink.write(part.data(), part.size());
  });
}

using Fault = void (*)(httplib::Response&);
const std::map<std::string, Fault> kFaults = {
    {"429", [](httplib::Response& out) { say(out, 429, R"({"error": {"message": "slow down"}})"); }},
    {"429-after",
     [](httplib::Response& out) {
       out.set_header("Retry-After", "1");
       say(out, 429, R"({"error": {"message": "slow down"}})");
     }},
    {"500", [](httplib::Response& out) { say(out, 500, R"({"error": {"message": "inner trouble"}})"); }},
    {"503", [](httplib::Response& out) { say(out, 503, "<html>busy</html>", "text/html"); }},
    {"cut", [](httplib::Response& out) { drip(out, 1000, 100, 100, 0); }},
    {"slow", [](httplib::Response& out) { drip(out, 200, 200, 1, 50); }},
    {"hang", [](httplib::Response& out) { drip(out, 200, 200, 200, 4000); }},
    {"type", [](httplib::Response& out) { say(out, 200, "<html>welcome</html>", "text/html"); }},
    {"truncated", [](httplib::Response& out) { say(out, 200, R"({"choices": [{"text": "abc)"); }},
    {"empty", [](httplib::Response& out) { say(out, 200, R"({"choices": []})"); }},
    {"error-200", [](httplib::Response& out) { say(out, 200, R"({"error": {"message": "try later"}})"); }},
    {"redirect",
     [](httplib::Response& out) {
       out.set_header("Location", "http://other.example/v1");
       say(out, 307, "");
     }},
    {"huge", [](httplib::Response& out) { drip(out, size_t{3} << 30, size_t{3} << 30, 1 << 20, 0); }},
    {"bad-request", [](httplib::Response& out) { say(out, 400, R"({"error": {"message": "no such setting"}})"); }},
    {"too-long",
     [](httplib::Response& out) {
       say(out, 400, R"({"error": {"message": "too much", "code": "context_length_exceeded"}})");
     }},
    {"filter-400",
     [](httplib::Response& out) {
       say(out, 400, R"({"error": {"message": "The response was filtered", "code": "content_filter"}})");
     }},
    {"no-model",
     [](httplib::Response& out) {
       say(out, 404, R"({"error": {"message": "The model `m` does not exist", "code": "model_not_found"}})");
     }},
    {"quota",
     [](httplib::Response& out) {
       say(out, 429, R"({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})");
     }},
    {"key",
     [](httplib::Response& out) { say(out, 401, R"({"error": {"message": "Incorrect API key: secret-key-17"}})"); }},
};

// A token is a character; its log-probability is minus its place in the prompt.
// `bos`: as vLLM has it, with the beginning's token in front and counted.
Json logprobs_of(const std::string& prompt, bool bos) {
  Json tokens = Json::array(), values = Json::array(), tops = Json::array(), offsets = Json::array();
  size_t position = 0;
  if (bos) tokens.push_back("<s>"), values.push_back(nullptr), tops.push_back(nullptr), offsets.push_back(0);
  for (int place = 0; position < prompt.size(); ++place) {
    const size_t begin = position;
    next_code_point(prompt, position);
    const std::string token = prompt.substr(begin, position - begin);
    tokens.push_back(token);
    values.push_back(place == 0 ? Json(nullptr) : Json(-0.5 * place));
    tops.push_back(place == 0 ? Json(nullptr) : Json{{token, -0.5 * place}, {"other", place % 7 == 3 ? 0.0 : -99.0}});
    offsets.push_back(place + (bos ? 3 : 0));
  }
  const int end = static_cast<int>(tokens.size());
  tokens.push_back("!"), values.push_back(-1.0), tops.push_back({{"!", -1.0}}), offsets.push_back(end);
  return {{"tokens", tokens}, {"token_logprobs", values}, {"top_logprobs", tops}, {"text_offset", offsets}};
}

// The words with which servers refuse a setting; empty where this model takes the request.
std::string refusal_of(const Json& request) {
  const std::string model = request.value("model", "");
  if (model == "no-max-tokens" && request.contains("max_tokens"))
    return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
  if (model == "no-temperature" && request.contains("temperature"))
    return "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported.";
  if (model == "one-choice" && request.value("n", 1) > 1) return "'n' : number must be at most 1";
  if (model == "no-system" && request.contains("messages") && request["messages"][0]["role"] == "system")
    return "System role not supported";
  return "";
}

std::string answer_to(const Json& request, bool chat, const std::string& text) {
  Json choices = Json::array();
  const int wanted = request["model"] == "ignores-n" ? 1 : request.value("n", 1);
  for (int i = 0; i < wanted; ++i) {
    Json choice = {{"index", i}, {"finish_reason", "stop"}};
    if (!chat) {
      choice["text"] = text;
    } else if (request["model"] == "refusal") {
      choice["message"] = {{"role", "assistant"}, {"content", nullptr}, {"refusal", "I will not."}};
    } else if (request["model"] == "parts") {
      choice["message"] = {{"role", "assistant"},
                           {"content",
                            {{{"type", "thinking"}, {"thinking", "hm"}},
                             {{"type", "text"}, {"text", text}},
                             {{"type", "text"}, {"text", "!"}}}}};
    } else if (request["model"] == "filtered") {
      choice["message"] = {{"role", "assistant"}, {"content", nullptr}};
      choice["finish_reason"] = "content_filter";
    } else if (request["model"] == "no-system") {
      choice["message"] = {{"role", "assistant"}, {"content", request["messages"][0]["content"]}};
    } else {
      choice["message"] = {{"role", "assistant"}, {"content", text}};
    }
    if (request.value("echo", false) && request["model"] != "no-logprobs")
      choice["logprobs"] = logprobs_of(request["prompt"].get<std::string>(), request["model"] == "bos");
    if (request.contains("logprobs") && !request.value("echo", false) && request["model"] != "no-logprobs" &&
        request["model"] != "no-first-token") {
      // The place after the prompt; "shifted": as a server that gives each token its successor's would have it.
      const auto place = static_cast<double>(count_code_points(request["prompt"].get<std::string>()));
      const bool shifted = request["model"] == "shifted" ||
                           (request["model"] == "shifted-but-once" && request["prompt"] != "The capital of France is");
      const double value = -0.5 * (place + (shifted ? 1 : 0));
      choice["logprobs"] = {{"tokens", Json::array({"."})}, {"token_logprobs", Json::array({value})}};
    }
    choices.push_back(std::move(choice));
  }
  Json reply = {{"model", request["model"].get<std::string>() + "-2026"},
                {"choices", choices},
                {"usage", {{"prompt_tokens", 7}, {"completion_tokens", 3}}}};
  if (request["model"] == "no-usage") reply.erase("usage");
  return reply.dump();
}

}  // namespace

struct FaultServer::Handler {
  FaultServer& owner;

  void handle(const httplib::Request& in, httplib::Response& out, bool chat) {
    const int now = ++owner.at_once_;
    for (int most = owner.most_at_once_; now > most && !owner.most_at_once_.compare_exchange_weak(most, now);) {
    }
    answer(in, out, chat);
    --owner.at_once_;
  }

  void answer(const httplib::Request& in, httplib::Response& out, bool chat) {
    const Json request = Json::parse(in.body, nullptr, false);
    const std::string key = in.get_header_value("Idempotency-Key");
    const std::string model = request.value("model", "");
    int attempt = 0;
    {
      std::lock_guard lock(owner.mutex_);
      ++owner.requests_;
      attempt = ++owner.attempts_[key];
      owner.authorizations_.push_back(in.get_header_value("Authorization"));
    }
    if (owner.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(owner.delay_ms));
    if (const std::string words = refusal_of(request); !words.empty())
      return say(out, 400, Json{{"error", {{"message", words}}}}.dump());
    if (const Fault fault = fault_for(model, key, attempt)) return fault(out);
    {
      std::lock_guard lock(owner.mutex_);
      if (!owner.sold_.insert(key).second) ++owner.replays_;
    }
    say(out, 200, answer_to(request, chat, owner.text));
  }

  static Fault fault_for(const std::string& model, const std::string& key, int attempt) {
    static const std::string kAlways = "always-";
    if (model == "mixed") {
      static const char* kMix[] = {"429", "500", "503", "cut", "type", "truncated", "empty", "error-200"};
      const uint64_t hash = stable_hash(static_cast<uint64_t>(attempt), key);
      return hash % 2 == 0 ? nullptr : kFaults.at(kMix[(hash >> 8) % 8]);
    }
    const bool always = starts_with(model, kAlways);
    const auto fault = kFaults.find(always ? model.substr(kAlways.size()) : model);
    return fault == kFaults.end() || (!always && attempt > 1) ? nullptr : fault->second;
  }
};

FaultServer::FaultServer() : server_(std::make_unique<httplib::Server>()) {
  server_->new_task_queue = [] { return new httplib::ThreadPool(80); };
  auto handler = std::make_shared<Handler>(Handler{*this});
  server_->Post("/v1/completions",
                [handler](const httplib::Request& in, httplib::Response& out) { handler->handle(in, out, false); });
  server_->Post("/v1/chat/completions",
                [handler](const httplib::Request& in, httplib::Response& out) { handler->handle(in, out, true); });
  server_->set_keep_alive_max_count(100000);
  server_->set_tcp_nodelay(true);
  port_ = server_->bind_to_any_port("127.0.0.1");
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  while (!server_->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::setenv("no_proxy", "127.0.0.1", 1);
}

FaultServer::~FaultServer() {
  server_->stop();
  thread_.join();
}

std::string FaultServer::base_url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/v1";
}
size_t FaultServer::sold() {
  std::lock_guard lock(mutex_);
  return sold_.size();
}
int64_t FaultServer::replays() {
  std::lock_guard lock(mutex_);
  return replays_;
}
int64_t FaultServer::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}
std::vector<std::string> FaultServer::keys_seen() {
  std::lock_guard lock(mutex_);
  return authorizations_;
}

}  // namespace assay::testing
