#include "tasks/data_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/benchmark_formats.h"
#include "tasks/csv.h"

namespace assay {
namespace {

constexpr int kMaxNesting = 200;
constexpr size_t kMaxUnpackedBytes = size_t{8} << 30;

std::string at_line(const std::string& path, int line) {
  return path + ":" + std::to_string(line);
}
std::string at_row(const std::string& path, size_t row) {
  return path + ": row " + std::to_string(row);
}

Json as_fields(Json row) {
  if (row.is_object()) return row;
  Json fields = Json::object();
  fields["row"] = std::move(row);
  return fields;
}

// Json values are copied and freed by recursion, so their depth is bounded before they are made.
void check_nesting(std::string_view text, const std::string& where) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxNesting) throw_input(where, "nested too deeply");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

Json parse_row(std::string_view text, const std::string& where) {
  check_nesting(text, where);
  return parse_json(text, where);
}

// Calls line(text, number) for each line that is not blank.
template <typename Line>
void each_line(std::string_view text, Line&& line) {
  int number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view one = text.substr(begin, end - begin);
    if (ends_with(one, "\r")) one.remove_suffix(1);
    if (one.find_first_not_of(" \t") != std::string_view::npos) line(one, number);
    begin = end + 1;
  }
}

// Calls read(sink). Where columns are typed the rows come with every column that one of them has, null where they have
// none, as the loader behind `dataset_path: json` gives them.
template <typename Read>
void with_all_columns(const DataSpec& spec, const RowSink& row, const Read& read) {
  if (!spec.typed_columns) return read(row);
  std::vector<DataRow> rows;
  std::set<std::string> columns;
  read([&](DataRow one) {
    if (one.fields.is_object())
      for (const auto& [name, unused] : one.fields.items()) columns.insert(name);
    rows.push_back(std::move(one));
  });
  for (DataRow& one : rows) {
    for (const std::string& name : columns)
      if (one.fields.is_object() && !one.fields.contains(name)) one.fields[name] = nullptr;
    row(std::move(one));
  }
}

void read_jsonl(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  with_all_columns(spec, row, [&](const RowSink& sink) {
    each_line(text, [&](std::string_view line, int number) {
      const std::string where = at_line(path, number);
      sink({as_fields(parse_row(line, where)), where});
    });
  });
}

// A first line that is a whole object, with something after it.
bool is_json_lines(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return false;
  const size_t end = std::min(text.find('\n', begin), text.size());
  return text.find_first_not_of(" \t\r\n", end) != std::string_view::npos &&
         Json::accept(text.begin() + begin, text.begin() + end);
}

void read_json(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  if (spec.rows_at.empty() && is_json_lines(text)) return read_jsonl(text, path, spec, row);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  Json whole = parse_row(text, path);
  Json* list = &whole;
  if (!spec.rows_at.empty()) {
    const std::string pointer = (spec.rows_at[0] == '/' ? "" : "/") + spec.rows_at;
    try {
      list = &whole.at(Json::json_pointer(pointer));
    } catch (const nlohmann::json::exception&) {
      throw_input(path, "there is nothing at " + pointer, "see rows_at in the task file");
    }
  }
  if (list->is_object()) {
    row({std::move(*list), path});
  } else if (list->is_array()) {
    with_all_columns(spec, row, [&](const RowSink& sink) {
      size_t number = 0;
      for (Json& one : *list) sink({as_fields(std::move(one)), at_row(path, number++)});
    });
  } else {
    throw_input(path, "a list of rows was expected", "say where they are with rows_at");
  }
}

struct Cell {
  static std::optional<int64_t> integer(const std::string& text) { return parse<int64_t>(text); }
  static std::optional<double> number(const std::string& text) {
    auto value = parse<double>(text);
    return value && std::isfinite(*value) ? value : std::nullopt;
  }

 private:
  template <typename Number>
  static std::optional<Number> parse(const std::string& text) {
    Number value{};
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }
};

// What pandas.read_csv takes for an absent value.
bool is_absent(const std::string& text) {
  static const std::set<std::string> kAbsent = {"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
                                                "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
                                                "NaN",  "None",   "n/a",      "nan",  "null"};
  return kAbsent.count(text) > 0;
}

