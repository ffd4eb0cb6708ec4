#include "harness/time_left.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <deque>
#include <random>

namespace assay {
namespace {

constexpr int kMost = 400;

Request text_of(const std::string& task, int samples = 1) {
  Request request;
  request.kind = RequestKind::kGenerate;
  request.task = task;
  request.generate.max_tokens = kMost, request.generate.samples = samples;
  return request;
}

// An engine on a clock that is moved by hand: what its passes cost, how many texts go on at once, and what they become.
struct Engine {
  double pass = 0.012, prompt_row = 0.001, text_row = 0.0013, key = 4e-6;  // seconds
  double rows_of_key = 0.004;                                              // as the backend says
  size_t at_once = 32, rows = 512;
  int prompt = 60;  // tokens
};

// The largest error of what was said to be left, over what was left, from the share `from` of the whole time on; in the
// last tenth over a tenth of the whole, where seconds are all that is left.
double largest_error(const Engine& engine, const std::vector<Request>& requests, const std::vector<int>& lengths,
                     const TimeLeft::Earlier& earlier, double from = 0.1) {
  struct Running {
    size_t request;
    int done, length;
  };
  struct Said {
    double at, left;
  };
  TimeLeft time(requests, 0, earlier);
  std::deque<size_t> waiting;  // requests, once for each sample
  for (size_t i = 0; i < requests.size(); ++i) waiting.insert(waiting.end(), requests[i].generate.samples, i);
  std::vector<Running> running;
  std::vector<Said> said;
  RunStats stats;
  stats.tree_tokens = engine.prompt * static_cast<int64_t>(waiting.size());
  stats.rows_of_key = engine.rows_of_key;
  double reported = 0;
  size_t begun = 0;
  while (!waiting.empty() || !running.empty()) {
    const int64_t generated = static_cast<int64_t>(running.size());
    int64_t prompts = 0;
    while (running.size() < engine.at_once && !waiting.empty() &&
           static_cast<size_t>(generated + prompts) + static_cast<size_t>(engine.prompt) <= engine.rows) {
      running.push_back({waiting.front(), 0, lengths[begun++ % lengths.size()]});
      waiting.pop_front();
      prompts += engine.prompt;
    }
    ++stats.passes;
    stats.computed_tokens += prompts + generated;
    stats.generated_tokens += generated, stats.tree_tokens += generated;
    double keys = 0;
    for (const Running& text : running) keys += text.done;
    stats.seconds += engine.pass + engine.prompt_row * static_cast<double>(prompts) +
                     engine.text_row * static_cast<double>(generated) + engine.key * keys;
    for (Running& text : running) {
      if (++text.done == text.length) stats.ended.push_back({text.request, text.done});
    }
    std::erase_if(running, [](const Running& text) { return text.done == text.length; });
    if (stats.seconds - reported < 0.45) continue;
    reported = stats.seconds;
    stats.under_way.clear();
    for (const Running& text : running) stats.under_way.push_back({text.request, text.done});
    said.push_back({stats.seconds, time.seconds(stats).value()});
    stats.ended.clear();
  }
  REQUIRE(said.size() > 30);
  double largest = 0;
  for (const Said& one : said) {
    const double left = stats.seconds - one.at;
    if (one.at < from * stats.seconds) continue;
    largest = std::max(largest, std::abs(one.left - left) / std::max(left, 0.1 * stats.seconds));
  }
  return largest;
}

std::vector<int> nothing(const std::string&) {
  return {};
}

// Lengths around `middle`, every twentieth text goes on to its limit.
std::vector<int> lengths_around(double middle, size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> length(std::log(middle), 0.4);
  std::vector<int> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(i % 20 == 7 ? kMost : std::clamp(static_cast<int>(length(random)), 1, kMost));
  return out;
}

}  // namespace

TEST_CASE("the survival curve of texts that ended and texts under way") {
  // Heavy enough for the guesses to be lost in it: 1000 texts each of 10 and 30 tokens have ended, 1000 are at 20.
  TextLengths lengths(40);
  for (int i = 0; i < 1000; ++i) lengths.add(10), lengths.add(30);
  lengths.fit({});
  CHECK(lengths.mean() == Approx(20).epsilon(0.01));
  CHECK(lengths.rest(10) == Approx(20).epsilon(0.01));
  CHECK(lengths.rest(25) == Approx(5).epsilon(0.02));
  CHECK(lengths.goes_on(0, 9) == Approx(1).epsilon(0.01));
  CHECK(lengths.goes_on(0, 15) == Approx(0.5).epsilon(0.01));
  CHECK(lengths.goes_on(0, 40) == 0);
  const std::vector<int> under_way(1000, 20);
  lengths.fit(under_way);  // of 3000 that were seen at 10 tokens 1000 ended there; the rest ended at 30
  CHECK(lengths.goes_on(0, 15) == Approx(2.0 / 3).epsilon(0.01));
  CHECK(lengths.mean() == Approx(10.0 / 3 + 20).epsilon(0.01));
}

TEST_CASE("texts of an earlier run stand for those to come, and give way to them") {
  const std::vector<int> earlier(500, 50);
  TextLengths lengths(400, earlier);
  CHECK(lengths.mean() == Approx(50).epsilon(0.15));
  for (int i = 0; i < 1000; ++i) lengths.add(200);
  lengths.fit({});
  CHECK(lengths.mean() == Approx(200).epsilon(0.05));
  CHECK(TextLengths(400, TextLengths::like_examples(350)).mean() == Approx(110).epsilon(0.25));
  CHECK(TextLengths(1).mean() == 1);
}

TEST_CASE("nothing is said before the first pass, nor of backends that count none") {
  const std::vector<Request> requests = {text_of("t")};
  TimeLeft time(requests, 0, nothing);
  RunStats stats;
  stats.seconds = 5, stats.generated_tokens = 100;
  CHECK_FALSE(time.seconds(stats));
}

TEST_CASE("prompts alone: the time left is right within 15 % after the first tenth, long ones last") {
  std::vector<Request> requests(1);
  TimeLeft time(requests, 0, nothing);
  RunStats stats;
  stats.tree_tokens = 400'000;
  const double whole = 800 * (0.012 + 0.5), begin = 3;
  stats.plan_seconds = begin;
  for (int pass = 1; pass <= 800; ++pass) {
    stats.passes = pass, stats.computed_tokens = 500 * pass;
    stats.seconds = begin + pass * whole / 800;
    const double left = time.seconds(stats).value(), truth = whole + begin - stats.seconds;
    if (pass > 80) CHECK(std::abs(left - truth) <= 0.15 * std::max(truth, 0.1 * whole));
  }
}

TEST_CASE("texts, 32 at once or all of them: right within 15 % after the first tenth where an earlier run is known") {
  const std::vector<Request> requests(1000, text_of("t"));
  const std::vector<int> lengths = lengths_around(90, requests.size(), 1);
  const auto earlier = [](const std::string&) { return lengths_around(90, 300, 2); };
  Engine engine;
  CHECK(largest_error(engine, requests, lengths, earlier) < 0.15);
  engine.at_once = 1000;
  CHECK(largest_error(engine, requests, lengths, earlier) < 0.15);
  SECTION("on a device where a pass costs as much as hundreds of rows") {
    engine.pass = 0.005, engine.prompt_row = 1e-5, engine.text_row = 2e-5, engine.at_once = 64;
    engine.key = 4e-8;
    CHECK(largest_error(engine, std::vector<Request>(20'000, text_of("t")), lengths_around(90, 20'000, 3), earlier) <
          0.15);
  }
}

TEST_CASE("texts of many waves of which nothing was known: right within 15 % after the first tenth") {
  const std::vector<Request> requests(3000, text_of("t"));
  CHECK(largest_error(Engine(), requests, lengths_around(60, requests.size(), 4), nothing) < 0.15);
}

TEST_CASE("several samples of each request: those that ended are not taken for texts to come") {
  const std::vector<Request> requests(100, text_of("t", 20));
  const auto earlier = [](const std::string&) { return lengths_around(90, 300, 9); };
  Engine engine;
  engine.at_once = 2000;
  CHECK(largest_error(engine, requests, lengths_around(90, 2000, 8), earlier) < 0.15);
}

TEST_CASE("requests that no text begins for are not waited for, and no text outgrows the context") {
  std::vector<Request> requests(10, text_of("t"));
  for (Request& request : requests) request.generate.max_tokens = 1'000'000;
  TimeLeft time(requests, 2000, nothing);
  RunStats stats;
  stats.passes = 1, stats.seconds = 0.01, stats.computed_tokens = stats.tree_tokens = 10;
  const double all = time.seconds(stats).value();
  CHECK(all > 0);
  CHECK(all < 0.01 * 3 * 2000);
  Response too_long;
  too_long.status = ResponseStatus::kTooLong;
  for (const Request& request : requests) time.add(request, too_long);
  CHECK(time.seconds(stats).value() == 0);
}

TEST_CASE("two tasks of unlike texts, one after the other, both known from an earlier run") {
  std::vector<Request> requests(1000, text_of("short"));
  requests.insert(requests.end(), 1000, text_of("long"));
  std::vector<int> lengths = lengths_around(10, 1000, 5);
  for (const int length : lengths_around(150, 1000, 6)) lengths.push_back(length);
  const auto earlier = [](const std::string& task) { return lengths_around(task == "short" ? 10 : 150, 200, 7); };
  CHECK(largest_error(Engine(), requests, lengths, earlier) < 0.15);
}

}  // namespace assay
