// The audit by published numbers alone: multiple-choice benchmarks beside those with open answers.
//
// Compared within a language: text in one language teaches little that is asked in another, so a gain in Chinese exams
// says nothing beside open questions in English. Per language with both kinds, m and o benchmarks: the finding is that
//
//   letters > margin                          mean gain of the multiple-choice benchmarks
//   letters - open > margin, and above 0 by the error sqrt(sampling^2 + spread^2 (1/m + 1/o)) at one-sided alpha
//   letters - 2 max(open, 0) > 0, at one-sided alpha by the sampling error
//
// Sampling errors are binomial, as if the two models had answered independently: wider than a paired test's. `spread`
// is the standard deviation of gains between benchmarks of one kind. Where a language has one benchmark of a kind, as
// in most tables, nothing of it can be seen in the two models themselves; so it is at least kGainSpread, which was
// worked out from 374 ordered pairs of ordinary models, and more where the benchmarks at hand lie further apart.
//
// "Decorated" needs the finding in every language that has both kinds, and in two at least. One language never
// decides: between ordinary models the gain of MMLU beside open English answers differs by 7 points (root of the mean
// square over 178 pairs), as far as in models trained on exam questions (docs/decisions/0011-the-audit.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/audit.h"
#include "reports/published.h"

namespace assay {

// Scores are rates in [0, 1]; items: of the test set.
struct PublishedScore {
  std::string benchmark;
  bool multiple_choice = false;
  double a = 0, b = 0;  // the audited model, the one it is compared with
  int64_t items = 0;
  std::string language;
};

// Which published benchmarks are asked as letters, which as open questions of knowledge, in which language, and how
// many items their test sets have; nothing for others.
struct BenchmarkKind {
  const char* benchmark;  // as in published tables
  bool multiple_choice;
  int64_t items;
  const char* language;
};
const BenchmarkKind* find_benchmark_kind(const std::string& benchmark);

// The numbers of A and B for the benchmarks that both have: from one source where there is one, else the first of each.
std::vector<PublishedScore> shared_scores(const std::vector<const PublishedNumber*>& a,
                                          const std::vector<const PublishedNumber*>& b);

// Of two benchmarks of one kind and language: how far their gains lie apart between ordinary models, as a standard
// deviation (3.3 points in the published tables).
inline constexpr double kGainSpread = 0.035;

// Verdict: decorated; not_shown where a language has both kinds and not the finding; too_few where no language has both
// kinds, or one alone has the finding. The sentence says so where A does not bear B's name, so that nobody can tell
// whether it was trained on from B.
AuditResult audit_published(const std::string& a, const std::string& b, const std::vector<PublishedScore>& scores,
                            const AuditRules& rules);

}  // namespace assay
