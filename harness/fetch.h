// `assay fetch`: original distributions of benchmark data -> a data folder laid out as task files expect it.
//
//   catalogue (fetch_sources.cc) -> download (resumed, mirrors in turn) -> unpack -> sha256 check -> rename into place
//
// Nothing half done is ever seen under its final name: downloads and unpacked files lie under <data>/.fetch until they
// are whole and checked, so an interrupted fetch is resumed by the same command.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace assay {

// One file or archive of a distribution.
struct Download {
  const char* url;    // original host first
  const char* other;  // a second place of the same bytes; "" = none known
  const char* from;   // archive: members under this prefix are taken; "" with `to` a file: no archive
  const char* to;     // archive: prefix that replaces `from`; else the file's path under the data folder
};

struct DataSource {
  const char* name;  // what task files call it in data.source
  const char* what;  // one line for people: host, and what is not certain about it
  std::vector<Download> downloads;
  // True: our checksums are known to be those of the original files; a difference is an error. False: they are those of
  // a copy that Assay was tested with; a difference is reported and the file kept.
  bool checksums_are_original;
};

const std::vector<DataSource>& data_sources();
// path under the data folder -> sha256, for every file that is checked.
const std::vector<std::pair<std::string, std::string>>& data_checksums();

struct FetchOptions {
  std::vector<std::string> names;    // empty: list what there is
  std::string data;                  // folder
  std::vector<std::string> mirrors;  // tried first: MIRROR/<name>/<last part of the url>
  bool force = false;                // download again what is already here
};
void add_fetch_flags(CLI::App& command, FetchOptions& options);

// True when everything asked for is in place. Throws Error(kInput) for an unknown name, Error(kWorld) naming the URL
// when no host gives the file, the checksum is wrong, or the disk is full. False when cancelled.
bool fetch(const FetchOptions& options, const std::atomic<bool>& cancelled);

// As fetch, from another catalogue: for tests.
bool fetch_from(const std::vector<DataSource>& sources,
                const std::vector<std::pair<std::string, std::string>>& checksums, const FetchOptions& options,
                const std::atomic<bool>& cancelled);

}  // namespace assay
