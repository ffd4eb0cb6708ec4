#include "tasks/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "tasks/fewshot.h"
#include "tasks/prompt_field.h"

namespace assay {
namespace {

bool ends_in_space(const std::string& text) {
  return strip_right(text).size() != text.size();
}
bool starts_with_space(const std::string& text) {
  size_t position = 0;
  return !text.empty() && is_space(next_code_point(text, position));
}

// `before`, `after` with the delimiter between them where both are there and neither has white space at the join.
std::string joined(const std::string& before, const std::string& after, const std::string& delimiter) {
  const bool bare = before.empty() || after.empty() || ends_in_space(before) || starts_with_space(after);
  return before + (bare ? "" : delimiter) + after;
}

// One question and its answer, with what stands after each of them in running text.
struct Shot {
  std::string question, after_question, answer, after_answer;
  std::string text() const { return question + after_question + answer + after_answer; }
};

std::vector<Document> documents_of_samples(const std::vector<Json>& samples) {
  std::vector<Document> documents;
  for (size_t i = 0; i < samples.size(); ++i) documents.push_back({"fewshot/samples/" + std::to_string(i), samples[i]});
  return documents;
}

std::string listed(const std::vector<std::string>& choices) {
  std::string all;
  for (const std::string& choice : choices) all += (all.empty() ? "'" : ", '") + choice + "'";
  return all;
}

// Python's False and True are the numbers 0 and 1.
bool is_index(const Json& gold) {
  return gold.is_number_integer() || gold.is_boolean();
}

class PromptMaker {
 public:
  PromptMaker(const Task& task, const std::vector<Document>& pool, const PromptOptions& options)
      : task_(task),
        options_(options),
        samples_(documents_of_samples(task.fewshot.samples)),
        pool_(samples_.empty() ? pool : samples_),
        sampler_(task, pool_, shots_of(task, options.num_fewshot), options.seed),
        shots_(pool_.size()),
        description_(task, task.description, "description"),
        gen_prefix_(task, task.gen_prefix, "gen_prefix"),
        text_(task, task.doc_to_text, "doc_to_text"),
        target_(task, task.doc_to_target, "doc_to_target"),
        choice_(task, task.doc_to_choice, "doc_to_choice"),
        shot_text_(task, or_else(task.fewshot.doc_to_text, task.doc_to_text), "fewshot_config.doc_to_text"),
        shot_target_(task, or_else(task.fewshot.doc_to_target, task.doc_to_target), "fewshot_config.doc_to_target"),
        shot_choice_(task, or_else(task.fewshot.doc_to_choice, task.doc_to_choice), "fewshot_config.doc_to_choice"),
        reversed_(task.reversed) {
    for (const std::string& turn : task.next_turns) next_turns_.emplace_back(task, turn, "next_turns");
  }

  // `first`: the first item, which decides the form in the lm-eval convention.
  void decide_form(const Document& first) {
    if (task_.convention == "lm-eval" && !choice_.is_absent())
      reversed_ = reversed_ || is_index(text_.value(first, true, false));
  }

  // All but the fields.
  Prompt make(const Document& item) {
    Prompt prompt;
    prompt.item_id = item.id;
    if (task_.output_type == OutputType::kRolling) {
      prompt.target = python_text(target_.value(item, false, false));
      return prompt;
    }
    const std::string prefix = gen_prefix_.render(item);
    fill_head(item, prompt);
    if (reversed_) {
      fill_reversed(item, prompt);
    } else {
      const std::string question = question_text(text_, item);
      const std::string after =
          prefix.empty() ? "" : joined(question, prefix, task_.target_delimiter).substr(question.size());
      prompt.context += question + after;
      fill_last_turns(question, prefix, prompt);
      for (const PromptText& turn : next_turns_) prompt.next_turns.push_back(turn.render(item));
      fill_answers(item, prompt);
    }
    prompt.delimiter = delimiter(prefix);
    return prompt;
  }

  double mean_answer_bytes() const {
    double bytes = 0, count = 0;
    for (const std::optional<Shot>& shot : shots_) {
      if (shot) bytes += static_cast<double>(shot->answer.size()), ++count;
    }
    return count > 0 ? bytes / count : 0;
  }

 private:
  const Task& task_;
  const PromptOptions& options_;
  const std::vector<Document> samples_;
  const std::vector<Document>& pool_;
  FewshotSampler sampler_;
  std::vector<std::optional<Shot>> shots_;  // by position in the pool, made when first needed
  PromptText description_, gen_prefix_;
  std::vector<PromptText> next_turns_;
  PromptField text_, target_, choice_;
  PromptField shot_text_, shot_target_, shot_choice_;
  bool reversed_;

  static const FieldTemplate& or_else(const FieldTemplate& own, const FieldTemplate& general) {
    return own.kind == FieldTemplate::Kind::kAbsent ? general : own;
  }

  // What comes before the item: system prompt, description, shots; in `context`, and as turns for chat.
  void fill_head(const Document& item, Prompt& prompt) {
    prompt.context = joined(options_.system_prompt, description_.render(item), task_.fewshot_delimiter);
    if (options_.chat && !prompt.context.empty()) prompt.messages.push_back({"system", prompt.context});
    for (size_t row : sampler_.next(item)) {
      const Shot& shot = shot_at(row);
      prompt.context += shot.text();
      if (!options_.chat) continue;
      prompt.messages.push_back({"user", shot.question});
      prompt.messages.push_back({"assistant", shot.answer});
    }
    prompt.shared_bytes = prompt.context.size();
  }

  void fill_last_turns(const std::string& question, const std::string& prefix, Prompt& prompt) const {
    if (!options_.chat) return;
    prompt.messages.push_back({"user", question});
    if (!prefix.empty()) prompt.messages.push_back({"assistant", prefix});
  }

