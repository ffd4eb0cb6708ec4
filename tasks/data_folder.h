// A local folder given as a data set: which of its files belong to which split.
#pragma once

#include <map>
#include <string>
#include <system_error>
#include <vector>

namespace assay {

// Splits by the names of folders, where any says one, else of files, as the loader behind `dataset_path` reads them:
// "train", "validation" (also valid, dev, val) and "test" (also testing, eval, evaluation), whole words; files without
// any such word are "train" where no file has one. Paths are relative to `folder`, in sorted order. Only JSON, JSON
// lines, CSV, TSV and .txt files, plain or gzipped, count; `format` (json, csv, text; empty = any of them) narrows
// that. Empty where the folder is absent or has no such file.
std::map<std::string, std::vector<std::string>> splits_of_folder(const std::string& folder, const std::string& format);

// After listing a folder: Error(kWorld) where that went wrong. One that is not there is empty.
void check_listed(const std::string& folder, const std::error_code& problem);

}  // namespace assay
