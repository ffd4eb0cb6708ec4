#include "model_backend/engine/cpu/team.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <string>
#include <system_error>

#include "core/error.h"

namespace assay {
namespace {

// Some 20 to 60 microseconds: longer than the gap between two loops of a layer.
constexpr int kSpins = 4000;

void rest_a_moment() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

using Word = std::atomic<uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free);

// Sleeps until somebody wakes the sleepers of `word`; not at all when it has another value by now.
void sleep_while(Word& word, uint32_t value) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake_sleepers(Word& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

Team::Team(int threads) {
  try {
    for (int thread = 1; thread < threads; ++thread) {
      workers_.emplace_back([this, thread] { serve(thread); });
    }
  } catch (const std::system_error& error) {
    const size_t begun = workers_.size() + 1;
    end();
    throw_world("--threads " + std::to_string(threads),
                "the system gave " + std::to_string(begun) + " threads (" + error.what() + ")", "give fewer");
  }
}

Team::~Team() {
  end();
}

void Team::end() {
  ending_ = true;
  ring();
  for (std::thread& worker : workers_) worker.join();
}

void Team::run(int64_t count, Work work, const void* body) {
  for (int64_t begin = 0; begin < count; begin += kMostItems) {
    run_some(begin, std::min(kMostItems, count - begin), work, body);
  }
}

void Team::run_some(int64_t begin, int64_t count, Work work, const void* body) {
  begin_.store(begin, std::memory_order_release);
  work_.store(work, std::memory_order_release);
  body_.store(body, std::memory_order_release);
  done_.store(0, std::memory_order_release);
  count_.store(static_cast<uint32_t>(count), std::memory_order_release);
  job_ = (job_ + 1) << 32 >> 32;
  ticket_.store(job_ << 32);
  ring();
  take_items(0);
  wait_for(static_cast<uint32_t>(count));
  ticket_.store(job_ << 32 | kClosed);
}

void Team::ring() {
  bell_.fetch_add(1);
  if (sleepers_.load() > 0) wake_sleepers(bell_);
}

bool Team::take_items(int thread) {
  bool any = false;
  for (;;) {
    uint64_t ticket = ticket_.load();
    const uint32_t count = count_.load(std::memory_order_acquire);
    const int64_t begin = begin_.load(std::memory_order_acquire);
    const Work work = work_.load(std::memory_order_acquire);
    const void* body = body_.load(std::memory_order_acquire);
    if (next_of(ticket) >= count) return any;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
    work(body, thread, begin + next_of(ticket));
    any = true;
    done_.fetch_add(1);
    if (caller_sleeps_.load()) wake_sleepers(done_);
  }
}

// The caller, for items that others have taken.
void Team::wait_for(uint32_t count) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (done_.load(std::memory_order_acquire) == count) return;
    rest_a_moment();
  }
  caller_sleeps_ = true;
  for (uint32_t done = done_.load(); done != count; done = done_.load()) sleep_while(done_, done);
  caller_sleeps_ = false;
}

void Team::serve(int thread) {
  int spin = 0;
  while (!ending_.load(std::memory_order_relaxed)) {
    if (take_items(thread)) {
      spin = 0;
    } else if (++spin < kSpins) {
      rest_a_moment();
    } else {
      sleep_until_rung();
      spin = 0;
    }
  }
}

void Team::sleep_until_rung() {
  const uint32_t heard = bell_.load();
  sleepers_.fetch_add(1);
  if (next_of(ticket_.load()) >= count_.load() && !ending_.load()) sleep_while(bell_, heard);
  sleepers_.fetch_sub(1);
}

}  // namespace assay
