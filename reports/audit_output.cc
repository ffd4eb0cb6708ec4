#include <fmt/format.h>

#include "reports/audit.h"
#include "reports/text_table.h"

namespace assay {

Json to_json(const AuditResult& result) {
  Json tests = Json::array();
  for (const AuditTest& test : result.tests) {
    Json interval = test.low ? Json::array({*test.low, *test.high}) : Json(nullptr);
    tests.push_back({{"name", test.name},
                     {"null", test.null},
                     {"effect", test.effect},
                     {"ci95", std::move(interval)},
                     {"p", or_null(test.p)},
                     {"n", test.n},
                     {"language", test.language},
                     {"unit", test.unit},
                     {"found", test.found},
                     {"contamination", test.contamination},
                     {"what", test.what}});
  }
  Json left_out = Json::array();
  for (const AuditLeftOut& left : result.left_out) {
    left_out.push_back({{"language", left.language},
                        {"reason", left.reason},
                        {"from", left.from},
                        {"items", left.items},
                        {"of", left.of}});
  }
  return {{"checkpoint", result.checkpoint},
          {"against", result.against.empty() ? Json(nullptr) : Json(result.against)},
          {"verdict", to_string(result.verdict)},
          {"sentence", result.sentence},
          {"left_out", std::move(left_out)},
          {"tests", std::move(tests)}};
}

std::string render_audit(const AuditResult& result) {
  TextTable table;
  table.columns = {{"test"},        {""},      {"effect", true}, {"95 % interval", true}, {"p", true},
                   {"items", true}, {"found"}, {"what"}};
  for (const AuditTest& test : result.tests) {
    const auto shown = [&](double value) {
      return test.unit == "points" ? points(value) : fmt::format("{:+.2f}", value);
    };
    table.rows.push_back({test.name, test.language, shown(test.effect),
                          test.low ? fmt::format("{} .. {}", shown(*test.low), shown(*test.high)) : "-",
                          !test.p          ? "-"
                          : *test.p < 1e-4 ? "< 0.0001"
                                           : fmt::format("{:.4f}", *test.p),
                          std::to_string(test.n),
                          test.found           ? "technique"
                          : test.contamination ? "contamination"
                                               : "",
                          test.what});
  }
  std::string left_out;
  for (const AuditLeftOut& left : result.left_out) {
    left_out += fmt::format("left out ({}): {} of {} items with {}: not in {}\n", left.language, left.items, left.of,
                            left.reason, left.from);
  }
  return fmt::format("{}\n\n{}\neffects in points of {}\n{}verdict: {}\n", result.sentence, table.plain(),
                     result.from_published ? "a hundred, as published" : "ability: 0 = guessing, 100 = always right",
                     left_out, to_string(result.verdict));
}

}  // namespace assay