std::optional<bool> truth_of(const std::string& text) {
  if (text == "True" || text == "TRUE" || text == "true") return true;
  if (text == "False" || text == "FALSE" || text == "false") return false;
  return std::nullopt;
}

// What the loader behind `dataset_path: csv` makes of a column: integers when all cells are; numbers when all cells
// that are not absent are; booleans when all are; else texts. Absent cells are null.
void give_types(std::vector<DataRow>& rows, const std::string& column) {
  bool integers = true, numbers = true, booleans = true, any = false;
  for (const DataRow& row : rows) {
    const auto& text = row.fields[column].get_ref<const std::string&>();
    any |= !is_absent(text);
    integers &= Cell::integer(text).has_value();
    numbers &= is_absent(text) || Cell::number(text).has_value();
    booleans &= truth_of(text).has_value();
  }
  for (DataRow& row : rows) {
    Json& cell = row.fields[column];
    const std::string text = cell.get<std::string>();
    if (integers) {
      cell = *Cell::integer(text);
    } else if (is_absent(text)) {
      cell = nullptr;
    } else if (numbers && any) {
      cell = *Cell::number(text);
    } else if (booleans) {
      cell = *truth_of(text);
    }
  }
}

void read_separated(std::string_view text, const std::string& path, const DataSpec& spec, char separator,
                    const RowSink& row) {
  CsvReader reader(text, separator, path);
  CsvRecord record;
  std::vector<std::string> columns = spec.columns;
  if (columns.empty() && reader.next(record)) columns = std::move(record.fields);
  std::vector<DataRow> typed;  // a column's type is that of all its cells
  while (reader.next(record)) {
    const std::string where = at_line(path, record.line);
    if (record.fields.size() != columns.size()) {
      throw_input(where, std::to_string(record.fields.size()) + " fields where there are " +
                             std::to_string(columns.size()) + " columns");
    }
    Json fields = Json::object();
    for (size_t c = 0; c < columns.size(); ++c) fields[columns[c]] = std::move(record.fields[c]);
    if (spec.typed_columns) {
      typed.push_back({std::move(fields), where});
    } else {
      row({std::move(fields), where});
    }
  }
  if (!spec.typed_columns) return;
  for (const std::string& column : columns) give_types(typed, column);
  for (DataRow& one : typed) row(std::move(one));
}

void read_csv(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  read_separated(text, path, spec, ',', row);
}
void read_tsv(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  read_separated(text, path, spec, '\t', row);
}

void read_text(std::string_view text, const std::string& path, const DataSpec&, const RowSink& row) {
  row({Json{{"text", std::string(text)}}, path});
}

// Every line is a row, blank ones too.
void read_lines(std::string_view text, const std::string& path, const DataSpec&, const RowSink& row) {
  if (ends_with(text, "\n")) text.remove_suffix(1);
  if (text.empty()) return;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    if (ends_with(line, "\r")) line.remove_suffix(1);
    row({Json{{"text", std::string(line)}}, at_line(path, ++number)});
  }
}

void read_hellaswag_text(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  if (starts_with(text, "{")) return read_jsonl(text, path, spec, row);
  constexpr size_t kLinesAnItem = 6;
  std::vector<std::string> lines;
  each_line(text, [&](std::string_view line, int number) {
    lines.emplace_back(line);
    if (lines.size() < kLinesAnItem) return;
    const std::string where = at_line(path, number - static_cast<int>(kLinesAnItem) + 1);
    const size_t colon = lines[0].find(": ");
    if (colon == std::string::npos) throw_input(where, "an item starts with `activity label: context`");
    const auto label = Cell::integer(lines[1]);
    if (!label) throw_input(where, "the second line of an item is the number of the right ending");
    Json fields = {{"activity_label", lines[0].substr(0, colon)}, {"ctx", lines[0].substr(colon + 2)}};
    fields["endings"] = std::vector<std::string>(lines.begin() + 2, lines.end());
    fields["label"] = *label;
    row({std::move(fields), where});
    lines.clear();
  });
  if (!lines.empty()) throw_input(path, "ends within an item of six lines");
}

