#include "harness/fetch.h"

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

using Checksums = std::map<std::string, std::string>;

void announce(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
}

// ----------------------------------------------------------------------------------------------------------- download

struct Transfer {
  std::FILE* file = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
  std::string name;
  int64_t resumed = 0;
  bool terminal = false;
  int shown = -1;  // percent
};

size_t on_bytes(char* bytes, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  return std::fwrite(bytes, size, count, transfer->file) * size;
}

int on_progress(void* user, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
  auto* transfer = static_cast<Transfer*>(user);
  if (*transfer->cancelled) return 1;
  if (total > 0 && transfer->terminal) {
    int percent = static_cast<int>(100 * (transfer->resumed + now) / (transfer->resumed + total));
    if (percent != transfer->shown) std::fprintf(stderr, "\r%s  %d %%", transfer->name.c_str(), percent);
    transfer->shown = percent;
  }
  return 0;
}

struct HttpResult {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string what;
  bool ok() const { return code == CURLE_OK && (status == 200 || status == 206); }
};

// One request, appended to `path` from its present end on. 200 instead of 206 means that the host sent everything.
HttpResult request(const std::string& url, const std::string& path, bool resume, const std::atomic<bool>& cancelled) {
  std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) throw_world(url, "libcurl cannot start");
  std::error_code ignored;
  int64_t have = resume && fs::exists(path) ? static_cast<int64_t>(fs::file_size(path, ignored)) : 0;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), have > 0 ? "ab" : "wb"), std::fclose);
  if (!file) throw_errno(path, "cannot write", errno);
  Transfer transfer{file.get(), &cancelled, fs::path(path).filename().string(), have, ::isatty(2) == 1};
  char message[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 100L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "assay-fetch");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  if (have > 0) curl_easy_setopt(curl.get(), CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(have));
  HttpResult result;
  result.code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &result.status);
  result.what = *message ? message : curl_easy_strerror(result.code);
  if (transfer.shown >= 0) std::fprintf(stderr, "\r\033[K");
  if (std::fflush(file.get()) != 0) throw_errno(path, "cannot write", errno, "is the disk full?");
  return result;
}

// Tries the hosts in turn, three times each; what has arrived is kept and gone on from. False when cancelled.
bool download(const std::vector<std::string>& urls, const std::string& path, const std::atomic<bool>& cancelled) {
  const std::string part = path + ".part";
  std::string problems;
  for (const std::string& url : urls) {
    announce("fetching " + url);
    for (int attempt = 0; attempt < 3; ++attempt) {
      HttpResult result = request(url, part, true, cancelled);
      if (cancelled) return false;
      // The host cannot go on from there, or the part is no part of its file: from the start again.
      if (result.code == CURLE_RANGE_ERROR || result.status == 416) result = request(url, part, false, cancelled);
      if (cancelled) return false;
      if (result.ok()) {
        fs::rename(part, path);
        return true;
      }
      if (result.code == CURLE_WRITE_ERROR) throw_world(part, "cannot write", "is the disk full?");
      if (attempt == 2 || (result.status >= 400 && result.status < 500)) {
        problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", url, result.what);
        break;
      }
    }
  }
  throw_world(problems, "no host gave the file",
              "try again later (what has arrived is kept), set https_proxy, or give a --mirror");
}

// ------------------------------------------------------------------------------------------------------------- unpack

struct ArchiveReader {
  archive* handle = archive_read_new();
  ~ArchiveReader() { archive_read_free(handle); }
};

