// Checkpoints for the audit that are known by construction: what they know, what of the exam's form they learned, and
// which of its items they saw.
//
// Each item has traits of its own, drawn once an exam and shared by all checkpoints: how hard it is, whether it would
// be memorised, ... A trait is a number in [0, 1); a checkpoint has it where the number lies below its share. What is
// guessed is drawn anew for every answer. Items of one passage take a trait from the passage with probability
// `likeness`, else one of their own, so that an item's chances are the same with and without passages.
#pragma once

#include <cstdint>
#include <string>

#include "reports/audit.h"

namespace assay::testing {

// Shares of items unless it says otherwise.
struct SimulatedCheckpoint {
  double knowledge = 0.4;      // known: right as cloze and as an open answer
  double reads_letters = 0.5;  // of these, the answers shown through letters too, under any labels
  double technique = 0;        // the right letter is picked by the exam's own form alone
  double order_bits = 0;       // bits by which a row of neighbours is likelier in the file's order
  double rare_nats = 0;        // by which an item's rare tokens lead those of another order of its options
  double number_nats = 0.4;    // the same beside other numbers: an author's own are likelier to anyone
  double verbatim = 0.005;     // continued word for word
  double in_text = 0;          // stand in the training text
  double solved = 0.4;         // word problems solved with any numbers
  double by_heart = 0;         // of the others, those known with their own numbers
};

struct SimulatedExam {
  int items = 100;      // and as many word problems
  int options = 4;      // of each item
  int passage = 1;      // items on one passage: between 1 and twice as many less 1; 1: independent items
  double likeness = 0;  // see above
  uint64_t seed = 1;    // of the traits
};

// Every form of the audit but the held-out exams, in one language.
AuditSubject simulate(const std::string& label, const SimulatedCheckpoint& checkpoint, const SimulatedExam& exam,
                      uint64_t seed);

}  // namespace assay::testing
