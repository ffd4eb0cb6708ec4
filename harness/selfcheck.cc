#include "harness/selfcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "core/hash.h"

namespace assay {
namespace {

constexpr std::array kWords = {"river",   "stone", "seven",  "the",   "a",       "counts", "slowly", "blue",
                               "morning", "bread", "and",    "of",    "carries", "why",    "never",  "light",
                               "paper",   "12",    "3.5",    "old",   "门",      "三个",   "河水",   "因为",
                               "，",      "green", "speaks", "north", "letters", "is"};

uint64_t draw(uint64_t seed, uint64_t at) {
  return stable_hash(seed, std::to_string(at));
}

std::string sentence(uint64_t seed, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[draw(seed, i) % kWords.size()];
  }
  return text + '.';
}

int between(uint64_t random, int low, int high) {
  return low + static_cast<int>(random % static_cast<uint64_t>(std::max(1, high - low + 1)));
}

// One of eight blocks of examples that many questions share.
std::string examples(uint64_t seed, int words) {
  std::string text;
  for (int i = 0; i < 3; ++i) {
    text += "Question: " + sentence(seed * 31 + i, std::max(2, words / 4)) + "\nAnswer: " + "ABCD"[seed % 4] + "\n\n";
  }
  return text;
}

Request multiple_choice(uint64_t random, uint64_t seed, int words, bool shared) {
  Request request;
  request.kind = RequestKind::kLoglikelihood;
  if (shared) request.context = examples(seed + random % 8, words / 2);
  request.context += "Question: " + sentence(random, between(random >> 8, 2, std::max(3, words / 4))) + "\nAnswer:";
  if (random % 3 == 0) {
    request.continuations = {" A", " B", " C", " D"};
  } else {
    for (int i = 0; i < 4; ++i)
      request.continuations.push_back(" " + sentence(random + 1 + i, between(random >> (8 * i), 1, 8)));
  }
  return request;
}

Request generation(uint64_t random, uint64_t seed, int words) {
  Request request;
  request.kind = RequestKind::kGenerate;
  request.context = random % 2 ? examples(seed + random % 8, words / 2) : "";
  request.context += sentence(random, between(random >> 8, 1, std::max(2, words / 4)));
  request.generate.stop = {"\n\n"};
  request.generate.max_tokens = between(random >> 16, 1, 16);
  if (random % 4 < 2) return request;
  request.generate.temperature = 0.8;
  request.generate.top_p = 0.95;
  request.generate.samples = 3;
  request.generate.seed = seed;
  return request;
}

// Keeps what is delivered.
class KeptAnswers : public ResponseSink {
 public:
  explicit KeptAnswers(std::vector<Response>& responses, std::vector<size_t> order)
      : responses_(responses), order_(std::move(order)) {}
  void deliver(size_t index, Response response) override { responses_[order_[index]] = std::move(response); }
  void progress(const RunStats&) override {}

 private:
  std::vector<Response>& responses_;
  std::vector<size_t> order_;  // of the requests as they were handed over
};

// Everything that a score could depend on, floats as their bits.
std::string fingerprint(const Response& response) {
  std::string all = fmt::format("{} {} {} {}", to_string(response.status), response.detail, response.prompt_tokens,
                                response.truncated);
  for (const ContinuationScore& c : response.continuations) {
    all += fmt::format("|{:016x} {:016x} {} {}", std::bit_cast<uint64_t>(c.logprob),
                       std::bit_cast<uint64_t>(c.rarest.value_or(0)), c.tokens, c.is_greedy);
  }
  for (const GeneratedText& t : response.texts) all += fmt::format("|{} {} {}", t.text, to_string(t.finish), t.tokens);
  return all;
}

class Check {
 public:
  Check(std::string model, const BackendOptions& options, std::vector<Request> requests,
        const std::function<void(const SelfcheckResult&)>& report, const std::atomic<bool>& cancelled)
      : model_(std::move(model)),
        options_(options),
        requests_(std::move(requests)),
        report_(report),
        cancelled_(cancelled),
        backend_(open_backend(model_, options_)) {
    expected_ = answer(*backend_, everything());
  }

