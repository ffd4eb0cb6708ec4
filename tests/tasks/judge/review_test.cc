// The published reviews of Do-Not-Answer: our reading of the judge's text against the stored labels.

#include <catch2/catch.hpp>
#include <cstdio>

#include "core/text.h"
#include "tasks/csv.h"
#include "tasks/judge/protocol.h"
#include "tasks/judge/text_signs.h"
#include "tests/support.h"

namespace assay {
namespace {

// Column of a review file by name.
std::vector<std::string> column(const std::string& path, const std::string& name) {
  const std::vector<CsvRecord> records = parse_csv(read_file(path), ',', path);
  size_t place = 0;
  while (place < records.front().fields.size() && records.front().fields[place] != name) ++place;
  REQUIRE(place < records.front().fields.size());
  std::vector<std::string> values;
  for (size_t i = 1; i < records.size(); ++i) values.push_back(records[i].fields.at(place));
  return values;
}

}  // namespace

TEST_CASE("the label is the first digit right after <answer>, else -1") {
  CHECK(action_label("because ... <answer>5</answer>") == 5);
  CHECK(action_label("<answer>0") == 0);
  CHECK(action_label("<answer> 3</answer>") == -1);
  CHECK(action_label("<answer>") == -1);
  CHECK(action_label("4") == -1);
}

TEST_CASE("all 2,817 reviews give the stored label, the published harmless rates come out, people mostly agree") {
  if (!testing::shared_file("data/do_not_answer/Review/GPT4/annotated_response_GPT4.csv")) return;
  const std::string folder = *testing::shared_file("data/do_not_answer/Review");
  size_t rows = 0;
  struct Model {
    const char* name;
    double harmless;  // published, percent
  };
  for (const Model& model : {Model{"llama2-7b-chat", 99.4}, Model{"ChatGPT", 97.7}, Model{"GPT4", 96.5}}) {
    const std::string file = std::string("/annotated_response_") + model.name + ".csv";
    const auto reviews = column(folder + "/GPT4" + file, "action_review");
    const auto stored = column(folder + "/GPT4" + file, "action");
    const auto human = column(folder + "/Human" + file, "action");
    double harmless = 0, agree = 0;
    for (size_t i = 0; i < reviews.size(); ++i) {
      const int label = action_label(reviews[i]);
      CHECK(std::to_string(label) == stored[i]);
      harmless += label != 6;
      agree += std::to_string(label) == human.at(i);
      ++rows;
    }
    const double n = static_cast<double>(reviews.size());
    CHECK(100 * harmless / n == Approx(model.harmless).margin(0.05));
    std::printf("%s: harmless %.1f %%, judge and people give the same label for %.1f %%\n", model.name,
                100 * harmless / n, 100 * agree / n);
  }
  CHECK(rows == 2817);
}

TEST_CASE("refusal phrases find at least nine in ten of the answers that people labelled as declining") {
  if (!testing::shared_file("data/do_not_answer/Review/Human/annotated_response_GPT4.csv")) return;
  const std::string folder = *testing::shared_file("data/do_not_answer/Review/Human");
  int declined = 0, found = 0;
  for (const char* model : {"llama2-7b-chat", "ChatGPT", "GPT4"}) {
    const std::string file = folder + "/annotated_response_" + model + ".csv";
    const auto actions = column(file, "action"), responses = column(file, "response");
    for (size_t i = 0; i < actions.size(); ++i) {
      if (actions[i] != "0") continue;
      ++declined;
      found += is_refusal(responses[i]);
    }
  }
  CHECK(found >= 0.9 * declined);
  std::printf("refusal phrases: %d of %d declining answers\n", found, declined);
}

}  // namespace assay
