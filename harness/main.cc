// assay: the command line. Only this file prints errors and chooses exit codes.

#include <sys/time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/json.h"
#include "harness/commands.h"
#include "harness/version.h"

namespace assay {
namespace {

struct Command {
  const char* name;
  const char* help;
  void (*declare)(CLI::App& command, int& exit_code);
};

constexpr Command kCommands[] = {
    {"run", "Score a checkpoint on tasks; the same command again goes on where it stopped", declare_run},
    {"tasks", "List tasks and groups, or check a task file", declare_tasks},
    {"show", "Print exactly what the model will see, as text and as token ids", declare_show},
    {"fetch", "Download benchmark data from its original hosts", declare_fetch},
    {"score", "Score stored responses again, without the model", declare_score},
    {"report", "Print the result table of a database", declare_report},
    {"judge", "Have a judge grade stored answers, without the model", declare_judge},
    {"grade", "Export answers for people to label, import their labels", declare_grade},
    {"samples", "Print items: prompt, raw response, extracted answer beside the gold one, score", declare_samples},
    {"watch", "Score checkpoints as training writes them", declare_watch},
    {"compare", "Put runs, checkpoints and published models side by side, with paired tests", declare_compare},
    {"audit", "Find out whether a multiple-choice score is ability or exam technique", declare_audit},
    {"selfcheck", "Prove on this machine that batch, order, memory and threads change no bit", declare_selfcheck},
    {"doctor", "Say what this machine has, and what it lacks", declare_doctor},
    {"view", "Show the report in a browser, live, on this machine only", declare_view},
    {"sandbox", "Run programs as a code benchmark would: one, or a suite with expected verdicts", declare_sandbox},
};

// The first Ctrl-C asks for a clean end, and sees to an end in any case; the second ends at once.
extern "C" void on_interrupt(int) {
  if (g_cancelled.exchange(true)) _exit(130);
  itimerval time{};
  time.it_value = {g_end_within_ms / 1000, g_end_within_ms % 1000 * 1000};
  ::setitimer(ITIMER_REAL, &time, nullptr);
}
extern "C" void on_time_up(int) {
  constexpr char kStopped[] = "assay: stopped; what was done by now is kept\n";
  if (::write(STDERR_FILENO, kStopped, sizeof kStopped - 1) < 0) _exit(kExitIncomplete);
  _exit(kExitIncomplete);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  using namespace assay;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGALRM, on_time_up);
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Assay scores language-model checkpoints and says what the scores are worth.", "assay");
  app.set_version_flag("--version", std::string("assay ") + kVersion);
  app.require_subcommand(1);
  int exit_code = kExitDone;
  for (const Command& command : kCommands) command.declare(*app.add_subcommand(command.name, command.help), exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? kExitDone : kExitInput;
  } catch (const Error& error) {
    std::fprintf(stderr, "assay: %s\n", error.what());
    return error.kind() == Error::Kind::kInput ? kExitInput : kExitWorld;
  } catch (const std::filesystem::filesystem_error& error) {
    std::fprintf(stderr, "assay: %s\n", error.what());
    return kExitWorld;
  } catch (const nlohmann::json::exception& error) {
    std::fprintf(stderr, "assay: JSON of another shape than expected: %s\n", error.what());
    return kExitInput;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "assay: out of memory (give a smaller --kv-memory or --batch-tokens)\n");
    return kExitWorld;
  }
  return exit_code;
}
