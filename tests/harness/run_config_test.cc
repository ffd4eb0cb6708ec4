#include "harness/run_config.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {

TEST_CASE("amounts of memory are read with their units") {
  CHECK(parse_bytes("256MiB") == 256ll << 20);
  CHECK(parse_bytes("2GB") == 2'000'000'000);
  CHECK(parse_bytes("1.5GiB") == (3ll << 30) / 2);
  CHECK(parse_bytes("1048576") == 1048576);
  for (const char* bad : {"", "MiB", "12parsecs", "0", "-5MiB", "1e9"}) {
    INFO(bad);
    CHECK(testing::error_of([&] { parse_bytes(bad); }).find("is no amount of memory") != std::string::npos);
  }
}

}  // namespace assay
