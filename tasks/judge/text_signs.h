// Signs that can be read off a text without a judge.
#pragma once

#include <string>

namespace assay {

// True when the text begins (its first 400 bytes) with one of our phrases by which assistants decline, English or
// Chinese. A cheap baseline: it knows no meaning, only wording.
bool is_refusal(const std::string& text);

// True when the end of the text is one piece said at least three times over, 60 code points or more in all: what a
// model that never stops writes. The piece may be any length up to a third of the text.
bool ends_in_a_loop(const std::string& text);

}  // namespace assay
