#include "harness/run_config.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdlib>

#include "core/error.h"

namespace assay {
namespace {

std::string environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

std::string default_data_folder() {
  return environment("HOME", ".") + "/.cache/assay";
}

}  // namespace

int64_t parse_bytes(const std::string& text) {
  size_t digits = 0;
  while (digits < text.size() && (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.')) {
    ++digits;
  }
  static constexpr struct {
    const char* name;
    double bytes;
  } kUnits[] = {{"", 1},     {"B", 1},        {"KB", 1e3},        {"MB", 1e6},
                {"GB", 1e9}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  std::string unit = text.substr(digits);
  for (const auto& known : kUnits) {
    if (digits == 0 || digits > 15 || unit != known.name) continue;
    double bytes = std::strtod(text.substr(0, digits).c_str(), nullptr) * known.bytes;
    if (bytes >= 1 && bytes < 1e18) return static_cast<int64_t>(bytes);
  }
  throw_input(text, "is no amount of memory", "write for example 256MiB or 2GB");
}

void add_place_flags(CLI::App& command, Places& places) {
  places.db = environment("ASSAY_DB", "scores.db");
  places.data = environment("ASSAY_DATA", default_data_folder());
  command.add_option("--db", places.db, "Report database (default: $ASSAY_DB, else scores.db)");
  command.add_option("--data", places.data, "Folder of benchmark data (default: $ASSAY_DATA, else ~/.cache/assay)");
  command.add_option("--include", places.include, "Folder with more task files; may be given several times")
      ->allow_extra_args(false);
  command.add_option("--text", places.texts, "Text files or folders for the task bpb");
}

void add_task_flags(CLI::App& command, RunConfig& config) {
  add_place_flags(command, config.places);
  command.add_option("--seed", config.seed, "Seed of few-shot draws and of sampling")->capture_default_str();
  command.add_option("--num-fewshot", config.num_fewshot, "Examples before each item (default: the task's own)")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option_function<std::string>(
          "--chat-template", [&config](const std::string& value) { config.chat_template = value == "on"; },
          "Ask through the checkpoint's chat template: on or off (default: off)")
      ->check(CLI::IsMember({"on", "off"}));
  command.add_option("--system-prompt", config.system_prompt_file,
                     "File with a system prompt (with --chat-template on)");
}

void add_http_flags(CLI::App& command, HttpOptions& options) {
  command.add_option("--base-url", options.base_url, "Server of openai:MODEL, e.g. http://localhost:8000/v1");
  command.add_option(
      "--api-key-env", options.key_variable,
      "Environment variable with its key (default: ASSAY_API_KEY; at OpenAI's own host else OPENAI_API_KEY)");
  command.add_option("--api-key-file", options.key_file, "File whose first line is its key");
  command.add_option("--max-in-flight", options.max_in_flight, "Requests under way at once, at most")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_option("--max-attempts", options.max_attempts, "Attempts for one request")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command.add_option("--request-timeout", options.request_s, "Seconds for one attempt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--total-timeout", options.give_up_s, "Seconds for one request with all its attempts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--first-pause", options.first_pause_s, "Seconds before a second attempt; doubles after that")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option_function<std::string>(
      "--max-reply", [&options](const std::string& text) { options.max_reply_bytes = parse_bytes(text); },
      "Longest reply that is read (default: 16MiB)");
}

void add_engine_flags(CLI::App& command, BackendOptions& options) {
  command.add_option("--dtype", options.dtype, "float32 or bfloat16")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  command.add_option("--device", options.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "Threads (default: all cores)")->check(CLI::Range(1, 4096));
  command.add_option_function<std::string>(
      "--kv-memory", [&options](const std::string& text) { options.kv_memory_bytes = parse_bytes(text); },
      "Memory for keys and values, e.g. 256MiB (default: a share of what is free)");
  command.add_option("--batch-tokens", options.batch_tokens, "Rows computed in one pass")->check(CLI::PositiveNumber);
}

void add_run_flags(CLI::App& command, RunConfig& config) {
  add_task_flags(command, config);
  add_sandbox_flags(command, config.sandbox);
  add_http_flags(command, config.backend.http);
  add_judge_flags(command, config.judge);
  command.add_flag("--compare-system-prompt", config.compare_system_prompt,
                   "Run without and with --system-prompt and compare the two, item by item");
  command.add_option("--model", config.model, "Checkpoint folder, FILE.gguf, openai:NAME or scripted:FILE")->required();
  command.add_option("--tasks", config.tasks, "Tasks, groups, tags or globs, separated by commas; name@convention")
      ->required();
  command.add_option("--name", config.name, "Label of the checkpoint (default: the last part of its path)");
  command.add_option("--limit", config.limit, "Only the first N items of each task")->check(CLI::PositiveNumber);
  command.add_option("--samples", config.samples, "Texts generated per prompt")->check(CLI::PositiveNumber);
  command.add_option("--temperature", config.temperature, "Sampling temperature; 0 = greedy")
      ->check(CLI::NonNegativeNumber);
  add_engine_flags(command, config.backend);
  command.add_flag("--json", config.json, "One JSON value on stdout, everything else on stderr");
}

}  // namespace assay
