#include "tasks/task_fields.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "tasks/data_file.h"
#include "tasks/data_folder.h"
#include "tasks/extract.h"
#include "tasks/judge/protocol.h"
#include "tasks/metrics.h"
#include "tasks/template/template.h"
#include "tasks/transforms.h"

namespace assay {
namespace {

const std::vector<std::string>& known_fields() {
  static const std::vector<std::string> fields = {
      // lm-evaluation-harness's, with meaning here
      "task", "task_alias", "tag", "group", "group_alias", "aggregate_metric_list", "include", "dataset_path",
      "dataset_name", "dataset_kwargs", "training_split", "validation_split", "test_split", "fewshot_split",
      "process_docs", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
      "fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list", "output_type", "generation_kwargs",
      "repeats", "filter_list", "gen_prefix", "metadata",
      // lm-evaluation-harness's, without effect or refused
      "custom_dataset", "class", "process_results", "doc_to_image", "doc_to_audio", "use_prompt", "unsafe_code",
      "should_decontaminate", "doc_to_decontamination_query", "num_proc", "task_list",
      // ours
      "convention", "data", "foreach", "subgroup", "note", "published", "reversed", "unconditional_context",
      "truncate_left", "program", "cluster", "next_turns", "temperature_by", "judge", "audit", "held_out", "by"};
  return fields;
}

template <typename Value, size_t n>
std::optional<Value> find_row(const std::array<std::pair<const char*, Value>, n>& table, const std::string& name) {
  for (const auto& [key, value] : table) {
    if (name == key) return value;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<const char*, OutputType>, 4> kOutputTypes = {{
    {"generate_until", OutputType::kGenerate},
    {"multiple_choice", OutputType::kMultipleChoice},
    {"loglikelihood", OutputType::kLoglikelihood},
    {"loglikelihood_rolling", OutputType::kRolling},
}};

constexpr std::array<std::pair<const char*, Normalization>, 5> kNormalizations = {{
    {"none", Normalization::kNone},
    {"token", Normalization::kToken},
    {"byte", Normalization::kByte},
    {"character", Normalization::kCharacter},
    {"unconditional", Normalization::kUnconditional},
}};

constexpr std::array<const char*, 7> kAggregations = {
    "f1", "matthews_corrcoef", "mean", "bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity"};

std::vector<std::string> default_metrics(OutputType type) {
  switch (type) {
    case OutputType::kMultipleChoice:
      return {"acc", "acc_norm"};
    case OutputType::kLoglikelihood:
      return {"perplexity", "acc"};
    case OutputType::kRolling:
      return {"word_perplexity", "byte_perplexity", "bits_per_byte"};
    case OutputType::kGenerate:
      return {"exact_match"};
  }
  return {};
}

bool has_markup(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{%") != std::string_view::npos ||
         text.find("{#") != std::string_view::npos;
}

// Reads the fields of one config, group by group.
class TaskReader {
 public:
  explicit TaskReader(const TaskConfig& config) : config_(config), foreign_(config.field("dataset_path").has_value()) {
    task_.suite = suite_of(config.path);
    task_.file = config.path;
  }

  Task read(const std::string& name) {
    task_.name = name;
    read_names();
    find_repeated_keys();
    if (!find_python()) read_or_refuse();
    if (!task_.unavailable.empty()) return stub();
    return std::move(task_);
  }

 private:
  std::optional<ConfigNode> field(const char* name) const { return config_.field(name); }
  void read_text(const char* name, std::string& into) const {
    if (auto node = field(name)) into = node->text();
  }

  // What lm-evaluation-harness can do and we can't: in its own files no error before somebody wants to run the task.
  void beyond(const ConfigNode& node, const std::string& what, const std::string& next = "") {
    if (!foreign_) node.fail(what, next);
    refuse(node, what + (next.empty() ? "" : " (" + next + ")"));
  }
  void refuse(const ConfigNode& node, const std::string& what) {
    if (task_.unavailable.empty()) task_.unavailable = node.where() + ": " + what;
  }

  // What an unavailable task keeps.
  Task stub() const {
    Task stub;
    stub.name = task_.name;
    stub.convention = task_.convention;
    stub.alias = task_.alias;
    stub.tags = task_.tags;
    stub.suite = task_.suite;
    stub.file = task_.file;
    stub.version = task_.version;
    stub.output_type = task_.output_type;
    stub.unavailable = task_.unavailable;
    return stub;
  }

  void read_names() {
    if (task_.name.empty() || task_.name.find_first_of(",@*?") != std::string::npos) {
      field("task")->fail("\"" + task_.name + "\" is no name of a task: no comma, @, * or ?");
    }
    const bool lm_eval = foreign_ || field("class") || field("custom_dataset");
    task_.convention = starts_with(config_.path, kBuiltIn) ? "deepseek" : lm_eval ? "lm-eval" : "own";
    read_text("convention", task_.convention);
    read_text("task_alias", task_.alias);
    read_text("note", task_.note);
    if (auto tags = field("tag")) task_.tags = tags->texts();
    if (auto group = field("group"); group && !group->json().is_object()) {
      for (std::string& tag : group->texts()) task_.tags.push_back(std::move(tag));
    }
    if (auto metadata = field("metadata")) task_.version = read_version(*metadata);
    if (auto type = field("output_type"); type && type->json().is_string()) {
      task_.output_type = find_row(kOutputTypes, type->text()).value_or(OutputType::kGenerate);
    }
  }

  // PyYAML lets a second value of a key win in silence, so that harness's own files have some.
  void find_repeated_keys() {
    if (config_.repeated_keys.empty()) return;
    if (!foreign_) throw Error(Error::Kind::kInput, "", config_.repeated_keys.front());
    task_.unavailable = config_.repeated_keys.front();
  }

  bool find_python() {
    for (const auto& [key, node] : config_.fields) {
      if (key == "doc_to_decontamination_query") continue;  // without effect
      if (auto function = node.python_function()) refuse(node, key + ": `!function " + *function + "` needs Python");
    }
    for (const char* key : {"class", "custom_dataset", "process_results", "doc_to_image", "doc_to_audio"}) {
      if (auto node = field(key)) refuse(*node, std::string("`") + key + ": " + node->json().dump() + "` needs Python");
    }
    return !task_.unavailable.empty();
  }

  void read_or_refuse() {
    try {
      read_rest();
    } catch (const Error& error) {
      if (!foreign_) throw;
      if (task_.unavailable.empty()) task_.unavailable = error.what();
    }
  }

  void read_rest() {
    read_output_type();
    read_data();
    read_splits();
    read_prompt();
    read_fewshot();
    read_generation();
    read_conversation();
    read_filters();
    read_program();
    if (auto by = field("by")) read_by(*by);
    read_metrics();
    read_audit();
    read_held_out();
    if (auto cluster = field("cluster")) task_.cluster = cluster->text();
    if (auto published = field("published")) task_.published = read_published(*published);
  }

  void read_output_type() {
    auto node = field("output_type");
    if (node && !find_row(kOutputTypes, node->text())) beyond(*node, "unknown output type " + node->text());
  }

  // --- documents

  void read_data() {
    auto data = field("data");
    auto path = field("dataset_path");
    if (data && path) data->fail("stands beside dataset_path: one of them says where the documents are");
    if (data) {
      read_own_data(*data);
    } else if (path) {
      read_foreign_data(*path);
    } else {
      throw_input(task_.file, "task " + task_.name + " does not say where its documents are: `data` is missing");
    }
    if (auto node = field("process_docs")) {
      task_.process_docs = node->text();
      if (!find_transform(task_.process_docs)) {
        const std::string near = nearest_name(task_.process_docs, transform_names());
        node->fail("unknown document transform \"" + task_.process_docs + "\"",
                   near.empty() ? "tasks/transforms.cc has the table" : "did you mean \"" + near + "\"?");
      }
    }
  }

  // Relative paths of built-in files start at the data folder.
  void set_base(const ConfigNode& node) {
    if (starts_with(node.path(), kBuiltIn)) return;
    task_.data.base = std::filesystem::path(node.path()).parent_path().string();
    if (task_.data.base.empty()) task_.data.base = ".";
  }

  void read_own_data(const ConfigNode& data) {
    data.only({"source", "format", "columns", "files", "rows", "rows_at", "labels"});
    set_base(data);
    if (auto source = data.field("source")) task_.data.source = source->text();
    if (auto columns = data.field("columns")) task_.data.columns = columns->texts();
    if (auto rows = data.field("rows")) read_rows(*rows);
    if (auto labels = data.field("labels")) read_labels(*labels);
    if (auto rows_at = data.field("rows_at")) task_.data.rows_at = rows_at->text();
    if (auto format = data.field("format")) {
      task_.data.format = format->text();
      if (!is_known_format(task_.data.format)) {
        format->fail("unknown format \"" + task_.data.format + "\"", "there are " + fmt_list(format_names()));
      }
    }
    if (auto files = data.field("files")) {
      if (!files->json().is_object()) files->fail("must be a map of splits to paths");
      for (const auto& [split, unused] : files->json().items()) {
        if (auto paths = files->field(split)) task_.data.files[split] = paths->texts();
      }
    } else if (task_.data.format != "text") {
      data.fail("`files` is missing");
    }
  }

  void read_foreign_data(const ConfigNode& path) {
    static constexpr std::array kLoaders = {"json", "csv", "text"};
    set_base(path);
    task_.data.in_current_folder = true;
    task_.data.typed_columns = true;
    auto kwargs = field("dataset_kwargs");
    auto files = kwargs ? kwargs->field("data_files") : std::nullopt;
    auto folder = kwargs ? kwargs->field("data_dir") : std::nullopt;
    const bool by_loader = std::find(kLoaders.begin(), kLoaders.end(), path.text()) != kLoaders.end();
    if (by_loader) task_.data.format = path.text();
    if (files) set_base(*files);
    const std::filesystem::path head =
        std::filesystem::path(by_loader ? "" : path.text()) / (folder ? folder->text() : "");
    if (by_loader && files) {
      read_data_files(*files, folder ? head : "");
    } else if (!find_folder(head) && !by_loader) {
      return beyond(
          path, "`" + path.text() + "` is the name of a data set on a hub, and Assay reads local files",
          "write `dataset_path: json` (or csv, text, a local folder) and `dataset_kwargs: {data_files: {test: "
          "FILE}}`");
    } else if (task_.data.files.empty()) {
      return folder ? beyond(*folder, folder->text() + " is no folder with " + path.text() + " files")
                    : beyond(path, "`dataset_kwargs: {data_files: ...}` is missing");
    } else if (files) {
      task_.data.files.clear();
      read_data_files(*files, head);
    }
    if (task_.data.format.empty() && all_files_end_in(".txt")) task_.data.format = "text";
    if (kwargs) read_loader_options(*kwargs);
    if (task_.data.format == "text" && !keep_whole_texts_) task_.data.format = "lines";
  }

  void read_data_files(const ConfigNode& files, const std::filesystem::path& folder) {
    const auto put = [&](const std::string& split, const ConfigNode& paths) {
      for (const std::string& one : paths.texts()) {
        if (one.find("://") != std::string::npos) beyond(files, one + " is no local file");
        task_.data.files[split].push_back((folder / one).string());
      }
    };
    if (!files.json().is_object()) return put("train", files);
    for (const auto& [split, unused] : files.json().items()) {
      if (auto paths = files.field(split)) put(split, *paths);
    }
  }

  // The splits of a local folder, beside the task file or in the current folder. False where there is none with data.
  bool find_folder(const std::filesystem::path& folder) {
    if (folder.empty()) return false;
    for (const std::filesystem::path& base : {std::filesystem::path(task_.data.base), std::filesystem::path()}) {
      for (const auto& [split, paths] : splits_of_folder((base / folder).string(), task_.data.format)) {
        for (const std::string& one : paths) task_.data.files[split].push_back((folder / one).string());
      }
      if (!task_.data.files.empty()) return true;
    }
    return false;
  }

  bool all_files_end_in(const char* extension) const {
    for (const auto& [split, paths] : task_.data.files) {
      for (const std::string& path : paths) {
        if (!ends_with(path, extension)) return false;
      }
    }
    return true;
  }

  void read_loader_options(const ConfigNode& kwargs) {
    // Where a loader keeps its copies and how it checks them.
    static constexpr std::array kHarmless = {"data_files", "data_dir", "trust_remote_code", "cache_dir",
                                             "streaming",  "revision", "download_mode",     "keep_in_memory",
                                             "save_infos", "token",    "num_proc",          "verification_mode"};
    for (const auto& [key, unused] : kwargs.json().items()) {
      auto node = kwargs.field(key);
      if (!node || std::find(kHarmless.begin(), kHarmless.end(), key) != kHarmless.end()) continue;
      if (key == "sample_by" && task_.data.format == "text" && (node->text() == "line" || node->text() == "document")) {
        if (node->text() == "document") keep_whole_texts_ = true;
      } else if (key == "field" && task_.data.format == "json") {
        task_.data.rows_at = "/" + pointer_step(node->text());
      } else if ((key == "column_names" || key == "names") && task_.data.format != "json") {
        task_.data.columns = node->texts();
      } else if ((key == "delimiter" || key == "sep") && node->text() == "\t") {
        task_.data.format = "tsv";
      } else if ((key != "delimiter" && key != "sep") || node->text() != ",") {
        beyond(*node, "this option of the data loader is not known here");
      }
    }
  }

  void read_splits() {
    auto node = field("test_split") ? field("test_split") : field("validation_split");
    if (!node)
      return beyond(*config_.field("task"), "neither test_split nor validation_split says which are the items");
    task_.test_split = node->text();
    check_split(*node, task_.test_split);
  }

  void check_split(const ConfigNode& node, const std::string& split) {
    if (task_.data.files.empty() || task_.data.files.count(split) || !task_.unavailable.empty()) return;
    std::vector<std::string> splits;
    for (const auto& [name, unused] : task_.data.files) splits.push_back(name);
    beyond(node, "there are no files for the split \"" + split + "\"", "there are " + fmt_list(splits));
  }

  // --- prompt

  void read_prompt() {
    read_text("description", task_.description);
    read_text("gen_prefix", task_.gen_prefix);
    read_text("target_delimiter", task_.target_delimiter);
    read_text("fewshot_delimiter", task_.fewshot_delimiter);
    read_text("unconditional_context", task_.unconditional_context);
    for (const char* name : {"description", "gen_prefix"}) {
      if (auto node = field(name)) check_template(*node, node->text());
    }
    if (auto node = field("doc_to_text")) task_.doc_to_text = read_template(*node, false);
    if (auto node = field("doc_to_target")) task_.doc_to_target = read_template(*node, true);
    if (auto node = field("doc_to_choice")) task_.doc_to_choice = read_template(*node, true);
    if (auto node = field("reversed")) task_.reversed = node->boolean();
    task_.truncate_left = task_.convention == "lm-eval";
    if (auto node = field("truncate_left")) task_.truncate_left = node->boolean();
    if (task_.output_type == OutputType::kMultipleChoice && !field("doc_to_choice")) {
      beyond(*field("output_type"), "a multiple-choice task needs doc_to_choice");
    }
  }

  void check_template(const ConfigNode& node, const std::string& source) {
    try {
      Template::parse(source, node.where());
    } catch (const TemplateError& error) {
      if (!foreign_) throw;
      refuse(node, error.what());
    }
  }

  FieldTemplate read_template(const ConfigNode& node, bool may_be_list) {
    FieldTemplate out;
    const Json& value = node.json();
    if (value.is_number_integer()) {
      out.kind = FieldTemplate::Kind::kInteger;
      out.integer = static_cast<int>(node.integer(INT32_MIN, INT32_MAX));
    } else if (value.is_array() && may_be_list) {
      out.kind = FieldTemplate::Kind::kList;
      out.list = node.texts();
    } else if (value.is_object() && may_be_list) {
      out.kind = FieldTemplate::Kind::kList;
      for (const auto& [key, unused] : value.items()) {
        if (auto entry = node.field(key)) out.list.push_back(entry->text());
      }
      out.is_literal = foreign_;
    } else {
      out.text = node.text();
      const bool column = !out.text.empty() && !has_markup(out.text) && out.text.find('\n') == std::string::npos;
      out.kind = column ? FieldTemplate::Kind::kColumn : FieldTemplate::Kind::kTemplate;
    }
    if (out.kind == FieldTemplate::Kind::kTemplate) check_template(node, out.text);
    if (out.is_literal) return out;
    for (const std::string& source : out.list) check_template(node, source);
    return out;
  }

  // --- few-shot examples

  void read_fewshot() {
    using Sampler = FewshotSpec::Sampler;
    FewshotSpec& shots = task_.fewshot;
    const Sampler usual = task_.convention == "lm-eval" ? Sampler::kLmEvalRandom : Sampler::kFirstN;
    const std::array<std::pair<const char*, Sampler>, 5> samplers = {{{"default", usual},
                                                                      {"first_n", Sampler::kFirstN},
                                                                      {"stable_hash", Sampler::kStableHash},
                                                                      {"lm_eval_random", Sampler::kLmEvalRandom},
                                                                      {"same_cluster", Sampler::kSameCluster}}};
    shots.sampler = usual;
    if (auto node = field("num_fewshot")) {
      shots.count = static_cast<int>(node->integer(0, 10'000));
      shots.always_zero = foreign_ && shots.count == 0;
    }
    auto config = field("fewshot_config");
    if (config) {
      config->only({"sampler", "split", "samples", "fewshot_indices", "doc_to_text", "doc_to_target", "doc_to_choice",
                    "process_docs", "gen_prefix", "fewshot_delimiter", "target_delimiter"});
      if (auto node = config->field("sampler")) {
        const auto sampler = find_row(samplers, node->text());
        if (!sampler)
          beyond(*node, "unknown sampler " + node->text(),
                 "there are default, first_n, stable_hash, lm_eval_random, same_cluster");
        shots.sampler = sampler.value_or(usual);
        if (shots.sampler == Sampler::kSameCluster && !field("cluster"))
          node->fail("the sampler same_cluster needs `cluster`, the column that items share");
      }
      read_shot_sources(*config);
      read_shot_templates(*config);
    }
    choose_shot_split(config ? config->field("split") : std::nullopt);
  }

  void read_shot_sources(const ConfigNode& config) {
    // That harness has the field, and (0.4.13) none of its samplers gets to see it.
    if (auto node = config.field("fewshot_indices"); node && !foreign_) {
      for (const ConfigNode& index : node->items()) {
        task_.fewshot.indices.push_back(static_cast<int>(index.integer(0, INT32_MAX)));
      }
    }
    if (auto node = config.field("samples")) {
      for (const ConfigNode& sample : node->items()) {
        if (!sample.json().is_object()) sample.fail("a sample is a document: a map of columns");
        task_.fewshot.samples.push_back(sample.json());
      }
    }
  }

  void read_shot_templates(const ConfigNode& config) {
    FewshotSpec& shots = task_.fewshot;
    if (auto node = config.field("doc_to_text")) shots.doc_to_text = read_template(*node, false);
    if (auto node = config.field("doc_to_target")) shots.doc_to_target = read_template(*node, true);
    if (auto node = config.field("doc_to_choice")) shots.doc_to_choice = read_template(*node, true);
    for (const char* name : {"process_docs", "gen_prefix", "fewshot_delimiter", "target_delimiter"}) {
      auto node = config.field(name);
      auto own = field(name);
      if (node && (!own || own->json() != node->json())) beyond(*node, "can't differ from the task's own here");
    }
  }

  void choose_shot_split(std::optional<ConfigNode> chosen) {
    if (!chosen) chosen = field("fewshot_split");
    if (task_.convention == "lm-eval") {
      const auto test = field("test_split");
      task_.fewshot.guards_item = (chosen ? chosen->text() : "") == (test ? test->text() : "");
    }
    if (chosen) task_.fewshot.samples.clear();
    for (const char* name : {"training_split", "validation_split", "test_split"}) {
      if (!chosen && task_.fewshot.samples.empty()) chosen = field(name);
    }
    if (!chosen) return;
    task_.fewshot.split = chosen->text();
    if (task_.fewshot.count > 0) check_split(*chosen, task_.fewshot.split);
  }

  // --- generation

  void read_generation() {
    GenerateSettings& settings = task_.generation;
    settings.stop = {task_.fewshot_delimiter};
    if (auto repeats = field("repeats")) settings.samples = static_cast<int>(repeats->integer(1, 100'000));
    auto kwargs = field("generation_kwargs");
    if (!kwargs) return;
    std::optional<bool> do_sample;
    std::optional<double> temperature;
    if (!kwargs->json().is_object()) kwargs->fail("must be a map");
    for (const auto& [key, unused] : kwargs->json().items()) {
      auto node = kwargs->field(key);
      if (!node) continue;
      if (key == "until") {
        settings.stop = node->texts();
      } else if (key == "max_gen_toks" || key == "max_new_tokens" || key == "max_tokens" ||
                 key == "max_completion_tokens") {
        settings.max_tokens = static_cast<int>(node->integer(1, 1'000'000));
      } else if (key == "do_sample") {
        do_sample = node->boolean();
      } else if (key == "temperature") {
        temperature = node->number();
      } else if (key == "top_p") {
        settings.top_p = node->number();
      } else if (key == "top_k") {
        settings.top_k = static_cast<int>(node->integer(0, 1'000'000));
      } else if (key != "num_beams" || node->json() != Json(1)) {
        beyond(*node, "the generation setting " + key + " is not known here",
               "there are until, max_gen_toks, do_sample, temperature, top_p, top_k");
      }
    }
    std::erase(settings.stop, "");
    settings.temperature = do_sample == false ? 0 : temperature.value_or(do_sample == true ? 1 : 0);
    if (settings.temperature < 0) kwargs->fail("the temperature is negative");
    if (!(settings.top_p > 0 && settings.top_p <= 1)) kwargs->fail("top_p lies above 0 and up to 1");
  }

  void read_conversation() {
    if (auto node = field("next_turns")) {
      task_.next_turns = node->texts();
      for (const std::string& turn : task_.next_turns) check_template(*node, turn);
    }
    if (auto node = field("temperature_by")) {
      node->only({"field", "values"});
      auto name = node->field("field"), values = node->field("values");
      if (!name || !values || !values->json().is_object()) node->fail("needs `field` and a map `values`");
      task_.temperature_field = name->text();
      for (const auto& [key, unused] : values->json().items()) {
        const double temperature = values->needed(key).number();
        if (temperature < 0) values->fail("a temperature is negative");
        task_.temperatures[key] = temperature;
      }
    }
    if (auto node = field("judge")) {
      task_.judge = node->text();
      if (!find_judge_protocol(task_.judge))
        node->fail("unknown judge protocol \"" + task_.judge + "\"", "there are " + fmt_list(judge_protocol_names()));
    }
    if ((field("next_turns") || field("judge")) && task_.output_type != OutputType::kGenerate)
      field("output_type")->fail("conversations and judges are for generate_until");
  }

  void read_rows(const ConfigNode& rows) {
    for (const auto& [split, unused] : rows.json().items()) {
      const std::vector<ConfigNode> ends = rows.needed(split).items();
      if (ends.size() != 2) rows.fail("a range of rows is [first, end]");
      task_.data.rows[split] = {ends[0].integer(0, INT64_MAX), ends[1].integer(1, INT64_MAX)};
    }
  }

  void read_labels(const ConfigNode& labels) {
    if (!labels.json().is_object()) labels.fail("must be a map of splits to files of labels");
    for (const auto& [split, unused] : labels.json().items()) {
      task_.data.labels[split] = labels.needed(split).text();
    }
  }

  // --- judging

  void read_program() {
    auto node = field("program");
    if (!node) return;
    node->only({"language", "text", "tests", "setup", "entry_point", "mode", "name", "inline", "limits", "by", "stub",
                "preload"});
    ProgramSpec spec;
    if (auto language = node->field("language")) {
      if (!language_from_string(language->text(), spec.language)) {
        language->fail("is not a language", "there are python, cpp, js, java, php, ts, cs, sh");
      }
    }
    auto read_text = [&](const char* key, std::string& target) {
      if (auto text = node->field(key)) target = text->text();
    };
    spec.text = "{{answer}}";
    read_text("text", spec.text), read_text("tests", spec.tests), read_text("setup", spec.setup);
    read_text("entry_point", spec.entry_point), read_text("name", spec.name), read_text("stub", spec.stub);
    if (spec.tests.empty()) node->fail("`tests` is missing");
    if (auto mode = node->field("mode")) {
      if (mode->text() != "split" && mode->text() != "inline") mode->fail("is split or inline");
      if (mode->text() == "inline") spec.mode = ProgramMode::kInline;
    }
    if (auto items = node->field("inline")) spec.inline_items = items->texts();
    if (auto modules = node->field("preload")) spec.preload = modules->texts();
    if (auto limits = node->field("limits"))
      spec.limits = limits_from_json(limits->json(), limits->where(), spec.limits);
    if (auto by = node->field("by")) read_by(*by);
    if (task_.output_type != OutputType::kGenerate) node->fail("is for output_type generate_until");
    task_.program = std::move(spec);
  }

  void read_by(const ConfigNode& by) {
    if (!by.json().is_object()) by.fail("must be a map of names to texts");
    if (task_.output_type != OutputType::kGenerate) by.fail("is for output_type generate_until");
    for (const auto& [name, unused] : by.json().items()) task_.by.emplace_back(name, by.needed(name).text());
  }

  void read_audit() {
    auto node = field("audit");
    if (!node) return;
    node->only({"question", "options", "solution", "language"});
    AuditSpec spec;
    auto question = node->field("question"), options = node->field("options"), solution = node->field("solution");
    if (!question) node->fail("`question` is missing");
    spec.question = read_template(*question, false);
    if (task_.output_type == OutputType::kMultipleChoice) {
      if (!options) node->fail("`options` is missing");
      if (solution) solution->fail("is for word problems, of output_type generate_until");
      spec.options = read_template(*options, true);
    } else if (task_.output_type == OutputType::kGenerate) {
      if (!solution) node->fail("`solution` is missing");
      if (options) options->fail("is for output_type multiple_choice");
      if (spec.question.kind != FieldTemplate::Kind::kColumn) question->fail("is the name of a column here");
      spec.solution = solution->text();
    } else {
      node->fail("is for output_type multiple_choice or generate_until");
    }
    if (auto language = node->field("language")) {
      spec.language = language->text();
      if (spec.language != "en" && spec.language != "zh") language->fail("is en or zh");
    }
    task_.audit = std::move(spec);
  }

  void read_held_out() {
    auto node = field("held_out");
    if (!node) return;
    node->only({"beside", "date", "stratum"});
    HeldOutSpec spec;
    auto beside = node->field("beside");
    if (!beside) node->fail("`beside` is missing: the public benchmarks of the same skill");
    spec.beside = beside->texts();
    if (auto date = node->field("date")) spec.date = date->text();
    if (auto stratum = node->field("stratum")) spec.stratum = stratum->text();
    task_.held_out = std::move(spec);
  }

  void read_filters() {
    auto list = field("filter_list");
    if (!list) {
      if (task_.output_type == OutputType::kGenerate) task_.filters = {{"none", {{"take_first"}}}};
      return;
    }
    for (const ConfigNode& entry : list->items()) {
      entry.only({"name", "version", "filter"});
      FilterPipeline pipeline;
      if (auto name = entry.field("name")) pipeline.name = name->text();
      if (auto version = entry.field("version")) pipeline.version = static_cast<int>(version->integer(1, INT32_MAX));
      auto steps = entry.field("filter");
      if (!steps) entry.fail("`filter` is missing");
      for (const ConfigNode& step : steps->items()) pipeline.steps.push_back(read_filter_step(step));
      for (const FilterPipeline& other : task_.filters) {
        if (other.name == pipeline.name) entry.fail("two filters have the name " + pipeline.name);
      }
      task_.filters.push_back(std::move(pipeline));
    }
  }

  FilterStep read_filter_step(const ConfigNode& node) {
    FilterStep step;
    auto function = node.field("function");
    if (!function) node.fail("`function` is missing");
    step.function = function->text();
    if (!is_known_filter(step.function)) beyond(*function, "unknown filter \"" + step.function + "\"");
    step.options = node.json();
    step.options.erase("function");
    if (std::string defect = filter_defect(step); is_known_filter(step.function) && !defect.empty())
      beyond(node, defect);
    return step;
  }

  void read_metrics() {
    if (auto list = field("metric_list")) {
      for (const ConfigNode& entry : list->items()) {
        MetricSpec metric = read_metric(entry);
        for (const MetricSpec& other : task_.metrics) {
          if (other.metric == metric.metric) entry.fail("the metric " + metric.metric + " stands here twice");
        }
        task_.metrics.push_back(std::move(metric));
      }
      if (task_.metrics.empty()) list->fail("is empty");
    } else {
      for (const std::string& name : default_metrics(task_.output_type)) {
        const MetricInfo* info = find_metric(name);
        task_.metrics.push_back({name, "", info ? info->higher_is_better : true});
      }
    }
    for (const MetricSpec& metric : task_.metrics) {
      if (is_pass_at(metric.metric) != task_.program.has_value()) {
        beyond(*field(task_.program ? "program" : "metric_list"),
               "pass@k is the metric of tasks that have a program, and their only one");
      }
    }
    for (const MetricSpec& metric : task_.metrics) task_.word_counts |= metric.metric == "word_perplexity";
  }

  MetricSpec read_metric(const ConfigNode& node) {
    MetricSpec spec;
    auto name = node.field("metric");
    if (!name) node.fail("`metric` is missing");
    spec.metric = name->text();
    const MetricInfo* info = find_metric(spec.metric);
    if (!info) beyond(*name, "unknown metric \"" + spec.metric + "\"");
    if (info) spec.higher_is_better = info->higher_is_better;
    if (auto higher = node.field("higher_is_better")) spec.higher_is_better = higher->boolean();
    if (auto aggregation = node.field("aggregation")) spec.aggregation = read_aggregation(*aggregation, spec.metric);
    if (auto normalization = node.field("normalization")) {
      spec.normalization = find_row(kNormalizations, normalization->text());
      if (!spec.normalization) {
        normalization->fail("unknown normalization", "there are none, token, byte, character, unconditional");
      }
      if (spec.normalization == Normalization::kUnconditional && !field("unconditional_context")) {
        normalization->fail("the task does not say its unconditional_context");
      }
    }
    if (auto evaluate = node.field("hf_evaluate"); evaluate && evaluate->boolean()) {
      beyond(*evaluate, "this metric comes from a Python package");
    }
    for (const auto& [key, value] : node.json().items()) {
      static constexpr std::array kOwn = {"metric", "aggregation", "higher_is_better", "normalization", "hf_evaluate"};
      if (std::find(kOwn.begin(), kOwn.end(), key) == kOwn.end()) spec.options[key] = value;
    }
    if (std::string defect = metric_defect(spec, task_.output_type); info && !defect.empty()) beyond(node, defect);
    return spec;
  }

  // lm-evaluation-harness calls what byte_perplexity and word_perplexity do by one name.
  std::string read_aggregation(const ConfigNode& node, const std::string& metric) {
    const std::string name = node.text();
    if (name == "weighted_perplexity" && ends_with(metric, "_perplexity")) return metric;
    if (std::find(kAggregations.begin(), kAggregations.end(), name) == kAggregations.end()) {
      beyond(node, "unknown aggregation \"" + name + "\"");
    }
    return name;
  }

  static std::string fmt_list(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
  }

  const TaskConfig& config_;
  const bool foreign_;             // written for lm-evaluation-harness
  bool keep_whole_texts_ = false;  // `sample_by: document`
  Task task_;
};

PublishedRow read_published_row(const ConfigNode& node) {
  node.only({"benchmark", "metric", "method", "source", "shots"});
  PublishedRow row;
  if (auto field = node.field("benchmark")) row.benchmark = field->text();
  if (auto field = node.field("metric")) row.metric = field->text();
  if (auto field = node.field("method")) row.method = field->text();
  if (auto field = node.field("source")) row.source = field->text();
  if (auto field = node.field("shots")) row.shots = static_cast<int>(field->integer(0, 10'000));
  if (row.benchmark.empty()) node.fail("`benchmark` is missing");
  return row;
}

}  // namespace

Task read_task(const TaskConfig& config, const std::string& name) {
  return TaskReader(config).read(name);
}

std::string suite_of(const std::string& path) {
  if (!starts_with(path, kBuiltIn)) return "included";
  return split(path.substr(kBuiltIn.size()), '/').front();
}

void check_field_names(const TaskConfig& config) {
  if (config.field("class")) return;  // its fields are the class's own
  for (const auto& [key, node] : config.fields) {
    const auto& known = known_fields();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail_unknown_field(node.where(), key, known);
  }
}

std::vector<PublishedRow> read_published(const ConfigNode& node) {
  if (!node.json().is_array()) return {read_published_row(node)};
  std::vector<PublishedRow> rows;
  for (const ConfigNode& item : node.items()) rows.push_back(read_published_row(item));
  return rows;
}

int read_version(const ConfigNode& metadata) {
  if (metadata.json().is_array()) {  // `- version: 1`, the old form
    for (const ConfigNode& item : metadata.items()) {
      if (item.json().is_object() && item.field("version")) return read_version(item);
    }
    return 1;
  }
  auto version = metadata.field("version");
  if (!version || !version->json().is_number()) return 1;
  return static_cast<int>(std::clamp(version->number(), 0.0, 1e9));
}

}  // namespace assay
