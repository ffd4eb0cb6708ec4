// Layouts, all little-endian; f16 is IEEE half precision. Q4_0 to Q8_0 have blocks of 32 elements, the K types of 256.
// "low nibbles first": byte j of a run of n holds element j in its low and element j + n in its high four bits.
//
//   Q8_0  d:f16  q:i8[32]                          x = d * q
//   Q4_0  d:f16  nibbles[16]                       x = d * (q - 8)        low nibbles first
//   Q4_1  d:f16 m:f16  nibbles[16]                 x = d * q + m
//   Q5_0  d:f16  high:u32 nibbles[16]              x = d * (q - 16)       bit j of `high` is bit 4 of element j
//   Q5_1  d:f16 m:f16  high:u32 nibbles[16]        x = d * q + m
//
// A K block has eight groups of 32 (Q4_K, Q5_K) or sixteen of 16 (Q6_K), each with an integer scale of its own:
//   Q4_K  d:f16 m:f16 packed[12] nibbles[128]            x = d * scale * q - m * minimum
//   Q5_K  d:f16 m:f16 packed[12] high[32] nibbles[128]   as Q4_K; bit g of high[j] is bit 4 of element j of group g
//   Q6_K  low[128] high[64] scale:i8[16] d:f16           x = d * scale * (q - 32)
// In Q4_K and Q5_K the nibbles come in four runs of 32 bytes, each with two groups, low nibbles first. `packed` holds
// eight scales and eight minima of 6 bits: bytes 0-3 are scales 0-3 and bytes 4-7 minima 0-3 in their low six bits;
// bytes 8-11 hold the low four bits of scale (low nibble) and minimum (high nibble) 4-7, whose upper two bits are the
// top two bits of bytes 0-3 and 4-7. Q6_K has two halves of 128 elements; in each, low nibbles come in one run of 64
// bytes (low nibbles first) and the two upper bits of element 32 * r + j are bits 2r and 2r + 1 of byte j of that
// half's 32 bytes of `high`.
#include "model_backend/checkpoint/block_types.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/error.h"

namespace assay {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoint files are read as little-endian memory");

uint16_t load_u16(const uint8_t* data) {
  uint16_t value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

uint32_t load_u32(const uint8_t* data) {
  uint32_t value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

float float_of_half(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  if (magnitude < 0x0400) {  // zero and subnormal: a whole number of 2^-24
    float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -value : value;
  }
  // Half and single exponents differ by 112 in bias; infinities and NaN keep all exponent bits set.
  uint32_t bits = magnitude >= 0x7c00 ? 0x7f800000u | (magnitude & 0x3ff) << 13 : (magnitude << 13) + (112u << 23);
  return std::bit_cast<float>(sign | bits);
}

float half_at(const uint8_t* data) {
  return float_of_half(load_u16(data));
}

void read_f32(const uint8_t* data, size_t elements, float* out) {
  std::memcpy(out, data, elements * sizeof(float));
}

void read_f16(const uint8_t* data, size_t elements, float* out) {
  for (size_t i = 0; i < elements; ++i) out[i] = half_at(data + 2 * i);
}

void read_bf16(const uint8_t* data, size_t elements, float* out) {
  for (size_t i = 0; i < elements; ++i) {
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(load_u16(data + 2 * i)) << 16);
  }
}

// One block of each type.

void block_q8_0(const uint8_t* block, float* out) {
  float d = half_at(block);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(static_cast<int8_t>(block[2 + j]));
}

// A copy, which nothing written to `out` can change: so the loops over it become vector code.
using Nibbles = std::array<uint8_t, 16>;
Nibbles nibbles_at(const uint8_t* bytes) {
  Nibbles nibbles;
  std::memcpy(nibbles.data(), bytes, nibbles.size());
  return nibbles;
}

void block_q4_0(const uint8_t* block, float* out) {
  float d = half_at(block);
  const Nibbles nibbles = nibbles_at(block + 2);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((nibbles[j] & 15) - 8);
    out[j + 16] = d * static_cast<float>((nibbles[j] >> 4) - 8);
  }
}

void block_q4_1(const uint8_t* block, float* out) {
  float d = half_at(block), m = half_at(block + 2);
  const Nibbles nibbles = nibbles_at(block + 4);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(nibbles[j] & 15) + m;
    out[j + 16] = d * static_cast<float>(nibbles[j] >> 4) + m;
  }
}

