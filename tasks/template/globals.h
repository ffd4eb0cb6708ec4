// The names that every template knows: range, dict, namespace, cycler, joiner, and in chat templates raise_exception
// and strftime_now.
#pragma once

#include <optional>
#include <string>

#include "tasks/template/objects.h"

namespace assay::jinja {

// Nothing when there is no such global.
std::optional<Value> find_global(Runtime& runtime, const std::string& name);

}  // namespace assay::jinja
