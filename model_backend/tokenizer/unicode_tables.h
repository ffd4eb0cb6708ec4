// Unicode data for unicode.cc; unicode_tables.cc is written by make_unicode_tables.py. All tables are sorted by their
// first column (kCompositions by the first two).
#pragma once

#include <cstddef>
#include <cstdint>

namespace assay::unicode {

// `code` decomposes fully into `length` code points of kDecompositionPool from `offset` on.
struct Decomposition {
  uint32_t code;
  uint16_t offset;
  uint16_t length;
};
// Code points first..last have the canonical combining class `value`, not 0.
struct CombiningRange {
  uint32_t first;
  uint32_t last;
  uint8_t value;
};
// first + second compose into `composed`.
struct Composition {
  uint32_t first;
  uint32_t second;
  uint32_t composed;
};
struct LowerCase {
  uint32_t code;
  uint32_t lower;
};

extern const Decomposition kCanonical[];
extern const size_t kCanonicalCount;
// Only where it differs from the canonical one.
extern const Decomposition kCompatibility[];
extern const size_t kCompatibilityCount;
extern const char32_t kDecompositionPool[];
extern const CombiningRange kCombining[];
extern const size_t kCombiningCount;
extern const Composition kCompositions[];
extern const size_t kCompositionsCount;
extern const LowerCase kLowerCase[];
extern const size_t kLowerCaseCount;

}  // namespace assay::unicode
