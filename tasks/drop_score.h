// DROP's own score (Dua et al. 2019) of an answer, which is a list of spans, against one accepted answer.
#pragma once

#include <string>
#include <vector>

namespace assay {

struct DropScore {
  double exact = 0;  // 1 when both hold the same spans, in any order
  double f1 = 0;     // mean over the spans of the best one-to-one pairing, in hundredths
};

// A span is the set of its words: split at spaces and hyphens, lower case, without ASCII punctuation and articles,
// numbers in one spelling (1,000 = 1000 = 1000.0). Two spans have something in common only where they share one of the
// accepted span's numbers, if it has any. Spans that are left over on either side count as 0. Neither list is empty.
DropScore drop_score(const std::vector<std::string>& answer, const std::vector<std::string>& gold);

// A span as it is compared.
std::string drop_spelling(const std::string& span);

}  // namespace assay
