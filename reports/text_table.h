// A table of texts in columns, padded by display width.
#pragma once

#include <string>
#include <vector>

namespace assay {

struct TextTable {
  struct Column {
    std::string title;
    bool right = false;  // alignment
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;

  // Two spaces between columns, a rule under the titles.
  std::string plain() const;
  std::string markdown() const;
  // RFC 4180, titles first.
  std::string csv() const;
};

// Columns that a terminal gives to the text: 2 for wide East Asian characters, 0 for combining marks.
size_t display_width(const std::string& text);
std::string pad(const std::string& text, size_t width, bool right);

}  // namespace assay
