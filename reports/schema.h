// The SQL of the report database's tables: one text a schema version, run in order. docs/formats/database.md explains
// it.
#pragma once

#include <span>

namespace assay {

// migrations()[v] brings a database from version v to version v + 1; a new file starts at 0.
std::span<const char* const> migrations();

}  // namespace assay
