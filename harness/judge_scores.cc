#include "harness/judge_scores.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/text.h"
#include "reports/stats.h"
#include "tasks/judge/protocol.h"
#include "tasks/judge/text_signs.h"

namespace assay {
namespace {

constexpr const char* kPeople = "people:";   // heads the names of annotators among the judges
constexpr const char* kPhrases = "phrases";  // who knows refusals by their wording
constexpr const char* kOwnNote = "judged with wording of our own: not canonical";
constexpr const char* kDiffersNote =
    "judged with the benchmark's wording, but not canonical (file differs or is missing)";

// A judge's words on one question of the run.
struct Words {
  JudgeQuestionRecord question;
  std::vector<Judgement> words;
};

// Words by judge. A name that two versions share carries the version.
std::map<std::string, std::vector<Words>> words_by_judge(ResultsDb& db,
                                                         const std::vector<JudgeQuestionRecord>& questions) {
  std::map<std::pair<std::string, std::string>, std::vector<Words>> by_version;
  for (const JudgeQuestionRecord& question : questions) {
    std::map<std::pair<std::string, std::string>, Words> own;
    for (Judgement& word : db.judgements_of(question.request_hash)) {
      if (word.prompt_version != question.prompt_version || word.presentation != question.presentation) continue;
      Words& words = own[{word.judge, word.judge_version}];
      words.question = question;
      words.words.push_back(std::move(word));
    }
    for (auto& [judge, words] : own) by_version[judge].push_back(std::move(words));
  }
  std::map<std::string, int> versions;
  for (const auto& [judge, unused] : by_version) ++versions[judge.first];
  std::map<std::string, std::vector<Words>> out;
  for (auto& [judge, words] : by_version) {
    out[versions[judge.first] > 1 ? judge.first + "#" + judge.second.substr(0, 6) : judge.first] = std::move(words);
  }
  return out;
}

// People's labels as the words of judges named after them.
std::map<std::string, std::vector<Words>> words_of_people(ResultsDb& db, const Task& task,
                                                          const std::vector<StoredItem>& items) {
  std::map<std::string, std::vector<Grade>> by_response;
  for (const Grade& grade : db.grades_of(task.key())) by_response[grade.request_hash].push_back(grade);
  std::map<std::string, std::vector<Words>> out;
  for (const StoredItem& item : items) {
    for (size_t part = 0; part < item.request_hashes.size(); ++part) {
      const auto grades = by_response.find(item.request_hashes[part]);
      if (grades == by_response.end()) continue;
      for (const Grade& grade : grades->second) {
        const JudgeWord word = read_label_of_person(*find_judge_protocol(task.judge), item.prompt, grade.label);
        Words words;
        words.question.position = item.position;
        words.question.part = static_cast<int>(part);
        words.question.request_hash = grade.request_hash;
        words.words.resize(1);
        words.words.front().score = word.score, words.words.front().label = word.label;
        out[kPeople + grade.annotator].push_back(std::move(words));
      }
    }
  }
  return out;
}

Score value_score(const std::string& metric, const std::string& judge, double value) {
  Score score;
  score.metric = metric;
  score.filter = judge;
  score.value = value;
  return score;
}

std::string category_of(const StoredItem& item, const JudgeProtocol& protocol) {
  const Json fields = item.prompt.fields.json();
  for (const char* name : protocol.category_fields) {
    if (!name) break;
    const auto field = fields.find(name);
    if (field == fields.end()) continue;
    const std::string category = field->is_string() ? field->get<std::string>() : dump_json(*field);
    // XSTest's are its labels, in whatever case the file has them.
    return protocol.name == std::string("xstest") ? to_lower_ascii(std::string(strip(category))) : category;
  }
  return "";
}

// Mean of numbers that each have an error: independent, equal weights.
Aggregate mean_of(const std::string& metric, const std::string& judge, const std::vector<Aggregate>& members) {
  Aggregate out = aggregate_group(members, false);
  out.metric = metric;
  out.filter = judge;
  return out;
}

// One number that is no mean of items.
Aggregate number_of(const std::string& metric, const std::string& judge, const Estimate& value, size_t items) {
  Aggregate aggregate;
  aggregate.metric = metric;
  aggregate.filter = judge;
  aggregate.has_value = true;
  aggregate.estimate = value;
  aggregate.items = static_cast<int64_t>(items);
  return aggregate;
}

class JudgeNumbers {
 public:
  JudgeNumbers(ResultsDb& db, const Task& task, const std::vector<StoredItem>& items, std::string judge,
               const std::vector<Words>& words, const std::vector<JudgeQuestionRecord>& questions, TaskScores& scores)
      : db_(db),
        task_(task),
        protocol_(*find_judge_protocol(task.judge)),
        items_(items),
        judge_(std::move(judge)),
        words_(words),
        questions_(questions),
        scores_(scores) {}

