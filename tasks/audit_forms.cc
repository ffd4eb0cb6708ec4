#include "tasks/audit_forms.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "tasks/changed_numbers.h"
#include "tasks/prompt.h"
#include "tasks/prompt_field.h"
#include "tasks/python_regex.h"
#include "tasks/transforms.h"

namespace assay {
namespace {

// How the parts of an item are put together.
struct Wording {
  const char* before;  // the question
  const char* after;   // the question
  const char* label;   // before and after each label
  const char* label_end;
  const char* ask;  // the end of the prompt
  const char* delimiter;
};
struct WordingOf {
  const char* language;
  Wording exam, reworded, question;
};
constexpr WordingOf kWordings[] = {
    {"en",
     {"", "\n", "", ". ", "Answer:", " "},
     {"Consider this problem. ", "\nThese answers were offered:\n", "(", ") ", "The right one is", " "},
     {"Question: ", "\n", "", "", "Answer:", " "}},
    {"zh",
     {"", "\n", "", ". ", "答案：", ""},
     {"请看这个问题：", "\n给出的回答有：\n", "（", "）", "其中正确的是：", ""},
     {"问题：", "\n", "", "", "答案：", ""}},
};

enum class Shape { kOptions, kBlind, kCloze, kOpen, kVerbatim, kMinK, kSequence, kUnchanged, kNumbers, kMinKNumbers };
struct Form {
  const char* name;
  Shape shape;
  char32_t first_label;  // the labels count up from it; after 9 comes 0
  bool reworded, all_orders;
  size_t most_options = 26;  // labels of one character that there are
};
constexpr Form kForms[] = {
    {"orders", Shape::kOptions, U'A', false, true},
    {"digits", Shape::kOptions, U'1', false, false, 10},
    {"letters", Shape::kOptions, U'P', false, false, 11},
    {"reworded", Shape::kOptions, U'A', true, false},
    {"blind", Shape::kBlind, U'A', false, false},
    {"cloze", Shape::kCloze, U'A', false, false},
    {"open", Shape::kOpen, U'A', false, false},
    {"verbatim", Shape::kVerbatim, U'A', false, false},
    {"sequence", Shape::kSequence, U'A', false, false},
    {"min_k", Shape::kMinK, U'A', false, true},
    {"unchanged", Shape::kUnchanged, U'A', false, false},
    {"numbers", Shape::kNumbers, U'A', false, false},
    {"min_k_numbers", Shape::kMinKNumbers, U'A', false, false},
};

bool is_for_problems(const Form& form) {
  return form.shape == Shape::kUnchanged || form.shape == Shape::kNumbers || form.shape == Shape::kMinKNumbers;
}
bool is_min_k(const Form& form) {
  return form.shape == Shape::kMinK || form.shape == Shape::kMinKNumbers;
}
// The item itself is the text that is scored; nothing is asked, so there are no shots.
bool is_whole_text(const Form& form) {
  return form.shape == Shape::kVerbatim || form.shape == Shape::kSequence || is_min_k(form);
}

const Form& form_named(const std::string& convention) {
  for (const Form& form : kForms) {
    if (convention == std::string(kAuditPrefix) + form.name) return form;
  }
  ASSAY_ASSERT(false, "a form's convention names it");
  return kForms[0];
}

const WordingOf& wording_in(const std::string& language) {
  for (const WordingOf& wording : kWordings) {
    if (language == wording.language) return wording;
  }
  ASSAY_ASSERT(false, "the reader of task files lets no other language through");
  return kWordings[0];
}

bool finds(const std::string& pattern, const std::string& text) {
  return !PythonRegex::cached(pattern).find_all(text).empty();
}

FieldTemplate column(const char* name) {
  FieldTemplate field;
  field.kind = FieldTemplate::Kind::kColumn;
  field.text = name;
  return field;
}

// What every form has.
void name_form(Task& task, const std::shared_ptr<const Task>& base, const Form& form) {
  task.convention = std::string(kAuditPrefix) + form.name;
  task.note = std::string("asked in another form for the audit: ") + form.name;
  task.form_of = base;
}

// Asked and scored as the task itself; only the documents differ.
Task make_problem_form(const std::shared_ptr<const Task>& base, const Form& form) {
  Task task = *base;
  name_form(task, base, form);
  task.tags.clear(), task.published.clear(), task.audit.reset(), task.held_out.reset();
  return task;
}

Task make_form(const std::shared_ptr<const Task>& base, const Form& form) {
  const WordingOf& wording = wording_in(base->audit->language);
  Task task;
  name_form(task, base, form);
  task.name = base->name, task.alias = base->alias;
  task.suite = base->suite, task.file = base->file, task.version = base->version;
  task.data = base->data, task.process_docs = base->process_docs;
  task.test_split = base->test_split;
  task.fewshot = base->fewshot;
  task.fewshot.doc_to_text = task.fewshot.doc_to_target = task.fewshot.doc_to_choice = {};
  const bool whole_texts = is_whole_text(form);
  if (whole_texts || !task.fewshot.samples.empty() || task.fewshot.split == task.test_split) {
    task.fewshot = {};
    task.fewshot.split = task.test_split;
  }
  task.truncate_left = base->truncate_left;
  task.cluster = base->cluster;
  task.doc_to_text = column("audit_text");
  if (form.shape == Shape::kOpen) {
    task.output_type = OutputType::kGenerate;
    task.doc_to_target = column("audit_answer");
    task.generation.stop = {"\n"};
    task.generation.max_tokens = 32;
    task.filters = {{"first-line", {{"remove_whitespace"}, {"take_first"}}}};
    task.metrics = {{.metric = "exact_match", .options = {{"compare", "squad"}}}};
  } else if (form.shape == Shape::kVerbatim) {
    task.output_type = OutputType::kLoglikelihood;
    task.doc_to_target = column("audit_rest");
    task.metrics = {{.metric = "acc"}};
  } else if (form.shape == Shape::kSequence || is_min_k(form)) {
    task.output_type = OutputType::kRolling;
    task.doc_to_target = column("audit_text");
    task.metrics = {{.metric = "bits_per_byte", .higher_is_better = false}};
    if (is_min_k(form)) task.metrics = {{.metric = "min_k"}};
  } else {
    task.output_type = OutputType::kMultipleChoice;
    task.doc_to_choice = column("audit_choices");
    task.doc_to_target = column("audit_gold");
    task.metrics = {{.metric = form.shape == Shape::kCloze ? "acc_bytes" : "acc"}};
    // A description with the item's own text (a passage) says again what the question has.
    const bool of_item = base->description.find("{{") != std::string::npos;
    if (form.shape != Shape::kCloze && !of_item) task.description = base->description;
  }
  task.target_delimiter = whole_texts ? "" : (form.reworded ? wording.reworded : wording.exam).delimiter;
  return task;
}

// One item with its parts apart.
struct Item {
  std::string question;
  std::vector<std::string> options;
  size_t gold = 0;
};

std::string label_text(const Form& form, size_t i) {
  if (form.first_label == U'1' && i == 9) return "0";
  std::string label;
  append_utf8(label, form.first_label + static_cast<char32_t>(i));
  return label;
}

// Question and options as the exam prints them, without what asks for the answer.
std::string printed(const WordingOf& words, const Item& item) {
  std::string text = words.exam.before + item.question;
  for (size_t i = 0; i < item.options.size(); ++i) {
    text += "\n" + std::string(1, static_cast<char>('A' + i)) + words.exam.label_end + item.options[i];
  }
  return text;
}

// The text in two halves, cut before a space or, where there is none near the middle, between two characters.
Document halved(const Document& document, const std::string& text) {
  size_t middle = text.size() / 2;
  const size_t space = text.find(' ', middle);
  if (space != std::string::npos && space - middle < 40) middle = space;
  while (middle < text.size() && (static_cast<unsigned char>(text[middle]) & 0xC0) == 0x80) ++middle;
  Document out = document;
  out.fields["audit_text"] = text.substr(0, middle);
  out.fields["audit_rest"] = text.substr(middle);
  return out;
}

// Items in a row, and how often the row is shuffled.
constexpr size_t kInRow = 5;
constexpr uint64_t kShuffles = 7;

// The rows of neighbours, each as it stands in the file and shuffled. An unfinished row at the end is left out.
std::vector<Document> rows_of_neighbours(const std::vector<Document>& documents,
                                         const std::vector<std::string>& texts) {
  std::vector<Document> out;
  for (size_t first = 0; first + kInRow <= documents.size(); first += kInRow) {
    for (uint64_t shuffle = 0; shuffle <= kShuffles; ++shuffle) {
      std::vector<size_t> order(kInRow);
      for (size_t i = 0; i < kInRow; ++i) order[i] = first + i;
      if (shuffle > 0) {
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
          return stable_hash(shuffle, documents[a].id) < stable_hash(shuffle, documents[b].id);
        });
      }
      Document row = documents[first];
      if (shuffle > 0) row.id += "#" + std::to_string(shuffle);
      std::string text;
      for (size_t i : order) text += (text.empty() ? "" : "\n\n") + texts[i];
      row.fields["audit_text"] = text;
      out.push_back(std::move(row));
    }
  }
  return out;
}

