#include "reports/published.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/json.h"
#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;

const PublishedKey kMmlu{"MMLU", "acc", "ppl-lennorm", "deepseek-llm-paper:table5", 5};
const PublishedKey kPile{"Pile-test", "bpb", "lm", "deepseek-llm-paper:table5", std::nullopt};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("published numbers are those of the collection, every source cited") {
  CHECK(published_numbers().size() > 2500);
  for (const PublishedNumber& number : published_numbers()) CHECK(published_sources().count(number.source) == 1);
  auto original = testing::shared_file("baselines/published.json");
  if (!original) return;
  const Json records = read_json_file(*original).at("records");
  REQUIRE(records.size() == published_numbers().size());
  for (size_t i = 0; i < records.size(); ++i) {
    const PublishedNumber& number = published_numbers()[i];
    const double score = records[i].at("score").get<double>();
    CHECK(number.model == records[i].at("model").get<std::string>());
    CHECK(number.benchmark == records[i].at("benchmark").get<std::string>());
    CHECK((number.value == Approx(score) || number.value == Approx(score / 100)));
  }
}

TEST_CASE("rates are fractions, other scales stay") {
  const PublishedNumber* mmlu = find_published(published_of("LLaMA-2 70B", ""), {kMmlu});
  REQUIRE(mmlu);
  CHECK(mmlu->value == Approx(0.69));
  CHECK(mmlu->shots == 5);
  CHECK(mmlu->source == "deepseek-llm-paper:table5");
  const PublishedNumber* pile = find_published(published_of("LLaMA-2 70B", "table5"), {kPile});
  REQUIRE(pile);
  CHECK(pile->value == Approx(0.649));
}

TEST_CASE("a model with two numbers for a benchmark is asked for by source") {
  const std::string error = error_of([] { find_published(published_of("LLaMA-2 70B", ""), {kPile}); });
  CHECK(contains(error, "several numbers for Pile-test"));
  CHECK(contains(error, "@deepseek-llm-paper:table5 has bpb 0.649"));
  CHECK(contains(error, "@deepseek-llm-repo:more_results.md has bpb 0.671"));
  const PublishedNumber* chosen =
      find_published(published_of("LLaMA-2 70B", "deepseek-llm-repo:more_results.md"), {kPile});
  REQUIRE(chosen);
  CHECK(chosen->value == Approx(0.671));
}

TEST_CASE("shots of the task choose among numbers with other shots") {
  const PublishedKey hellaswag{"HellaSwag", "acc", "ppl-lennorm", "deepseek-llm-paper:table5", 0};
  const PublishedNumber* found = find_published(published_of("DeepSeek LLM 67B Base", ""), {hellaswag});
  REQUIRE(found);
  CHECK(found->value == Approx(0.84));
}

TEST_CASE("an unknown model or source is an error that names near ones") {
  CHECK(contains(error_of([] { published_of("LLaMA2 70B", ""); }), "LLaMA-2 70B"));
  CHECK(contains(error_of([] { published_of("LLaMA-2 70B", "table99"); }), "deepseek-llm-paper:table5"));
}

TEST_CASE("near names contain the name or differ in a few letters") {
  CHECK(near_names("step-10", {"step-1000", "other", "stop-10"}) == std::vector<std::string>{"step-1000", "stop-10"});
  CHECK(near_names("zzzzzz", {"a", "b"}).empty());
}

}  // namespace assay
