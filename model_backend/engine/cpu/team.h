// Threads that share out the work of one loop after another.
//
// Two fillings. The own team is for machines where every kernel is ours: a loop is over when its items are done, so a
// thread that the system has not given a core to holds nobody up as long as it has taken nothing. OpenMP's waits for
// all its threads at the end of every loop; it is for machines where oneDNN makes the products, which brings OpenMP's
// team along: two teams would wait, spinning, for one another's cores.
//
// A waiting thread spins for some tens of microseconds and then sleeps: the core belongs to whoever needs it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

namespace assay {

class Team {
 public:
  virtual ~Team() = default;
  // With the calling one.
  virtual int threads() const = 0;

  using Work = void (*)(const void* body, int thread, int64_t item);
  // work(body, thread, i) for each i in [0, count) once, in any order; thread in [0, threads()), never one number for
  // two calls at the same time. Returns when all are done. `work` must not throw. One caller at a time.
  virtual void run(int64_t count, Work work, const void* body) = 0;
};

std::shared_ptr<Team> make_own_team(int threads);     // threads >= 1
std::shared_ptr<Team> make_openmp_team(int threads);  // threads >= 1

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
