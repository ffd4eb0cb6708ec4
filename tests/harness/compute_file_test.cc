#include "harness/compute_file.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

}  // namespace

TEST_CASE("compute as YAML") {
  TemporaryFolder folder;
  const Compute compute = read_compute_file(folder.write("c.yaml",
                                                         "tokens_per_step: 1000\n"
                                                         "model: {layers: 2, width: 10, sequence: 100}\n"
                                                         "checkpoints:\n"
                                                         "  100: 5.0e6\n"
                                                         "  final: {tokens: 9e6, flops_per_token: 7}\n"
                                                         "predict: [1.0e20, 3.0e20]\n"));
  CHECK(compute.find("step-100", 100)->tokens == 5e6);
  CHECK(*compute.find("step-100", 100)->flops_per_token == 72 * 2 * 100 + 12 * 2 * 10 * 100);
  CHECK(*compute.find("final", std::nullopt)->flops_per_token == 7);
  CHECK(compute.find("step-300", 300)->tokens == 300000);
  CHECK(compute.budgets == std::vector<double>{1e20, 3e20});
}

TEST_CASE("compute as CSV") {
  TemporaryFolder folder;
  const Compute compute =
      read_compute_file(folder.write("c.csv", "step,tokens,flops_per_token\n100,5e6,4e9\n200,1e7,\n"));
  CHECK(compute.find("x", 100)->tokens == 5e6);
  CHECK(*compute.find("x", 100)->flops_per_token == 4e9);
  CHECK_FALSE(compute.find("x", 200)->flops_per_token);
  CHECK_FALSE(compute.find("x", 300));
}

TEST_CASE("a wrong compute file is refused with its place") {
  TemporaryFolder folder;
  struct Row {
    std::string name, text, message;
  };
  const std::vector<Row> rows = {
      {"a.yaml", "- 1\n", "a.yaml:1: needs fields"},
      {"b.yaml", "tokens: 5\n", "b.yaml:1: unknown field \"tokens\""},
      {"c.yaml", "checkpoints:\n  100: -5\n", "c.yaml:2: needs a number above 0"},
      {"d.yaml", "checkpoints:\n  100: {flops_per_token: 5}\n", "d.yaml:2: has no tokens"},
      {"e.yaml", "model: {layers: 2, width: 10}\n", "e.yaml:1: has no sequence"},
      {"f.yaml", "predict: 5\n", "f.yaml:1: needs a list of FLOPs"},
      {"g.csv", "", "is empty"},
      {"h.csv", "a,b\n1,2\n", "h.csv:1: needs a column"},
      {"i.csv", "step,tokens\n1\n", "i.csv:2: has another number of fields"},
      {"j.csv", "step,tokens\n1,many\n", "j.csv:2: \"many\" is not a number"},
      {"k.csv", "step,tokens\n1,nan\n", "k.csv:2: needs a number above 0"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(error_of([&] { read_compute_file(folder.write(row.name, row.text)); }).find(row.message) !=
          std::string::npos);
  }
}

}  // namespace assay
