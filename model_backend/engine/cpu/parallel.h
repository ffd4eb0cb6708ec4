// Loops over independent work on libgomp's threads, the same team that oneDNN uses: one pool for everything.
#pragma once

#include <omp.h>

#include <cstdint>

namespace assay {

// Elements of simple work below which waking the other threads costs more than they save (some microseconds).
inline constexpr int64_t kWorthWaking = 24 * 1024;

// body(i) for i in [0, count), each i once, in any order. Work items of about equal cost go out in equal shares; where
// all of them together touch few elements (`item_elements` each) this thread does them by itself.
// `body` must not throw and must write only what belongs to its i.
template <typename Body>
void parallel_for(int threads, int64_t count, int64_t item_elements, const Body& body) {
  if (threads == 1 || count <= 1 || count * item_elements < kWorthWaking) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < count; ++i) body(i);
}

// As parallel_for for work items of unequal cost: a free thread takes the next one. body(thread, i), thread in
// [0, threads), for scratch memory of its own.
template <typename Body>
void parallel_for_uneven(int threads, int64_t count, const Body& body) {
  if (threads == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(0, i);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (int64_t i = 0; i < count; ++i) body(omp_get_thread_num(), i);
}

}  // namespace assay
