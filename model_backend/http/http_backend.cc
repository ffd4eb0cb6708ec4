// One thread drives everything. A job is one call of one request; it is sent, waits for its reply, and either ends or
// goes back into `waiting_` with the moment of its next attempt:
//
//   requests --(cursor)--> start --> in flight --> reply --> delivered
//                            ^                       |
//                            +---- waiting_ <--------+  (trouble: pause doubles; Retry-After is a lower bound)
//
// Only jobs that have been started exist, so memory follows the number in flight, not the number of requests.
#include "model_backend/http/http_backend.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>
#include <unordered_map>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "model_backend/http/pace.h"
#include "model_backend/http/transfer.h"
#include "model_backend/http/wire.h"

namespace assay {
namespace {

using Clock = Pace::Clock;

constexpr const char* kDefaultUrl = "https://api.openai.com/v1";
constexpr const char* kNoReply = "connections lost or timed out";  // an event
// What a server's log-probabilities are tried on. One that gives each token its neighbour's might be right by chance
// once, not every time.
constexpr const char* kProbes[] = {"The capital of France is",
                                   "She opened the door and saw",
                                   "1, 2, 3, 4,",
                                   "My favourite colour has always been",
                                   "The meeting was postponed because",
                                   "def add(a, b):\n    return a"};
constexpr size_t kLeastProbes = 4;        // of these must have a first token that can be compared
constexpr double kProbeTolerance = 0.25;  // between two ways to compute one log-probability
constexpr int kProbeAttempts = 3;
constexpr const char* kDefaultKey = "ASSAY_API_KEY";
constexpr const char* kJudgeKey = "ASSAY_JUDGE_API_KEY";
constexpr const char* kOpenAiKey = "OPENAI_API_KEY";
constexpr double kGraceAfterCancel = 5;  // seconds that answers already paid for are still waited for
constexpr int kLostInARow = 16;          // requests given up without a word from the server: it is not there

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// A key as it may stand in a header. `where`: the file or variable that it comes from.
std::string checked_key(const std::string& where, std::string_view text) {
  const std::string key(strip(text));
  if (key.empty()) throw_input(where, "holds no key in its first line");
  if (std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
    throw_input(where, "holds characters that no key has (a blank, a line's end, a letter beyond ASCII)",
                "put the key there alone");
  return key;
}

// "https://host:port" of a base URL, in lower case.
std::string host_of(const std::string& url) {
  const std::string whole = to_lower_ascii(url.empty() ? kDefaultUrl : url);
  const size_t slashes = whole.find("//");
  return whole.substr(0, whole.find('/', slashes == std::string::npos ? 0 : slashes + 2));
}

// Environment variables whose key may travel to this host, best first.
std::vector<std::string> key_variables(const HttpOptions& options) {
  if (!options.key_variable.empty()) return {options.key_variable};
  std::vector<std::string> names;
  if (options.judge) names.push_back(kJudgeKey);
  if (!options.judge || host_of(options.base_url) == host_of(options.model_url)) names.push_back(kDefaultKey);
  if (host_of(options.base_url) == host_of(kDefaultUrl)) names.push_back(kOpenAiKey);
  return names;
}

std::string key_advice(const HttpOptions& options) {
  std::string names;
  for (const std::string& name : key_variables(options)) names += (names.empty() ? "" : " or ") + name;
  return "set " + names + ", or give " + (options.judge ? "--judge-key-file FILE" : "--api-key-file FILE") +
         " (other keys are not sent to this host)";
}

// The key, or empty where none is given. It leaves this file in one header only.
std::string read_key(const HttpOptions& options) {
  if (!options.key_file.empty()) return checked_key(options.key_file, split(read_file(options.key_file), '\n').front());
  for (const std::string& name : key_variables(options)) {
    const char* value = std::getenv(name.c_str());
    if (value && *value) return checked_key(name, value);
  }
  if (!options.key_variable.empty())
    throw_input(options.key_variable, "is not set: the key was to come from this environment variable");
  if (options.base_url.empty())
    throw_input("openai:", "there is no key for " + std::string(kDefaultUrl),
                key_advice(options) + "; or give " + (options.judge ? "--judge-url" : "--base-url") +
                    " URL of a server that needs none");
  return "";
}

std::string checked_url(const HttpOptions& options) {
  std::string url = options.base_url.empty() ? kDefaultUrl : options.base_url;
  while (ends_with(url, "/")) url.pop_back();
  const size_t slashes = url.find("//");
  const size_t host = slashes == std::string::npos ? 0 : slashes + 2;
  // Said without showing it: what stands before the @, or after the ?, may be a secret.
  if (url.substr(host, url.find('/', host) - host).find('@') != std::string::npos ||
      url.find_first_of("?#") != std::string::npos)
    throw_input("--base-url", "must not hold a password, a ? or a #",
                "give the key through the environment or --api-key-file");
  const bool http = starts_with(url, "http://") || starts_with(url, "https://");
  if (!http || url.size() <= host) throw_input(url, "is no base URL", "write for example http://localhost:8000/v1");
  return url;
}

TransferOptions transfer_options(const HttpOptions& options, const std::string& key) {
  TransferOptions out;
  if (!key.empty()) out.headers.push_back("Authorization: Bearer " + key);
  out.request_s = options.request_s;
  out.max_reply_bytes = options.max_reply_bytes;
  out.max_connections = options.max_in_flight;
  return out;
}

// How a server is reached, and what has been learnt of it: kept from one answer() to the next.
struct Server {
  Server(const std::string& name, const HttpOptions& given)
      : model(name),
        url(checked_url(given)),
        key(read_key(given)),
        options(given),
        pace(given.max_in_flight, given.first_pause_s,
             stable_hash(static_cast<uint64_t>(Clock::now().time_since_epoch().count()), name)),
        transfers(std::make_unique<Transfers>(transfer_options(given, key))) {}

  const std::string model, url, key;
  const HttpOptions options;
  Pace pace;
  Dialect dialect;
  std::unique_ptr<Transfers> transfers;
};

struct Job {
  size_t request = 0, call = 0, calls = 1;
  Dialect dialect;  // as it was last asked
  int attempts = 0;
  Clock::time_point born, started, due;
};

// One answer() call.
class Conversation {
 public:
  Conversation(std::span<const Request> requests, const std::string& identity, Server& server, int max_attempts,
               ResponseSink& sink)
      : requests_(requests),
        identity_(identity),
        server_(server),
        options_(server.options),
        max_attempts_(max_attempts),
        sink_(sink),
        pace_(server.pace),
        transfers_(*server.transfers) {}
  // What is still under way has nobody to come back to.
  ~Conversation() {
    if (transfers_.in_flight() > 0)
      server_.transfers = std::make_unique<Transfers>(transfer_options(options_, server_.key));
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  RunStats run(const std::atomic<bool>& cancelled) {
    begin_ = Clock::now();
    Clock::time_point last_report = begin_, stop_waiting = Clock::time_point::max();
    while (delivered_ < requests_.size()) {
      const auto now = Clock::now();
      if (cancelled || stop_) {
        if (stop_waiting == Clock::time_point::max())
          stop_waiting =
              now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kGraceAfterCancel));
        if (transfers_.in_flight() == 0 || now >= stop_waiting) break;
      } else {
        start_what_may(now);
      }
      transfers_.wait(pause_until_next(now),
                      [this](size_t id, TransferReply reply) { on_reply(id, std::move(reply)); });
      if (seconds_between(last_report, Clock::now()) < 0.5) continue;
      last_report = Clock::now();
      report();
    }
    report();
    if (stop_) throw Error(*stop_);
    return stats_;
  }

 private:
  // Ends the conversation as a cancellation does (what is under way may still come in), then with this error.
  void stop(Error::Kind kind, const std::string& what, const std::string& next) {
    if (!stop_) stop_.emplace(kind, server_.url, hide_key(what), next);
  }

  void report() {
    stats_.seconds = seconds_between(begin_, Clock::now());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    stats_.peak_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
    sink_.progress(stats_);
  }

  // New requests wait while as many as may be under way pause already: a server that refuses everything at once must
  // not be asked for everything at once.
  void start_what_may(Clock::time_point now) {
    while (static_cast<int>(transfers_.in_flight()) < pace_.limit() && now >= pace_.open_from()) {
      if (!waiting_.empty() && waiting_.begin()->first <= now) {
        const size_t id = waiting_.begin()->second;
        waiting_.erase(waiting_.begin());
        send(id, now);
      } else if (next_request_ < requests_.size() && static_cast<int>(waiting_.size()) <= pace_.limit()) {
        send(new_job(now), now);
      } else {
        return;
      }
    }
  }

  // The next call that nobody has started yet.
  size_t new_job(Clock::time_point now) {
    const size_t id = next_id_++;
    if (next_call_ == 0) calls_ = calls_of(requests_[next_request_], server_.dialect);
    jobs_[id] = {next_request_, next_call_, calls_, {}, 0, now, now, now};
    if (++next_call_ == calls_) ++next_request_, next_call_ = 0;
    return id;
  }

  void send(size_t id, Clock::time_point now) {
    Job& job = jobs_[id];
    job.started = now;
    ++job.attempts;
    job.dialect = server_.dialect;
    // A request that is under way as a whole stays one until the server refuses that.
    if (job.calls == 1) job.dialect.single = false;
    const Request& request = requests_[job.request];
    WireCall call = make_call(request, job.call, server_.model, job.dialect);
    FieldHash key;
    key.add(hash_of(job.request)).add_number(request.part).add_number(static_cast<int64_t>(job.call));
    // A server that honours the key would answer with its refusal of another wording for ever.
    if (const int64_t number = number_of(job.dialect)) key.add_number(number);
    ++stats_.events["requests sent"];
    transfers_.start(id, server_.url + "/" + call.path, std::move(call.body), key.hex().substr(0, 40));
  }

  static int64_t number_of(const Dialect& dialect) {
    return dialect.completion_tokens + 2 * dialect.own_temperature + 4 * dialect.single + 8 * dialect.folded_system;
  }

  // The calls of one request are sent one after the other: its hash is made once for them.
  const std::string& hash_of(size_t request) {
    if (hashed_request_ != request) {
      hash_ = request_hash(requests_[request], identity_).hex();
      hashed_request_ = request;
    }
    return hash_;
  }

  // Seconds until something may be started, at most half a second, so that Ctrl-C and the progress line are served.
  double pause_until_next(Clock::time_point now) const {
    double pause = 0.5;
    if (!waiting_.empty()) pause = std::min(pause, seconds_between(now, waiting_.begin()->first));
    if (pace_.open_from() > now) pause = std::min(0.5, std::max(pause, seconds_between(now, pace_.open_from())));
    return std::max(pause, 0.001);
  }

  void on_reply(size_t id, TransferReply reply) {
    const Job job = jobs_.at(id);
    if (reply.untrusted) {
      return stop(Error::Kind::kWorld, "the server's certificate is not accepted (" + reply.failure + ")",
                  "if it is the right server, name the file of the authority that signed it in SSL_CERT_FILE");
    }
    if (reply.status != 0) lost_in_a_row_ = 0;
    if (reply.too_large) {
      ++stats_.events["replies beyond the size limit"];
      return fail(id, "the reply is longer than " + std::to_string(options_.max_reply_bytes) + " bytes");
    }
    if (reply.status == 0) {
      ++stats_.events[kNoReply];
      if (again(id, reply.failure, {}) || ++lost_in_a_row_ < kLostInARow) return;
      return stop(Error::Kind::kWorld,
                  "the server does not answer: " + std::to_string(kLostInARow) +
                      " requests in a row were given up, the last one with \"" + reply.failure + "\"",
                  "what was answered is kept; give the same command again when the server is back");
    }
    if (reply.status != 200) ++stats_.events["answered " + std::to_string(reply.status)];
    if (reply.status == 401 || reply.status == 403) {
      return stop(
          Error::Kind::kInput,
          "the server refuses the key (status " + std::to_string(reply.status) + "): " + read(job, reply).detail,
          key_advice(options_));
    }
    if (reply.status >= 300 && reply.status < 400)
      return fail(id, "the server redirects to " + reply.location + " (not followed; give that as --base-url)");
    if (reply.status == 408 || reply.status == 409 || reply.status == 425 || reply.status == 429 ||
        reply.status >= 500) {
      const WireReply words = read(job, reply);
      if (words.kind == WireReply::Kind::kHopeless) return give_up_on(words.detail);
      again(id, words.detail, reply.retry_after_s);
      return;
    }
    WireReply answer = read(job, reply);
    switch (answer.kind) {
      case WireReply::Kind::kAnswer:
        pace_.succeeded();
        for (const GeneratedText& text : answer.response.texts)
          if (text.finish == FinishReason::kContentFilter) ++stats_.events["withheld by the server's content filter"];
        return keep(id, std::move(answer.response));
      case WireReply::Kind::kDialect:
        if (reply.status == 200) waste(job, answer, reply);
        return ask_otherwise(id, answer);
      case WireReply::Kind::kHopeless:
        return give_up_on(answer.detail);
      case WireReply::Kind::kDefect:
        ++stats_.events["replies that were no answer"];
        waste(job, answer, reply);
        again(id, answer.detail, {});
        return;
      case WireReply::Kind::kTooLong:
        return end(id, ResponseStatus::kTooLong, answer.detail);
      case WireReply::Kind::kRefused:
      case WireReply::Kind::kNoPrompt:
        return fail(id, answer.detail);
    }
  }

  WireReply read(const Job& job, const TransferReply& reply) const {
    return read_reply(requests_[job.request], job.call, reply.status, reply.content_type, reply.body, job.dialect,
                      server_.key);
  }

  void give_up_on(const std::string& why) {
    stop(Error::Kind::kInput, "no request can be answered: " + why,
         "what was answered is kept; check the model's name, the URL and the account" +
             std::string(options_.chat ? "" : " (a server for chat only needs --chat-template on)"));
  }

  // Counts what a reply that is no answer has cost; where the server does not say, two bytes are a token.
  void waste(const Job& job, const WireReply& answer, const TransferReply& reply) {
    const bool counted = answer.paid_prompt_tokens > 0 || answer.paid_generated_tokens > 0;
    const Request& request = requests_[job.request];
    size_t bytes = request.context.size();
    for (const Message& message : request.messages) bytes += message.content.size();
    stats_.wasted_prompt_tokens += counted ? answer.paid_prompt_tokens : static_cast<int64_t>(bytes / 2);
    stats_.wasted_generated_tokens += counted ? answer.paid_generated_tokens
                                              : std::min(static_cast<int64_t>(reply.body.size() / 2),
                                                         static_cast<int64_t>(request.generate.max_tokens));
  }

  // The server does not take a setting: this request goes out again without it, and so does every later one.
  void ask_otherwise(size_t id, const WireReply& answer) {
    struct Setting {
      bool Dialect::*taken;
      const char* words;
    };
    static constexpr Setting kSettings[] = {
        {&Dialect::completion_tokens, "switch to max_completion_tokens (the server refuses max_tokens)"},
        {&Dialect::own_temperature, "switch to the server's own temperature (it refuses a set one)"},
        {&Dialect::single, "switch to one request a text (the server gives no more)"},
        {&Dialect::folded_system, "switch to system texts in the first user turn (the server refuses the role)"}};
    for (const Setting& setting : kSettings) {
      if (!(answer.dialect.*setting.taken) || server_.dialect.*setting.taken) continue;
      server_.dialect.*setting.taken = true;
      ++stats_.events[setting.words];
    }
    const auto now = Clock::now();
    Job& job = jobs_.at(id);
    const size_t calls = answer.dialect.single ? calls_of(requests_[job.request], answer.dialect) : job.calls;
    const size_t first_new = job.calls;
    job.calls = calls;
    --job.attempts;
    waiting_.emplace(now, id);
    const Job pattern = job;  // the map may move it
    for (size_t call = first_new; call < calls; ++call) {
      Job other = pattern;
      other.call = call;
      jobs_[next_id_] = other;
      waiting_.emplace(now, next_id_++);
    }
  }

  // False when the request is given up instead.
  bool again(size_t id, const std::string& why, std::optional<double> retry_after_s) {
    Job& job = jobs_.at(id);
    const auto now = Clock::now();
    pace_.met_trouble(job.started, now, retry_after_s);
    const double pause = pace_.pause_s(job.attempts, retry_after_s);
    if (retry_after_s && *retry_after_s > options_.give_up_s) {
      stop(Error::Kind::kWorld,
           "the server asks to wait " + std::to_string(static_cast<int64_t>(*retry_after_s)) +
               " seconds, longer than the total time-out (" + why + ")",
           "what was answered is kept; give the same command again then, or with a longer --total-timeout");
    }
    if (job.attempts >= max_attempts_ || seconds_between(job.born, now) + pause > options_.give_up_s) {
      fail(id, why + " (given up after " + std::to_string(job.attempts) + " attempts)");
      return false;
    }
    ++stats_.events["sent again"];
    job.due = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(pause));
    waiting_.emplace(job.due, id);
    return true;
  }

