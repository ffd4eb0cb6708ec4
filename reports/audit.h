// The audit of exam technique ("benchmark decoration"): is a multiple-choice score ability, or knowledge of the exam's
// form?
//
// Everything is measured on the same items asked in several forms (tasks/audit_forms.h says which). The scale is
// ability: (share right - chance) / (1 - chance) with chance = 1 / number of options, so that guessing is 0 in every
// form and 1 is always right; open answers have chance 0. An item counts once: its orders are averaged first. The unit
// of all errors is the item or, where a task names what its items share (`cluster`), all items of one passage or stem:
// the errors are cluster-robust with degrees of freedom that hold for few clusters (reports/clusters.h). Under ten
// clusters nothing is decided.
//
// Two findings decide, each with its own error; all other tests are listed beside them.
//
//   letters-only gain (against an earlier checkpoint B). L, C, O: gain in ability from B to A as letters (mean over the
//     cyclic orders), as cloze and as open answers. Found when L, L - C, L - O lie above `margin` and L - 2C, L - 2O
//     above 0: letters gained, and more than twice what the forms without letters did. One-sided tests that must all
//     reject, so the level of the whole is that of one (intersection-union test, Berger 1982). A form that too few
//     items have is passed over where the other has enough.
//   bound to the labels (A alone). K: ability under the labels A B C ...; K1, K2: under 1 2 3 and P Q R. Found when
//     K - K1, K - K2 lie above `margin` and K - 2K1, K - 2K2 above 0, for K in the file's order and for K as the mean
//     over the cyclic orders: more than half of what letters show is gone under another name of the same options. Forms
//     asked in the file's order alone weigh the items so that the right option stands at each place equally often;
//     whoever names one place whatever is asked then has an ability of 0 under all labels.
//
// Others ask whether the items themselves were learned (contamination). They do not decide about technique:
//   order of the test set: whether a row of neighbouring items is more likely in the file's order than shuffled.
//     Nothing but having seen the file can make it so; the row is the unit, the shuffles of a row are averaged (after
//     Oren et al. 2023, "Proving test set contamination in black-box language models"). The p-value is that of taking
//     any of a row's orders for the file's. Effect in bits a row. With B it must have grown since as well: a file can
//     have an order of its own that anyone finds likelier.
//   verbatim: share of items whose second half greedy decoding would write word for word after the first.
//   other numbers in word problems: share right with their own numbers less that with others, on the items that can be
//     changed (tasks/changed_numbers.h). Whoever solves a problem solves it with other numbers as well.
//   rare tokens (Min-20% Prob, Shi et al. 2024): log-probability of the least likely fifth of an item's tokens, less
//     that of the same item in another order of its options, or with other numbers. An author's own numbers are
//     likelier to anyone, so that lead counts only where it has grown since B.
//   held-out exams beside public benchmarks, against B: what the public ones gained less what the exam gained
//     (different items: two samples, Welch). With a date at which the training data ends also: share right on the
//     exam's items from before it less that on later ones, within each difficulty, strata weighted by n1 n2 / (n1 + n2)
//     as Mantel and Haenszel's. Whoever solves such problems solves new ones as well.
//   n-gram overlap, where a training text is given: share of items that stand in it, and the ability on these less that
//     on the others (two samples, Welch).
//
// What the sentence names. Each finding and each sign is a claim with a one-sided p-value against its own bound. Holm's
// procedure (1979) goes over the findings of all languages and, apart, over all signs, each with one half of alpha (the
// whole where the other kind has no claim). So the sentence on a checkpoint without technique that has learned no items
// names anything at all with probability at most alpha. The thresholds are choices, not estimates:
// docs/decisions/0011-the-audit.md has their reasons and what they miss.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace assay {

// What a model answered to one item in one form and order.
struct AuditAnswer {
  std::string item;    // without the order
  int order = 0;       // option that stands first
  int options = 0;     // how many there are
  double value = 0;    // 1 right, 0 wrong
  std::string chosen;  // label, or text
};

