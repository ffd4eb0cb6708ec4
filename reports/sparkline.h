// A row of block characters, one a value, from low to high.
#pragma once

#include <string>
#include <vector>

namespace assay {

// The lowest value becomes U+2581, the highest U+2588; equal values all become U+2584. At most `width` characters: of
// longer rows every character is the mean of its share. NaN leaves a space.
std::string sparkline(const std::vector<double>& values, size_t width = 40);

}  // namespace assay
