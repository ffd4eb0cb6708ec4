// Where each benchmark's data comes from. Only hosts that the authors themselves name, or, marked so, a known copy.

#include "core/text.h"
#include "harness/data_checksums.h"
#include "harness/fetch.h"

namespace assay {

const std::vector<DataSource>& data_sources() {
  static const std::vector<DataSource> sources = {
      {"mmlu",
       "the authors' data.tar, 57 subjects",
       {{"https://people.eecs.berkeley.edu/~hendrycks/data.tar", "", "data/dev/", "mmlu/dev/"},
        {"https://people.eecs.berkeley.edu/~hendrycks/data.tar", "", "data/val/", "mmlu/val/"},
        {"https://people.eecs.berkeley.edu/~hendrycks/data.tar", "", "data/test/", "mmlu/test/"}},
       false},
      {"ceval",
       "the authors' ceval-exam.zip, 52 subjects",
       {{"https://huggingface.co/datasets/ceval/ceval-exam/resolve/main/ceval-exam.zip", "", "dev/", "ceval/dev/"},
        {"https://huggingface.co/datasets/ceval/ceval-exam/resolve/main/ceval-exam.zip", "", "val/", "ceval/val/"},
        {"https://huggingface.co/datasets/ceval/ceval-exam/resolve/main/ceval-exam.zip", "", "test/", "ceval/test/"}},
       false},
      {"gsm8k",
       "the authors' repository",
       {{"https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/train.jsonl", "", "",
         "gsm8k/train.jsonl"},
        {"https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/test.jsonl", "", "",
         "gsm8k/test.jsonl"},
        {"https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/"
         "example_model_solutions.jsonl",
         "", "", "gsm8k/example_model_solutions.jsonl"}},
       true},
      {"hellaswag",
       "the authors' repository: the original JSONL (no checksum is known to us)",
       {{"https://raw.githubusercontent.com/rowanz/hellaswag/master/data/hellaswag_val.jsonl", "", "",
         "hellaswag/hellaswag_val.jsonl"}},
       true},
      {"arc",
       "AI2's ARC-V1-Feb2018.zip (680 MB, of which 6 MB are kept)",
       {{"https://ai2-public-datasets.s3.amazonaws.com/arc/ARC-V1-Feb2018.zip",
         "https://s3-us-west-2.amazonaws.com/ai2-website/data/ARC-V1-Feb2018.zip", "ARC-V1-Feb2018-2/ARC-Easy/",
         "arc/ARC-Easy/"},
        {"https://ai2-public-datasets.s3.amazonaws.com/arc/ARC-V1-Feb2018.zip",
         "https://s3-us-west-2.amazonaws.com/ai2-website/data/ARC-V1-Feb2018.zip", "ARC-V1-Feb2018-2/ARC-Challenge/",
         "arc/ARC-Challenge/"}},
       false},
      {"winogrande",
       "AI2's winogrande_1.1.zip",
       {{"https://storage.googleapis.com/ai2-mosaic/public/winogrande/winogrande_1.1.zip", "", "winogrande_1.1/",
         "winogrande/"}},
       true},
      {"triviaqa",
       "castorini/anserini-tools, a copy by way of DPR: the original host's own files have another layout",
       {{"https://raw.githubusercontent.com/castorini/anserini-tools/master/topics/topics.dpr.trivia.dev.txt", "", "",
         "triviaqa/topics.dpr.trivia.dev.txt"},
        {"https://raw.githubusercontent.com/castorini/anserini-tools/master/topics/topics.dpr.trivia.test.txt", "", "",
         "triviaqa/topics.dpr.trivia.test.txt"}},
       true},
      {"nq",
       "the authors' NQ-open; the few-shot pool from castorini/anserini-tools, a copy by way of DPR",
       {{"https://raw.githubusercontent.com/google-research-datasets/natural-questions/master/nq_open/"
         "NQ-open.dev.jsonl",
         "", "", "nq/NQ-open.dev.jsonl"},
        {"https://raw.githubusercontent.com/castorini/anserini-tools/master/topics/topics.dpr.nq.dev.txt", "", "",
         "nq/topics.dpr.nq.dev.txt"}},
       true},
      {"mt_bench",
       "the authors' FastChat: questions, reference answers and judge prompts",
       {{"https://raw.githubusercontent.com/lm-sys/FastChat/main/fastchat/llm_judge/data/mt_bench/question.jsonl", "",
         "", "mt_bench/question.jsonl"},
        {"https://raw.githubusercontent.com/lm-sys/FastChat/main/fastchat/llm_judge/data/mt_bench/reference_answer/"
         "gpt-4.jsonl",
         "", "", "mt_bench/reference_answer/gpt-4.jsonl"},
        {"https://raw.githubusercontent.com/lm-sys/FastChat/main/fastchat/llm_judge/data/judge_prompts.jsonl", "", "",
         "mt_bench/judge_prompts.jsonl"}},
       true},
      {"alignbench",
       "the authors' repository: v1.0, v1.1 and the judge's configuration",
       {{"https://raw.githubusercontent.com/THUDM/AlignBench/master/data/data_release.jsonl", "", "",
         "alignbench/data_release.jsonl"},
        {"https://raw.githubusercontent.com/THUDM/AlignBench/master/data/data_v1.1_release.jsonl", "", "",
         "alignbench/data_v1.1_release.jsonl"},
        {"https://raw.githubusercontent.com/THUDM/AlignBench/master/config/dimension_definition.json", "", "",
         "alignbench/config/dimension_definition.json"},
        {"https://raw.githubusercontent.com/THUDM/AlignBench/master/config/dimension_set.json", "", "",
         "alignbench/config/dimension_set.json"},
        {"https://raw.githubusercontent.com/THUDM/AlignBench/master/config/subcategory_question_mapping.json", "", "",
         "alignbench/config/subcategory_question_mapping.json"},
        {"https://raw.githubusercontent.com/THUDM/AlignBench/master/config/temperature.json", "", "",
         "alignbench/config/temperature.json"}},
       true},
      {"do_not_answer",
       "kunishou/do-not-answer-ja, a fork that keeps the English original unchanged",
       {{"https://raw.githubusercontent.com/kunishou/do-not-answer-ja/main/datasets/Instruction/do_not_answer_en.csv",
         "", "", "do_not_answer/do_not_answer_en.csv"}},
       true},
      {"advbench",
       "the authors' llm-attacks",
       {{"https://raw.githubusercontent.com/llm-attacks/llm-attacks/main/data/advbench/harmful_behaviors.csv", "", "",
         "advbench/harmful_behaviors.csv"}},
       true},
      {"simple_safety_tests",
       "stanford-cs336/assignment5-alignment, a copy of the authors' file",
       {{"https://raw.githubusercontent.com/stanford-cs336/assignment5-alignment/main/data/simple_safety_tests/"
         "simple_safety_tests.csv",
         "", "", "simple_safety_tests/simple_safety_tests.csv"}},
       true},
      {"cvalues",
       "the authors' repository",
       {{"https://raw.githubusercontent.com/X-PLUG/CValues/main/dataset/cvalues_responsibility_prompts.jsonl", "", "",
         "cvalues_zh/cvalues_responsibility_prompts.jsonl"}},
       true},
      {"xstest",
       "the authors' repository (no checksum is known to us)",
       {{"https://raw.githubusercontent.com/paul-rottger/xstest/main/xstest_prompts.csv", "", "",
         "xstest/xstest_prompts.csv"}},
       true},
  };
  return sources;
}

const std::vector<std::pair<std::string, std::string>>& data_checksums() {
  static const auto checksums = [] {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string& line : split(kDataChecksums, '\n')) {
      if (line.size() > 66) out.emplace_back(line.substr(66), line.substr(0, 64));
    }
    return out;
  }();
  return checksums;
}

}  // namespace assay
