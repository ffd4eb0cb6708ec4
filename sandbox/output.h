// What a program wrote: counted whole, kept in part.
#pragma once

#include <cstddef>
#include <string>

namespace assay {

// UTF-8 on one line for a terminal: control characters (those above ASCII and line separators too) and characters that
// turn the direction of writing are shown as escapes, "\x1b" or "\u202e"; invalid bytes are replaced.
std::string escape_controls(const std::string& text);

// Keeps the head and the tail of a stream, at most `limit` bytes together however much comes.
class OutputKeeper {
 public:
  explicit OutputKeeper(size_t limit);
  void add(const char* bytes, size_t count);
  bool over() const { return total_ > limit_; }
  bool truncated() const { return total_ > limit_ || total_ > kept_; }
  // UTF-8, invalid bytes replaced, control characters but tab and newline removed, and those that turn the direction of
  // writing; where the middle is missing a line says so.
  std::string text() const;

 private:
  static constexpr size_t kKept = 8 << 10;  // for people: half head, half tail
  size_t limit_, kept_, total_ = 0;
  std::string head_, tail_;
};

}  // namespace assay
