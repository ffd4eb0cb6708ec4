// A database of invented results, as large as a test wants it.
#pragma once

#include <string>

#include "reports/results_db.h"

namespace assay::testing {

struct SampleSize {
  int checkpoints = 20, tasks = 40;
  int items = 6;  // of every task; each with a prompt, a response and a score
};

// Text that would break out of a careless page.
inline constexpr const char* kHostile =
    "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>\u2028 ]]> 对不对？";

// Checkpoints "step-00100", "step-00200", ...; tasks "task_00", ...: the first is a group with the second and third in
// it, every tenth measures bits per byte, odd ones are generated answers. A drop at the 15th checkpoint of task_04.
void fill_database(const std::string& path, const SampleSize& size);

}  // namespace assay::testing
