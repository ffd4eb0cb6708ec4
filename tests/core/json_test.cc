#include "core/json.h"

#include <catch2/catch.hpp>

#include "tests/support.h"

namespace assay {
using testing::error_of;

TEST_CASE("malformed JSON names file, line and column") {
  std::string message = error_of([] { parse_json("{\"a\": 1,\n \"b\": }", "x.json"); });
  CHECK(message.find("x.json: malformed JSON: parse error at line 2, column 7") == 0);
}

TEST_CASE("typed reads name the file and the key") {
  Json json = Json::parse(R"({"layers": "four", "eps": 1e-5, "n": 3.0, "none": null})");
  JsonObject object(json, "config.json");
  CHECK(error_of([&] { object.integer("layers"); }) == "config.json: \"layers\" must be a whole number");
  CHECK(error_of([&] { object.integer("heads"); }) == "config.json: \"heads\" is missing");
  CHECK(object.integer("n") == 3);
  CHECK(object.integer("none", 5) == 5);
  CHECK(object.number("eps") == 1e-5);
  CHECK(error_of([&] { object.text("eps"); }) == "config.json: \"eps\" must be a text");
}

}  // namespace assay