  void fail(size_t id, const std::string& why) {
    const std::string detail = hide_key(why);
    if (stats_.first_failure.empty()) stats_.first_failure = requests_[jobs_.at(id).request].item_id + ": " + detail;
    end(id, ResponseStatus::kFailed, detail);
  }

  void end(size_t id, ResponseStatus status, const std::string& detail) {
    Response response;
    response.status = status;
    response.detail = hide_key(detail);
    keep(id, std::move(response));
  }

  std::string hide_key(std::string text) const { return hide_secret(std::move(text), server_.key); }

  // One call has ended; the request is delivered with its last.
  void keep(size_t id, Response part) {
    const Job job = jobs_.at(id);
    jobs_.erase(id);
    const Request& request = requests_[job.request];
    const bool scored = request.kind == RequestKind::kLoglikelihood;
    if (!scored && job.calls == 1) return deliver(job.request, std::move(part));
    Partial& partial = partials_[job.request];
    if (scored) {
      partial.response.continuations.resize(job.calls);
    } else {
      partial.response.texts.resize(job.calls);
    }
    if (part.status != ResponseStatus::kAnswered) {
      partial.response.status = part.status;
      partial.response.detail = part.detail;
    } else {
      if (scored) partial.response.continuations[job.call] = part.continuations.front();
      if (!scored) partial.response.texts[job.call] = std::move(part.texts.front());
      partial.response.prompt_tokens = std::max(partial.response.prompt_tokens, part.prompt_tokens);
      partial.response.answered_by = part.answered_by;
    }
    if (++partial.ended < job.calls) return;
    Response whole = std::move(partial.response);
    partials_.erase(job.request);
    if (whole.status != ResponseStatus::kAnswered) whole.continuations.clear(), whole.texts.clear();
    deliver(job.request, std::move(whole));
  }