  void add() {
    const bool single =
        std::any_of(words_.begin(), words_.end(), [](const Words& w) { return w.question.against == 0; });
    if (single) {
      add_scores();
      add_labels();
      add_spread();
      add_length_correlation();
      add_human_agreement();
    }
    add_pairs();
    add_unparsed();
  }
  // What must be said beside the numbers; empty where nothing must.
  const std::string& note() const { return note_; }

 private:
  // Words on one item, repeated or about its turns, are taken together.
  static Score of_item(int64_t position, Score score) {
    score.cluster = std::to_string(position);
    return score;
  }

  void add_mean(std::vector<Score> column, bool higher_is_better = true) {
    if (!column.empty()) scores_.aggregates.push_back(aggregate_scores(column, "mean", higher_is_better));
  }

  void add_scores() {
    // Points of the turns that have some, by item.
    std::map<int64_t, std::map<int, double>> points;
    std::map<int64_t, std::string> labels;
    for (const Words& words : words_) {
      if (words.question.against != 0) continue;
      double sum = 0;
      int count = 0;
      for (const Judgement& word : words.words) {
        if (word.score) sum += *word.score, ++count;
        if (!word.label.empty()) labels[words.question.position] = word.label;
      }
      if (count == 0) continue;
      points[words.question.position][words.question.part] = sum / count;
    }
    std::map<std::string, std::vector<Score>> by_category;
    std::vector<std::pair<std::string, int64_t>> places;
    std::vector<Score> all;
    for (size_t i = 0; i < items_.size(); ++i) {
      const auto found = points.find(items_[i].position);
      Score score = value_score("score", judge_, 0);
      score.item_id = items_[i].prompt.item_id;
      if (found == points.end() || found->second.size() < turns_of(items_[i])) {
        score.outcome = Outcome::kMissing;
      } else {
        for (const auto& [part, value] : found->second)
          score.value += value / static_cast<double>(found->second.size());
        score.extracted = labels[items_[i].position];
        lengths_.push_back(answer_characters(items_[i]));
        values_.push_back(score.value);
      }
      for (const std::string& category : categories_of(items_[i])) {
        std::vector<Score>& column = by_category[category];
        if (column.empty()) places.emplace_back(category, items_[i].position);
        column.push_back(score);
        column.back().metric = "score:" + category;
      }
      all.push_back(score);
      scores_.by_position[i].push_back(std::move(score));
    }
    std::map<std::string, Aggregate> categories;
    for (auto& [category, column] : by_category) categories[category] = aggregate_scores(column, "mean", true);
    add_overall(all, categories);
    for (auto& [unused, aggregate] : categories) scores_.aggregates.push_back(aggregate);
    if (std::any_of(places.begin(), places.end(), [](const auto& one) { return is_subcategory(one.first); })) {
      for (const auto& [category, position] : places)
        add_number("place:" + category, {static_cast<double>(position), {}}, 1);
    }
  }

  // Turns of an item that the protocol judges.
  size_t turns_of(const StoredItem& item) const {
    return std::min(static_cast<size_t>(protocol_.turns), 1 + item.prompt.next_turns.size());
  }

  static bool is_subcategory(const std::string& category) { return category.find(" / ") != std::string::npos; }