Document written(const Form& form, const WordingOf& words, const Document& document, const Item& item, size_t order) {
  const bool bare = form.shape == Shape::kCloze || form.shape == Shape::kOpen;
  const Wording& wording = bare ? words.question : form.reworded ? words.reworded : words.exam;
  const size_t n = item.options.size();
  std::string text, choice_list;
  Json choices = Json::array();
  for (size_t i = 0; i < n; ++i) {
    const std::string& option = item.options[(i + order) % n];
    if (bare) {
      choices.push_back(option);
      continue;
    }
    const std::string label = label_text(form, i);
    choices.push_back(label);
    choice_list += wording.label + label + wording.label_end + option + "\n";
  }
  if (form.shape != Shape::kBlind) text = wording.before + item.question + wording.after;
  text += choice_list + wording.ask;
  Document out = document;
  if (order > 0) out.id += "#" + std::to_string(order);
  out.fields["audit_text"] = text;
  out.fields["audit_choices"] = std::move(choices);
  out.fields["audit_gold"] = (item.gold + n - order) % n;
  out.fields["audit_answer"] = item.options[item.gold];
  return out;
}

// What is asked, without the passage that it is asked about.
std::string asked_part(const Task& base, const std::string& question) {
  const size_t end = base.cluster.empty() ? std::string::npos : question.rfind("\n\n");
  return end == std::string::npos ? question : question.substr(end + 2);
}