  void deliver(size_t request, Response response) {
    int64_t generated = 0;
    for (const GeneratedText& text : response.texts) generated += text.tokens;
    stats_.generated_tokens += generated;
    stats_.requested_tokens += response.prompt_tokens + generated;
    stats_.tree_tokens = stats_.computed_tokens = stats_.requested_tokens;
    if (response.status == ResponseStatus::kFailed) ++stats_.events["requests given up"];
    ++delivered_;
    ++stats_.requests_done;
    sink_.deliver(request, std::move(response));
  }

  struct Partial {
    Response response;
    size_t ended = 0;
  };

  const std::span<const Request> requests_;
  const std::string& identity_;
  Server& server_;
  const HttpOptions& options_;
  const int max_attempts_;
  ResponseSink& sink_;
  Pace& pace_;
  Transfers& transfers_;
  Clock::time_point begin_;
  size_t next_request_ = 0, next_call_ = 0, next_id_ = 0, delivered_ = 0;
  size_t calls_ = 1;                                  // of the request that new_job() is at
  std::unordered_map<size_t, Job> jobs_;              // started and not ended
  std::multimap<Clock::time_point, size_t> waiting_;  // of these, those that pause, by the moment of their next attempt
  std::unordered_map<size_t, Partial> partials_;      // requests of several calls
  size_t hashed_request_ = SIZE_MAX;                  // whose hash is hash_
  std::string hash_;
  int lost_in_a_row_ = 0;
  std::optional<Error> stop_;
  RunStats stats_;
};

class HttpBackend final : public Backend {
 public:
  HttpBackend(const std::string& model, const HttpOptions& options) : server_(model, options) {
    info_.name = "openai";
    info_.label = model.substr(model.find_last_of('/') + 1);
    // What runs behind a name is the server's business: name and place are all the identity there is.
    info_.weights_hash = FieldHash().add("openai").add(server_.url).add(model).hex();
    info_.tokenizer_hash = "server";
    info_.numerics = options.chat ? "openai-chat-1" : "openai-completions-1";
    info_.identity = FieldHash().add(info_.weights_hash).add(info_.tokenizer_hash).add(info_.numerics).hex();
    info_.generate = info_.bought = true;
    info_.chat = options.chat;
    info_.loglikelihood = !options.chat && gives_prompt_logprobs();
  }

