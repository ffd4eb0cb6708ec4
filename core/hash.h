// Content hashes: SHA-256, and a small helper that hashes a list of fields without ambiguity.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// A SHA-256 value at rest: a third of the memory of its text.
struct Digest {
  std::array<uint8_t, 32> bytes{};
  std::string hex() const;  // 64 lower-case hexadecimal digits
  auto operator<=>(const Digest&) const = default;
};

// Streaming SHA-256 (FIPS 180-4). Not thread-safe; copyable, so a common prefix can be hashed once.
class Sha256 {
 public:
  Sha256();
  void update(const void* bytes, size_t count);
  void update(std::string_view text) { update(text.data(), text.size()); }
  // Ends the hash; the object may not be updated afterwards.
  Digest finish();

 private:
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> block_;
  uint64_t total_bytes_ = 0;
  size_t block_fill_ = 0;
  void compress(const uint8_t* block);
};

std::string sha256_hex(std::string_view text);

// Throws Error(kWorld) when the file can't be read.
std::string sha256_file_hex(const std::string& path);

// Hash of an ordered list of fields. Each field goes in with its length, so ("ab","c") and ("a","bc") differ.
class FieldHash {
 public:
  FieldHash& add(std::string_view field);
  FieldHash& add_number(int64_t value);
  // The bits of the value, so that -0.0 and 0.0 differ and no rounding enters.
  FieldHash& add_real(double value);
  // Both end the hash.
  Digest digest() { return sha_.finish(); }
  std::string hex() { return digest().hex(); }

 private:
  Sha256 sha_;
};

// 64-bit mix of (seed, key): FNV-1a over the bytes, then splitmix64. Stable across machines and versions:
// few-shot choice rests on it.
uint64_t stable_hash(uint64_t seed, std::string_view key);

}  // namespace assay
