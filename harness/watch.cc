#include "harness/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "harness/checkpoint_folder.h"
#include "harness/run.h"
#include "reports/results_db.h"

namespace assay {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void say(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
}

std::string rounded_time(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  return seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60) : fmt::format("{:.1f} h", seconds / 3600);
}

class Watcher {
 public:
  Watcher(const WatchConfig& config, const std::atomic<bool>& cancelled)
      : config_(config), cancelled_(cancelled), series_(config.run), folder_(config.folder) {
    for (const WatchedCheckpoint& one : series_.db().watched()) taken_[one.fingerprint] = one.state;
  }

  WatchSummary follow() {
    say(fmt::format("watching {}; tasks and prompts ready in {:.1f} s", config_.folder, series_.prepare_seconds()));
    while (!cancelled_) {
      const std::vector<FolderEntry> ready = look();
      if (cancelled_) break;
      if (ready.empty()) {
        if (config_.once && !waiting_) break;
        folder_.wait(waiting_ ? std::min(config_.poll, std::max(0.05, config_.settle / 2)) : config_.poll);
        continue;
      }
      take(*chosen(ready), ready.size());
    }
    return summary_;
  }

 private:
  // Checkpoints that can be taken now; those given up are recorded. Sets waiting_.
  std::vector<FolderEntry> look() {
    std::vector<FolderEntry> ready;
    waiting_ = false;
    std::map<std::string, double> seen;
    for (FolderEntry& entry : scan_checkpoints(config_.folder)) {
      if (taken_.count(entry.fingerprint)) continue;
      const double first = first_seen_.count(entry.fingerprint) ? first_seen_[entry.fingerprint] : now();
      seen[entry.fingerprint] = first;
      // Since we first saw the files as they are, whatever their own times say: a copy may keep the times of its
      // original, and another machine's clock may be ahead of ours. What has long been whole need not settle again.
      const double unchanged = now() - first;
      if (now() - std::min(first, entry.changed) < config_.settle) {
        waiting_ = true;
        continue;
      }
      if (cancelled_) break;
      const std::string defect = sound_.count(entry.fingerprint) ? "" : defect_of(entry, config_.marker);
      if (defect.empty()) {
        sound_.insert(entry.fingerprint);
        ready.push_back(std::move(entry));
      } else if (unchanged < config_.give_up) {
        waiting_ = true;
      } else {
        record(entry, "failed", defect, std::nullopt);
        say(fmt::format("{}: passed over: {}", entry.name, defect));
        ++summary_.failed;
      }
    }
    first_seen_ = std::move(seen);
    return ready;
  }

  const FolderEntry* chosen(const std::vector<FolderEntry>& ready) const {
    auto older = [](const FolderEntry& a, const FolderEntry& b) {
      if (a.step && b.step && *a.step != *b.step) return *a.step < *b.step;
      return a.changed != b.changed ? a.changed < b.changed : a.name < b.name;
    };
    return &*(config_.newest_first ? std::max_element(ready.begin(), ready.end(), older)
                                   : std::min_element(ready.begin(), ready.end(), older));
  }

  void take(const FolderEntry& entry, size_t ready) {
    const double began = now(), behind = began - entry.changed;
    const RunOutcome outcome = series_.score(entry.path, entry.name, cancelled_);
    if (cancelled_ && !outcome.complete) return;  // the next start goes on with it
    if (outcome.broken) {
      std::error_code ignored;
      const bool gone = !std::filesystem::exists(entry.path, ignored);
      const std::string reason =
          gone ? std::string("deleted while it was read: ") + outcome.broken->what() : outcome.broken->what();
      record(entry, "failed", reason, std::nullopt);
      say(fmt::format("{}: passed over: {}", entry.name, reason));
      ++summary_.failed;
      return;
    }
    record(entry, outcome.complete ? "scored" : "incomplete", "", outcome.run);
    ++(outcome.complete ? summary_.scored : summary_.incomplete);
    say(fmt::format("{}: run {} in {:.1f} s ({:.2f} s of it preparation), {} after it was written; {} more wait",
                    entry.name, outcome.run, now() - began, outcome.prepare_seconds,
                    rounded_time(behind + now() - began), ready - 1));
    note_lag(entry, ready - 1);
  }

  // Checkpoints that come faster than they are scored.
  void note_lag(const FolderEntry& entry, size_t waiting) {
    if (waiting < 2 || waiting <= last_waiting_) {
      last_waiting_ = waiting;
      return;
    }
    last_waiting_ = waiting;
    say(fmt::format("lagging: {} checkpoints wait, and {} is {} old; fewer items (--limit) or tasks would keep up",
                    waiting, entry.name, rounded_time(now() - entry.changed)));
  }

  void record(const FolderEntry& entry, const std::string& state, const std::string& reason,
              std::optional<int64_t> run) {
    series_.db().put_watched({entry.fingerprint, entry.path, state, reason, run});
    if (state != "failed") series_.db().forget_failed(entry.path);
    taken_[entry.fingerprint] = state;
  }

  const WatchConfig& config_;
  const std::atomic<bool>& cancelled_;
  CheckpointSeries series_;
  FolderWatch folder_;
  std::map<std::string, std::string> taken_;  // fingerprint -> state
  std::map<std::string, double> first_seen_;  // fingerprint -> when, of those not taken
  std::set<std::string> sound_;               // fingerprints of checkpoints that were found whole
  bool waiting_ = false;                      // something may become whole without an event
  size_t last_waiting_ = 0;
  WatchSummary summary_;
};

}  // namespace

WatchSummary watch(const WatchConfig& config, const std::atomic<bool>& cancelled) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(config.folder, ignored)) {
    throw_input(config.folder, "is not a folder", "give the folder into which training writes its checkpoints");
  }
  return Watcher(config, cancelled).follow();
}

}  // namespace assay
