// The subcommands: one function each. Results go to stdout, everything else to stderr.
#pragma once

#include <atomic>
#include <string>

namespace CLI {
class App;
}

namespace assay {

// Exit codes (docs/formats/cli.md). 2 and 3 come from Error::kind() in main.cc.
inline constexpr int kExitDone = 0;
inline constexpr int kExitIncomplete = 1;  // done but incomplete, or a check that failed
inline constexpr int kExitInput = 2;
inline constexpr int kExitWorld = 3;

// Set by Ctrl-C and SIGTERM: work ends soon, with what is done kept.
extern std::atomic<bool> g_cancelled;
// A command that has not ended this long after that is ended, as by a kill, which loses no answer but those of the last
// half second. Loading weights or waiting for another program's lock does not look at g_cancelled.
extern std::atomic<int> g_end_within_ms;
// Where answers are bought: those under way are waited for.
inline constexpr int kEndWithServersMs = 7000;
bool is_server(const std::string& model);  // as given to --model or --judge

// Writes all of it to standard output now; throws where that can't be.
void print(const std::string& text);

// Each declares its flags on the subcommand and stores the action that runs it; `exit_code` receives the result.
void declare_run(CLI::App& command, int& exit_code);
void declare_tasks(CLI::App& command, int& exit_code);
void declare_show(CLI::App& command, int& exit_code);
void declare_fetch(CLI::App& command, int& exit_code);
void declare_score(CLI::App& command, int& exit_code);
void declare_report(CLI::App& command, int& exit_code);
void declare_judge(CLI::App& command, int& exit_code);
void declare_grade(CLI::App& command, int& exit_code);
void declare_samples(CLI::App& command, int& exit_code);
void declare_selfcheck(CLI::App& command, int& exit_code);
void declare_watch(CLI::App& command, int& exit_code);
void declare_compare(CLI::App& command, int& exit_code);
void declare_audit(CLI::App& command, int& exit_code);
void declare_doctor(CLI::App& command, int& exit_code);
void declare_view(CLI::App& command, int& exit_code);
void declare_sandbox(CLI::App& command, int& exit_code);

}  // namespace assay
