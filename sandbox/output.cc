#include "sandbox/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/text.h"

namespace assay {

namespace {

bool is_control(uint32_t code) {
  const bool turns_direction = code == 0x061C || code == 0x200E || code == 0x200F ||
                               (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 || turns_direction;
}

// Calls `take` with each character of valid UTF-8, as a number and as its bytes.
template <typename Take>
void walk(const std::string& text, Take take) {
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const uint32_t code = next_code_point(text, i);
    take(code, std::string_view(text).substr(begin, i - begin));
  }
}

}  // namespace

std::string escape_controls(const std::string& text) {
  std::string shown;
  walk(replace_invalid_utf8(text), [&](uint32_t code, std::string_view bytes) {
    if (!is_control(code)) {
      shown += bytes;
    } else {
      shown += code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
    }
  });
  return shown;
}

OutputKeeper::OutputKeeper(size_t limit) : limit_(limit), kept_(std::min(limit, kKept)) {}

void OutputKeeper::add(const char* bytes, size_t count) {
  total_ += count;
  const size_t to_head = std::min(count, kept_ / 2 - head_.size());
  head_.append(bytes, to_head);
  tail_.append(bytes + to_head, count - to_head);
  if (tail_.size() > kept_ - kept_ / 2) tail_.erase(0, tail_.size() - (kept_ - kept_ / 2));
}

std::string OutputKeeper::text() const {
  std::string all = head_;
  const size_t left_out = total_ - head_.size() - tail_.size();
  if (left_out > 0) all += fmt::format("\n[{} bytes left out]\n", left_out);
  all += tail_;
  std::string shown;
  walk(replace_invalid_utf8(all), [&](uint32_t code, std::string_view bytes) {
    if (code == '\n' || code == '\t' || !is_control(code)) shown += bytes;
  });
  return shown;
}

}  // namespace assay
