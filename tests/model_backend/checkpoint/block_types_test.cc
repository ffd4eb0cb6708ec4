#include "model_backend/checkpoint/block_types.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <set>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

const DType kAll[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                      DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

DType dtype_named(const std::string& name) {
  for (DType dtype : kAll) {
    if (name == to_string(dtype)) return dtype;
  }
  throw std::out_of_range(name);
}

}  // namespace

TEST_CASE("every stored type gives the bits that gguf's own code gives") {
  Json cases = read_json_file(golden_checkpoint("block_types.json"));
  std::set<std::string> seen;
  for (const Json& one : cases) {
    std::string name = one["type"].get<std::string>();
    INFO(name);
    DType dtype = dtype_named(name);
    std::string stored = from_hex(one["bytes"].get<std::string>());
    std::vector<float> expected = floats_of(from_hex(one["values"].get<std::string>()));
    REQUIRE(bytes_for(dtype, expected.size()) == stored.size());
    std::vector<float> values(expected.size());
    dequantize(dtype, stored.data(), values.size(), values.data());
    for (size_t i = 0; i < values.size(); ++i) {
      INFO("element " << i);
      CHECK(values[i] == expected[i]);
    }
    seen.insert(name);
  }
  CHECK(seen.size() == std::size(kAll));
}

TEST_CASE("blocks may lie at any address") {
  std::string stored = "x" + bytes_of<uint16_t>(0x4000) + std::string(32, '\x03');
  float values[32];
  dequantize(DType::kQ8_0, stored.data() + 1, 32, values);
  CHECK(values[0] == 6.0f);
  CHECK(values[31] == 6.0f);
}

TEST_CASE("halves and bfloat16 that are not numbers stay so") {
  uint16_t stored = 0x7e01;
  float value = 0;
  dequantize(DType::kF16, &stored, 1, &value);
  CHECK(std::isnan(value));
  stored = 0x7fc0;
  dequantize(DType::kBF16, &stored, 1, &value);
  CHECK(std::isnan(value));
}

TEST_CASE("types have GGUF's numbers, and those not read have a name") {
  CHECK(dtype_of_gguf(0) == DType::kF32);
  CHECK(dtype_of_gguf(30) == DType::kBF16);
  CHECK(dtype_of_gguf(14) == DType::kQ6_K);
  CHECK(!dtype_of_gguf(10));
  CHECK(gguf_type_name(10) == "Q2_K");
  CHECK(gguf_type_name(23) == "IQ4_XS");
  CHECK(gguf_type_name(1000) == "type 1000");
  CHECK(dtype_of_safetensors("BF16") == DType::kBF16);
  CHECK(!dtype_of_safetensors("I64"));
  CHECK(!dtype_of_safetensors("Q4_K"));
}

}  // namespace assay
