// make_page SECTIONS.json OUT.html: the page of the sample database with the other sections from a file, and its items
// page and the database beside it. For the browser test and for people who change the page.

#include <cstdio>
#include <filesystem>

#include "core/text.h"
#include "reports/page/page.h"
#include "reports/page/page_data.h"
#include "tests/reports/page/sample_database.h"

int main(int argc, char** argv) {
  using namespace assay;
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_page SECTIONS.json OUT.html\n");
    return 2;
  }
  const std::filesystem::path out = std::filesystem::absolute(argv[2]);
  const std::string items = out.stem().string() + "-items.html";
  const std::string database = out.string() + ".db";
  testing::fill_database(database, {});
  auto db = ResultsDb::open(database, ResultsDb::Mode::kReadOnly);
  Compute compute;
  compute.tokens_per_step = 4e6, compute.flops_per_token = 4.3e9, compute.budgets = {1e21};
  PageOptions options;
  options.title = std::string("Sample ") + testing::kHostile;
  options.software = "assay test", options.items = items, options.compute = &compute;
  Json data = page_data(*db, db->find_runs(""), options);
  data.update(read_json_file(argv[1]));
  write_file_atomically(out.string(), page_html(data, false));
  Json of_items = items_data(*db, db->find_runs(""), 5, 3);
  of_items["report"] = out.filename().string();
  write_file_atomically((out.parent_path() / items).string(), items_page_html(of_items, false));
  return 0;
}