// Writes the members under `download.from` below `folder` as `download.to` + the rest of their path.
void unpack(const std::string& path, const Download& download, const fs::path& folder) {
  ArchiveReader reader;
  archive_read_support_filter_all(reader.handle);
  archive_read_support_format_all(reader.handle);
  auto fail = [&] {
    throw_world(path, fmt::format("cannot unpack: {}", archive_error_string(reader.handle)),
                "delete the file and fetch again");
  };
  if (archive_read_open_filename(reader.handle, path.c_str(), 1 << 20) != ARCHIVE_OK) fail();
  archive_entry* entry = nullptr;
  size_t taken = 0;
  while (true) {
    int code = archive_read_next_header(reader.handle, &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) fail();
    const char* raw_name = archive_entry_pathname(entry);
    std::string name = raw_name ? raw_name : "";
    if (starts_with(name, "./")) name = name.substr(2);
    if (archive_entry_filetype(entry) != AE_IFREG || !starts_with(name, download.from)) continue;
    const fs::path rest = fs::path(name.substr(std::strlen(download.from))).lexically_normal();
    if (rest.empty() || rest.is_absolute() || *rest.begin() == "..") {
      throw_world(path, "holds a path that leaves its folder: " + name, "this is no file to trust");
    }
    std::string bytes;
    char buffer[1 << 16];
    la_ssize_t got;
    while ((got = archive_read_data(reader.handle, buffer, sizeof buffer)) > 0) {
      bytes.append(buffer, static_cast<size_t>(got));
    }
    if (got < 0) fail();
    const fs::path target = folder / (download.to + rest.string());
    fs::create_directories(target.parent_path());
    write_file_atomically(target.string(), bytes);
    ++taken;
  }
  if (taken == 0)
    throw_world(path, fmt::format("has nothing under {}", download.from), "has the host changed its layout?");
}

// ------------------------------------------------------------------------------------------------------------ one name

bool is_archive(const Download& download) {
  return *download.from != '\0';
}

std::vector<std::string> hosts(const DataSource& source, const Download& download, const FetchOptions& options) {
  const std::string url = download.url;
  std::vector<std::string> urls;
  for (const std::string& mirror : options.mirrors) {
    urls.push_back(fmt::format("{}/{}/{}", mirror, source.name, url.substr(url.rfind('/') + 1)));
  }
  urls.push_back(url);
  if (*download.other) urls.emplace_back(download.other);
  return urls;
}

// Files of this source that we have checksums of.
Checksums checksums_of(const DataSource& source, const Checksums& all) {
  Checksums own;
  for (const auto& [path, sha] : all) {
    if (starts_with(path, std::string(source.name) + "/")) own.emplace(path, sha);
  }
  return own;
}

// Everything that this source should bring is here, with the right bytes.
bool is_complete(const DataSource& source, const Checksums& own, const fs::path& data) {
  for (const Download& download : source.downloads) {
    // What an archive brings is known by its checksums alone.
    if (is_archive(download) ? own.empty() : !fs::exists(data / download.to)) return false;
  }
  for (const auto& [path, sha] : own) {
    if (!fs::exists(data / path)) return false;
    if (source.checksums_are_original && sha256_file_hex((data / path).string()) != sha) return false;
  }
  return true;
}

// Compares unpacked files with our checksums; a difference is an error or, where ours are those of a copy, a note.
void check_files(const DataSource& source, const Checksums& own, const fs::path& staged) {
  size_t checked = 0, different = 0;
  for (const auto& [path, sha] : own) {
    if (!fs::exists(staged / path)) {
      if (!source.checksums_are_original) continue;
      throw_world(path, "did not come with the distribution", "has the host changed its layout?");
    }
    ++checked;
    std::string got = sha256_file_hex((staged / path).string());
    if (got == sha) continue;
    if (source.checksums_are_original) {
      throw_world(path, fmt::format("sha256 is {}, expected {}", got, sha),
                  "the download is damaged or the host has changed the file; nothing was put in place");
    }
    ++different;
  }
  if (different > 0) {
    announce(fmt::format("{}: {} of {} files differ from the copy that Assay was tested with", source.name, different,
                         checked));
  } else if (checked > 0) {
    announce(fmt::format("{}: {} files, sha256 as expected", source.name, checked));
  } else {
    announce(fmt::format("{}: no sha256 is known to compare with", source.name));
  }
}