  const Shot& shot_at(size_t row) {
    if (!shots_[row]) shots_[row] = make_shot(pool_[row]);
    return *shots_[row];
  }

  Shot make_shot(const Document& document) const {
    const std::string prefix = gen_prefix_.render(document);
    Shot shot;
    shot.question = reversed_ ? choices_of(shot_choice_, document)[gold_of_reversed(shot_text_, shot_choice_, document)]
                              : question_text(shot_text_, document);
    const std::string answer = shown_target(document);
    if (answer.empty() && prefix.empty()) return shot;
    const bool delimited =
        prefix.empty() || joined(shot.question, prefix, "+").size() > shot.question.size() + prefix.size();
    shot.after_question = delimited ? task_.target_delimiter : "";
    shot.answer = joined(prefix, answer, " ");
    shot.after_answer = answer.empty() ? "" : task_.fewshot_delimiter;
    return shot;
  }

  std::string question_text(const PromptField& field, const Document& document) const {
    return python_text(field.value(document, false, false));
  }

  std::vector<std::string> choices_of(const PromptField& field, const Document& document) const {
    return field.choices(document);
  }

  // The answer of a shot: a number is a choice, of a list the first counts.
  std::string shown_target(const Document& document) const {
    Json target = shot_target_.value(document, !shot_choice_.is_absent() && !reversed_, true);
    if (target.is_array()) {
      if (target.empty()) shot_target_.fail(document, "the list of targets is empty");
      target = Json(target[0]);
    }
    if (!is_index(target) || shot_choice_.is_absent() || reversed_) return python_text(target);
    const auto choices = choices_of(shot_choice_, document);
    return choices[gold_index(shot_target_, document, target, choices)];
  }

  // Position of one gold value, a number or the text of a choice, among the choices.
  size_t gold_index(const PromptField& field, const Document& document, const Json& gold,
                    const std::vector<std::string>& choices) const {
    if (is_index(gold)) {
      const int64_t index = gold.is_boolean() ? gold.get<bool>() : gold.get<int64_t>();
      if (index >= 0 && index < static_cast<int64_t>(choices.size())) return static_cast<size_t>(index);
      field.fail(document, fmt::format("the gold answer is choice {}, there are {} choices, counted from 0", index,
                                       choices.size()));
    }
    const std::string text = python_text(gold);
    const auto found = std::find(choices.begin(), choices.end(), text);
    if (found == choices.end())
      field.fail(document, fmt::format("the gold answer is '{}', the choices are {}", text, listed(choices)));
    return static_cast<size_t>(found - choices.begin());
  }

  size_t gold_of_reversed(const PromptField& text, const PromptField& choice, const Document& document) const {
    return gold_index(text, document, text.value(document, true, false), choices_of(choice, document));
  }

  void fill_reversed(const Document& item, Prompt& prompt) const {
    prompt.choices = choices_of(choice_, item);
    prompt.gold_index = static_cast<int>(gold_of_reversed(text_, choice_, item));
    prompt.target = python_text(target_.value(item, false, false));
    prompt.golds = {prompt.target};
    for (const std::string& choice : prompt.choices)
      prompt.contexts.push_back(joined(prompt.context + choice, gen_prefix_.render(item), ""));
  }

  void fill_answers(const Document& item, Prompt& prompt) const {
    const bool has_choices = !choice_.is_absent();
    if (has_choices) prompt.choices = choices_of(choice_, item);
    Json target = target_.value(item, has_choices, true);
    if (!target.is_array()) target = Json::array({std::move(target)});
    if (target.empty()) target_.fail(item, "the list of targets is empty");
    const bool by_choice = task_.output_type == OutputType::kMultipleChoice || has_choices;
    for (const Json& gold : target) {
      if (!by_choice) {
        prompt.golds.push_back(python_text(gold));
        continue;
      }
      const size_t index = gold_index(target_, item, gold, prompt.choices);
      if (prompt.gold_index < 0) prompt.gold_index = static_cast<int>(index);
      prompt.golds.push_back(prompt.choices[index]);
    }
    prompt.target = prompt.golds[0];
  }

  // Between context and answer. The target of a log-likelihood task brings its own.
  std::string delimiter(const std::string& prefix) const {
    if (task_.output_type != OutputType::kMultipleChoice) return "";
    const bool after_template = options_.chat && (prefix.empty() || ends_in_space(prefix));
    return after_template ? "" : task_.target_delimiter;
  }
};

}  // namespace

struct PromptRenderer::Implementation {
  PromptMaker maker;
  bool decided = false;
};

PromptRenderer::PromptRenderer(const Task& task, const std::vector<Document>& pool, const PromptOptions& options)
    : implementation_(new Implementation{PromptMaker(task, pool, options)}) {}

PromptRenderer::~PromptRenderer() = default;

Prompt PromptRenderer::render(const Document& document) {
  PromptMaker& maker = implementation_->maker;
  if (!std::exchange(implementation_->decided, true)) maker.decide_form(document);
  Prompt prompt = maker.make(document);
  prompt.fields = document.fields;
  return prompt;
}

double PromptRenderer::mean_answer_bytes() const {
  return implementation_->maker.mean_answer_bytes();
}

std::vector<Prompt> render_prompts(const Task& task, const std::vector<Document>& documents,
                                   const std::vector<Document>& pool, const PromptOptions& options) {
  const size_t count =
      options.limit > 0 ? std::min(documents.size(), static_cast<size_t>(options.limit)) : documents.size();
  PromptRenderer renderer(task, pool, options);
  std::vector<Prompt> prompts;
  prompts.reserve(count);
  for (size_t i = 0; i < count; ++i) prompts.push_back(renderer.render(documents[i]));
  return prompts;
}

}  // namespace assay
