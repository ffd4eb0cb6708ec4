// Which documents of the pool become the examples of an item.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/cpython_random.h"
#include "tasks/task.h"

namespace assay {

// How many examples an item gets when the command line asks for `asked`.
int shots_of(const Task& task, const std::optional<int>& asked);

// Chooses by the rule of the task (FewshotSpec): fixed rows, the first n, a stable hash of (seed, item id, candidate
// id), lm-evaluation-harness's draw, or the first that share the item's value in the task's `cluster` column (other
// questions of the same passage), of which fewer are shown where there are fewer. No item is its own example: neither
// the same row nor a row with the same fields.
//
// lm-evaluation-harness draws with one CPython generator a task, whose state goes on from item to item: so next() is
// called once an item, in document order, and only this sampler depends on that. To keep an item out of its own
// examples it draws one more than asked, drops the item and keeps the first `count`; it does so where the few-shot
// split that a file names is the file's test_split, naming neither included, and not where validation_split says which
// are the items and fewshot_split is the same. Its first_n follows the same rule.
class FewshotSampler {
 public:
  // `pool` must outlive the sampler. Throws Error(kInput) naming the task when the pool can't give `count` examples.
  FewshotSampler(const Task& task, const std::vector<Document>& pool, int count, uint64_t seed);

  // Positions in the pool, in the order in which the examples are shown. Throws Error(kInput) when too few are left.
  std::vector<size_t> next(const Document& item);

 private:
  const Task& task_;
  const std::vector<Document>& pool_;
  size_t count_;
  uint64_t seed_;
  CPythonRandom random_;
  std::map<std::string, std::vector<size_t>> clusters_;  // kSameCluster: value of the column -> rows of the pool

  std::vector<size_t> fixed_rows(const Document& item) const;
  std::vector<size_t> first_rows(const Document& item) const;
  std::vector<size_t> hashed_rows(const Document& item) const;
  std::vector<size_t> drawn_rows(const Document& item);
  std::vector<size_t> rows_of_cluster(const Document& item) const;
  [[noreturn]] void fail_too_few(size_t available) const;
};

}  // namespace assay
