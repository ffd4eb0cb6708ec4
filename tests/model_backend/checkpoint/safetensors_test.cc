#include "model_backend/checkpoint/safetensors.h"

#include <catch2/catch.hpp>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

SafetensorsFile view(const std::string& bytes) {
  return SafetensorsFile::view({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "x.safetensors");
}

}  // namespace

TEST_CASE("tensors come with name, type, shape and bytes") {
  std::string bytes = safetensors_file(
      R"({"__metadata__": {"format": "pt"},
          "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [8, 20]},
          "a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
          "empty": {"dtype": "F32", "shape": [0, 4], "data_offsets": [20, 20]}}   )",
      "01234567abcdefghijkl");
  SafetensorsFile file = view(bytes);
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.tensors()[0].name == "a");
  CHECK(!file.tensor("a")->dtype);
  CHECK(file.tensor("a")->dtype_name == "I64");
  CHECK(file.tensor("b")->dtype == DType::kBF16);
  CHECK(file.tensor("b")->shape == std::vector<int64_t>{2, 3});
  CHECK(file.tensor("b")->bytes.size() == 12);
  CHECK(file.tensor("b")->bytes[0] == 'a');
  CHECK(file.tensor("empty")->bytes.empty());
  CHECK(!file.tensor("c"));
}

TEST_CASE("a broken safetensors file is refused, the defect named") {
  struct Row {
    const char* header;
    size_t data_bytes;
    const char* message;
  };
  const Row rows[] = {
      {R"({"a": )", 0, "malformed header"},
      {"[]", 0, "not a JSON object"},
      {"3", 0, "not a JSON object"},
      {R"({"a": 3})", 0, "tensor \"a\" has no JSON object as its entry"},
      {R"({"a": [{}]})", 0, "tensor \"a\""},
      {R"({"a": {"dtype": "F32", "shape": [1]}})", 4, "\"data_offsets\" is missing"},
      {R"({"a": {"dtype": "F32", "data_offsets": [0, 4]}})", 4, "\"shape\" is missing"},
      {R"({"a": {"shape": [1], "data_offsets": [0, 4]}})", 4, "\"dtype\" is missing"},
      {R"({"a": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 4]}})", 4, "unknown dtype \"Q9\""},
      {R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "an extent of \"shape\""},
      {R"({"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]}})", 4, "an extent of \"shape\""},
      {R"({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}})", 4, "\"shape\" must be a list"},
      {R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}})", 4, "is too large"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 4, "a list of two numbers"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4, "ends before it begins"},
      {R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4,
       "has 4 bytes, but its shape and dtype need 8"},
      {R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 4, "the file ends inside tensor \"a\""},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 5, "1 bytes after the last tensor"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8, "a hole before tensor \"a\""},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
           "b": {"dtype": "F16", "shape": [2], "data_offsets": [2, 6]}})",
       6, "tensor \"b\" overlaps"},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
           "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
       8, "tensor \"a\" is there twice"},
      {R"({"a": {"dtype": "F32", "shape": [[[[1]]]], "data_offsets": [0, 4]}})", 4, "nested deeper"},
  };
  for (const Row& row : rows) {
    INFO(row.header);
    std::string bytes = safetensors_file(row.header, std::string(row.data_bytes, '\0'));
    std::string message = error_of([&] { view(bytes); });
    INFO(message);
    CHECK(message.find("x.safetensors: ") == 0);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("a header that does not fit is refused before it is read") {
  CHECK(error_of([] { view("1234567"); }).find("less than 8 bytes") != std::string::npos);
  std::string too_long = bytes_of<uint64_t>(100) + "{}";
  CHECK(error_of([&] { view(too_long); }).find("the header (100 bytes) is longer than the file (10 bytes)") !=
        std::string::npos);
  std::string wraps = bytes_of<uint64_t>(~uint64_t{0}) + "{}";
  CHECK(error_of([&] { view(wraps); }).find("is longer than the file") != std::string::npos);
}

TEST_CASE("a missing file is named") {
  CHECK(error_of([] { SafetensorsFile::open("nowhere/a.safetensors"); }) == "nowhere/a.safetensors: no such file");
}

}  // namespace assay
