// UTF-8 and small text helpers that several folders need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

// Reads one code point at `position` and moves it on. An invalid or truncated sequence yields U+FFFD and moves one
// byte. Precondition: position < text.size().
char32_t next_code_point(std::string_view text, size_t& position);
void append_utf8(std::string& out, char32_t code_point);
bool is_valid_utf8(std::string_view text);
// Invalid sequences replaced by U+FFFD, maximal-subpart practice (as Python's decode(errors="replace")).
std::string replace_invalid_utf8(std::string_view text);
// Number of code points (Python's len of a str).
size_t count_code_points(std::string_view text);

// ASCII white space plus the Unicode spaces that Python's str.strip() removes.
bool is_space(char32_t code_point);
std::string_view strip(std::string_view text);
std::string_view strip_right(std::string_view text);
bool starts_with(std::string_view text, std::string_view prefix);
bool ends_with(std::string_view text, std::string_view suffix);
std::string replace_all(std::string text, std::string_view from, std::string_view to);
std::vector<std::string> split(std::string_view text, char separator);
// What stands between runs of white space (Python's str.split()).
std::vector<std::string> split_words(std::string_view text);
// ASCII only.
std::string to_lower_ascii(std::string_view text);

// Matches shell-style `*` and `?` over the whole name.
bool glob_match(std::string_view pattern, std::string_view name);

// Whole file. Throws Error(kInput) when it is missing, Error(kWorld) when reading fails.
std::string read_file(const std::string& path);
// Written beside, synced, then renamed over. Throws Error(kWorld).
void write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace assay