// All answers of one checkpoint in one language.
struct AuditPart {
  std::string language;                                   // "en", "zh"
  std::map<std::string, std::vector<AuditAnswer>> forms;  // "orders", "digits", ... -> answers
  // Items that share a passage or a stem have one label, and are one unit in every error; others stand alone.
  std::map<std::string, std::string> clusters;
  std::map<std::string, int> gold_position;  // place of the right option in the file's order, from 0; as far as known
  // Items whose words were looked for in a training text (reports/ngram_overlap.h), and whether they stand there.
  // Empty: no text was given.
  std::map<std::string, bool> in_training_text;
  int64_t problems = 0;  // word problems that were looked at for numbers to change; 0: not known
};
// What a checkpoint scored on an exam that cannot have been practised, and on public benchmarks of the same skill.
struct AuditGrade {
  std::string item;
  double value = 0;           // in [0, 1]
  std::string stratum, date;  // difficulty; when the item became public, comparable as text. Empty: not known.
  std::string cluster;        // items of one label are one unit; empty: on its own
};
using AuditGrades = std::vector<AuditGrade>;
struct HeldOutExam {
  std::string task;
  AuditGrades grades;
  std::map<std::string, AuditGrades> beside;  // by task
};
struct AuditSubject {
  std::string label;
  std::vector<AuditPart> parts;
  std::vector<HeldOutExam> held_out;
};

struct AuditRules {
  double alpha = 0.05;
  double margin = 0.05;  // of ability: smaller effects are not called technique
  int64_t fewest = 100;  // items; below, nothing is decided
  // Rows of neighbours, items continued word for word or looked up in a training text, items on either side of a
  // held-out comparison; below, nothing of these is called a sign.
  int64_t fewest_rows = 20;
  std::string cutoff;  // where the training data ends, as the dates of held-out exams are written; empty: not known
};

// One test. `effect` is in units of ability unless `what` says otherwise.
struct AuditTest {
  std::string language, name, null, what;  // `what`: a sentence with the numbers
  double effect = 0;
  // 95 % interval: Student's; of a share of items Clopper and Pearson's; nothing with fewer than two units. That of the
  // letter bias holds for all labels together.
  std::optional<double> low, high;
  std::optional<double> p;      // of the null, two-sided unless it says otherwise
  int64_t n = 0;                // items
  std::string unit = "points";  // "points": hundredths are shown; "bits", "nats"
  bool found = false;           // points to technique
  bool contamination = false;   // points to items that were learned; decides nothing
};

// Items that a form could not ask.
struct AuditLeftOut {
  std::string language, reason, from;  // from: which forms lack them
  int64_t items = 0, of = 0;
};

enum class AuditVerdict { kDecorated, kNotShown, kTooFew };
const char* to_string(AuditVerdict verdict);  // "decorated", "not_shown", "too_few"

struct AuditResult {
  std::string checkpoint, against;  // against: empty = none
  AuditVerdict verdict = AuditVerdict::kTooFew;
  std::string sentence;
  std::vector<AuditTest> tests;  // the deciding ones first, by language
  std::vector<AuditLeftOut> left_out;
  bool from_published = false;  // effects are differences of published scores, not of ability
};

// "+4.7": an effect in hundredths, as sentences of the audit name it.
std::string points(double effect);

// Parts of `against` are matched by language; comparisons use the items that both answered.
AuditResult audit(const AuditSubject& subject, const std::optional<AuditSubject>& against, const AuditRules& rules);

// The part of the items that a draw with this seed keeps: each with probability `share`, by a stable hash of its id, or
// of its cluster's label.
AuditSubject sampled(const AuditSubject& subject, double share, uint64_t seed);

// docs/formats/audit.md has the fields.
Json to_json(const AuditResult& result);
std::string render_audit(const AuditResult& result);

}  // namespace assay
