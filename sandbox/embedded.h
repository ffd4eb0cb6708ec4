// Files of ours that run inside, carried in the program.
#pragma once

#include <string_view>

namespace assay {

// JSON object: module name -> source of the Python files in python/.
std::string_view embedded_sources();
// The shared library of inside/.
std::string_view embedded_library();

}  // namespace assay
