#include "model_backend/engine/cpu/team.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

namespace assay {
namespace {

std::vector<std::shared_ptr<Team>> teams() {
  std::vector<std::shared_ptr<Team>> all;
  for (int threads : {1, 2, 3, 7}) all.push_back(std::make_shared<Team>(threads));
  return all;
}

// How often each item of one loop was done; -1 in front when a thread's number was out of range or in use twice.
std::vector<int> done_in_loop(Team& team, int64_t count) {
  std::vector<std::atomic<int>> done(static_cast<size_t>(count)), busy(static_cast<size_t>(team.threads()));
  std::atomic<bool> wrong = false;
  parallel_for_uneven(team, count, [&](int thread, int64_t i) {
    if (thread < 0 || thread >= team.threads() || busy[static_cast<size_t>(thread)].fetch_add(1) != 0) wrong = true;
    done[static_cast<size_t>(i)] += 1;
    busy[static_cast<size_t>(thread)] -= 1;
  });
  std::vector<int> out(done.begin(), done.end());
  if (wrong) out.insert(out.begin(), -1);
  return out;
}

}  // namespace

TEST_CASE("every item of a loop is done once, each by a thread of its own number") {
  for (const auto& team : teams()) {
    for (int64_t count : {0, 1, 2, 3, 17, 1000}) {
      INFO(team->threads() << " threads, " << count << " items");
      CHECK(done_in_loop(*team, count) == std::vector<int>(static_cast<size_t>(count), 1));
    }
  }
}

TEST_CASE("what a loop wrote is there for the next one, over a hundred thousand short loops") {
  auto values_after = [](Team& team) {
    std::vector<int64_t> values(7, 0);
    int64_t handed_on = 0;
    for (int64_t loop = 0; loop < 100'000; ++loop) {
      const int64_t count = 2 + loop % 6;
      parallel_for_uneven(team, count, [&](int, int64_t i) { values[static_cast<size_t>(i)] += handed_on + i; });
      handed_on = values[static_cast<size_t>(count - 1)] % 1000;
    }
    return values;
  };
  const auto alone = std::make_shared<Team>(1);
  for (int threads : {2, 4}) {
    const auto team = std::make_shared<Team>(threads);
    CHECK(values_after(*team) == values_after(*alone));
  }
}

TEST_CASE("threads that went to sleep between two loops come back, and end with their team while they sleep") {
  const auto team = std::make_shared<Team>(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 2 ? 5 : 0));
    CHECK(done_in_loop(*team, 50) == std::vector<int>(50, 1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

TEST_CASE("equal items go out in shares that cover all of them; few elements stay with the caller") {
  const auto team = std::make_shared<Team>(2);
  for (int64_t count : {1, 5, 8, 9, 1001}) {
    std::vector<std::atomic<int>> done(static_cast<size_t>(count));
    parallel_for(*team, count, kWorthWaking, [&](int64_t i) { done[static_cast<size_t>(i)] += 1; });
    CHECK(std::vector<int>(done.begin(), done.end()) == std::vector<int>(static_cast<size_t>(count), 1));
  }
  const auto caller = std::this_thread::get_id();
  bool others = false;
  parallel_for(*team, 100, 1, [&](int64_t) { others = others || std::this_thread::get_id() != caller; });
  CHECK_FALSE(others);
}

}  // namespace assay