  const BackendInfo& info() const override { return info_; }

  RunStats answer(std::span<const Request> requests, ResponseSink& sink, const std::atomic<bool>& cancelled) override {
    return Conversation(requests, info_.identity, server_, server_.options.max_attempts, sink).run(cancelled);
  }

 private:
  struct OneAnswer final : ResponseSink {
    Response response;
    void deliver(size_t, Response given) override { response = std::move(given); }
    void progress(const RunStats&) override {}
  };

  // Whether the server gives the prompt's log-probabilities, and the right ones: some give each token that of its
  // neighbour. So it is asked what comes after several prompts, then to score just that.
  bool gives_prompt_logprobs() {
    const int attempts = std::min(server_.options.max_attempts, kProbeAttempts);
    size_t compared = 0;
    for (const char* prompt : kProbes) {
      const std::optional<FirstToken> first = first_token(prompt, attempts);
      Request probe;
      probe.kind = RequestKind::kLoglikelihood;
      probe.context = prompt;
      probe.continuations = {first ? first->text : " two"};
      OneAnswer sink;
      const std::atomic<bool> never{false};
      const RunStats stats = Conversation({&probe, 1}, info_.identity, server_, attempts, sink).run(never);
      const auto silent = stats.events.find(kNoReply);
      if (silent != stats.events.end() && silent->second == attempts)
        throw_world(server_.url, "the server does not answer: " + sink.response.detail,
                    "is it running, and the URL right?");
      if (sink.response.status != ResponseStatus::kAnswered) return false;
      if (!first) continue;
      if (!(std::abs(sink.response.continuations.front().logprob - first->logprob) < kProbeTolerance)) return false;
      ++compared;
    }
    return compared >= kLeastProbes;
  }

