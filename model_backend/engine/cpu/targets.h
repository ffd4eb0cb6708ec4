// Which instruction sets Highway compiles our kernels for: plain (any x86-64 or other machine), AVX2, AVX-512.
// The middle ones of the SSE family would only make the program larger. Include before <hwy/highway.h>.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#endif
