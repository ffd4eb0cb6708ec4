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