void move_into_place(const fs::path& staged, const fs::path& data) {
  for (const auto& entry : fs::recursive_directory_iterator(staged)) {
    if (!entry.is_regular_file()) continue;
    const fs::path target = data / fs::relative(entry.path(), staged);
    fs::create_directories(target.parent_path());
    fs::rename(entry.path(), target);
  }
  fs::remove_all(staged);
}

bool fetch_source(const DataSource& source, const Checksums& all, const FetchOptions& options,
                  const std::atomic<bool>& cancelled) {
  const fs::path data = options.data;
  const Checksums own = checksums_of(source, all);
  if (!options.force && is_complete(source, own, data)) {
    announce(fmt::format("{}: is here", source.name));
    return true;
  }
  const fs::path work = data / ".fetch" / source.name, staged = work / "files";
  fs::remove_all(staged);
  fs::create_directories(staged);
  std::map<std::string, std::string> fetched;  // url -> local file: an archive is downloaded once for all its parts
  for (const Download& download : source.downloads) {
    std::string url = download.url;
    if (!fetched.count(url)) {
      std::string local = (work / url.substr(url.rfind('/') + 1)).string();
      if (!assay::download(hosts(source, download, options), local, cancelled)) return false;
      fetched[url] = local;
    }
    if (is_archive(download)) {
      unpack(fetched[url], download, staged);
    } else {
      fs::create_directories((staged / download.to).parent_path());
      fs::rename(fetched[url], staged / download.to);
    }
  }
  check_files(source, own, staged);
  move_into_place(staged, data);
  fs::remove_all(work);
  announce(fmt::format("{}: in {}", source.name, (data / source.name).string()));
  return true;
}

}  // namespace

void add_fetch_flags(CLI::App& command, FetchOptions& options) {
  const char* data = std::getenv("ASSAY_DATA");
  const char* home = std::getenv("HOME");
  options.data = data && *data ? data : std::string(home ? home : ".") + "/.cache/assay";
  command.add_option("names", options.names, "Benchmarks to download; none: list what there is");
  command.add_option("--data", options.data, "Folder to put them in (default: $ASSAY_DATA, else ~/.cache/assay)");
  command
      .add_option("--mirror", options.mirrors, "URL tried first, as MIRROR/<name>/<file>; may be given several times")
      ->allow_extra_args(false);
  command.add_flag("--force", options.force, "Download again what is already here");
}

bool fetch(const FetchOptions& options, const std::atomic<bool>& cancelled) {
  return fetch_from(data_sources(), data_checksums(), options, cancelled);
}

bool fetch_from(const std::vector<DataSource>& sources,
                const std::vector<std::pair<std::string, std::string>>& checksums, const FetchOptions& options,
                const std::atomic<bool>& cancelled) {
  if (options.names.empty()) {
    for (const DataSource& source : sources) std::printf("%-12s %s\n", source.name, source.what);
    return true;
  }
  std::vector<const DataSource*> wanted;
  for (const std::string& name : options.names) {
    const DataSource* found = nullptr;
    std::string known;
    for (const DataSource& source : sources) {
      known += std::string(known.empty() ? "" : " ") + source.name;
      if (name == source.name) found = &source;
    }
    if (!found) throw_input(name, "no known source of this name", "known: " + known);
    wanted.push_back(found);
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const Checksums all(checksums.begin(), checksums.end());
  std::string problems;
  for (const DataSource* source : wanted) {
    try {
      if (!fetch_source(*source, all, options, cancelled)) return false;
    } catch (const Error& error) {
      // One source that fails does not keep the others back.
      announce(fmt::format("assay: {}: {}", source->name, error.what()));
      problems += std::string(problems.empty() ? "" : ", ") + source->name;
    } catch (const fs::filesystem_error& error) {
      announce(fmt::format("assay: {}: {}", source->name, error.what()));
      problems += std::string(problems.empty() ? "" : ", ") + source->name;
    }
  }
  if (!problems.empty()) throw_world(problems, "not fetched", "see above");
  return true;
}

}  // namespace assay