// A layout whose rows are made all at once.
template <auto kRead>
void read_whole(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row) {
  for (DataRow& one : kRead(text, path, spec)) row(std::move(one));
}

struct Format {
  const char* name;
  const char* extensions;  // separated by spaces
  void (*read)(std::string_view text, const std::string& path, const DataSpec& spec, const RowSink& row);
};

constexpr Format kFormats[] = {
    {"json", "json", read_json},
    {"jsonl", "jsonl ndjson", read_jsonl},
    {"csv", "csv", read_csv},
    {"tsv", "tsv", read_tsv},
    {"text", "txt text md", read_text},
    {"lines", "", read_lines},
    {"hellaswag_text", "", read_hellaswag_text},
    {"c3", "", read_whole<read_c3>},
    {"bbh", "", read_whole<read_bbh>},
    {"drop", "", read_whole<read_drop>},
};

const Format* find_format(std::string_view name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return &format;
  }
  return nullptr;
}

std::string unpack_gzip(const std::string& path) {
  struct Close {
    void operator()(archive* handle) const { archive_read_free(handle); }
  };
  std::unique_ptr<archive, Close> reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  auto fail = [&] {
    const char* what = archive_error_string(reader.get());
    throw_input(path, std::string("cannot unpack: ") + (what ? what : "damaged gzip data"));
  };
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), path.c_str(), 1 << 16) != ARCHIVE_OK) fail();
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) fail();
  std::string bytes;
  char buffer[1 << 16];
  while (true) {
    const la_ssize_t got = archive_read_data(reader.get(), buffer, sizeof buffer);
    if (got < 0) fail();
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > kMaxUnpackedBytes) throw_input(path, "unpacks to more than 8 GiB");
  }
}

void check_utf8(std::string_view text, const std::string& path) {
  if (is_valid_utf8(text)) return;
  int line = 1;
  for (size_t i = 0; i < text.size();) {
    const size_t before = i;
    if (next_code_point(text, i) == 0xFFFD && i - before == 1) {
      throw_input(at_line(path, line), "byte " + std::to_string(before) + " is not UTF-8", "convert the file to UTF-8");
    }
    if (text[before] == '\n') ++line;
  }
}

void each_row(std::string_view bytes, const std::string& path, const DataSpec& spec, const RowSink& row) {
  std::string name = spec.format.empty() ? format_of_path(path) : spec.format;
  if (spec.format.empty() && name == "text" && !spec.columns.empty()) name = "tsv";
  const Format* format = find_format(name);
  if (!format) throw_input(path, "the format of this file is unknown", "say `format:` under `data:` in the task file");
  if (starts_with(bytes, "\xEF\xBB\xBF")) bytes.remove_prefix(3);
  check_utf8(bytes, path);
  format->read(bytes, path, spec, row);
}

}  // namespace

bool is_known_format(std::string_view format) {
  return find_format(format) != nullptr;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) names.emplace_back(format.name);
  return names;
}

std::string format_of_path(std::string_view path) {
  if (ends_with(path, ".gz")) path.remove_suffix(3);
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return "";
  const std::string extension = to_lower_ascii(path.substr(dot + 1));
  for (const Format& format : kFormats) {
    for (const std::string& known : split(format.extensions, ' ')) {
      if (!known.empty() && known == extension) return format.name;
    }
  }
  return "";
}

std::vector<DataRow> parse_data(std::string_view bytes, const std::string& path, const DataSpec& spec) {
  std::vector<DataRow> rows;
  each_row(bytes, path, spec, [&](DataRow row) { rows.push_back(std::move(row)); });
  return rows;
}

void read_data_file(const std::string& path, const DataSpec& spec, const RowSink& row) {
  std::error_code ignored;
  const bool packed = ends_with(path, ".gz") && std::filesystem::is_regular_file(path, ignored);
  each_row(packed ? unpack_gzip(path) : read_file(path), path, spec, row);
}

}  // namespace assay
