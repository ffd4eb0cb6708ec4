// Finds the programs that run programs: the Python interpreter, compilers, other runtimes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/program_runner.h"

namespace assay {

struct Interpreter {
  std::string path;     // the real binary, never a shim
  std::string prefix;   // the folder it needs beside /usr; empty: none
  std::string version;  // "3.11.7"
  std::string named;    // as it was found: of a virtual environment, the path inside it
};

// The interpreter named by $ASSAY_PYTHON, else the first python3 of PATH that runs and is not older than 3.9 (a wrapper
// script is asked once what it leads to), else /usr/bin/python3. Looked for once a process. Throws Error(kWorld) when
// there is none.
const Interpreter& find_python();

// The interpreter's folders of installed packages, also of a virtual environment. Asked for once a process.
const std::vector<std::string>& find_packages();

// Those of `modules` that the interpreter cannot import with its packages, joined by ", "; empty: none. Each set is
// asked for once a process. From any thread.
std::string missing_modules(const std::vector<std::string>& modules);

// How a language other than Python is compiled and run; paths are absolute.
struct Toolchain {
  std::string source;                // file name of the program
  std::vector<std::string> compile;  // empty: none
  std::vector<std::string> run;
  bool limits_data = false;  // its runtime reserves address space: limit the data segment instead
  // Whether program and tests are well formed, without running them; empty: can't be told.
  std::vector<std::string> check = {};
  // For tests by themselves: what opens the function that they close with their first "}", what their messages look
  // like when it is the syntax that is wrong, and when it is a name of the program's that is absent (POSIX-like
  // expressions of Python's `re`).
  std::string opener = {}, syntax_error = {}, absent_name = {};
};
// Nothing when its tools are not on this machine; `missing` then names them.
std::optional<Toolchain> find_toolchain(Language language, std::string& missing);

}  // namespace assay
