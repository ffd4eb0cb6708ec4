// The output head: logits tile by tile, folded at once into what is asked of them.
//
// A tile is kRowTile rows by kVocabularyTile tokens. A row keeps three running values over its tiles, first to last:
// the largest logit and its token, and the sum of exp(logit - largest).
#include <algorithm>

#include "core/error.h"
#include "model_backend/engine/cuda/act.cuh"
#include "model_backend/engine/cuda/reduce.cuh"
#include "model_backend/engine/cuda/stage.h"

namespace assay {
namespace {

constexpr int64_t kVocabularyTile = 8192;  // 8 MiB of logits for a tile of rows: it stays in the L2 cache
constexpr int kThreads = 256;

struct RowState {
  float max;
  float sum;
  int32_t best;
};

// One block a row. The first tile starts the row's state. A NaN among the logits makes the sum NaN.
__global__ void fold_tile_kernel(const float* logits, int width, int first_token, RowState* states) {
  const float* row = logits + static_cast<int64_t>(blockIdx.x) * width;
  const RowState before = first_token == 0 ? RowState{Max::neutral(), 0, 0} : states[blockIdx.x];
  Best best = ArgMax::neutral();
  for (int i = threadIdx.x; i < width; i += kThreads) best = ArgMax::combine(best, {row[i], first_token + i});
  best = block_reduce<ArgMax, kThreads>(best);
  const float max = fmaxf(before.max, best.value);
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += kThreads) sum += expf(row[i] - max);
  sum = block_reduce<Sum, kThreads>(sum);
  if (threadIdx.x == 0) {
    states[blockIdx.x] = {max, before.sum * expf(before.max - max) + sum,
                          best.value > before.max ? best.index : before.best};
  }
}

// targets[i] = logit of read i, where its row and token lie in this tile.
__global__ void take_targets_kernel(const float* logits, int64_t first_row, int64_t rows, int width, int first_token,
                                    const HeadRead* reads, int64_t count, float* targets) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = reads[i].row - first_row;
  const int column = reads[i].token - first_token;
  if (row >= 0 && row < rows && column >= 0 && column < width) targets[i] = logits[row * width + column];
}

__global__ void answer_kernel(const RowState* states, const HeadRead* reads, const float* targets, int64_t count,
                              HeadAnswer* answers) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const RowState state = states[reads[i].row];
  answers[i].logprob = targets[i] - state.max - logf(state.sum);
  answers[i].best_token = state.best;
}

struct LogitTile {
  const float* logits;  // [rows, width], device
  int64_t first_row, rows;
  int64_t first_token, width;
};

}  // namespace

// Calls visit(LogitTile) for every tile: the tokens of a row from first to last. A tile lives until visit returns and
// the work that it put into the stream is done.
template <typename Visit>
void CudaOps::for_each_logit_tile(const void* h, int64_t rows, const CudaWeight& head, Visit&& visit) {
  const size_t row_bytes = static_cast<size_t>(head.k()) * act_bytes();
  for (int64_t first_row = 0; first_row < rows; first_row += kRowTile) {
    const int64_t tile_rows = std::min(kRowTile, rows - first_row);
    const void* tile =
        full_row_tile(static_cast<const char*>(h) + static_cast<size_t>(first_row) * row_bytes, tile_rows, head.k());
    for (int64_t first_token = 0; first_token < head.n(); first_token += kVocabularyTile) {
      const int64_t width = std::min(kVocabularyTile, head.n() - first_token);
      const void* weight = static_cast<const char*>(head.data()) + static_cast<size_t>(first_token) * row_bytes;
      float* logits = logits_.reserve<float>(kRowTile * kVocabularyTile);
      product_.run(tile, weight, width, head.k(), logits, stream());
      visit(LogitTile{logits, first_row, tile_rows, first_token, width});
    }
  }
}

void CudaOps::head_logprobs(const void* h, int64_t rows, const PackedWeight& head, std::span<const HeadRead> reads,
                            HeadAnswer* answers) {
  Stage stage(*this, "head_logprobs");
  if (reads.empty()) return;
  for (const HeadRead& read : reads) {
    ASSAY_ASSERT(read.row >= 0 && read.row < rows && read.token >= 0 && read.token < head.n(),
                 "a read of the head names a row and a token that are there");
  }
  const int64_t count = static_cast<int64_t>(reads.size());
  const unsigned read_blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  const HeadRead* device_reads = reads_.put(reads, stream());
  RowState* states = rows_.reserve<RowState>(static_cast<size_t>(rows));
  float* targets = targets_.reserve<float>(reads.size());
  HeadAnswer* device_answers = answers_.reserve<HeadAnswer>(reads.size());

  for_each_logit_tile(h, rows, static_cast<const CudaWeight&>(head), [&](const LogitTile& tile) {
    const int width = static_cast<int>(tile.width), first_token = static_cast<int>(tile.first_token);
    fold_tile_kernel<<<static_cast<unsigned>(tile.rows), kThreads, 0, stream()>>>(tile.logits, width, first_token,
                                                                                  states + tile.first_row);
    ASSAY_CUDA_CHECK_LAUNCH("fold_tile_kernel");
    take_targets_kernel<<<read_blocks, kThreads, 0, stream()>>>(tile.logits, tile.first_row, tile.rows, width,
                                                                first_token, device_reads, count, targets);
    ASSAY_CUDA_CHECK_LAUNCH("take_targets_kernel");
  });
  answer_kernel<<<read_blocks, kThreads, 0, stream()>>>(states, device_reads, targets, count, device_answers);
  ASSAY_CUDA_CHECK_LAUNCH("answer_kernel");
  download(answers, device_answers, reads.size() * sizeof(HeadAnswer));
}

void CudaOps::head_logits(const void* h, int64_t rows, const PackedWeight& head, float* logits) {
  Stage stage(*this, "head_logits");
  const size_t host_pitch = static_cast<size_t>(head.n()) * sizeof(float);
  for_each_logit_tile(h, rows, static_cast<const CudaWeight&>(head), [&](const LogitTile& tile) {
    const size_t tile_pitch = static_cast<size_t>(tile.width) * sizeof(float);
    ASSAY_CUDA_CHECK(cudaMemcpy2DAsync(logits + tile.first_row * head.n() + tile.first_token, host_pitch, tile.logits,
                                       tile_pitch, tile_pitch, static_cast<size_t>(tile.rows), cudaMemcpyDeviceToHost,
                                       stream()));
  });
  wait();
}

}  // namespace assay