  // The item's category, and of a taxonomy the subcategory inside it.
  std::vector<std::string> categories_of(const StoredItem& item) const {
    const std::string category = category_of(item, protocol_);
    if (category.empty()) return {};
    const Json fields = item.prompt.fields.json();
    const auto sub = fields.find("subcategory");
    if (task_.judge != "safety" || sub == fields.end() || !sub->is_string() ||
        sub->get_ref<const std::string&>().empty())
      return {category};
    return {category, category + " / " + sub->get<std::string>()};
  }

  // The protocol's own way from categories to one number.
  void add_overall(const std::vector<Score>& all, const std::map<std::string, Aggregate>& categories) {
    std::vector<Aggregate> every, reasoning, language;
    std::set<std::string> published;
    for (const char* const* name = protocol_.categories; *name; ++name) published.insert(*name);
    const bool foreign =
        std::any_of(categories.begin(), categories.end(), [&](const auto& one) { return !published.count(one.first); });
    if (foreign || categories.empty()) return add_mean(all);
    for (const auto& [category, aggregate] : categories) {
      if (!aggregate.has_value) continue;
      every.push_back(aggregate);
      (category == "数学计算" || category == "逻辑推理" ? reasoning : language).push_back(aggregate);
    }
    if (task_.judge == "mt_bench" && !every.empty()) {
      scores_.aggregates.push_back(counted_as(mean_of("score", judge_, every), all));
    } else if (task_.judge == "alignbench" && !reasoning.empty() && !language.empty()) {
      const Aggregate first = mean_of("score:reasoning", judge_, reasoning);
      const Aggregate second = mean_of("score:language", judge_, language);
      scores_.aggregates.push_back(counted_as(mean_of("score", judge_, {first, second}), all));
      scores_.aggregates.push_back(first);
      scores_.aggregates.push_back(second);
    } else {
      add_mean(all);
    }
    if (!every.empty() && every.size() < published.size())
      note_ = "score of " + std::to_string(every.size()) + " of " + std::to_string(published.size()) + " categories";
  }

  // The counts of a plain mean over all items, the value of another.
  static Aggregate counted_as(Aggregate value, const std::vector<Score>& all) {
    const Aggregate plain = aggregate_scores(all, "mean", true);
    value.items = plain.items, value.missing = plain.missing, value.unparsed = plain.unparsed;
    return value;
  }

  static double answer_characters(const StoredItem& item) {
    double characters = 0;
    for (const auto& response : item.responses) {
      if (response && !response->texts.empty())
        characters += static_cast<double>(count_code_points(response->texts.front().text));
    }
    return characters;
  }

  void add_labels() {
    if (!protocol_.few_labels) return;
    std::set<std::string> labels;
    std::vector<std::pair<int64_t, std::string>> said;  // item, word
    for (const Words& words : words_) {
      if (words.question.against != 0) continue;
      for (const Judgement& word : words.words) {
        if (word.label.empty()) continue;
        said.emplace_back(words.question.position, word.label);
        labels.insert(word.label);
      }
    }
    for (const std::string& label : labels) {
      std::vector<Score> column;
      for (const auto& [position, word] : said)
        column.push_back(of_item(position, value_score("label:" + label, judge_, word == label)));
      add_mean(std::move(column));
    }
  }

  void add_spread() {
    std::vector<Score> column;
    for (const Words& words : words_) {
      std::vector<double> values;
      for (const Judgement& word : words.words) {
        if (word.score) values.push_back(*word.score);
      }
      if (words.question.against != 0 || values.size() < 2) continue;
      double mean = 0, squares = 0;
      for (double value : values) mean += value / static_cast<double>(values.size());
      for (double value : values) squares += (value - mean) * (value - mean);
      column.push_back(
          value_score("judge_spread", judge_, std::sqrt(squares / static_cast<double>(values.size() - 1))));
    }
    add_mean(std::move(column), false);
  }

  void add_length_correlation() {
    if (const auto r = pearson(lengths_, values_)) add_number("length_correlation", *r, values_.size());
  }

