#include "tests/reports/planted_signals.h"

#include <algorithm>

#include "core/text.h"

namespace assay::testing {
namespace {

AuditResult one_audit(const SimulatedCheckpoint& before, const SimulatedCheckpoint& after, SimulatedExam exam,
                      uint64_t experiment, bool against) {
  exam.seed = experiment * 3 + 1;
  const AuditSubject subject = simulate("after", after, exam, experiment * 3 + 2);
  if (!against) return audit(subject, std::nullopt, {});
  return audit(subject, simulate("before", before, exam, experiment * 3 + 3), {});
}

bool names_anything(const AuditResult& result) {
  return std::any_of(result.tests.begin(), result.tests.end(),
                     [](const AuditTest& test) { return test.found || test.contamination; });
}

}  // namespace

std::vector<PlantedSignal> planted_signals() {
  using C = SimulatedCheckpoint;
  return {
      {"technique, against an earlier checkpoint",
       "share of items whose letter is picked by the exam's form",
       nullptr,
       &C::technique,
       {0, 0.1, 0.2, 0.3, 0.5, 0.8}},
      {"technique, one checkpoint alone",
       "share of items whose letter is picked by the exam's form",
       nullptr,
       &C::technique,
       {0, 0.2, 0.3, 0.5, 0.8, 1},
       false},
      {"order of the test set",
       "bits a row of five by which the file's order is likelier",
       "order of the test set",
       &C::order_bits,
       {0, 1, 2, 4, 8}},
      {"order of the test set, one checkpoint alone",
       "bits a row of five by which the file's order is likelier",
       "order of the test set",
       &C::order_bits,
       {0, 1, 2, 4, 8},
       false},
      {"rare tokens (Min-20 %) beside another order of the options",
       "nats a rare token",
       "rare tokens, beside another order",
       &C::rare_nats,
       {0, 0.1, 0.2, 0.3, 0.5}},
      {"rare tokens (Min-20 %) beside other numbers",
       "nats a rare token, more than before",
       "rare tokens, beside other numbers",
       &C::number_nats,
       {0, 0.5, 0.7, 1, 1.5}},
      {"second half word for word",
       "share of items",
       "second half word for word",
       &C::verbatim,
       {0, 0.02, 0.05, 0.1, 0.2}},
      {"n-gram overlap with the training text",
       "share of items",
       "words in the training text",
       &C::in_text,
       {0, 0.02, 0.05, 0.1, 0.2}},
      {"other numbers in word problems",
       "share of the unsolved problems known with their own numbers",
       "other numbers in word problems",
       &C::by_heart,
       {0, 0.1, 0.2, 0.3, 0.5}},
  };
}

Detections detections(const PlantedSignal& signal, double strength, const SimulatedExam& exam, int experiments) {
  const SimulatedCheckpoint plain;
  SimulatedCheckpoint planted;
  planted.*signal.what += strength;
  Detections count;
  for (int i = 0; i < experiments; ++i) {
    const AuditResult result = one_audit(plain, planted, exam, static_cast<uint64_t>(i), signal.against);
    bool named = false, other = false;
    for (const AuditTest& test : result.tests) {
      const bool is_it = signal.test ? test.contamination && starts_with(test.name, signal.test) : test.found;
      (is_it ? named : other) |= test.found || test.contamination;
    }
    count.named += named, count.others += other;
  }
  return count;
}

std::vector<PlainCheckpoint> plain_checkpoints() {
  // Everything at the end of what is no sign yet: 2 % of the items continued and in the training text, the leads at
  // their thresholds, five points lost by other numbers, technique on just so many items as the margin allows.
  SimulatedCheckpoint edge;
  edge.technique = 0.05 / (1 - edge.knowledge * edge.reads_letters);
  edge.rare_nats = 0.1, edge.number_nats += 0.5, edge.verbatim = 0.02, edge.in_text = 0.02;
  edge.by_heart = 0.05 / (1 - edge.solved);
  SimulatedCheckpoint weak, good, reader;
  weak.knowledge = 0.1, weak.solved = 0.1, good.knowledge = 0.8, good.solved = 0.8, reader.reads_letters = 0.8;
  reader.knowledge = 0.7;
  return {
      {"nothing happened", {}, {}},
      {"learned a great deal", weak, good},
      {"learned, and learned to read letters", {}, reader},
      {"everything as far as is no sign yet", {}, edge},
      {"nothing happened; passages of 4, alike", {}, {}, 4, 0.8},
      {"everything as far as is no sign yet; passages of 4, alike", {}, edge, 4, 0.8},
  };
}

int false_alarms(const PlainCheckpoint& plain, int items, int experiments) {
  int alarms = 0;
  for (int i = 0; i < experiments; ++i) {
    const SimulatedExam exam{.items = items, .passage = plain.passage, .likeness = plain.likeness};
    alarms += names_anything(one_audit(plain.before, plain.after, exam, static_cast<uint64_t>(i), true));
  }
  return alarms;
}

}  // namespace assay::testing
