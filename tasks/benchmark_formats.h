// Layouts of single benchmarks that are no list of rows: rows of the format table in data_file.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tasks/data_file.h"

namespace assay {

// C3 (github nlpdata/c3): a list of passages, each `[[lines], [{question, choice, answer}, ...], id]`. One row a
// question: passage (its lines joined by line breaks), passage_id, question, choice, answer. Throws Error(kInput) at
// the passage.
std::vector<DataRow> read_c3(std::string_view text, const std::string& path, const DataSpec& spec);

// BIG-Bench Hard (github suzgunmirac/BIG-Bench-Hard): either a task's file `{"examples": [{input, target}, ...]}`, or
// its file of chain-of-thought prompts: a warning, a line `-----`, the description of the task, and examples "Q:
// ...\nA: ..." between blank lines. One row an example: input, target, and description, which is the text before the
// first example and empty for the others, so that the rows one after another give the file's text again.
std::vector<DataRow> read_bbh(std::string_view text, const std::string& path, const DataSpec& spec);

// DROP: the authors' file, `{passage id: {passage, qa_pairs: [{question, answer, validated_answers}]}}`, or lines of
// requests with the question under `doc` (passage, question, answers: alternatives, each a list of spans; AI2's
// sample). One row a question:
//   passage, passage_id, question
//   answers   the accepted ones, each its spans with a line break between them; the annotator's own first, none twice
//   shown     the first of them, its spans with ", " between them
//   type      of the first: number, date, span or spans. Where the file does not say, what its text looks like
std::vector<DataRow> read_drop(std::string_view text, const std::string& path, const DataSpec& spec);

}  // namespace assay
