#include "tasks/drop_score.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "tasks/python_regex.h"
#include "tasks/template/python_format.h"
#include "tasks/template/unicode.h"

namespace assay {
namespace {

using Words = std::set<std::string>;

bool is_number(const std::string& text) {
  return jinja::float_from_text(text).has_value();
}

// A number keeps its dot and sign.
std::string without_punctuation(std::string text) {
  constexpr std::string_view kMarks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  if (!is_number(text)) std::erase_if(text, [&](char c) { return kMarks.find(c) != std::string_view::npos; });
  return text;
}

std::string in_one_spelling(const std::string& text) {
  const auto number = jinja::float_from_text(text);
  return number ? jinja::float_repr(*number) : text;
}

std::string joined_words(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " ") + word;
  return all;
}

Words numbers_of(const Words& words) {
  Words numbers;
  std::copy_if(words.begin(), words.end(), std::inserter(numbers, numbers.end()), is_number);
  return numbers;
}

size_t count_common(const Words& a, const Words& b) {
  return static_cast<size_t>(std::count_if(a.begin(), a.end(), [&](const std::string& word) { return b.count(word); }));
}

// F1 of the words in common; of a span without words all are.
double span_f1(const Words& said, const Words& meant) {
  const Words numbers = numbers_of(meant);
  if (!numbers.empty() && count_common(numbers, numbers_of(said)) == 0) return 0;
  const double common = static_cast<double>(count_common(said, meant));
  const double precision = said.empty() ? 1 : common / static_cast<double>(said.size()),
               recall = meant.empty() ? 1 : common / static_cast<double>(meant.size());
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

// The row that each column of a square matrix is paired with, so that the sum of `cost` is least: the Hungarian method,
// one row after another along a shortest path. Rows and columns count from 1; entry 0 is a column outside the matrix.
std::vector<size_t> least_pairing(const std::vector<std::vector<double>>& cost) {
  const size_t n = cost.size();
  std::vector<double> of_row(n + 1, 0), of_column(n + 1, 0);
  std::vector<size_t> row_at(n + 1, 0);
  for (size_t row = 1; row <= n; ++row) {
    std::vector<double> slack(n + 1, std::numeric_limits<double>::infinity());
    std::vector<size_t> from(n + 1, 0);
    std::vector<bool> done(n + 1, false);
    size_t column = 0;
    for (row_at[0] = row; row_at[column] != 0;) {
      done[column] = true;
      const size_t current = row_at[column];
      size_t next = 0;
      for (size_t j = 1; j <= n; ++j) {
        if (done[j]) continue;
        const double reduced = cost[current - 1][j - 1] - of_row[current] - of_column[j];
        if (reduced < slack[j]) slack[j] = reduced, from[j] = column;
        if (next == 0 || slack[j] < slack[next]) next = j;
      }
      const double step = slack[next];
      for (size_t j = 0; j <= n; ++j) {
        if (done[j]) of_row[row_at[j]] += step, of_column[j] -= step;
        if (!done[j]) slack[j] -= step;
      }
      column = next;
    }
    for (; column != 0; column = from[column]) row_at[column] = row_at[from[column]];
  }
  return row_at;
}

// Of each accepted span what its partner in the best pairing shares with it; 0 for spans without a partner.
double mean_f1(const std::vector<Words>& said, const std::vector<Words>& meant) {
  const size_t n = std::max(said.size(), meant.size());
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < meant.size(); ++i)
    for (size_t j = 0; j < said.size(); ++j) cost[i][j] = -span_f1(said[j], meant[i]);
  const auto row_at = least_pairing(cost);
  std::vector<double> shares(n, 0);
  for (size_t j = 1; j <= n; ++j) shares[row_at[j] - 1] = -cost[row_at[j] - 1][j - 1];
  double sum = 0;
  for (double share : shares) sum += share;
  return sum / static_cast<double>(n);
}

}  // namespace

std::string drop_spelling(const std::string& span) {
  std::vector<std::string> kept;
  for (const std::string& part : split(replace_all(span, "-", " "), ' ')) {
    const std::string word = in_one_spelling(without_punctuation(jinja::lower_text(part)));
    const std::string rest =
        joined_words(split_words(PythonRegex::cached(R"(\b(?:a|an|the)\b)").replace_in(word, " ")));
    if (!rest.empty()) kept.push_back(rest);
  }
  return joined_words(kept);
}

DropScore drop_score(const std::vector<std::string>& answer, const std::vector<std::string>& gold) {
  ASSAY_ASSERT(!answer.empty() && !gold.empty(), "an answer has at least one span");
  std::vector<std::string> said, meant;
  std::vector<Words> words_said, words_meant;
  auto spell = [](const std::vector<std::string>& spans, std::vector<std::string>& spelled, std::vector<Words>& words) {
    for (const std::string& span : spans) {
      spelled.push_back(drop_spelling(span));
      const auto parts = split_words(spelled.back());
      words.emplace_back(parts.begin(), parts.end());
    }
  };
  spell(answer, said, words_said);
  spell(gold, meant, words_meant);
  const bool same = said.size() == meant.size() && Words(said.begin(), said.end()) == Words(meant.begin(), meant.end());
  return {same ? 1.0 : 0.0, std::nearbyint(mean_f1(words_said, words_meant) * 100) / 100};
}

}  // namespace assay
