#include "model_backend/tokenizer/unicode.h"

#include <catch2/catch.hpp>

namespace assay {
namespace {

TEST_CASE("Normal forms are those of Unicode's own examples") {
  struct Row {
    const char* text;
    const char* nfc;
    const char* nfd;
    const char* nfkc;
    const char* nfkd;
  };
  const Row rows[] = {
      {"plain ascii", "plain ascii", "plain ascii", "plain ascii", "plain ascii"},
      {"\u00E9", "\u00E9", "e\u0301", "\u00E9", "e\u0301"},
      {"e\u0301", "\u00E9", "e\u0301", "\u00E9", "e\u0301"},
      {"\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A"},                               // a singleton
      {"\uFB01", "\uFB01", "\uFB01", "fi", "fi"},                                         // a ligature
      {"\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307"},  // marks change places
      {"\u0344", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301"},         // excluded from composition
      {"\uD55C\uAE00", "\uD55C\uAE00", "\u1112\u1161\u11AB\u1100\u1173\u11AF", "\uD55C\uAE00",
       "\u1112\u1161\u11AB\u1100\u1173\u11AF"},
      {"\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"},
      {"a\u0315\u0300", "\u00E0\u0315", "a\u0300\u0315", "\u00E0\u0315", "a\u0300\u0315"},
      {"\u0301x", "\u0301x", "\u0301x", "\u0301x", "\u0301x"},  // a mark without a starter
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(normalize_unicode(row.text, NormalForm::kNfc) == row.nfc);
    CHECK(normalize_unicode(row.text, NormalForm::kNfd) == row.nfd);
    CHECK(normalize_unicode(row.text, NormalForm::kNfkc) == row.nfkc);
    CHECK(normalize_unicode(row.text, NormalForm::kNfkd) == row.nfkd);
  }
}

TEST_CASE("Lower case goes by code points") {
  CHECK(lower_case("ABC \u00C4\u0416\u03A3 x1") == "abc \u00E4\u0436\u03C3 x1");
  CHECK(lower_case("\u0130") == "i\u0307");
  CHECK(lower_case("\u00DF") == "\u00DF");
}

}  // namespace
}  // namespace assay
