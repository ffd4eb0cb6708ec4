// `--compute FILE`: what training spent on each checkpoint (docs/formats/compute.md).
//
//   YAML or JSON                                      CSV
//   tokens_per_step: 524288                           step,tokens,flops_per_token
//   flops_per_token: 4.3e9      # or model: {layers, width, sequence}
//   checkpoints:                                      100,52428800,4.3e9
//     100: 5.2e7                # a step              or, by label:
//     final: {tokens: 2.0e9, flops_per_token: 4.3e9}  checkpoint,tokens
//   predict: [1.0e20]           # FLOPs               final,2.0e9
#pragma once

#include <string>

#include "reports/scaling_fit.h"

namespace assay {

// A name that ends in .csv is CSV, everything else YAML. Throws Error(kInput) naming file and place for anything that
// is not as above, and for numbers that are not positive.
Compute read_compute_file(const std::string& path);

}  // namespace assay
