// Settings of a run and of the other commands. Each flag is declared once, in run_config.cc: name, default, help.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/judging.h"
#include "harness/sandbox_flags.h"
#include "model_backend/backend.h"

namespace CLI {
class App;
}

namespace assay {

// Where things lie: shared by most commands.
struct Places {
  std::string db;                    // --db, $ASSAY_DB, "scores.db"
  std::string data;                  // --data, $ASSAY_DATA, ~/.cache/assay
  std::vector<std::string> include;  // --include: folders with more task files
  std::vector<std::string> texts;    // --text: files and folders for bpb
};

struct RunConfig {
  Places places;
  std::string model;  // --model DIR | FILE.gguf | scripted:FILE
  std::string tasks;  // --tasks a,b,group,glob*
  std::string name;   // --name: checkpoint label; empty = the path's last part

  // Changes what is asked:
  int64_t limit = 0;  // first N items a task; 0 = all
  uint64_t seed = 1234;
  std::optional<int> num_fewshot;
  std::optional<int> samples;
  std::optional<double> temperature;
  bool chat_template = false;
  std::string system_prompt_file;

  // Changes the device's numbers or its speed:
  BackendOptions backend;

  JudgeConfig judge;                   // who grades the run's open answers; nobody by default
  bool compare_system_prompt = false;  // run with and without the system prompt, and compare
  SandboxFlags sandbox;                // how programs are held

  bool json = false;
};

// Declares flags on a subcommand. The referred structs must outlive the parse.
void add_place_flags(CLI::App& command, Places& places);
void add_task_flags(CLI::App& command, RunConfig& config);          // those that decide what a prompt looks like
void add_http_flags(CLI::App& command, HttpOptions& options);       // how an openai: server is reached
void add_engine_flags(CLI::App& command, BackendOptions& options);  // how the in-process engine computes
void add_run_flags(CLI::App& command, RunConfig& config);           // all of a run

// "256MiB", "2GB", "1048576" -> bytes. Throws Error(kInput).
int64_t parse_bytes(const std::string& text);

}  // namespace assay
