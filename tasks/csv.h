// Comma- or tab-separated records, RFC 4180.
//
//   file   = record *(end record) [end]            end = CRLF / LF / CR
//   record = field *(separator field)
//   field  = DQUOTE *(any but DQUOTE / 2DQUOTE) DQUOTE  /  *(any but separator, CR, LF)
//
// A field that starts with a quote is quoted and must end with one; a quote further in is a character like any other.
// Blank lines are no records.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct CsvRecord {
  std::vector<std::string> fields;
  int line = 0;  // 1-based, of its first character
};

// The records of a text, one by one. `path` heads the Error(kInput), "path:line", for a quote that is never closed (the
// line where it opens) or is followed by something else than a separator or line end.
class CsvReader {
 public:
  // `text` and `path` must outlive the reader.
  CsvReader(std::string_view text, char separator, const std::string& path);
  // False at the end; `record` is replaced.
  bool next(CsvRecord& record);

 private:
  bool end_of_record();
  bool skip_separator();
  std::string plain();
  std::string quoted();
  [[noreturn]] void fail(int line, const char* what) const;

  std::string_view text_;
  char separator_;
  const std::string& path_;
  size_t at_ = 0;
  int line_ = 1;
};

// All records.
std::vector<CsvRecord> parse_csv(std::string_view text, char separator, const std::string& path);

}  // namespace assay