// Five-bit value j of a block of 32.
int five_bits(const uint8_t* nibbles, uint32_t high, int j) {
  int low = j < 16 ? nibbles[j] & 15 : nibbles[j - 16] >> 4;
  return low | static_cast<int>((high >> j & 1) << 4);
}

void block_q5_0(const uint8_t* block, float* out) {
  float d = half_at(block);
  uint32_t high = load_u32(block + 2);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(block + 6, high, j) - 16);
}

void block_q5_1(const uint8_t* block, float* out) {
  float d = half_at(block), m = half_at(block + 2);
  uint32_t high = load_u32(block + 4);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(block + 8, high, j)) + m;
}

struct ScaleAndMinimum {
  float scale, minimum;
};

// Number `group` of the eight pairs in the twelve bytes of a Q4_K or Q5_K block.
ScaleAndMinimum unpack_scale(const uint8_t* packed, int group) {
  if (group < 4) return {static_cast<float>(packed[group] & 63), static_cast<float>(packed[group + 4] & 63)};
  int scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
  int minimum = packed[group + 4] >> 4 | (packed[group] >> 6) << 4;
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

// Q4_K when `high` is null, else Q5_K.
void block_q45_k(const uint8_t* block, const uint8_t* high, const uint8_t* nibbles, float* out) {
  float d = half_at(block), m = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    ScaleAndMinimum pair = unpack_scale(block + 4, group);
    float scale = d * pair.scale, minimum = m * pair.minimum;
    const uint8_t* run = nibbles + group / 2 * 32;
    for (int j = 0; j < 32; ++j) {
      int value = group % 2 == 0 ? run[j] & 15 : run[j] >> 4;
      if (high) value |= (high[j] >> group & 1) << 4;
      out[group * 32 + j] = scale * static_cast<float>(value) - minimum;
    }
  }
}

void block_q4_k(const uint8_t* block, float* out) {
  block_q45_k(block, nullptr, block + 16, out);
}
void block_q5_k(const uint8_t* block, float* out) {
  block_q45_k(block, block + 16, block + 48, out);
}

void block_q6_k(const uint8_t* block, float* out) {
  float d = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    int half = i / 128, within = i % 128, run = within / 32, j = within % 32;
    uint8_t low = block[half * 64 + within % 64];
    uint8_t high = block[128 + half * 32 + j];
    int value = (within < 64 ? low & 15 : low >> 4) | (high >> (2 * run) & 3) << 4;
    float scale = d * static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    out[i] = scale * static_cast<float>(value - 32);
  }
}

template <void (*kBlock)(const uint8_t*, float*)>
void read_blocks(DType dtype, const uint8_t* data, size_t elements, float* out) {
  size_t width = block_elements(dtype), bytes = block_bytes(dtype);
  for (size_t i = 0; i < elements / width; ++i) kBlock(data + i * bytes, out + i * width);
}

}  // namespace

void dequantize(DType dtype, const void* blocks, size_t elements, float* out) {
  ASSAY_ASSERT(elements % block_elements(dtype) == 0, "elements of a block type must fill whole blocks");
  const auto* data = static_cast<const uint8_t*>(blocks);
  switch (dtype) {
    case DType::kF32:
      return read_f32(data, elements, out);
    case DType::kF16:
      return read_f16(data, elements, out);
    case DType::kBF16:
      return read_bf16(data, elements, out);
    case DType::kQ8_0:
      return read_blocks<block_q8_0>(dtype, data, elements, out);
    case DType::kQ4_0:
      return read_blocks<block_q4_0>(dtype, data, elements, out);
    case DType::kQ4_1:
      return read_blocks<block_q4_1>(dtype, data, elements, out);
    case DType::kQ5_0:
      return read_blocks<block_q5_0>(dtype, data, elements, out);
    case DType::kQ5_1:
      return read_blocks<block_q5_1>(dtype, data, elements, out);
    case DType::kQ4_K:
      return read_blocks<block_q4_k>(dtype, data, elements, out);
    case DType::kQ5_K:
      return read_blocks<block_q5_k>(dtype, data, elements, out);
    case DType::kQ6_K:
      return read_blocks<block_q6_k>(dtype, data, elements, out);
  }
}

}  // namespace assay
