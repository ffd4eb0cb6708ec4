// What the plan costs: 200,000 requests of 1,000 tokens, nine tenths of them shared with other requests, and whether a
// million cost five times as much. Its own limit beside it: reading every token once.
//
//   build/release/tests/bench/plan_bench
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <vector>

#include "model_backend/engine/plan.h"

namespace assay {
namespace {

constexpr int kShared = 900, kOwn = 100, kPrefixes = 57;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Token `position` of request `index`: shots of its subject, then its own.
int32_t token(int64_t index, int position) {
  const uint64_t owner =
      position < kShared ? static_cast<uint64_t>(index % kPrefixes) : static_cast<uint64_t>(index) + 1000;
  uint64_t x = owner * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(position);
  x ^= x >> 29, x *= 0xBF58476D1CE4E5B9u, x ^= x >> 32;
  return static_cast<int32_t>(x % 49152);
}

struct Cost {
  double reading = 0, adding = 0, finishing = 0;  // seconds
  int64_t tree = 0;
};

Cost plan_of(int64_t requests) {
  Cost cost;
  std::vector<int32_t> tokens(kShared + kOwn);
  PlanBuilder builder;
  int64_t sum = 0;
  for (int64_t i = 0; i < requests; ++i) {
    for (int p = 0; p < kShared + kOwn; ++p) tokens[static_cast<size_t>(p)] = token(i, p);
    const double begin = now();
    for (int32_t one : tokens) sum += one;
    const double read = now();
    builder.add(tokens, kShared + kOwn - 1, tokens.back());
    cost.reading += read - begin, cost.adding += now() - read;
  }
  const double begin = now();
  const Plan plan = builder.finish();
  cost.finishing = now() - begin;
  cost.tree = plan.tree_tokens();
  if (sum == 42) fmt::print("\n");  // the sum is used
  return cost;
}

}  // namespace
}  // namespace assay

int main() {
  using namespace assay;
  fmt::print("requests   tokens in the tree   adding   finishing   us/request   x reading the tokens   process, MiB\n");
  double first = 0;
  for (int64_t requests : {200'000, 1'000'000}) {
    const Cost cost = plan_of(requests);
    const double whole = cost.adding + cost.finishing, each = whole / static_cast<double>(requests);
    fmt::print("{:8}   {:18}   {:4.2f} s   {:7.2f} s   {:10.2f}   {:20.1f}   {:12.0f}\n", requests, cost.tree,
               cost.adding, cost.finishing, 1e6 * each, whole / cost.reading, resident_mib());
    if (first == 0) {
      first = each;
    } else {
      fmt::print("a request of a million costs {:.2f} times one of 200,000 (1 = linear)\n", each / first);
    }
  }
  return 0;
}
