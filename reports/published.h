// Published numbers of other models: facts read from reports (reports/baselines/published.json, compiled in).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct PublishedNumber {
  std::string model, benchmark, metric;  // as the source prints them
  std::optional<int> shots;              // nothing: not stated
  double value = 0;                      // fraction 0-1 for rates; else the metric's own scale
  std::string method;                    // "ppl-lennorm", "ppl-uncond", "gen", "lm", or empty: not stated
  std::string source;                    // key of published_sources()
  std::string setting;                   // what else tells it apart: "CoT", a judge
};

// All of them, in the order of the sources. Made on the first call; from any thread.
const std::vector<PublishedNumber>& published_numbers();
// Source -> full citation.
const std::map<std::string, std::string>& published_sources();

// Models in order of first appearance.
std::vector<std::string> published_models();

// A model's numbers from one source; `source` is a key, the end of one after ":" ("table5"), or empty for all. Throws
// Error(kInput) for a model that is not there, naming near ones, and for a source that this model has not, naming
// those it has.
std::vector<const PublishedNumber*> published_of(const std::string& model, const std::string& source);

// What a task stands for in published tables.
struct PublishedKey {
  std::string benchmark, metric, method, source;
  std::optional<int> shots;
};

// The number among `numbers` (of one model) for a task with these keys; nothing where there is none. Of several for a
// benchmark, those with the task's metric, then shots, then without a setting of their own, come first; where different
// numbers remain, throws Error(kInput) that lists their sources.
const PublishedNumber* find_published(const std::vector<const PublishedNumber*>& numbers,
                                      const std::vector<PublishedKey>& keys);

// The names of `known` that are nearest to `name`: those that contain it, whatever the case, else the nearest by edit
// distance. At most five.
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known);

namespace internal {
extern const char* const kPublished;  // text of reports/baselines/published.json
}

}  // namespace assay
