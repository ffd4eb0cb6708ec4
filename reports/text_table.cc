#include "reports/text_table.h"

#include <algorithm>

#include "core/text.h"

namespace assay {
namespace {

bool is_wide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

std::vector<size_t> column_widths(const TextTable& table) {
  std::vector<size_t> widths;
  for (const TextTable::Column& column : table.columns) widths.push_back(display_width(column.title));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  return widths;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return "\"" + replace_all(text, "\"", "\"\"") + "\"";
}

}  // namespace

size_t display_width(const std::string& text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "\033[") == 0) {  // a terminal's colour or weight
      i = std::min(text.find('m', i), text.size() - 1) + 1;
      continue;
    }
    char32_t c = next_code_point(text, i);
    if (c >= 0x300 && c <= 0x36F) continue;
    width += is_wide(c) ? 2 : 1;
  }
  return width;
}

std::string pad(const std::string& text, size_t width, bool right) {
  size_t have = display_width(text);
  std::string space(width > have ? width - have : 0, ' ');
  return right ? space + text : text + space;
}

std::string TextTable::plain() const {
  std::vector<size_t> widths = column_widths(*this);
  std::string out;
  auto line = [&](auto&& cell) {
    std::string text;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) text += "  ";
      text += cell(i);
    }
    out += std::string(strip_right(text)) + "\n";
  };
  line([&](size_t i) { return pad(columns[i].title, widths[i], columns[i].right); });
  std::string rule;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) rule += "  ";
    for (size_t k = 0; k < widths[i]; ++k) rule += "─";
  }
  out += rule + "\n";
  for (const auto& row : rows) line([&](size_t i) { return pad(row[i], widths[i], columns[i].right); });
  return out;
}

std::string TextTable::markdown() const {
  std::vector<size_t> widths = column_widths(*this);
  for (size_t& width : widths) width = std::max<size_t>(width, 3);
  std::string out = "|";
  for (size_t i = 0; i < columns.size(); ++i) out += " " + pad(columns[i].title, widths[i], columns[i].right) + " |";
  out += "\n|";
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string dashes(widths[i], '-');
    out += columns[i].right ? " " + dashes + ":|" : " " + dashes + " |";
  }
  out += "\n";
  for (const auto& row : rows) {
    out += "|";
    for (size_t i = 0; i < row.size(); ++i) {
      out += " " + pad(replace_all(row[i], "|", "\\|"), widths[i], columns[i].right) + " |";
    }
    out += "\n";
  }
  return out;
}

std::string TextTable::csv() const {
  std::string out;
  for (size_t i = 0; i < columns.size(); ++i) out += (i > 0 ? "," : "") + csv_field(columns[i].title);
  out += "\n";
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + csv_field(row[i]);
    out += "\n";
  }
  return out;
}

}  // namespace assay