// The item as one text, as it stands in the file and with its options turned by half their number.
void add_turned(const Document& document, const WordingOf& words, Item item, std::vector<Document>& out) {
  Document& own = out.emplace_back(document);
  own.fields["audit_text"] = printed(words, item);
  const size_t half = item.options.size() / 2;
  if (half == 0) return;
  std::rotate(item.options.begin(), item.options.begin() + static_cast<ptrdiff_t>(half), item.options.end());
  Document turned = document;
  turned.id += "#" + std::to_string(half);
  turned.fields["audit_text"] = printed(words, item);
  out.push_back(std::move(turned));
}

// The items whose numbers can be changed, with their own numbers, with others, or (min_k) both.
std::vector<Document> problems(const Form& form, const Task& base, const std::vector<Document>& documents) {
  const std::string &question = base.audit->question.text, &solution = base.audit->solution;
  std::vector<Document> out;
  for (const Document& document : documents) {
    for (const std::string& column : {question, solution}) {
      if (document.fields.contains(column) && document.fields[column].is_string()) continue;
      throw_input(base.file, "item " + document.id + " has no text in the column \"" + column + "\"",
                  "`audit` names the columns of the question and of the worked solution");
    }
    const auto changed = change_numbers(document.fields[question].get<std::string>(),
                                        document.fields[solution].get<std::string>(), stable_hash(0, document.id));
    if (!changed) continue;
    Document& item = out.emplace_back(document);
    if (form.shape == Shape::kMinKNumbers) {
      Document other = item;
      other.id += "#1";
      other.fields["audit_text"] = changed->question + "\n" + changed->solution;
      item.fields["audit_text"] =
          document.fields[question].get<std::string>() + "\n" + document.fields[solution].get<std::string>();
      out.push_back(std::move(other));
      continue;
    }
    if (form.shape == Shape::kUnchanged) continue;
    item.fields[question] = changed->question;
    item.fields[solution] = changed->solution;
    if (const Transform* transform = find_transform(base.process_docs)) transform->apply(item.fields, item.id);
  }
  return out;
}

}  // namespace

std::vector<std::string> audit_form_names() {
  std::vector<std::string> names;
  for (const Form& form : kForms) names.emplace_back(form.name);
  return names;
}

std::vector<Task> audit_forms(const Task& task) {
  ASSAY_ASSERT(task.audit, "only a task with an audit block has other forms");
  auto base = std::make_shared<const Task>(task);
  std::vector<Task> forms;
  for (const Form& form : kForms) {
    const bool problem = !task.audit->solution.empty();
    if (is_for_problems(form) != problem) continue;
    // Questions on one passage stand in an order of their own that anyone may find likelier.
    if (form.shape == Shape::kSequence && !task.cluster.empty()) continue;
    forms.push_back(problem && !is_min_k(form) ? make_problem_form(base, form) : make_form(base, form));
  }
  return forms;
}

void add_audit_forms(TaskRegistry& registry) {
  std::vector<Task> forms;
  for (const Task& task : registry.tasks) {
    if (!task.audit || !task.unavailable.empty()) continue;
    for (Task& form : audit_forms(task)) forms.push_back(std::move(form));
  }
  for (Task& form : forms) registry.tasks.push_back(std::move(form));
}

