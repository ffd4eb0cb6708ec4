// Threads that share out the work of one loop after another; all kernels of an Ops use one team.
//
// A loop is over when its items are done, not when every thread has been there: a thread that the system has not given
// a core to holds nobody up as long as it has taken nothing. A waiting thread spins for some tens of microseconds and
// then sleeps: the core belongs to whoever needs it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace assay {

class Team {
 public:
  // threads >= 1, the calling one included. Throws Error(kWorld) where the system gives no more.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  using Work = void (*)(const void* body, int thread, int64_t item);
  // work(body, thread, i) for each i in [0, count) once, in any order; thread in [0, threads()), never one number for
  // two calls at the same time. Returns when all are done. `work` must not throw. One caller at a time.
  void run(int64_t count, Work work, const void* body);

 private:
  using Word = std::atomic<uint32_t>;  // what threads sleep on
  static constexpr uint32_t kClosed = UINT32_MAX;
  static constexpr int64_t kMostItems = 1 << 30;
  static uint32_t next_of(uint64_t ticket) { return static_cast<uint32_t>(ticket); }

  void run_some(int64_t begin, int64_t count, Work work, const void* body);
  void ring();
  bool take_items(int thread);  // true when there was one
  void wait_for(uint32_t count);
  void serve(int thread);
  void sleep_until_rung();
  void end();

  // One job at a time lies open: `ticket_` has its number in the upper half and the next item in the lower; an item is
  // taken by moving the ticket on. A closed job has no next item, and only then its description is changed; so whoever
  // moved a ticket on had read the description that belongs to it.
  std::atomic<int64_t> begin_ = 0;
  std::atomic<Work> work_ = nullptr;
  std::atomic<const void*> body_ = nullptr;
  std::atomic<uint32_t> count_ = 0;
  uint64_t job_ = 0;  // the caller's
  alignas(64) std::atomic<uint64_t> ticket_ = kClosed;
  alignas(64) Word done_ = 0;  // items of the open job
  std::atomic<bool> caller_sleeps_ = false;
  alignas(64) Word bell_ = 0;  // changes with every job
  std::atomic<int> sleepers_ = 0;
  std::atomic<bool> ending_ = false;
  std::vector<std::thread> workers_;
};

// Elements of simple work below which waking the other threads costs more than they save (some microseconds).
inline constexpr int64_t kWorthWaking = 24 * 1024;

// For work items of unequal cost: a free thread takes the next one. body(thread, i), thread for scratch memory of its
// own.
template <typename Body>
void parallel_for_uneven(Team& team, int64_t count, const Body& body) {
  if (team.threads() == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(0, i);
    return;
  }
  team.run(
      count, [](const void* it, int thread, int64_t i) { (*static_cast<const Body*>(it))(thread, i); }, &body);
}

// body(i) for i in [0, count), each i once, in any order. Items of about equal cost go out in a few shares a thread;
// where all of them together touch few elements (`item_elements` each) this thread does them by itself.
// `body` must not throw and must write only what belongs to its i.
template <typename Body>
void parallel_for(Team& team, int64_t count, int64_t item_elements, const Body& body) {
  constexpr int64_t kSharesAThread = 4;
  const bool alone = team.threads() == 1 || count <= 1 || count * item_elements < kWorthWaking;
  const int64_t shares = alone ? 1 : std::min(count, kSharesAThread * team.threads());
  parallel_for_uneven(team, shares, [&](int, int64_t share) {
    for (int64_t i = count * share / shares; i < count * (share + 1) / shares; ++i) body(i);
  });
}

}  // namespace assay
