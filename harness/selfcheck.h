// The proof, on the user's own machine, that a score depends on checkpoint, tokens, precision and kind of device alone:
// the same mixed requests are answered under many settings that must not matter, and every bit is compared.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/records.h"
#include "model_backend/backend.h"

namespace assay {

struct SelfcheckResult {
  std::string setting;   // "float32, in reverse order"
  int64_t requests = 0;  // compared
  bool equal = false;
  std::string difference;  // the first one, for people; empty when equal
};

// Requests of every kind, made from a few sentences of our own: multiple choice with shared and with no examples,
// letters and whole answers after one stem, rolling texts, greedy and sampled texts with several samples. The same for
// the same count and seed; no text has more than about `words` words.
std::vector<Request> selfcheck_requests(int count, uint64_t seed, int words);

// Answers `count` requests in the precision of `options` under the plainest setting, then under every other, and calls
// `report` as each is compared. `alone`: how many of the requests are asked one at a time (0 = all). What options say
// of threads, memory and batch is the plainest setting's. Throws Error as open_backend and Backend::answer do.
void selfcheck(const std::string& model, const BackendOptions& options, int count, int alone,
               const std::function<void(const SelfcheckResult&)>& report, const std::atomic<bool>& cancelled);

}  // namespace assay
