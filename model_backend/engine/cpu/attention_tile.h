// One work item of attention, and the walk over its keys that both kernels share (attention.cc, attention_bfloat16.cc).
//
// A tile is some neighbouring rows of a batch, of one segment or of several, and one key/value head with its G = Q / K
// query heads. It walks blocks of kKeyBlock positions from position 0 (or from the block where the first window
// begins). Neighbouring rows whose block lies in the same slots - rows of one segment, and texts that share their
// prompt - take it together. Blocks come in the same order for every row, and a block that a row can't see is left out
// for it, so a row's bits do not depend on its tile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "model_backend/engine/ops.h"

namespace assay {

inline constexpr int kTileQueries = 96;

struct AttentionRow {
  int batch_row;
  int position;
  const int32_t* slots;  // of positions 0 .. position
};

struct AttentionTile {
  const void* q;       // [T, Q * D] act
  const void* keys;    // [S, K * D] act
  const void* values;  // [S, K * D] act
  void* out;           // [T, Q * D] act
  bool bfloat16;
  AttentionShape shape;
  int kv_head;
  const AttentionRow* row;  // [rows]
  int rows;
};

inline int window_begin(const AttentionTile& tile, int row) {
  return tile.shape.window > 0 ? std::max(0, tile.row[row].position - tile.shape.window + 1) : 0;
}

// How many positions of the block that begins at position `first` a row sees, from its begin on; 0: none.
inline int block_end(const AttentionTile& tile, int row, int first) {
  if (window_begin(tile, row) >= first + kKeyBlock) return 0;
  return std::clamp(tile.row[row].position + 1 - first, 0, kKeyBlock);
}

// A block of keys as the rows [begin, end) of a tile meet it.
struct KeyBlock {
  int first;             // position
  int begin, end;        // rows
  int longest;           // the row that sees the most of the block
  const int32_t* slots;  // its: [count], and on to its own position
  int count;
};

// attend(block) for every block of every row, each row's in order. A row that has a block to itself goes on alone to
// its end: no other shares what follows, and what is fetched ahead is then used next.
template <typename Attend>
void walk_blocks(const AttentionTile& tile, const Attend& attend) {
  int lowest = window_begin(tile, 0), last = 0;
  for (int row = 0; row < tile.rows; ++row) {
    lowest = std::min(lowest, window_begin(tile, row));
    last = std::max(last, tile.row[row].position);
  }
  std::array<bool, kTileQueries> alone{};
  for (int first = lowest / kKeyBlock * kKeyBlock; first <= last; first += kKeyBlock) {
    for (int begin = 0, end; begin < tile.rows; begin = end) {
      end = begin + 1;
      KeyBlock block{first, begin, end, begin, nullptr, block_end(tile, begin, first)};
      if (block.count == 0 || alone[begin]) continue;
      block.slots = tile.row[begin].slots + first;
      for (; end < tile.rows && !alone[end]; ++end) {
        const int more = block_end(tile, end, first);
        const int32_t* theirs = tile.row[end].slots + first;
        if (more == 0 || !std::equal(block.slots, block.slots + std::min(block.count, more), theirs)) break;
        if (more > block.count) block.count = more, block.slots = theirs, block.longest = end;
      }
      block.end = end;
      attend(block);
      if (end > begin + 1) continue;
      alone[begin] = true;
      for (int next = first + kKeyBlock; next <= tile.row[begin].position; next += kKeyBlock)
        attend(KeyBlock{next, begin, end, begin, tile.row[begin].slots + next, block_end(tile, begin, next)});
    }
  }
}

// The kernel for bfloat16 on processors that multiply it (AVX512_BF16): attention_bfloat16.cc.
bool has_bfloat16_attention();
// Floats of scratch memory for tiles of up to `queries` query vectors.
size_t bfloat16_attention_scratch(int queries, int head_dim);
// Precondition: has_bfloat16_attention(), tile.bfloat16, head_dim even, tile.rows * G <= queries.
void attend_tile_bfloat16(const AttentionTile& tile, int queries, float* scratch);

}  // namespace assay
