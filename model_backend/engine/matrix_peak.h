// The device's matrix peak, measured: what shares of the peak are held against.
#pragma once

#include "model_backend/engine/ops.h"

namespace assay {

// Operations (multiplications and additions) per second of large matrix products through Ops::linear, the best of a few
// tries. Takes about a tenth of a second.
double measure_matrix_peak(Ops& ops);

}  // namespace assay