  // Nothing where the server does not say, or its token is a part of a character.
  std::optional<FirstToken> first_token(const char* prompt, int attempts) {
    Transfers transfers(transfer_options(server_.options, server_.key));
    const WireCall call = first_token_call(prompt, server_.model);
    std::optional<FirstToken> first;
    for (int attempt = 1; attempt <= attempts && !first; ++attempt) {
      bool again = false;
      std::optional<double> retry_after_s;
      transfers.start(0, server_.url + "/" + call.path, call.body, FieldHash().add(call.body).hex().substr(0, 40));
      while (transfers.in_flight() > 0) {
        transfers.wait(0.5, [&](size_t, TransferReply reply) {
          if (reply.status == 200) first = read_first_token(reply.body);
          again = reply.status == 0 || reply.status == 408 || reply.status == 429 || reply.status >= 500;
          retry_after_s = reply.retry_after_s;
        });
      }
      const double pause = server_.pace.pause_s(attempt, retry_after_s);
      if (first || !again || attempt == attempts || pause > server_.options.give_up_s) break;
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    }
    if (first && first->text.find("\xEF\xBF\xBD") != std::string::npos) first.reset();
    return first;
  }

  Server server_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> open_http_backend(const std::string& model, const BackendOptions& options) {
  if (model.empty()) throw_input("openai:", "names no model", "write openai:MODEL");
  return std::make_unique<HttpBackend>(model, options.http);
}

}  // namespace assay
