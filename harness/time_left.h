// How much longer a run takes, where its backend counts its passes over the model.
//
//   seconds left = passes left x cost of a pass + prompts' rows left x cost of one + texts' rows left x cost of one
//                  + own keys that those rows will see x cost of one
//
// The costs are fitted by least squares to what the passes so far took: a pass over few rows costs more a row, a text's
// row goes through the output head, and what a text has of its own it shares with no other. Rows left are those of the
// plan and of texts that are not at their end. How long texts become is told from those that have ended, those under
// way (which are longer than they are now: a survival curve, Kaplan and Meier 1958), and the same task's texts in an
// earlier run, or else the answers in its examples.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/records.h"
#include "model_backend/backend.h"

namespace assay {

// The lengths of one task's texts, in tokens.
class TextLengths {
 public:
  // `most`: what a text may have, > 0. `earlier`: lengths of other texts of the task; together they weigh like a few.
  explicit TextLengths(int most, std::span<const int> earlier = {});
  // In the place of earlier ones: a few about as long as the answers in the task's examples, by their mean length.
  static std::vector<int> like_examples(double bytes);
  void add(int length);  // of a text that has ended
  // Reckons with those under way, given by their lengths so far. To be called before what follows.
  void fit(std::span<const int> under_way);
  double mean() const;
  // Tokens that a text of this length has still to come.
  double rest(int so_far) const;
  // Tokens of its own that each of these will see, in all.
  double rest_keys(int so_far) const;
  // Probability that a text of this length goes on for more than `more` tokens.
  double goes_on(int so_far, double more) const;

 private:
  double still_to_come(const std::vector<double>& sums, int so_far) const;

  int most_;
  std::vector<double> ended_;     // [length]: how many, with their weights
  std::vector<double> survival_;  // [length]: share of texts that are longer
  std::vector<double> after_;     // [length]: sum of survival_ from there on
  std::vector<double> keys_;      // [length]: sum of length x survival_ from there on
};

class TimeLeft {
 public:
  // Lengths of a task's texts in an earlier run, or what is like them; may be empty.
  using Earlier = std::function<std::vector<int>(const std::string& task)>;
  // Of `requests` the tasks are read again later; their texts may be gone by then. They must outlive this.
  // `context_length`: of the model, 0 = not known: no text becomes longer.
  TimeLeft(std::span<const Request> requests, int context_length, const Earlier& earlier);
  // An answer: only those without texts say what reports do not.
  void add(const Request& request, const Response& answer);
  // Seconds from this moment of the run on; to be called with every report, once. Nothing where passes are not counted.
  std::optional<double> seconds(const RunStats& stats);

 private:
  struct Texts {
    int64_t open = 0;  // not at their end
    TextLengths lengths;
    std::vector<int> under_way;
  };
  void fit_costs(const RunStats& stats);

  std::span<const Request> requests_;
  std::map<std::string, Texts> texts_;  // by task
  // What was done: passes, rows of prompts, rows of texts, own keys that those saw.
  using Work = std::array<double, 4>;
  // Sums over the reports so far, products of work and of work and seconds.
  std::array<Work, 4> products_{};
  Work times_seconds_{};
  Work costs_{};            // seconds
  double rows_a_pass_ = 0;  // lately
  double keys_now_ = 0;     // tokens of the texts under way
  double end_ = 0;          // of the run, in its seconds, as it was told so far
  RunStats last_;
};

}  // namespace assay
