#include "model_backend/checkpoint/dtype.h"

#include <fmt/format.h>

#include <array>

#include "core/error.h"

namespace assay {
namespace {

struct DTypeRow {
  DType dtype;
  const char* name;
  uint32_t gguf_type;
  size_t elements;  // in a block
  size_t bytes;     // of a block
};

// In the order of the enum.
constexpr DTypeRow kDTypes[] = {
    {DType::kF32, "F32", 0, 1, 4},        {DType::kF16, "F16", 1, 1, 2},        {DType::kBF16, "BF16", 30, 1, 2},
    {DType::kQ8_0, "Q8_0", 8, 32, 34},    {DType::kQ4_0, "Q4_0", 2, 32, 18},    {DType::kQ4_1, "Q4_1", 3, 32, 20},
    {DType::kQ5_0, "Q5_0", 6, 32, 22},    {DType::kQ5_1, "Q5_1", 7, 32, 24},    {DType::kQ4_K, "Q4_K", 12, 256, 144},
    {DType::kQ5_K, "Q5_K", 13, 256, 176}, {DType::kQ6_K, "Q6_K", 14, 256, 210},
};

// GGUF types that exist and that Assay does not read.
struct RefusedType {
  uint32_t type;
  const char* name;
};
constexpr RefusedType kRefused[] = {
    {4, "Q4_2"},     {5, "Q4_3"},    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},
    {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
    {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},   {26, "I32"},    {27, "I64"},
    {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

const DTypeRow& row_of(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)];
}

}  // namespace

const char* to_string(DType dtype) {
  return row_of(dtype).name;
}
size_t block_elements(DType dtype) {
  return row_of(dtype).elements;
}
size_t block_bytes(DType dtype) {
  return row_of(dtype).bytes;
}

size_t bytes_for(DType dtype, size_t elements) {
  const DTypeRow& row = row_of(dtype);
  ASSAY_ASSERT(elements % row.elements == 0, "elements of a block type must fill whole blocks");
  return elements / row.elements * row.bytes;
}

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (name == to_string(dtype)) return dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_of_gguf(uint32_t type) {
  for (const DTypeRow& row : kDTypes) {
    if (row.gguf_type == type) return row.dtype;
  }
  return std::nullopt;
}

std::string gguf_type_name(uint32_t type) {
  if (auto dtype = dtype_of_gguf(type)) return to_string(*dtype);
  for (const RefusedType& refused : kRefused) {
    if (refused.type == type) return refused.name;
  }
  return fmt::format("type {}", type);
}

std::string readable_dtypes() {
  std::string names;
  for (const DTypeRow& row : kDTypes) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

}  // namespace assay
