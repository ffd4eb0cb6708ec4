#include "reports/chart.h"

#include <catch2/catch.hpp>

#include <cmath>

#include "reports/sparkline.h"

namespace assay {

TEST_CASE("a sparkline goes from its lowest block to its highest") {
  struct Row {
    std::vector<double> values;
    size_t width;
    std::string text;
  };
  const std::vector<Row> rows = {
      {{0, 1}, 40, "▁█"}, {{0, 0.5, 1, 0.25}, 40, "▁▅█▃"}, {{2, 2, 2}, 40, "▄▄▄"},
      {{}, 40, ""},       {{0, NAN, 1}, 40, "▁ █"},        {{0, 0, 1, 1, 2, 2}, 3, "▁▅█"},
  };
  for (const Row& row : rows) CHECK(sparkline(row.values, row.width) == row.text);
}

TEST_CASE("ticks are round numbers inside the axis") {
  CHECK(Axis{0.02, 0.98, 0, 1, false}.ticks(5) == std::vector<double>{0.2, 0.4, 0.6000000000000001, 0.8});
  CHECK(Axis{-1, 1, 0, 1, false}.ticks(4) == std::vector<double>{-1, -0.5, 0, 0.5, 1});
  CHECK(Axis{35, 2100, 0, 1, true}.ticks(6) == std::vector<double>{50, 100, 200, 500, 1000, 2000});
  CHECK(Axis{1, 1e9, 0, 1, true}.ticks(5).size() <= 5);
}

TEST_CASE("an axis leaves air and is logarithmic only where that helps") {
  const Axis equal = axis_over({0.25, 0.25}, 0, 100, true);
  CHECK(equal.low < 0.25);
  CHECK(equal.high > 0.25);
  CHECK(axis_over({40, 1800}, 0, 100, true).logarithmic);
  CHECK_FALSE(axis_over({1000, 1800}, 0, 100, true).logarithmic);
  CHECK_FALSE(axis_over({0, 1800}, 0, 100, true).logarithmic);
  CHECK(axis_over({0, 1}, 100, 0, false).at(0.5) == Approx(50));
}

TEST_CASE("numbers on axes are short") {
  CHECK(tick_text(0.25) == "0.25");
  CHECK(tick_text(1800) == "1.8k");
  CHECK(tick_text(2e12) == "2T");
  CHECK(tick_text(3e21) == "3e21");
  CHECK(tick_text(0) == "0");
}

TEST_CASE("nothing of a label can leave its place in the picture") {
  CHECK(xml_text("a<b>&\"'</script>") == "a&lt;b&gt;&amp;&quot;&#39;&lt;/script&gt;");
  CHECK(xml_text("动物\x01学") == "动物 学");
  CHECK(svg_text(1, 2, "</text><script>", "x") ==
        "<text class=\"x\" x=\"1.0\" y=\"2.0\">&lt;/text&gt;&lt;script&gt;</text>\n");
}

}  // namespace assay
