// Whether the machine has the memory that a checkpoint's weights need: known from headers, said before a byte is
// loaded.
#pragma once

#include <cstdint>

#include "model_backend/checkpoint/checkpoint.h"
#include "model_backend/engine/ops.h"

namespace assay {

// What the weights take at least once they are loaded: every element in the precision used, those of a tied head twice
// (by rows for the tokens that come in, packed for the head).
int64_t weight_bytes(const Checkpoint& checkpoint, Precision precision);

// Memory that this process may still take: what the system calls available, or what its control group or one above it
// (version 2 or 1) leaves where that is less. Pages of files that the group keeps in memory count as free.
int64_t machine_memory_bytes();

// Throws Error(kWorld) with both figures when the weights need more than `available` bytes.
void check_memory(const Checkpoint& checkpoint, Precision precision, int64_t available);

}  // namespace assay