  // Against every label that other people gave to the same answer.
  void add_human_agreement() {
    std::map<std::string, std::vector<Grade>> human;
    for (const Grade& grade : db_.grades_of(task_.key())) {
      if (kPeople + grade.annotator != judge_) human[grade.request_hash].push_back(grade);
    }
    std::map<int64_t, const Prompt*> prompts;
    for (const StoredItem& item : items_) prompts[item.position] = &item.prompt;
    std::vector<Score> column;
    std::vector<std::string> ours, theirs;
    for (const Words& words : words_) {
      const auto graded = human.find(words.question.request_hash);
      if (graded == human.end() || words.question.against != 0) continue;
      for (const Judgement& word : words.words) {
        for (const Grade& grade : graded->second) {
          const JudgeWord person = read_label_of_person(protocol_, *prompts.at(words.question.position), grade.label);
          if (!word.score || !person.score) continue;
          const bool same = protocol_.few_labels ? word.label == person.label : *word.score == *person.score;
          column.push_back(of_item(words.question.position, value_score("human_agreement", judge_, same)));
          ours.push_back(word.label), theirs.push_back(person.label);
        }
      }
    }
    add_mean(std::move(column));
    if (!protocol_.few_labels || ours.empty()) return;
    if (const auto kappa = cohen_kappa(ours, theirs)) add_number("human_kappa", {*kappa, {}}, ours.size());
  }

  void add_number(const std::string& metric, const Estimate& value, size_t items) {
    scores_.aggregates.push_back(number_of(metric, judge_, value, items));
  }

  // Of the two orders in which a pair was shown, each with the mean over its repetitions.
  void add_pairs() {
    struct Pair {
      std::optional<double> a_first, b_first;  // A's points: 1 won, 0 lost, 0.5 tie
    };
    std::map<int64_t, std::map<std::pair<int64_t, int>, Pair>> runs;
    for (const Words& words : words_) {
      const JudgeQuestionRecord& question = words.question;
      if (question.against == 0) continue;
      Pair& pair = runs[question.against][{question.position, question.part}];
      double points = 0;
      int count = 0;
      for (const Judgement& word : words.words) {
        if (word.score) points += *word.score, ++count;
      }
      if (count == 0) continue;
      // The judge's A is whoever was shown first.
      if (question.presentation == "a-first") pair.a_first = points / count;
      if (question.presentation == "b-first") pair.b_first = 1 - points / count;
    }
    // Pairs that this judge has not seen are missing, where it has seen others against the same run.
    for (const JudgeQuestionRecord& question : questions_) {
      if (const auto found = runs.find(question.against); found != runs.end())
        found->second.try_emplace({question.position, question.part});
    }
    // 1, 0 or 0.5 where a mean leans to a side or to none.
    auto side = [](double points) { return points > 0.5 ? 1.0 : points < 0.5 ? 0.0 : 0.5; };
    for (const auto& [run, pairs] : runs) {
      std::vector<Score> wins, bias;
      for (const auto& [place, pair] : pairs) {
        const bool whole = pair.a_first && pair.b_first;
        const bool agree = whole && side(*pair.a_first) == side(*pair.b_first);
        Score win = value_score("win_rate:" + std::to_string(run), judge_, agree ? side(*pair.a_first) : 0.5);
        if (!whole) win.outcome = Outcome::kMissing;
        wins.push_back(of_item(place.first, win));
        if (whole)
          bias.push_back(of_item(place.first, value_score("position_bias:" + std::to_string(run), judge_, !agree)));
      }
      add_mean(std::move(wins));
      add_mean(std::move(bias), false);
    }
  }

  void add_unparsed() {
    std::vector<Score> column;
    for (const Words& words : words_) {
      for (const Judgement& word : words.words)
        column.push_back(of_item(words.question.position, value_score("judge_unparsed", judge_, word.score ? 0 : 1)));
    }
    add_mean(std::move(column), false);
  }

