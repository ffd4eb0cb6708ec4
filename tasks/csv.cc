#include "tasks/csv.h"

#include <algorithm>

#include "core/error.h"

namespace assay {

CsvReader::CsvReader(std::string_view text, char separator, const std::string& path)
    : text_(text), separator_(separator), path_(path) {}

bool CsvReader::next(CsvRecord& record) {
  while (end_of_record()) {
  }
  if (at_ >= text_.size()) return false;
  record.line = line_;
  record.fields.clear();
  do {
    record.fields.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
  } while (skip_separator());
  end_of_record();
  return true;
}

// Steps over one line end.
bool CsvReader::end_of_record() {
  if (at_ >= text_.size() || (text_[at_] != '\n' && text_[at_] != '\r')) return false;
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
  return true;
}

bool CsvReader::skip_separator() {
  if (at_ >= text_.size() || text_[at_] != separator_) return false;
  ++at_;
  return true;
}

std::string CsvReader::plain() {
  const char ends[] = {separator_, '\r', '\n'};
  const size_t begin = at_;
  at_ = std::min(text_.find_first_of(std::string_view(ends, 3), at_), text_.size());
  return std::string(text_.substr(begin, at_ - begin));
}

std::string CsvReader::quoted() {
  const int opened = line_;
  std::string field;
  for (++at_;; ++at_) {
    if (at_ >= text_.size()) fail(opened, "a quoted field is never closed");
    const char c = text_[at_];
    if (c == '"') {
      if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
      ++at_;
    }
    if (c == '\n') ++line_;
    field.push_back(c);
  }
  ++at_;
  const bool ended = at_ >= text_.size() || text_[at_] == separator_ || text_[at_] == '\r' || text_[at_] == '\n';
  if (!ended) fail(line_, "a quoted field goes on after its closing quote");
  return field;
}

void CsvReader::fail(int line, const char* what) const {
  throw_input(path_ + ":" + std::to_string(line), what, "write a quote inside a quoted field twice");
}

std::vector<CsvRecord> parse_csv(std::string_view text, char separator, const std::string& path) {
  CsvReader reader(text, separator, path);
  std::vector<CsvRecord> records;
  for (CsvRecord record; reader.next(record);) records.push_back(std::move(record));
  return records;
}

}  // namespace assay