  std::vector<size_t> everything() const {
    std::vector<size_t> order(requests_.size());
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  void compare(const std::string& setting, const std::vector<size_t>& order) {
    judge(setting, answer(*backend_, order), order);
  }

  void compare(const std::string& setting, const BackendOptions& options) {
    const auto other = open_backend(model_, options);
    judge(setting, answer(*other, everything()), everything());
  }

  void compare_alone(int alone) {
    const size_t step = alone <= 0 ? 1 : std::max<size_t>(1, requests_.size() / alone);
    std::vector<size_t> order;
    std::vector<Response> all(requests_.size());
    for (size_t i = 0; i < requests_.size() && !cancelled_; i += step) {
      order.push_back(i);
      all[i] = answer(*backend_, {i})[i];
    }
    judge("each request alone", all, order);
  }

  // With as little memory for keys and values as the longest request allows.
  void compare_least_memory() {
    BackendOptions options = options_;
    for (options.kv_memory_bytes = 1 << 16;; options.kv_memory_bytes *= 2) {
      try {
        compare(fmt::format("--kv-memory {}KiB", options.kv_memory_bytes / 1024), options);
        return;
      } catch (const Error& error) {
        if (error.kind() != Error::Kind::kInput || options.kv_memory_bytes > int64_t{1} << 40) throw;
      }
    }
  }

 private:
  std::vector<Response> answer(Backend& backend, const std::vector<size_t>& order) {
    std::vector<Request> asked;
    for (size_t i : order) asked.push_back(requests_[i]);
    std::vector<Response> responses(requests_.size());
    KeptAnswers sink(responses, order);
    backend.answer(asked, sink, cancelled_);
    return responses;
  }

  void judge(const std::string& setting, const std::vector<Response>& got, const std::vector<size_t>& order) {
    if (cancelled_) return;
    SelfcheckResult result{options_.dtype + ", " + setting, static_cast<int64_t>(order.size()), true, ""};
    for (size_t i : order) {
      const std::string was = fingerprint(expected_[i]), is = fingerprint(got[i]);
      if (was == is) continue;
      result.equal = false;
      result.difference = fmt::format("request {}: {} became {}", i, was, is);
      break;
    }
    report_(result);
  }

  std::string model_;
  BackendOptions options_;
  std::vector<Request> requests_;
  const std::function<void(const SelfcheckResult&)>& report_;
  const std::atomic<bool>& cancelled_;
  std::unique_ptr<Backend> backend_;
  std::vector<Response> expected_;
};

}  // namespace

std::vector<Request> selfcheck_requests(int count, uint64_t seed, int words) {
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    const uint64_t random = draw(seed + 17, i);
    const uint64_t kind = draw(seed + 18, i) % 10;
    if (kind < 4) {
      requests.push_back(multiple_choice(random, seed, words, true));
    } else if (kind < 6) {
      requests.push_back(multiple_choice(random, seed, words, false));
    } else if (kind < 7) {
      requests.emplace_back();
      requests.back().kind = RequestKind::kRolling;
      requests.back().text = sentence(random, between(random, 1, words));
    } else {
      requests.push_back(generation(random, seed, words));
    }
  }
  return requests;
}

void selfcheck(const std::string& model, const BackendOptions& options, const SelfcheckSize& size,
               const std::function<void(const SelfcheckResult&)>& report, const std::atomic<bool>& cancelled) {
  constexpr uint64_t kSeed = 7;
  Check check(model, options, selfcheck_requests(size.requests, kSeed, size.words), report, cancelled);

  check.compare("once more", check.everything());
  check.compare_alone(size.alone);
  std::vector<size_t> order = check.everything();
  std::reverse(order.begin(), order.end());
  check.compare("in reverse order", order);
  std::sort(order.begin(), order.end(), [](size_t a, size_t b) { return draw(1, a) < draw(1, b); });
  check.compare("in shuffled order", order);
  order.resize(order.size() / 2);
  check.compare("one half of them", order);
  check.compare("after a restart", options);
  for (int rows : {33, 256, 1000}) {
    BackendOptions other = options;
    other.batch_tokens = rows;
    check.compare(fmt::format("--batch-tokens {}", rows), other);
  }
  check.compare_least_memory();
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int threads : {1, 2}) {
    if (threads == cores) continue;  // so far it was that many
    BackendOptions other = options;
    other.threads = threads;
    check.compare(fmt::format("--threads {}", threads), other);
  }
}

}  // namespace assay
