// The one exception of Assay: "the world failed us".
//
// Three kinds of failure are never mixed:
//   1. a bug of ours                  -> ASSAY_ASSERT, the process stops with a sentence;
//   2. the world failed us            -> Error, thrown where it is seen, caught in harness/run.cc (one request or one
//                                        file lost) or harness/main.cc (the command ends);
//   3. the thing we measure failed    -> not an error: a value (core/records.h, Outcome), stored and counted.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace assay {

// Failure of something outside the program. `what()` is one readable text: place, what is wrong, what to do next.
class Error : public std::runtime_error {
 public:
  // Decides the exit code (docs/formats/cli.md): kInput 2, kWorld 3.
  enum class Kind {
    kInput,  // a file, task, checkpoint or option is wrong: the user mends it
    kWorld,  // disk full, read-only database, network, device: the machine or another host mends it
  };

  // where: path, path:line, URL or operation. what: the defect. next: what the user can do, may be empty.
  Error(Kind kind, std::string_view where, std::string_view what, std::string_view next = {});

  Kind kind() const { return kind_; }
  const std::string& where() const { return where_; }

 private:
  Kind kind_;
  std::string where_;
};

// Shorthands for `throw Error(...)`.
[[noreturn]] void throw_input(std::string_view where, std::string_view what, std::string_view next = {});
[[noreturn]] void throw_world(std::string_view where, std::string_view what, std::string_view next = {});
// As throw_world, with the text of the given errno appended to `what`.
[[noreturn]] void throw_errno(std::string_view where, std::string_view what, int error_number,
                              std::string_view next = {});

namespace internal {
[[noreturn]] void assertion_failed(const char* condition, const char* sentence, const char* file, int line);
}

}  // namespace assay

// A bug of ours, in every build type: prints the sentence and aborts. Never for input.
#define ASSAY_ASSERT(condition, sentence)                                            \
  do {                                                                               \
    if (!(condition)) [[unlikely]]                                                   \
      ::assay::internal::assertion_failed(#condition, sentence, __FILE__, __LINE__); \
  } while (false)