  ResultsDb& db_;
  const Task& task_;
  const JudgeProtocol& protocol_;
  const std::vector<StoredItem>& items_;
  const std::string judge_;
  const std::vector<Words>& words_;
  const std::vector<JudgeQuestionRecord>& questions_;  // all of the run and task
  TaskScores& scores_;
  std::vector<double> lengths_, values_;  // of the items with a score
  std::string note_;
};

// Which answers decline, by their phrases: a cheap baseline beside judges and people.
void add_phrases(ResultsDb& db, const Task& task, const std::vector<StoredItem>& items, TaskScores& scores) {
  const JudgeProtocol& protocol = *find_judge_protocol(task.judge);
  if (!protocol.few_labels) return;
  std::map<std::string, std::vector<Grade>> human;
  for (const Grade& grade : db.grades_of(task.key())) human[grade.request_hash].push_back(grade);
  std::map<std::string, std::vector<Score>> columns;
  std::map<std::string, int64_t> places;
  std::vector<std::string> ours, theirs;
  for (const StoredItem& item : items) {
    const std::string category = category_of(item, protocol);
    if (item.responses.empty() || !item.responses.front() || item.responses.front()->texts.empty()) {
      Score lost = value_score("refused", kPhrases, 0);
      lost.outcome = Outcome::kMissing;
      columns["refused"].push_back(lost);
      lost.metric = "refused:" + category;
      if (!category.empty()) columns[lost.metric].push_back(lost);
      continue;
    }
    const GeneratedText& text = item.responses.front()->texts.front();
    const bool refused = text.finish == FinishReason::kContentFilter || is_refusal(text.text);
    columns["refused"].push_back(value_score("refused", kPhrases, refused));
    if (!category.empty()) {
      columns["refused:" + category].push_back(value_score("refused:" + category, kPhrases, refused));
      if (task.judge == std::string("safety")) places.try_emplace(category, item.position);
    }
    for (const Grade& grade : human[item.request_hashes.front()]) {
      const JudgeWord person = read_label_of_person(protocol, item.prompt, grade.label);
      if (!person.score) continue;
      const bool declines = person.label == "refusal" || person.label == "0";
      columns["human_agreement"].push_back(value_score("human_agreement", kPhrases, declines == refused));
      ours.emplace_back(refused ? "refusal" : "other"), theirs.emplace_back(declines ? "refusal" : "other");
    }
  }
  for (const auto& [unused, column] : columns) scores.aggregates.push_back(aggregate_scores(column, "mean", true));
  for (const auto& [category, position] : places)
    scores.aggregates.push_back(number_of("place:" + category, kPhrases, {static_cast<double>(position), {}}, 1));
  if (ours.empty()) return;
  if (const auto kappa = cohen_kappa(ours, theirs))
    scores.aggregates.push_back(number_of("human_kappa", kPhrases, {*kappa, {}}, ours.size()));
}

void add_note(std::string& notes, const std::string& note) {
  if (note.empty() || notes.find(note) != std::string::npos) return;
  notes += (notes.empty() ? "" : "; ") + note;
}

}  // namespace

JudgeSummary add_judge_scores(ResultsDb& db, int64_t run, const Task& task, const std::vector<StoredItem>& items,
                              TaskScores& scores) {
  JudgeSummary summary;
  if (task.judge.empty()) return summary;
  const auto questions = db.judge_questions_of(run, task.name, task.convention);
  auto judges = words_by_judge(db, questions);
  if (!judges.empty()) {
    summary.canonical = std::all_of(questions.begin(), questions.end(), [](const auto& one) { return one.canonical; });
    for (const JudgeQuestionRecord& one : questions)
      if (!one.canonical)
        add_note(summary.note, starts_with(one.prompt_version, kOwnWording) ? kOwnNote : kDiffersNote);
  }
  judges.merge(words_of_people(db, task, items));
  for (const auto& [judge, words] : judges) {
    JudgeNumbers numbers(db, task, items, judge, words, questions, scores);
    numbers.add();
    add_note(summary.note, numbers.note());
  }
  add_phrases(db, task, items, scores);
  summary.judged = !judges.empty();
  if (!summary.judged) return summary;
  std::erase_if(scores.aggregates, [](const Aggregate& row) { return row.metric == "score" && row.filter == "none"; });
  for (auto& column : scores.by_position)
    std::erase_if(column, [](const Score& score) { return score.metric == "score" && score.filter == "none"; });
  return summary;
}

}  // namespace assay
