#include "harness/progress.h"

#include <catch2/catch.hpp>

namespace assay {

TEST_CASE("the live line shows items, tokens, speed and the time left in tokens") {
  RunStats stats;
  stats.computed_tokens = 25000, stats.tree_tokens = 100000;
  CHECK(ProgressLine::text(10, 40, 5, stats, 50) == "10/40 requests (+5 known)  25.0k tokens  500 tokens/s  2:30 left");
}

TEST_CASE("while texts are generated the time left goes by requests") {
  RunStats stats;
  stats.computed_tokens = 4000, stats.tree_tokens = 1000, stats.generated_tokens = 3500;
  CHECK(ProgressLine::text(10, 40, 0, stats, 3600) == "10/40 requests  4000 tokens  1 tokens/s  3:00:00 left");
}

}  // namespace assay
