#include "sandbox/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"

namespace assay {

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
  all.erase(std::remove_if(all.begin(), all.end(),
                           [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F; }),
            all.end());
  return replace_invalid_utf8(all);
}

}  // namespace assay
