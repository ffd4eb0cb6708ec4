// Starts the program under test as a user would.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace assay::testing {

struct Finished {
  int exit_code = 0;  // 128 + signal when a signal ended it
  std::string out, err;
  double seconds = 0;  // from start to end
};

struct Start {
  std::vector<std::string> arguments;              // without the program's name
  std::map<std::string, std::string> environment;  // added to this process's
  double kill_after_s = 0;                         // kill_signal then; 0 = never
  int kill_signal = 9;                             // SIGKILL
  std::function<bool()> kill_when;                 // kill_signal as soon as it is true; asked every few milliseconds
  double interrupt_after_s = 0;                    // SIGINT then; 0 = never
  double terminate_after_s = 0;                    // SIGTERM then; 0 = never
  std::vector<std::string> wrapper;                // command in front, e.g. {"unshare", "-rm", ...}
};

Finished run_program(const Start& start);
inline Finished run_assay(std::vector<std::string> arguments) {
  return run_program({std::move(arguments)});
}

// The rows of a report database that an uninterrupted run would have too: everything but run ids, times and token
// counts of sessions; one line a row, sorted.
std::string final_rows(const std::string& database);

}  // namespace assay::testing
