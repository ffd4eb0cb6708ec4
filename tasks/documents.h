// Files -> Documents.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// Where data lies: the folder given by --data, laid out like `assay fetch` lays it out.
struct DataRoot {
  std::string folder;
  std::vector<std::string> texts;  // files or folders given by --text, for bpb
};

// Gives the documents of one split one by one, in file order, after `process_docs`. Ids are "<split>/<file
// stem>/<0-based row>" and do not change with process_docs dropping rows. Throws Error(kInput) naming file and line (or
// row) for a missing file (with the `assay fetch` command that brings it), broken quotes, a bad line, an empty split.
// `limit`: the first so many rows that are items, 0 = all; an audit form makes several documents of a row.
void each_document(const Task& task, const std::string& split, const DataRoot& root, int64_t limit,
                   const std::function<void(Document)>& document);
// All of them.
std::vector<Document> load_documents(const Task& task, const std::string& split, const DataRoot& root,
                                     int64_t limit = 0);

// The files that a split is read from; empty when some are missing. For `assay tasks` and `assay fetch`.
std::vector<std::string> document_files(const Task& task, const std::string& split, const DataRoot& root);

}  // namespace assay
