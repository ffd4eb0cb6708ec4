// The same items asked in other forms, for the audit of exam technique (reports/audit.h).
//
// A task with an `audit` block gives one task a form, under the convention "audit-<form>". Multiple choice:
//   orders        as letters, once for each cyclic order of the options. Item ids get "#k" for the order that starts
//                 with option k; the order of the file keeps the id. An item whose options speak of each other ("all of
//                 the above", "A and C") is asked in its own order only.
//   digits        labels 1 2 3 ... for A B C
//   letters       labels P Q R ... for A B C
//   reworded      letters, other words around question and options
//   blind         letters, without the question
//   cloze         the texts of the options as continuations of the question, per byte; no options are shown
//   open          the question alone, an answer is generated and compared as SQuAD does
//   verbatim      the first half of the item's text; would greedy decoding write the second half word for word?
//   min_k         question and options as one text, as it is and ("#2" of four options) with the options turned by
//                 half their number: how likely are its least likely tokens (Min-20%)?
//   sequence      the log-likelihood of a few items of the file in a row, as they stand there, and shuffled ("#k").
//                 Not of tasks with `cluster`: questions on one passage have an order of their own.
// Word problems with a worked solution (generated answers, scored as the task itself does):
//   unchanged     the items whose numbers can be changed, as they are
//   numbers       the same with other numbers, and the answer that follows (tasks/changed_numbers.h)
//   min_k_numbers question and solution as one text, as they are and ("#1") with other numbers
// Items whose question means nothing without its options ("which of the following ...") are left out of cloze and open.
// Shots: as many as the task's own, from its own split, in the same form; none where they would come from the items
// themselves or stand in the task file, none for texts that are scored whole (verbatim, sequence, min_k).
#pragma once

#include <string>
#include <vector>

#include "core/records.h"
#include "tasks/task_file.h"

namespace assay {

// Names of the forms, in the order above.
std::vector<std::string> audit_form_names();

// The forms of one task. Precondition: task.audit.
std::vector<Task> audit_forms(const Task& task);

// Puts the forms of all tasks that have any behind the tasks of the registry. They are selected by their full key only
// ("mmlu_anatomy@audit-cloze").
void add_audit_forms(TaskRegistry& registry);

// Documents of the task that `form` was made from -> those of the form, with the fields audit_text, audit_choices,
// audit_gold (index of the right choice) and audit_answer (its text) besides their own. `items`: they are the items,
// not the shots: orders are multiplied and what the form can't ask is left out. Throws Error(kInput) as rendering a
// prompt does.
std::vector<Document> form_documents(const Task& form, std::vector<Document> documents, bool items);

// Whether an option refers to others or to their order; whether a question needs its options to be understood. English
// and Chinese; by fixed patterns.
bool speaks_of_other_options(const std::vector<std::string>& options);
bool needs_its_options(const std::string& question);

}  // namespace assay
