#include "model_backend/checkpoint/rope.h"

#include <catch2/catch.hpp>

#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/checkpoint/config_json.h"
#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

TEST_CASE("frequencies of every scaling equal those of transformers") {
  for (const Json& one : read_json_file(golden_checkpoint("rope.json"))) {
    INFO(one["name"].get<std::string>());
    TemporaryFolder folder;
    folder.write("config.json", one["config"].dump());
    ModelConfig config = read_config_json(folder.path()).model;
    std::vector<float> expected = floats_of(from_hex(one["inverse_frequencies"].get<std::string>()));
    float attention_scale = 0;
    std::vector<float> frequencies = rope_inverse_frequencies(config, &attention_scale);
    REQUIRE(frequencies.size() == expected.size());
    // The two power functions may differ in the last place, and blending adds one rounding.
    for (size_t i = 0; i < expected.size(); ++i) CHECK(frequencies[i] == Approx(expected[i]).epsilon(4e-7));
    CHECK(attention_scale == Approx(one["attention_scale"].get<double>()).epsilon(1e-7));
  }
}

TEST_CASE("a GGUF's rope factors divide the frequencies") {
  Checkpoint plain = Checkpoint::open(golden_checkpoint("tiny-llama-f32.gguf"));
  Checkpoint scaled = Checkpoint::open(golden_checkpoint("tiny-llama-rope-factors-q5_1.gguf"));
  CHECK(scaled.config().rope_factors == std::vector<float>{1, 1.5, 4, 8});
  float scale = 0;
  std::vector<float> before = rope_inverse_frequencies(plain.config(), &scale);
  std::vector<float> after = rope_inverse_frequencies(scaled.config(), &scale);
  for (size_t i = 0; i < 4; ++i) CHECK(after[i] == before[i] / scaled.config().rope_factors[i]);
}

}  // namespace assay