bool speaks_of_other_options(const std::vector<std::string>& options) {
  static const std::string kEnglish =
      R"((?i:\b(all|none|both|neither|any|either|some|two|each) of (the )?(above|these|those|them|following|others?|preceding|answers|options|choices)\b))"
      R"(|(?i:\bthe above\b|^above$|^(all|none|both|neither) above\b)|(?i:\b(options?|choices?|answers?|statements?) [A-J]\b))"
      R"(|(?i:\b(both|neither|only)\b) \(?[A-J]\)?(?![A-Za-z'])|^\(?[A-J]\)?[,;]? ?(and|or|nor|&|,) ?\(?[A-J]\)?\b)"
      R"(|(?i:\b(all|none|both|neither)( answers?| options?| choices?)? (are|is) (true|false|right|wrong|correct|incorrect)\b))"
      R"(|(?i:\bno(t any)? (correct|right) (answer|option|choice)\b))"
      R"(|(?i:\bboth\b) \(?[a-j]\)? (and|&) \(?[a-j]\)?(?![A-Za-z'])|^\(?[A-J]\)?(, ?\(?[A-J]\)?)+,? ?(and|or|&) \(?[A-J]\)?\b)"
      R"(|^\([a-j]\) ?(and|or|&) ?\([a-j]\))";
  static const std::string kChinese =
      R"(以上|上述|前述|[A-JＡ-Ｊ]\s*[、和与及或]\s*[A-JＡ-Ｊ]|选项\s*[A-J]|前[两二三四]者|(都|均|全部?|皆)(是|对|不是|不对|正确|错误|可以|不))"
      R"(|^(?=[A-E]{2})A?B?C?D?E?$|^全[对错选]$|(无|没有|不存在)(一个)?正确(的)?(答案|选项))";
  return std::any_of(options.begin(), options.end(),
                     [](const std::string& option) { return finds(kEnglish, option) || finds(kChinese, option); });
}

bool needs_its_options(const std::string& question) {
  static const std::string kEnglish =
      R"((?i:\bwhich (one |two )?(of|among|statement|option|choice|answer|pair|is not|are not)\b|\bof the following\b|\b(the )?following (statement|option|answer|choice)s?\b|\b(all|each|any) of these\b|\b(correct|best|right|true|false) (answer|option|choice|statement)\b|\bEXCEPT\b))";
  static const std::string kChinese =
      R"(下列|以下|下面|哪(一|几)?(个|项|种|些|组|句|张|幅)|选项|(正确|错误|恰当|不当|符合|不符合|属于|不属于)的(一项)?是)";
  return finds(kEnglish, question) || finds(kChinese, question);
}

std::vector<Document> form_documents(const Task& form_task, std::vector<Document> documents, bool items) {
  const Task& base = *form_task.form_of;
  const Form& form = form_named(form_task.convention);
  if (is_for_problems(form)) return items ? problems(form, base, documents) : documents;
  const WordingOf& wording = wording_in(base.audit->language);
  PromptOptions no_shots;
  no_shots.num_fewshot = 0;
  const std::vector<Prompt> prompts = render_prompts(base, documents, documents, no_shots);
  const PromptField question(base, base.audit->question, "audit.question"),
      options(base, base.audit->options, "audit.options");
  std::vector<Document> out;
  std::vector<std::string> texts;  // kSequence
  for (size_t i = 0; i < documents.size(); ++i) {
    Item item;
    item.question = std::string(strip(python_text(question.value(documents[i], false, false))));
    item.options = options.choices(documents[i]);
    item.gold = static_cast<size_t>(prompts[i].gold_index);
    if (item.gold >= item.options.size()) options.fail(documents[i], "has fewer options than the task's own choices");
    if (form.shape == Shape::kVerbatim) out.push_back(halved(documents[i], printed(wording, item)));
    if (form.shape == Shape::kSequence) texts.push_back(printed(wording, item));
    if (form.shape == Shape::kVerbatim || form.shape == Shape::kSequence) continue;
    const bool fixed = speaks_of_other_options(item.options);
    if (form.shape == Shape::kMinK) {
      if (!fixed) add_turned(documents[i], wording, item, out);
      continue;
    }
    const bool bare = form.shape == Shape::kCloze || form.shape == Shape::kOpen;
    if (items && bare && needs_its_options(asked_part(base, item.question))) continue;
    if (items && bare && fixed) continue;
    if (!bare && item.options.size() > form.most_options) continue;
    const size_t orders = items && form.all_orders && !fixed ? item.options.size() : 1;
    for (size_t order = 0; order < orders; ++order) out.push_back(written(form, wording, documents[i], item, order));
  }
  if (form.shape == Shape::kSequence) return rows_of_neighbours(documents, texts);
  return out;
}

}  // namespace assay
