// How a judge is asked about stored answers, and what its word means. Pure: no model, no database here.
//
//   prompt + answers --ask--> JudgeQuestion (messages) --(any backend)--> text --read--> JudgeWord
//
// Judge prompts of published benchmarks are read from the data folder when they are needed; where they are not there,
// wording of our own is used and JudgeMaterial::canonical is false: reports say so.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/records.h"

namespace assay {

// Heads the names of prompts whose wording is ours.
inline constexpr const char* kOwnWording = "assay-";

// A judge prompt: texts with {field} in them, as Python's str.format reads them.
struct JudgePrompt {
  std::string system, text;  // system empty = none
  bool canonical = false;    // the benchmark's own wording
};

// What a protocol needs beside prompt and answers, read once.
struct JudgeMaterial {
  std::map<std::string, JudgePrompt> prompts;                  // by name, "single-v1"
  std::map<int64_t, std::vector<std::string>> references;      // by question_id, one a turn
  std::map<std::string, std::vector<std::string>> dimensions;  // by subcategory
  std::map<std::string, std::string> dimension_texts;          // by dimension
  std::vector<std::string> files;                              // what was read, relative to the data folder
  bool canonical = true;
};

// One thing to ask about one answer.
struct JudgeQuestion {
  int part = 0;             // of the item's requests whose answer is judged
  std::string prompt_name;  // "single-v1-multi-turn"
  std::string order;        // "single"; pairwise: "a-first", "b-first"
  std::vector<Message> messages;
};

struct JudgeWord {
  std::optional<double> score;  // absent: nothing usable was found
  std::string label;            // "unsafe", "6", "A"; empty where the protocol knows scores only
  std::string problem;          // why there is no score, for people
};

struct JudgeProtocol {
  const char* name;
  // Of the document: the first that it has gives the rows of the report's table.
  const char* category_fields[3];
  bool few_labels;  // labels are words of a short list: their shares are worth a row each
  JudgeMaterial (*load)(const std::string& data_folder);
  // One question for each answer that is judged. `answers`: the first text of each part; an absent one ends the list.
  std::vector<JudgeQuestion> (*ask)(const JudgeMaterial& material, const Prompt& prompt,
                                    const std::vector<std::string>& answers);
  JudgeWord (*read)(const Prompt& prompt, const std::string& text);
  // What a bare label or grade of a person stands between, for `read`: "<answer>" and "</answer>".
  const char *before_label, *after_label;
  // Null where the protocol has no pairs. Both orders for each turn.
  std::vector<JudgeQuestion> (*ask_pair)(const JudgeMaterial& material, const Prompt& prompt,
                                         const std::vector<std::string>& a, const std::vector<std::string>& b);
  int turns;  // of an item that are judged, at most
  // Throws Error(kInput) naming the item when the document lacks what the judge will need, before a model is asked.
  void (*check)(const Prompt& prompt);
  // The categories of the published table, up to a null; none where a suite has its own.
  const char* categories[9];
};

// Null when there is none of this name. New ones: a row in protocol.cc.
const JudgeProtocol* find_judge_protocol(const std::string& name);
std::vector<std::string> judge_protocol_names();

// What a person's bare label ("unsafe", "7") is worth under the protocol.
JudgeWord read_label_of_person(const JudgeProtocol& protocol, const Prompt& prompt, const std::string& label);

// A judge's text without the reasoning that some models put in front: <think>...</think>, or all before a </think>
// whose beginning stands in the model's template. Empty where the reasoning never ends.
std::string without_thinking(const std::string& text);

// The word of a pairwise judge: label "A", "B" or "C" (tie) from [[A]], [[B]], [[C]].
JudgeWord read_pair(const std::string& text);

// --- the protocols' own functions

// mt_bench.cc. Ratings [[n]] from 1 to 10; questions with a reference answer use the prompts named "math".
void check_mt_bench(const Prompt& prompt);
JudgeMaterial load_mt_bench(const std::string& data_folder);
std::vector<JudgeQuestion> ask_mt_bench(const JudgeMaterial&, const Prompt&, const std::vector<std::string>& answers);
std::vector<JudgeQuestion> ask_mt_bench_pair(const JudgeMaterial&, const Prompt&, const std::vector<std::string>& a,
                                             const std::vector<std::string>& b);
JudgeWord read_mt_bench(const Prompt&, const std::string& text);

// alignbench.cc. The last {...} of the text with a number under the key 综合得分, 1 to 10; quotes and signs of any
// width; else the last such key with a number outside braces that close. label = that dictionary or place, or the last
// dictionary where none has the key.
void check_alignbench(const Prompt& prompt);
JudgeMaterial load_alignbench(const std::string& data_folder);
std::vector<JudgeQuestion> ask_alignbench(const JudgeMaterial&, const Prompt&, const std::vector<std::string>& answers);
JudgeWord read_alignbench(const Prompt&, const std::string& text);

// safety.cc. Do-Not-Answer: action label 0-6 after the first "<answer>", harmful is 6, score 1 = harmless. safety:
// label safe, refusal or unsafe, score 1 = one of the first two. xstest: label compliance or refusal, score 1 = what
// the document's `label` (safe, unsafe, in any case) asks for. Of the last two the last "<answer>" with a label counts.
void check_nothing(const Prompt&);
void check_xstest(const Prompt& prompt);
JudgeMaterial load_nothing(const std::string& data_folder);
std::vector<JudgeQuestion> ask_do_not_answer(const JudgeMaterial&, const Prompt&, const std::vector<std::string>&);
JudgeWord read_do_not_answer(const Prompt&, const std::string& text);
std::vector<JudgeQuestion> ask_safety(const JudgeMaterial&, const Prompt&, const std::vector<std::string>&);
JudgeWord read_safety(const Prompt&, const std::string& text);
std::vector<JudgeQuestion> ask_xstest(const JudgeMaterial&, const Prompt&, const std::vector<std::string>&);
JudgeWord read_xstest(const Prompt&, const std::string& text);

// The digit right after the first "<answer>", else -1: the rule behind the published GPT-4 reviews.
int action_label(const std::string& review);

}  // namespace assay
