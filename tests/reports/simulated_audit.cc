#include "tests/reports/simulated_audit.h"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "reports/ngram_overlap.h"

namespace assay::testing {
namespace {

enum Trait { kHard, kUnread, kTrick, kRare, kNumber, kVerbatim, kInText, kUnsolved, kByHeart, kTraits };
using Traits = std::array<double, kTraits>;

// Spread of a row's bits and an item's nats, as measured on the bundled checkpoints.
constexpr double kRowNoise = 6, kRareNoise = 0.4;
constexpr int kInRow = 5, kRowOrders = 8;

struct ExamItem {
  std::string name, passage;
  Traits traits;
};

std::vector<ExamItem> draw_items(const SimulatedExam& exam) {
  std::mt19937_64 random(exam.seed * 2 + 1);
  std::uniform_real_distribution<double> uniform;
  auto draw = [&] {
    Traits traits;
    for (double& trait : traits) trait = uniform(random);
    return traits;
  };
  std::vector<ExamItem> items;
  for (int passage = 0; static_cast<int>(items.size()) < exam.items; ++passage) {
    const Traits shared = draw();
    const int size = std::uniform_int_distribution<int>(1, 2 * exam.passage - 1)(random);
    for (int i = 0; i < size && static_cast<int>(items.size()) < exam.items; ++i) {
      ExamItem& item = items.emplace_back();
      item.name = std::to_string(items.size() - 1), item.traits = draw();
      if (exam.passage > 1) item.passage = "p" + std::to_string(passage);
      for (size_t t = 0; t < kTraits; ++t) {
        if (uniform(random) < exam.likeness) item.traits[t] = shared[t];
      }
    }
  }
  return items;
}

// Twenty-five words that no two items share in a row.
std::string words_of(const std::string& item) {
  std::string text;
  for (int i = 0; i < 25; ++i) text += "w" + item + "x" + std::to_string(i * i % 17) + " ";
  return text;
}

class Simulation {
 public:
  Simulation(const SimulatedCheckpoint& checkpoint, const SimulatedExam& exam, uint64_t seed)
      : checkpoint_(checkpoint), exam_(exam), random_(seed * 2) {
    part_.language = "en";
  }

  AuditPart run() {
    const std::vector<ExamItem> items = draw_items(exam_);
    for (const ExamItem& item : items) {
      if (!item.passage.empty()) part_.clusters[item.name] = item.passage;
      as_letters_and_without(item), as_text(item), as_problem(item);
    }
    if (exam_.passage == 1) rows(exam_.items / kInRow);
    look_up(items);
    return std::move(part_);
  }

 private:
  bool has(const ExamItem& item, Trait trait, double share) const { return item.traits[trait] < share; }
  double right(bool sure) { return sure || uniform_(random_) < 1.0 / exam_.options ? 1.0 : 0.0; }
  void add(const char* form, const ExamItem& item, int order, int options, double value) {
    const int chosen = std::uniform_int_distribution<int>(0, exam_.options - 1)(random_);
    part_.forms[form].push_back({item.name, order, options, value, std::string(1, static_cast<char>('A' + chosen))});
  }

  void as_letters_and_without(const ExamItem& item) {
    const int options = exam_.options;
    const bool known = has(item, kHard, checkpoint_.knowledge),
               reads = known && has(item, kUnread, checkpoint_.reads_letters),
               trick = has(item, kTrick, checkpoint_.technique);
    for (int order = 0; order < options; ++order) add("orders", item, order, options, right(reads || trick));
    add("digits", item, 0, options, right(reads)), add("letters", item, 0, options, right(reads));
    add("reworded", item, 0, options, right(reads || trick)), add("blind", item, 0, options, right(false));
    add("cloze", item, 0, options, right(known)), add("open", item, 0, 0, known ? 1.0 : 0.0);
  }

  // The lead has a part that is the item's own, by its trait, of mean 0.
  void lead(const char* form, const ExamItem& item, int other, double nats, double trait) {
    const double own = kRareNoise * std::sqrt(12.0) * (trait - 0.5);
    add(form, item, 0, 0, -6 + nats + own + kRareNoise * normal_(random_));
    add(form, item, other, 0, -6 + kRareNoise * normal_(random_));
  }

  void as_text(const ExamItem& item) {
    add("verbatim", item, 0, 0, has(item, kVerbatim, checkpoint_.verbatim) ? 1.0 : 0.0);
    lead("min_k", item, 2, checkpoint_.rare_nats, item.traits[kRare]);
  }

  void as_problem(const ExamItem& item) {
    const bool solved = has(item, kUnsolved, checkpoint_.solved), known = has(item, kByHeart, checkpoint_.by_heart);
    add("unchanged", item, 0, 0, solved || known ? 1.0 : 0.0), add("numbers", item, 0, 0, solved ? 1.0 : 0.0);
    lead("min_k_numbers", item, 1, checkpoint_.number_nats, item.traits[kNumber]);
  }

  void rows(int count) {
    for (int row = 0; row < count; ++row) {
      const ExamItem name{"row " + std::to_string(row), "", {}};
      const double bits = 500 + 80 * normal_(random_);
      for (int order = 0; order < kRowOrders; ++order) {
        add("sequence", name, order, 0,
            bits + kRowNoise * normal_(random_) - (order == 0 ? checkpoint_.order_bits : 0));
      }
    }
  }

  void look_up(const std::vector<ExamItem>& items) {
    NgramOverlap overlap;
    for (const ExamItem& item : items) overlap.add_item(words_of(item.name));
    for (const ExamItem& item : items) {
      if (has(item, kInText, checkpoint_.in_text))
        overlap.read("Something before. " + words_of(item.name) + "and after.");
    }
    for (size_t i = 0; i < items.size(); ++i) {
      part_.in_training_text[items[i].name] = overlap.items()[i] == NgramOverlap::Seen::kYes;
    }
  }

  const SimulatedCheckpoint& checkpoint_;
  const SimulatedExam& exam_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_;
  std::normal_distribution<double> normal_;
  AuditPart part_;
};

}  // namespace

AuditSubject simulate(const std::string& label, const SimulatedCheckpoint& checkpoint, const SimulatedExam& exam,
                      uint64_t seed) {
  return {label, {Simulation(checkpoint, exam, seed).run()}, {}};
}

}  // namespace assay::testing
