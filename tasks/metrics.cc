#include "tasks/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "tasks/drop_score.h"
#include "tasks/extract.h"
#include "tasks/fraction.h"
#include "tasks/judge/text_signs.h"
#include "tasks/math_answers.h"
#include "tasks/prompt_field.h"
#include "tasks/python_regex.h"
#include "tasks/template/unicode.h"

namespace assay {
namespace {

constexpr double kLn2 = 0.693147180559945309417232121458;
constexpr const char* kAsciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr const char* kAsciiDigits = "0123456789";

// ---- the table

const OutputType kChoice = OutputType::kMultipleChoice, kTarget = OutputType::kLoglikelihood,
                 kRollingText = OutputType::kRolling, kAnswer = OutputType::kGenerate;

const MetricInfo kMetrics[] = {
    {"acc", "mean", true, {kChoice, kTarget}},
    {"acc_norm", "mean", true, {kChoice}},
    {"acc_bytes", "mean", true, {kChoice}},
    {"acc_token", "mean", true, {kChoice}},
    {"acc_uncond", "mean", true, {kChoice}},
    {"acc_mutual_info", "mean", true, {kChoice}},
    {"likelihood", "mean", true, {kChoice}},
    {"brier_score", "mean", false, {kChoice}},
    {"exact_match", "mean", true, {kChoice, kAnswer}},
    {"f1", "mean", true, {kChoice, kAnswer}},
    {"mcc", "matthews_corrcoef", true, {kChoice}},
    {"pass@1", "mean", true, {kAnswer}},
    {"pass@10", "mean", true, {kAnswer}},
    {"pass@100", "mean", true, {kAnswer}},
    {"score", "mean", true, {kAnswer}},
    {"refusal", "mean", false, {kAnswer}},
    {"repetition", "mean", false, {kAnswer}},
    {"perplexity", "perplexity", false, {kTarget}},
    {"bits_per_byte", "bits_per_byte", false, {kRollingText}},
    {"byte_perplexity", "byte_perplexity", false, {kRollingText}},
    {"min_k", "mean", true, {kRollingText}},
    {"word_perplexity", "word_perplexity", false, {kRollingText}},
};

// ---- multiple choice

// What the model said about every choice of one item, in the order of the choices.
struct ChoiceScores {
  std::vector<ContinuationScore> choices;
  std::vector<ContinuationScore> unconditional;  // empty where no metric asked for it
};

ChoiceScores gather_choices(const Prompt& prompt, const std::vector<const Response*>& parts) {
  ChoiceScores scores;
  if (!prompt.contexts.empty()) {
    for (const Response* part : parts) scores.choices.push_back(part->continuations.at(0));
  } else {
    scores.choices = parts[0]->continuations;
    if (parts.size() > 1) scores.unconditional = parts[1]->continuations;
  }
  ASSAY_ASSERT(scores.choices.size() == prompt.choices.size(), "there is one log-probability for each choice");
  return scores;
}

// Log-probability by the length of what was said; an empty text can't win.
double per(double logprob, double length) {
  return length > 0 ? logprob / length : -std::numeric_limits<double>::infinity();
}

std::vector<double> comparable_scores(const ChoiceScores& scores, const Prompt& prompt, Normalization normalization) {
  std::vector<double> values;
  for (size_t i = 0; i < scores.choices.size(); ++i) {
    const ContinuationScore& score = scores.choices[i];
    const std::string& text = prompt.choices[i];
    switch (normalization) {
      case Normalization::kNone:
        values.push_back(score.logprob);
        break;
      case Normalization::kToken:
        values.push_back(per(score.logprob, score.tokens));
        break;
      case Normalization::kByte:
        values.push_back(per(score.logprob, static_cast<double>(text.size())));
        break;
      case Normalization::kCharacter:
        values.push_back(per(score.logprob, static_cast<double>(count_code_points(text))));
        break;
      case Normalization::kUnconditional:
        ASSAY_ASSERT(scores.unconditional.size() == scores.choices.size(), "the neutral context was asked for");
        values.push_back(score.logprob - scores.unconditional[i].logprob);
        break;
    }
  }
  return values;
}

size_t first_largest(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

// Several choices may be right: then `golds` holds their texts.
bool is_gold(const Prompt& prompt, size_t index) {
  if (static_cast<int>(index) == prompt.gold_index) return true;
  return prompt.golds.size() > 1 &&
         std::find(prompt.golds.begin(), prompt.golds.end(), prompt.choices[index]) != prompt.golds.end();
}

std::vector<double> softmax(const std::vector<double>& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  std::vector<double> shares;
  double sum = 0;
  for (double score : scores) {
    shares.push_back(std::exp(score - largest));
    sum += shares.back();
  }
  for (double& share : shares) share /= sum;
  return shares;
}

double brier(const std::vector<double>& shares, size_t gold) {
  double sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double off = shares[i] - (i == gold ? 1 : 0);
    sum += off * off;
  }
  return sum;
}

double choice_value(const MetricSpec& metric, const Prompt& prompt, const ChoiceScores& scores,
                    const std::vector<double>& values) {
  const size_t gold = static_cast<size_t>(prompt.gold_index);
  if (metric.metric == "likelihood") return softmax(values)[gold];
  if (metric.metric == "brier_score") return brier(softmax(values), gold);
  if (metric.metric != "exact_match") return is_gold(prompt, first_largest(values)) ? 1 : 0;
  for (size_t i = 0; i < scores.choices.size(); ++i)
    if (is_gold(prompt, i) && scores.choices[i].is_greedy) return 1;
  return 0;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (size_t i = 0; i < texts.size(); ++i) all += (i ? " | " : "") + texts[i];
  return all;
}

// Numbers of all items together: what an item was and what it was taken for.
bool is_over_choices(const std::string& metric) {
  return metric == "mcc" || metric == "f1";
}

void score_choices(const Task& task, const Prompt& prompt, const std::vector<const Response*>& parts,
                   std::vector<Score>& out) {
  ASSAY_ASSERT(prompt.gold_index >= 0 && prompt.gold_index < static_cast<int>(prompt.choices.size()),
               "a prompt with choices has a gold one");
  const ChoiceScores scores = gather_choices(prompt, parts);
  for (size_t m = 0; m < task.metrics.size(); ++m) {
    const auto values = comparable_scores(scores, prompt, normalization_of(task.metrics[m]));
    out[m].value = choice_value(task.metrics[m], prompt, scores, values);
    if (is_over_choices(task.metrics[m].metric))
      out[m].weight = choice_pair(prompt.gold_index, static_cast<int>(first_largest(values)));
    out[m].extracted = prompt.choices[first_largest(values)];
    out[m].gold =
        prompt.golds.size() > 1 ? joined(prompt.golds) : prompt.choices[static_cast<size_t>(prompt.gold_index)];
  }
}

// ---- one target, whole texts

void score_target(const Task& task, const Prompt& prompt, const Response& response, std::vector<Score>& out) {
  const ContinuationScore& score = response.continuations.at(0);
  for (size_t m = 0; m < task.metrics.size(); ++m) {
    const bool accuracy = task.metrics[m].metric == "acc";
    out[m].value = accuracy ? (score.is_greedy ? 1 : 0) : -score.logprob;
    out[m].gold = prompt.target;
  }
}

// len(re.split(r"\s+", text)): runs of white space plus one.
double count_words(std::string_view text) {
  double parts = 1;
  bool inside_space = false;
  for (size_t i = 0; i < text.size();) {
    const bool space = is_space(next_code_point(text, i));
    if (space && !inside_space) ++parts;
    inside_space = space;
  }
  return parts;
}

void score_text(const Task& task, const Prompt& prompt, const Response& response, std::vector<Score>& out) {
  const double nats = -response.continuations.at(0).logprob;
  for (size_t m = 0; m < task.metrics.size(); ++m) {
    const std::string& metric = task.metrics[m].metric;
    if (metric == "min_k") {
      const std::optional<double>& rarest = response.continuations.at(0).rarest;
      out[m].outcome = rarest ? Outcome::kScored : Outcome::kMissing;
      out[m].value = rarest.value_or(0);
      continue;
    }
    out[m].value = metric == "bits_per_byte" ? nats / kLn2 : nats;
    out[m].weight =
        metric == "word_perplexity" ? count_words(prompt.target) : static_cast<double>(prompt.target.size());
  }
}

// ---- generated answers

std::string without_any(std::string text, const char* characters) {
  std::erase_if(text,
                [&](char c) { return c != '\0' && std::string_view(characters).find(c) != std::string_view::npos; });
  return text;
}

bool is_set(const Json& options, const char* key) {
  return options.contains(key) && options[key] == true;
}

// lm-evaluation-harness's treatment, applied to both sides.
std::string treated(const Json& options, std::string text) {
  if (options.contains("regexes_to_ignore") && options["regexes_to_ignore"].is_array())
    for (const Json& pattern : options["regexes_to_ignore"])
      text = PythonRegex::cached(pattern.get<std::string>()).remove_from(text);
  if (is_set(options, "ignore_case")) text = jinja::lower_text(text);
  if (is_set(options, "ignore_punctuation")) text = without_any(text, kAsciiPunctuation);
  if (is_set(options, "ignore_numbers")) text = without_any(text, kAsciiDigits);
  return text;
}

// The words that count by SQuAD's rule: lower case, no ASCII punctuation, no articles. An answer that is nothing but
// those keeps them, so that "The The" is not the same as no answer.
std::vector<std::string> squad_words(const std::string& text) {
  const std::string lower = jinja::lower_text(text);
  std::vector<std::string> kept = split_words(without_any(lower, kAsciiPunctuation));
  std::erase_if(kept, [](const std::string& word) { return word == "a" || word == "an" || word == "the"; });
  return kept.empty() ? split_words(lower) : kept;
}

// A number in one spelling: no commas, currency signs, final dot, leading or trailing zeros. Nothing when it is no
// number.
std::optional<std::string> canonical_number(std::string_view given) {
  std::string text = without_any(std::string(strip(given)), ",$ ");
  if (ends_with(text, ".")) text.pop_back();
  const bool negative = starts_with(text, "-");
  if (negative || starts_with(text, "+")) text.erase(0, 1);
  const size_t dot = std::min(text.find('.'), text.size());
  std::string whole = text.substr(0, dot), fraction = dot < text.size() ? text.substr(dot + 1) : "";
  auto digits_only = [](const std::string& digits) { return without_any(digits, kAsciiDigits).empty(); };
  if ((whole.empty() && fraction.empty()) || !digits_only(whole) || !digits_only(fraction)) return std::nullopt;
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.empty() && fraction.empty()) return "0";
  return (negative ? "-" : "") + (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
}

bool is_match(const Json& options, const std::string& answer, const std::string& gold) {
  const std::string compare = options.value("compare", "text");
  if (compare == "squad") return squad_words(answer) == squad_words(gold);
  if (compare == "math") return is_same_math(answer, gold);
  const std::string left = treated(options, answer), right = treated(options, gold);
  if (compare == "number") {
    const auto a = canonical_number(left), b = canonical_number(right);
    if (a && b) return *a == *b;
  }
  if (compare == "fraction") {
    const auto a = parse_fraction(left), b = parse_fraction(right);
    if (a && b) return *a == *b;
  }
  return left == right;
}

double token_f1(const std::string& answer, const std::string& gold) {
  const auto said = squad_words(answer), meant = squad_words(gold);
  std::map<std::string, int> left;
  for (const std::string& word : meant) ++left[word];
  double common = 0;
  for (const std::string& word : said)
    if (left[word]-- > 0) ++common;
  if (common == 0) return said.empty() && meant.empty() ? 1 : 0;
  const double precision = common / static_cast<double>(said.size()),
               recall = common / static_cast<double>(meant.size());
  return 2 * precision * recall / (precision + recall);
}

// DROP's answers hold a span on each line. An accepted answer that begins with an empty one doesn't count.
double drop_value(const std::string& metric, const std::string& answer, const std::string& gold) {
  const std::vector<std::string> spans = split(gold, '\n');
  if (strip(spans[0]).empty()) return 0;
  const DropScore score = drop_score(split(answer, '\n'), spans);
  return metric == "f1" ? score.f1 : score.exact;
}

double answer_value(const MetricSpec& metric, const std::string& answer, const std::vector<std::string>& golds) {
  const bool is_drop = metric.options.value("compare", "") == "drop";
  double best = 0;
  for (const std::string& gold : golds) {
    const double value = is_drop                                  ? drop_value(metric.metric, answer, gold)
                         : metric.metric == "f1"                  ? token_f1(answer, gold)
                         : is_match(metric.options, answer, gold) ? 1
                                                                  : 0;
    best = std::max(best, value);
  }
  return best;
}

void score_answers(const MetricSpec& metric, const Prompt& prompt,
                   const std::vector<std::optional<std::string>>& answers, Score& score) {
  std::vector<std::string> found;
  double sum = 0;
  for (const auto& answer : answers) {
    if (!answer) continue;
    found.push_back(*answer);
    sum += answer_value(metric, *answer, prompt.golds);
  }
  if (found.empty()) score.outcome = Outcome::kUnparsed;
  score.value = answers.empty() ? 0 : sum / static_cast<double>(answers.size());
  score.extracted = joined(found);
  score.gold = joined(prompt.golds);
}

std::vector<std::string> texts_of(const Response& response) {
  std::vector<std::string> texts;
  for (const GeneratedText& generated : response.texts) texts.push_back(generated.text);
  return texts;
}

// ---- texts as they are, no answer taken out of them

bool reads_whole_texts(const std::string& metric) {
  return metric == "score" || metric == "refusal" || metric == "repetition";
}

// Share of the texts, over all turns and samples, of which `holds` is true.
double share_of_texts(const std::vector<const Response*>& parts, bool (*holds)(const GeneratedText&)) {
  double count = 0, all = 0;
  for (const Response* part : parts)
    for (const GeneratedText& text : part->texts) ++all, count += holds(text);
  return all > 0 ? count / all : 0;
}

void score_whole_texts(const Task& task, const std::vector<const Response*>& parts, std::vector<Score>& scores) {
  for (size_t i = 0; i < scores.size(); ++i) {
    Score& score = scores[i];
    const std::string& metric = task.metrics[i % task.metrics.size()].metric;
    if (metric == "score") score.outcome = Outcome::kMissing;  // until a judge has spoken: harness/judge_scores.h
    if (metric == "refusal")
      score.value = share_of_texts(parts, [](const GeneratedText& text) {
        return text.finish == FinishReason::kContentFilter || is_refusal(text.text);
      });
    if (metric == "repetition") {
      score.value = share_of_texts(parts, [](const GeneratedText& text) {
        return text.finish == FinishReason::kLength && ends_in_a_loop(text.text);
      });
    }
  }
}

// ---- all of them

// One empty score for each metric under each filter; where there are no filters, under "none".
std::vector<Score> blank_scores(const Task& task, const Prompt& prompt) {
  std::vector<std::string> filters;
  if (task.output_type == OutputType::kGenerate)
    for (const FilterPipeline& pipeline : task.filters) filters.push_back(pipeline.name);
  if (filters.empty()) filters.push_back("none");
  std::vector<Score> scores;
  for (const std::string& filter : filters)
    for (const MetricSpec& metric : task.metrics) {
      Score score;
      score.item_id = prompt.item_id;
      score.metric = metric.metric;
      score.filter = filter;
      scores.push_back(std::move(score));
    }
  return scores;
}

// The scores of the first filter once more, for each part that the item belongs to.
std::vector<Score> with_parts(std::vector<Score> scores, const Task& task, const Prompt& prompt) {
  if (task.output_type != OutputType::kGenerate) return scores;
  for (const std::string& part : parts_of_item(task, prompt)) {
    for (size_t m = 0; m < task.metrics.size(); ++m) {
      scores.push_back(scores[m]);
      scores.back().filter = part;
    }
  }
  return scores;
}

// Nothing when any part has no answer.
std::optional<std::vector<const Response*>> answered_parts(const std::vector<std::optional<Response>>& responses) {
  std::vector<const Response*> parts;
  for (const auto& response : responses) {
    if (!response || response->status != ResponseStatus::kAnswered) return std::nullopt;
    parts.push_back(&*response);
  }
  if (parts.empty()) return std::nullopt;
  return parts;
}

// ---- checks at the door

const std::vector<std::string>& known_options(const std::string& metric) {
  static const std::vector<std::string> none, f1 = {"compare"};
  static const std::vector<std::string> exact = {"compare", "ignore_case", "ignore_punctuation", "ignore_numbers",
                                                 "regexes_to_ignore"};
  return metric == "exact_match" ? exact : metric == "f1" ? f1 : none;
}

std::string compare_defect(const std::string& metric, const Json& value) {
  if (metric == "f1") return value == "squad" || value == "drop" ? "" : "option 'compare' of f1 is squad or drop";
  for (const char* known : {"text", "squad", "number", "fraction", "math", "drop"})
    if (value == known) return "";
  return "option 'compare' is one of text, squad, number, fraction, math, drop";
}

std::string option_defect(const std::string& metric, const std::string& key, const Json& value) {
  if (key == "compare") return compare_defect(metric, value);
  if (key != "regexes_to_ignore") return value.is_boolean() ? "" : "option '" + key + "' is true or false";
  if (value.is_null()) return "";
  if (!value.is_array()) return "option 'regexes_to_ignore' is a list";
  for (const Json& pattern : value) {
    if (!pattern.is_string()) return "option 'regexes_to_ignore' is a list of patterns";
    try {
      PythonRegex regex(pattern.get<std::string>());
    } catch (const Error& error) {
      return error.what();
    }
  }
  return "";
}

}  // namespace

std::vector<Score> score_item(const Task& task, const Prompt& prompt,
                              const std::vector<std::optional<Response>>& responses) {
  std::vector<Score> scores = blank_scores(task, prompt);
  const auto parts = answered_parts(responses);
  if (!parts) {
    for (Score& score : scores) score.outcome = Outcome::kMissing;
    return with_parts(std::move(scores), task, prompt);
  }
  const Response& first = *parts->front();
  switch (task.output_type) {
    case OutputType::kMultipleChoice:
      score_choices(task, prompt, *parts, scores);
      break;
    case OutputType::kLoglikelihood:
      score_target(task, prompt, first, scores);
      break;
    case OutputType::kRolling:
      score_text(task, prompt, first, scores);
      break;
    case OutputType::kGenerate: {
      const auto texts = texts_of(first);
      const Json fields = prompt.fields.json();
      score_whole_texts(task, *parts, scores);
      for (size_t f = 0; f < task.filters.size(); ++f) {
        const auto answers = extract_answers(task.filters[f], texts, fields);
        for (size_t m = 0; m < task.metrics.size(); ++m)
          if (!reads_whole_texts(task.metrics[m].metric))
            score_answers(task.metrics[m], prompt, answers, scores[f * task.metrics.size() + m]);
      }
      break;
    }
  }
  return with_parts(std::move(scores), task, prompt);
}

std::vector<std::string> parts_of_item(const Task& task, const Prompt& prompt) {
  std::vector<std::string> parts;
  if (task.by.empty()) return parts;
  const Document document{prompt.item_id, prompt.fields.json()};
  for (const auto& [name, text] : task.by) parts.push_back(name + ": " + PromptText(task, text, "by").render(document));
  return parts;
}

const MetricInfo* find_metric(const std::string& name) {
  for (const MetricInfo& metric : kMetrics)
    if (metric.name == name) return &metric;
  return nullptr;
}

std::string default_aggregation(const std::string& metric, OutputType type) {
  if (metric == "f1" && type == OutputType::kMultipleChoice) return "f1";
  const MetricInfo* info = find_metric(metric);
  return info ? info->aggregation : "";
}

bool is_pass_at(const std::string& metric) {
  return starts_with(metric, "pass@");
}

std::string metric_defect(const MetricSpec& metric, OutputType type) {
  const MetricInfo* info = find_metric(metric.metric);
  if (!info) return "unknown metric '" + metric.metric + "'";
  if (std::find(info->output_types.begin(), info->output_types.end(), type) == info->output_types.end())
    return "metric '" + metric.metric + "' does not exist for this output_type";
  const bool over_items = type == OutputType::kMultipleChoice && is_over_choices(metric.metric);
  if (over_items && !metric.aggregation.empty() && metric.aggregation != default_aggregation(metric.metric, type))
    return "metric '" + metric.metric + "' is a number of all items: its aggregation is " +
           default_aggregation(metric.metric, type);
  if (!over_items && (metric.aggregation == "f1" || metric.aggregation == "matthews_corrcoef"))
    return "aggregation '" + metric.aggregation + "' is of metric f1 or mcc of multiple_choice";
  if (metric.normalization && type != OutputType::kMultipleChoice) return "normalization is for multiple choice";
  const auto& known = known_options(type == OutputType::kMultipleChoice ? "" : metric.metric);
  for (const auto& [key, value] : metric.options.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return "metric '" + metric.metric + "' has no option '" + key + "'";
    if (std::string defect = option_defect(metric.metric, key, value); !defect.empty()) return defect;
  }
  return "";
}

Normalization normalization_of(const MetricSpec& metric) {
  if (metric.normalization) return *metric.normalization;
  if (metric.metric == "acc_norm") return Normalization::kCharacter;
  if (metric.metric == "acc_bytes") return Normalization::kByte;
  if (metric.metric == "acc_token") return Normalization::kToken;
  if (metric.metric == "acc_uncond" || metric.metric == "acc_mutual_info") return Normalization::kUnconditional;
  return Normalization::kNone;
}

}  // namespace assay
