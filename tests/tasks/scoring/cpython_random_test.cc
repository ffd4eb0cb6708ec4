#include "tasks/cpython_random.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/json.h"
#include "tests/support.h"

namespace assay {

TEST_CASE("draws equal those of CPython's random module") {
  const Json goldens = read_json_file(std::string(ASSAY_SOURCE_DIR) + "/tests/golden/tasks/cpython_random.json");
  for (const Json& golden : goldens["seeds"]) {
    CAPTURE(golden["seed"]);
    CPythonRandom random(golden["seed"].get<uint64_t>());
    const int counts[] = {32, 1, 7, 31};
    for (size_t i = 0; i < 4; ++i) CHECK(random.bits(counts[i]) == golden["bits"][i].get<uint32_t>());
    for (const Json& real : golden["reals"])
      CHECK(random.real() == std::strtod(real.get<std::string>().c_str(), nullptr));
    for (const Json& choice : golden["choices"])
      CHECK(random.below(choice[0].get<uint32_t>()) == choice[1].get<uint32_t>());
    for (const Json& sample : golden["samples"]) {
      CAPTURE(sample);
      CHECK(random.sample(sample[0].get<size_t>(), sample[1].get<size_t>()) == sample[2].get<std::vector<size_t>>());
    }
    for (int i = 0; i < 200; ++i) random.bits(32);
    CHECK(random.bits(32) == golden["after"].get<uint32_t>());
  }
}

TEST_CASE("two generators of one seed give the same draws") {
  CPythonRandom a(7), b(7);
  CHECK(a.sample(100, 10) == b.sample(100, 10));
  CHECK(a.sample(100, 10) == b.sample(100, 10));
}

}  // namespace assay
