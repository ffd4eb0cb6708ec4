#include "harness/run_config.h"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

#include "harness/fetch.h"
#include "tests/support.h"

namespace assay {

TEST_CASE("amounts of memory are read with their units") {
  CHECK(parse_bytes("256MiB") == 256ll << 20);
  CHECK(parse_bytes("2GB") == 2'000'000'000);
  CHECK(parse_bytes("1.5GiB") == (3ll << 30) / 2);
  CHECK(parse_bytes("1048576") == 1048576);
  for (const char* bad : {"", "MiB", "12parsecs", "0", "-5MiB", "1e9"}) {
    INFO(bad);
    CHECK(testing::error_of([&] { parse_bytes(bad); }).find("is no amount of memory") != std::string::npos);
  }
}

TEST_CASE("a folder of task files or a mirror leaves the name behind it to the command") {
  CLI::App show;
  Places places;
  std::string task;
  add_place_flags(show, places);
  show.add_option("task", task);
  show.parse("--include exams --include more nest");
  CHECK(places.include == std::vector<std::string>{"exams", "more"});
  CHECK(task == "nest");
  CLI::App run;
  add_place_flags(run, places);
  run.parse("--text a.txt b.txt --include exams");
  CHECK(places.texts == std::vector<std::string>{"a.txt", "b.txt"});

  CLI::App fetch;
  FetchOptions options;
  add_fetch_flags(fetch, options);
  fetch.parse("--mirror http://localhost/a gsm8k mmlu");
  CHECK(options.mirrors == std::vector<std::string>{"http://localhost/a"});
  CHECK(options.names == std::vector<std::string>{"gsm8k", "mmlu"});
}

}  // namespace assay
