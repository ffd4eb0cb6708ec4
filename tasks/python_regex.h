// Python's `re` over UTF-8: answer patterns are written for it (lm-evaluation-harness's regex filters).
//
// Oniguruma with Python's syntax stands behind it: lookaround and back-references work, \d \w \s \b are Unicode-aware.
// A search that backtracks for too long gives up and finds nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

class PythonRegex {
 public:
  // Throws Error(kInput) at `where` for a pattern that does not compile.
  explicit PythonRegex(const std::string& pattern, std::string_view where = "pattern");

  // Compiled once a thread, then kept. The reference lives as long as the thread.
  static const PythonRegex& cached(const std::string& pattern);

  // re.findall: one entry a match: the whole match where the pattern has no group, else the text of every group ("" for
  // one that took no part).
  std::vector<std::vector<std::string>> find_all(std::string_view text) const;
  // re.sub(pattern, "", text)
  std::string remove_from(std::string_view text) const { return replace_in(text, ""); }
  // re.sub(pattern, lambda match: replacement, text)
  std::string replace_in(std::string_view text, std::string_view replacement) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace assay
