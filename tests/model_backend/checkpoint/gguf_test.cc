#include "model_backend/checkpoint/gguf.h"

#include <catch2/catch.hpp>
#include <functional>

#include "tests/model_backend/checkpoint/file_builders.h"
#include "tests/support.h"

namespace assay {
using namespace testing;

namespace {

GgufFile view(const std::string& bytes) {
  return GgufFile::view({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "x.gguf");
}

// A file with one F32 tensor "w" of 8 elements.
GgufBuilder one_tensor() {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").tensor("w", {4, 2}, 0, 0);
  builder.data = std::string(32, '\0');
  return builder;
}

}  // namespace

TEST_CASE("metadata of every type is read") {
  GgufBuilder builder;
  builder.pair("u8", 0, bytes_of<uint8_t>(200)).pair("i8", 1, bytes_of<int8_t>(-3));
  builder.pair("u16", 2, bytes_of<uint16_t>(60000)).pair("i16", 3, bytes_of<int16_t>(-300));
  builder.pair("i32", 5, bytes_of<int32_t>(-70000)).pair("u64", 10, bytes_of<uint64_t>(5));
  builder.pair("i64", 11, bytes_of<int64_t>(-5)).pair("huge", 10, bytes_of<uint64_t>(~uint64_t{0}));
  builder.u32("u32", 7).f32("f32", 0.5f).pair("f64", 12, bytes_of(0.25)).pair("yes", 7, "\x01");
  builder.text("text", "hello")
      .pair("texts", 9,
            bytes_of<uint32_t>(8) + bytes_of<uint64_t>(2) + GgufBuilder::string("a") + GgufBuilder::string("\xff"));
  builder.pair("ints", 9, bytes_of<uint32_t>(3) + bytes_of<uint64_t>(2) + bytes_of<int16_t>(1) + bytes_of<int16_t>(-2));
  builder.pair("reals", 9, bytes_of<uint32_t>(6) + bytes_of<uint64_t>(1) + bytes_of(1.5f));
  std::string bytes = builder.build();
  GgufFile file = view(bytes);
  CHECK(file.integer("u8") == 200);
  CHECK(file.integer("i8") == -3);
  CHECK(file.integer("u16") == 60000);
  CHECK(file.integer("i16") == -300);
  CHECK(file.integer("u32") == 7);
  CHECK(file.integer("i32") == -70000);
  CHECK(file.integer("u64") == 5);
  CHECK(file.integer("i64") == -5);
  CHECK(file.number("i64") == -5.0);
  CHECK(file.number("huge") == 18446744073709551615.0);
  CHECK(file.number("f32") == 0.5);
  CHECK(file.number("f64") == 0.25);
  CHECK(file.boolean("yes"));
  CHECK(file.text("text") == "hello");
  CHECK(file.texts("texts") == std::vector<std::string>{"a", "\xff"});
  CHECK(file.integers("ints") == std::vector<int64_t>{1, -2});
  CHECK(file.numbers("ints") == std::vector<double>{1, -2});
  CHECK(file.numbers("reals") == std::vector<double>{1.5});
  CHECK(file.count("texts") == 2);
  CHECK(!file.has("absent"));
  CHECK(file.text("absent", "x") == "x");
  CHECK(file.integer("absent", 9) == 9);
  CHECK(file.boolean("absent", true));
}

TEST_CASE("a value of another type is an error naming file and key") {
  GgufBuilder builder;
  builder.text("text", "hello").u32("number", 7).pair("huge", 10, bytes_of<uint64_t>(~uint64_t{0}));
  builder.pair("texts", 9, bytes_of<uint32_t>(8) + bytes_of<uint64_t>(0));
  builder.pair("reals", 9, bytes_of<uint32_t>(6) + bytes_of<uint64_t>(1) + bytes_of(1.5f));
  std::string bytes = builder.build();
  GgufFile file = view(bytes);
  CHECK(error_of([&] { file.integer("text"); }) ==
        "x.gguf: \"text\" is a text, a whole number below 2^63 was expected");
  CHECK(error_of([&] { file.text("number"); }) == "x.gguf: \"number\" is a 32-bit number, a text was expected");
  CHECK(error_of([&] { file.boolean("number", true); }).find("true or false was expected") != std::string::npos);
  CHECK(error_of([&] { file.integer("huge"); }).find("below 2^63") != std::string::npos);
  CHECK(error_of([&] { file.text("absent"); }) == "x.gguf: \"absent\" is missing");
  CHECK(error_of([&] { file.texts("text"); }) == "x.gguf: \"text\" is a text, an array was expected");
  CHECK(error_of([&] { file.text("texts"); }) == "x.gguf: \"texts\" is an array, one value was expected");
  CHECK(error_of([&] { file.texts("reals"); }) == "x.gguf: \"reals\" holds a real number, texts were expected");
  CHECK(error_of([&] { file.integers("reals"); }).find("whole numbers were expected") != std::string::npos);
}

TEST_CASE("tensors have their shape, type and place, in versions 2 and 3") {
  for (uint32_t version : {2u, 3u}) {
    GgufBuilder builder = one_tensor();
    builder.version = version;
    builder.tensor("q", {32, 3}, 8, 32);
    builder.data = std::string(32 + 3 * 34, '\x01');
    std::string bytes = builder.build();
    GgufFile file = view(bytes);
    REQUIRE(file.tensors().size() == 2);
    const GgufTensor* tensor = file.tensor("q");
    REQUIRE(tensor);
    CHECK(tensor->dtype == DType::kQ8_0);
    CHECK(tensor->shape == std::vector<int64_t>{32, 3});
    CHECK(tensor->bytes.size() == 102);
    CHECK(tensor->bytes.data() + 102 == reinterpret_cast<const uint8_t*>(bytes.data()) + bytes.size());
    CHECK(!file.tensor("none"));
  }
}

TEST_CASE("an alignment of its own is followed") {
  GgufBuilder builder = one_tensor();
  builder.u32("general.alignment", 128);
  builder.alignment = 128;
  builder.data[0] = '\x2a';
  std::string bytes = builder.build();
  GgufFile file = view(bytes);
  CHECK(file.tensor("w")->bytes[0] == 0x2a);
}

TEST_CASE("a broken GGUF file is refused, the defect named") {
  struct Row {
    const char* defect;
    std::function<void(GgufBuilder&)> break_it;
    const char* message;
  };
  const Row rows[] = {
      {"bad magic", [](GgufBuilder& b) { b.magic = "GGML"; }, "is not a GGUF file"},
      {"version 1", [](GgufBuilder& b) { b.version = 1; }, "version 1 is not supported"},
      {"future version", [](GgufBuilder& b) { b.version = 9; }, "unknown GGUF version 9"},
      {"big-endian", [](GgufBuilder& b) { b.version = 3u << 24; }, "big-endian"},
      {"too many pairs", [](GgufBuilder& b) { b.extra_pairs = int64_t{1} << 60; }, "metadata pairs do not fit"},
      {"one pair too many", [](GgufBuilder& b) { b.extra_pairs = 1; }, "x.gguf"},
      {"too many tensors", [](GgufBuilder& b) { b.extra_tensors = int64_t{1} << 60; }, "tensors do not fit"},
      {"one tensor too many", [](GgufBuilder& b) { b.extra_tensors = 1; }, "x.gguf"},
      {"key twice", [](GgufBuilder& b) { b.u32("k", 1).u32("k", 2); }, "metadata \"k\" is there twice"},
      {"unknown value type", [](GgufBuilder& b) { b.pair("k", 13, "abcd"); }, "\"k\" has the unknown type 13"},
      {"nested array", [](GgufBuilder& b) { b.pair("k", 9, bytes_of<uint32_t>(9) + bytes_of<uint64_t>(1)); },
       "array of arrays"},
      {"endless array", [](GgufBuilder& b) { b.pair("k", 9, bytes_of<uint32_t>(4) + bytes_of(~uint64_t{0})); },
       "ends inside metadata \"k\""},
      {"endless text array", [](GgufBuilder& b) { b.pair("k", 9, bytes_of<uint32_t>(8) + bytes_of(~uint64_t{0})); },
       "ends inside metadata \"k\""},
      {"endless text", [](GgufBuilder& b) { b.pair("k", 8, bytes_of(~uint64_t{0})); }, "ends inside metadata \"k\""},
      {"odd truth value", [](GgufBuilder& b) { b.pair("k", 7, "\x02"); }, "neither 0 nor 1"},
      {"alignment of 24", [](GgufBuilder& b) { b.u32("general.alignment", 24); }, "\"general.alignment\" is 24"},
      {"alignment of 0", [](GgufBuilder& b) { b.u32("general.alignment", 0); }, "\"general.alignment\" is 0"},
      {"alignment as text", [](GgufBuilder& b) { b.text("general.alignment", "32"); },
       "\"general.alignment\" is a text"},
      {"tensor twice", [](GgufBuilder& b) { b.tensor("w", {4}, 0, 0); }, "tensor \"w\" is there twice"},
      {"overlap", [](GgufBuilder& b) { b.tensor("v", {4}, 0, 0); }, "overlap"},
      {"offset past the end", [](GgufBuilder& b) { b.tensor("v", {4}, 0, 64); }, "the file ends inside tensor \"v\""},
      {"offset that wraps", [](GgufBuilder& b) { b.tensor("v", {4}, 0, ~uint64_t{31}); }, "ends inside tensor \"v\""},
      {"offset off the alignment", [](GgufBuilder& b) { b.tensor("v", {4}, 0, 33); }, "not a multiple of 32"},
      {"no dimensions", [](GgufBuilder& b) { b.tensor("v", {}, 0, 32); }, "has 0 dimensions"},
      {"five dimensions",
       [](GgufBuilder& b) {
         b.tensor("v", {1, 1, 1, 1, 1}, 0, 32);
       },
       "has 5 dimensions"},
      {"extent of 0", [](GgufBuilder& b) { b.tensor("v", {0}, 0, 32); }, "impossible shape"},
      {"shape that overflows",
       [](GgufBuilder& b) {
         b.tensor("v", {uint64_t{1} << 33, uint64_t{1} << 33}, 0, 32);
       },
       "impossible shape"},
      {"type not read", [](GgufBuilder& b) { b.tensor("v", {256}, 10, 32); }, "tensor \"v\" has type Q2_K"},
      {"type unknown", [](GgufBuilder& b) { b.tensor("v", {256}, 99, 32); }, "has type type 99"},
      {"rows that break a block",
       [](GgufBuilder& b) {
         b.tensor("v", {48, 2}, 8, 32);
       },
       "blocks of 32"},
      {"data cut off", [](GgufBuilder& b) { b.data.resize(31); }, "the file ends inside tensor \"w\""},
  };
  for (const Row& row : rows) {
    INFO(row.defect);
    GgufBuilder builder = one_tensor();
    row.break_it(builder);
    std::string bytes = builder.build();
    std::string message = error_of([&] { view(bytes); });
    INFO(message);
    CHECK(message.find("x.gguf: ") == 0);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("a GGUF file cut off anywhere is refused") {
  std::string whole = one_tensor().text("k", "value").u32("n", 4).build();
  for (size_t length = 0; length < whole.size(); ++length) {
    std::string cut = whole.substr(0, length);
    INFO(length);
    CHECK(error_of([&] { view(cut); }) != "(no error)");
  }
  CHECK(error_of([&] { view(whole); }) == "(no error)");
}

}  // namespace assay
