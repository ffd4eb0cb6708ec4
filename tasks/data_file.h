// One data file -> its rows, by format. The table of formats.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "tasks/task.h"

namespace assay {

struct DataRow {
  Json fields;        // an object
  std::string where;  // "path:line", or "path: row N" where lines mean nothing
};

using RowSink = std::function<void(DataRow)>;

bool is_known_format(std::string_view format);
std::vector<std::string> format_names();
// By extension, ".gz" left out of account; empty where the extension is unknown.
std::string format_of_path(std::string_view path);

// Gives the rows of a file one by one, in its order: only what the sink keeps is held. `spec.format` may be empty: by
// extension. Throws Error(kInput) "path:line: ..." for bytes that are not UTF-8, a bad line, a broken quote, a record
// of another width than its header, nesting beyond 200 levels; the rows before it were given by then.
void read_data_file(const std::string& path, const DataSpec& spec, const RowSink& row);
// All rows of a file's (unpacked) bytes.
std::vector<DataRow> parse_data(std::string_view bytes, const std::string& path, const DataSpec& spec);

}  // namespace assay
