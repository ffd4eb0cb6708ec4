// Stored words of judges -> scores and numbers of a task, beside those that need no judge.
//
//   score                     mean over items; an item's value is the mean over its turns, a turn's over its
//                             repetitions; an item of which one turn has no usable word is missing
//   score:CATEGORY            the same over the items of one category; where rows have a subcategory (safety)
//                             score:CATEGORY / SUBCATEGORY too, and place:CATEGORY, where in the file it begins
//   label:LABEL               share of the judged items with this label
//   judge_unparsed            share of the judge's words without a score
//   judge_spread              mean over answers of the standard deviation over repetitions (two or more)
//   length_correlation        Pearson's r of an item's score and the characters of its answers
//   human_agreement           share of people's labels of the same answers that the judge gave too (grades: the same
//                             number)
//   human_kappa               Cohen's kappa of the same pairs, where labels are words
//   win_rate:RUN              pairs: share won against that run, ties (and orders that disagree) count half
//   position_bias:RUN         pairs: share of turns whose two orders disagree
//   refused, refused:CATEGORY share of answers that decline, by their phrases: suites of few labels; the filter is
//                             "phrases", and its human_agreement counts whether people say that the answer declines
//
// The filter's name is the judge's (with its version where a run has words of two versions); people who labelled
// answers (`assay grade import`) are judges of the name people:ANNOTATOR. An answer without a usable word is missing,
// never zero. MT-Bench's average is the mean of its categories; AlignBench's is the mean of reasoning (maths, logic)
// and language (the other six): score:reasoning and score:language are there too. Where categories of the protocol have
// no item with a score the note says of how many the mean is; tasks with other categories get a plain mean.
#pragma once

#include "harness/scoring.h"

namespace assay {

// Adds to `scores` what judges said about the run's task: by_position gets metric "score" under each judge, aggregates
// get the rows above; where a judge has spoken, the empty "score" row goes. `canonical` in the result: false when any
// judge prompt was our own wording or not the published one; nothing when no judge was asked. `note`: what a reader of
// the numbers must know, empty where there is nothing.
struct JudgeSummary {
  bool judged = false, canonical = true;
  std::string note;
};
JudgeSummary add_judge_scores(ResultsDb& db, int64_t run, const Task& task, const std::vector<StoredItem>& items,
                              TaskScores& scores);

}  // namespace assay
