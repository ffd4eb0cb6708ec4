#include "core/hash.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "core/error.h"

namespace assay {
namespace {

constexpr std::array<uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

using State = std::array<uint32_t, 8>;

void compress_portable(State& state, const uint8_t* block) {
  uint32_t w[64];
  for (size_t i = 0; i < 16; ++i) w[i] = big_endian(block + 4 * i);
  for (int i = 16; i < 64; ++i) {
    uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += sums[i];
}

#if defined(__x86_64__)
// The processor's own SHA-256 rounds. They want the state as (a, b, e, f) and (c, d, g, h), highest lane first.
__attribute__((target("sha,sse4.1,ssse3"))) void compress_sha_ni(State& state, const uint8_t* block) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  auto* words = reinterpret_cast<__m128i*>(state.data());
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xB1);
  const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, hgfe, 8);
  __m128i cdgh = _mm_blend_epi16(hgfe, cdab, 0xF0);
  const __m128i abef_before = abef, cdgh_before = cdgh;
  __m128i w[4];  // the last sixteen words of the schedule
  for (int group = 0; group < 16; ++group) {
    __m128i& mine = w[group % 4];
    if (group < 4) {
      mine = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + group), swap);
    } else {
      const __m128i last = w[(group + 3) % 4];
      const __m128i seven_back = _mm_alignr_epi8(last, w[(group + 2) % 4], 4);
      mine = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(mine, w[(group + 1) % 4]), seven_back), last);
    }
    const __m128i round = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kRound.data()) + group);
    const __m128i sum = _mm_add_epi32(mine, round);
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
  }
  const __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xB1);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}
#endif

using Compress = void (*)(State&, const uint8_t*);

Compress choose_compress() {
#if defined(__x86_64__)
  if (has_sha_instructions()) return compress_sha_ni;
#endif
  return compress_portable;
}

}  // namespace

Sha256::Sha256()
    : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
      block_{} {}

void Sha256::compress(const uint8_t* block) {
  static const Compress chosen = choose_compress();
  chosen(state_, block);
}

void Sha256::update(const void* bytes, size_t count) {
  auto* p = static_cast<const uint8_t*>(bytes);
  total_bytes_ += count;
  if (block_fill_ > 0) {
    size_t take = std::min(count, block_.size() - block_fill_);
    std::memcpy(block_.data() + block_fill_, p, take);
    block_fill_ += take, p += take, count -= take;
    if (block_fill_ < block_.size()) return;
    compress(block_.data());
    block_fill_ = 0;
  }
  for (; count >= 64; p += 64, count -= 64) compress(p);
  if (count > 0) std::memcpy(block_.data(), p, count);
  block_fill_ = count;
}

Digest Sha256::finish() {
  uint64_t bits = total_bytes_ * 8;
  uint8_t end[64] = {0x80};
  update(end, 1);
  end[0] = 0;
  update(end, (56 + 64 - block_fill_) % 64);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  update(length, 8);
  Digest digest;
  for (int i = 0; i < 32; ++i) digest.bytes[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

std::string Digest::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(64, '0');
  size_t at = 0;
  for (uint8_t byte : bytes) {
    text[at++] = kDigits[byte >> 4];
    text[at++] = kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  Sha256 sha;
  sha.update(text);
  return sha.finish().hex();
}

std::string sha256_file_hex(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw_errno(path, "cannot open for reading", errno);
  Sha256 sha;
  std::string buffer(1 << 20, '\0');
  while (size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get())) sha.update(buffer.data(), got);
  if (std::ferror(file.get())) throw_errno(path, "cannot read", errno);
  return sha.finish().hex();
}

FieldHash& FieldHash::add(std::string_view field) {
  uint64_t size = field.size();
  sha_.update(&size, sizeof size);
  sha_.update(field);
  return *this;
}

FieldHash& FieldHash::add_number(int64_t value) {
  return add(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}

FieldHash& FieldHash::add_real(double value) {
  return add(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}

uint64_t stable_hash(uint64_t seed, std::string_view key) {
  uint64_t h = 0xcbf29ce484222325ull ^ seed;
  for (unsigned char byte : key) h = (h ^ byte) * 0x100000001b3ull;
  h += 0x9e3779b97f4a7c15ull;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
  return h ^ (h >> 31);
}

}  // namespace assay
