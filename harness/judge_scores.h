// Stored words of judges -> scores and numbers of a task, beside those that need no judge.
//
//   score                     mean over items; an item's value is the mean over its judged turns and repetitions
//   score:CATEGORY            the same over the items of one category
//   label:LABEL               share of the judged items with this label
//   judge_unparsed            share of the judge's words without a score
//   judge_spread              mean over answers of the standard deviation over repetitions (two or more)
//   length_correlation        Pearson's r of an item's score and the characters of its answers
//   human_agreement           share of people's labels of the same answers that the judge gave too (grades: the same
//                             number)
//   human_kappa               Cohen's kappa of the same pairs, where labels are words
//   win_rate:RUN              pairs: share won against that run, ties (and orders that disagree) count half
//   position_bias:RUN         pairs: share of turns whose two orders disagree
//
// The filter's name is the judge's (with its version where a run has words of two versions); people who labelled
// answers (`assay grade import`) are judges of the name people:ANNOTATOR. An answer without a usable word is missing,
// never zero. MT-Bench's average is the mean of its categories; AlignBench's is the mean of reasoning (maths, logic)
// and language (the other six): score:reasoning and score:language are there too.
#pragma once

#include "harness/scoring.h"

namespace assay {

// Adds to `scores` what judges said about the run's task: by_position gets metric "score" under each judge, aggregates
// get the rows above; where a judge has spoken, the empty "score" row goes. `canonical` in the result: false when any
// judge prompt was our own wording; nothing when no judge was asked.
struct JudgeSummary {
  bool judged = false, canonical = true;
};
JudgeSummary add_judge_scores(ResultsDb& db, int64_t run, const Task& task, const std::vector<StoredItem>& items,
                              TaskScores& scores);

}  // namespace assay
