// Answer and gold -> Score; the metric table; Scores -> one number.
//
// Values, by metric and output type. Choices are compared by score; of equal ones the first wins.
//   multiple choice
//     acc              1 when the best choice is the gold one; `normalization` of the metric decides how scores compare
//     acc_norm         acc with log-probabilities divided by the choice's characters (delimiter not counted)
//     acc_bytes        ... by its UTF-8 bytes            acc_token   ... by the tokens of the continuation
//     acc_uncond, acc_mutual_info   ... minus the log-probability after the task's neutral context
//     exact_match      1 when the gold continuation is the greedy one
//     likelihood       probability of the gold choice among the choices (softmax of log-probabilities)
//     mcc, f1          1 when the best choice is the gold one; the number is made of gold and best choices of all items
//     brier_score      squared distance of that distribution from the gold one, summed over choices
//   loglikelihood
//     acc              1 when the target is the greedy continuation
//     perplexity       nats: minus the log-probability of the target
//   loglikelihood_rolling (weights in brackets)
//     bits_per_byte    bits of the text [UTF-8 bytes]
//     byte_perplexity  nats of the text [UTF-8 bytes]    word_perplexity   nats of the text [parts split at white
//     space]
//   generate_until, over the golds the largest value; over several answers of one item their mean
//     exact_match      1 when answer and gold are equal after the same treatment: `regexes_to_ignore`, `ignore_case`,
//                      `ignore_punctuation` (ASCII), `ignore_numbers`, in this order, as lm-evaluation-harness has it.
//                      (ours) `compare: squad`: case, punctuation, articles and extra white space do not count (SQuAD);
//                      `compare: number`: as numbers, so 1,000 = 1000 and 18.0 = 18; `compare: fraction`: simple
//                      fractions too, by their exact value, so 4/10 = 2/5 = 0.4; `compare: math`: one LaTeX spelling
//                      (math_answers.h); `compare: drop`: the same spans, one a line (drop_score.h)
//     score            a judge's: missing here, filled by harness/judge_scores.h
//     refusal          share of the texts that read as a refusal (phrases: judge/text_signs.h)
//     repetition       share of the texts that reached the token limit and end in a loop
//     f1               share of tokens in common after the treatment of SQuAD: 2PR/(P+R); `compare: drop`: DROP's mean
//                      over its spans, one a line (drop_score.h)
//   generate_until with a `program` (tasks/programs.h)
//     pass@k           chance that one of k samples passes, by the unbiased estimator from the n samples there are
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/task.h"

namespace assay {

// Every metric of the task, under every filter, for one item; of generated answers those of the first filter again
// under each of parts_of_item(). `responses` in order of part, as make_requests gave the requests; an entry is nullopt,
// or not kAnswered, where no answer came: then all scores of the item are kMissing. Precondition: metric_defect() of
// each metric and filter_defect() of each filter step is empty.
std::vector<Score> score_item(const Task& task, const Prompt& prompt,
                              const std::vector<std::optional<Response>>& responses);

// "<name>: <value>" for each of the task's `by`: the filters under which the item's scores stand once more. Throws
// Error(kInput) naming task, item and template for an undefined name.
std::vector<std::string> parts_of_item(const Task& task, const Prompt& prompt);

// How the scores of one metric become the task's number.
//   mean             mean of values, standard error sd/sqrt(n)
//   bits_per_byte    sum(value) / sum(weight) over documents, error by the ratio estimator
//   byte_perplexity, word_perplexity, perplexity   exp(sum(value) / sum(weight))
//   matthews_corrcoef, f1   of gold and best choices; f1 of the second choice (number 1); error by the bootstrap
struct MetricInfo {
  std::string name;         // "acc"
  std::string aggregation;  // default
  bool higher_is_better = true;
  std::vector<OutputType> output_types;  // where it makes sense
};
const MetricInfo* find_metric(const std::string& name);
// Of a metric where its task does not say another; empty for an unknown one.
std::string default_aggregation(const std::string& metric, OutputType type);

// Metrics of programs that are run, "pass@k": scored by tasks/programs.h.
bool is_pass_at(const std::string& metric);

// Why a metric can't be used with an output type: unknown, wrong type, an unknown option, a pattern that does not
// compile. Empty when it can. For loaders.
std::string metric_defect(const MetricSpec& metric, OutputType type);

// The normalization that a multiple-choice metric compares by: the task file's, else the metric's own.
Normalization normalization_of(const MetricSpec& metric);

}  // namespace assay
