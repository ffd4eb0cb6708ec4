// Jinja's tests: what may stand behind `is`.
#pragma once

#include <string>

#include "tasks/template/objects.h"

namespace assay::jinja {

// The test of that name, null when there is none. Its result is read by truth.
Function::Body find_test(const std::string& name);

}  // namespace assay::jinja
