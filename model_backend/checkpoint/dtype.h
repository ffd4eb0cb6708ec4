// Element types of stored tensors. Plain types hold one element a block; the others are GGUF's block types, in which a
// block of elements shares scales (block_types.h has their layouts).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

enum class DType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

// "F32", "BF16", "Q4_K", ...: the spelling of both safetensors and GGUF.
const char* to_string(DType dtype);

// Elements that one block holds (1 for plain types), and the bytes it takes.
size_t block_elements(DType dtype);
size_t block_bytes(DType dtype);

// Bytes of `elements` elements. Precondition: a whole number of blocks, and the result fits size_t.
size_t bytes_for(DType dtype, size_t elements);

// The type behind a safetensors "dtype" text; nothing for the types Assay does not compute with (integers, F64, F8).
std::optional<DType> dtype_of_safetensors(std::string_view name);
// The type behind a GGUF tensor-type number; nothing for the types Assay does not read.
std::optional<DType> dtype_of_gguf(uint32_t type);
// Name of any GGUF tensor type, for messages: "Q2_K", "IQ4_XS", "type 77".
std::string gguf_type_name(uint32_t type);
// "F32, F16, ..., Q6_K": what to tell a user whose type is not among them.
std::string readable_dtypes();

}  // namespace assay
