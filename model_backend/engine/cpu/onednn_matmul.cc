// Matrix products by oneDNN on machines with AVX-512 (see matmul.h).
//
// A tile of a weight is reordered once into the layout that oneDNN names for format tag `any`, which serves every
// number of rows; a slice of some of its outputs lies in one piece there. A product is shared out to the team in
// pieces: some rows times the whole tile where there are rows enough for all threads, otherwise a slice times some
// rows. oneDNN computes a piece on the one thread that took it. So oneDNN's own threads are never woken, which would
// wait, spinning, for the team's cores; a piece has the same sums for any number of threads; and a thread that the
// system has given no core to holds up at most one piece.
//
// oneDNN's fast kernels write dense rows only: a slice's piece lands in its thread's scratch memory and is copied to
// its place.
//
// Primitives are made once for each (inputs, outputs, rows) and kept.
#include <omp.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "model_backend/engine/cpu/host_memory.h"
#include "model_backend/engine/cpu/matmul.h"

namespace assay {
namespace {

using dnnl::memory;

// oneDNN packs weights in blocks of 64 outputs.
constexpr int64_t kBlockOutputs = 64;
constexpr int64_t kFewestOutputs = 128, kMostOutputs = 256, kSlicesATile = 16;
constexpr int64_t kPieceRows = 128;      // of a slice
constexpr int64_t kWholePieceRows = 64;  // of a whole tile, and at least two such pieces a thread
// Every piece reads the whole tile: where it is larger, or threads are more, they would wait for memory.
constexpr size_t kMostWholeBytes = size_t{4} << 20;
constexpr int kMostThreadsForWhole = 4;

int64_t slice_width(int64_t outputs) {
  const int64_t even = (outputs + kSlicesATile - 1) / kSlicesATile;
  return std::clamp((even + kBlockOutputs - 1) / kBlockOutputs * kBlockOutputs, kFewestOutputs, kMostOutputs);
}

struct Slice {
  int64_t begin;  // output, from the tile's first one
  int64_t outputs;
  memory packed;  // [k, outputs] in oneDNN's layout, in the tile's memory
};

struct Tile {
  std::shared_ptr<void> owned;
  Slice whole;
  std::vector<Slice> slices;
};

// Bytes from one block of outputs to the next where that is how `layout` is ordered; 0 where it is not.
size_t block_bytes(const memory::desc& layout, size_t element) {
  const dnnl_blocking_desc_t& blocking = layout.data.format_desc.blocking;
  int64_t outputs = 1;
  for (int i = 0; i < blocking.inner_nblks; ++i) outputs *= blocking.inner_idxs[i] == 1 ? blocking.inner_blks[i] : 1;
  const bool in_order = outputs == kBlockOutputs && blocking.strides[1] >= blocking.strides[0];
  return in_order ? static_cast<size_t>(blocking.strides[1]) * element : 0;
}

class OneDnnWeight final : public CpuWeight {
 public:
  using CpuWeight::CpuWeight;
  size_t bytes() const override {
    size_t sum = 0;
    for (const Tile& tile : packed) sum += tile.whole.packed.get_desc().get_size();
    return sum;
  }
  std::vector<Tile> packed;  // [tile]
};

class OneDnnProduct final : public MatrixProduct {
 public:
  OneDnnProduct(Precision precision, std::shared_ptr<Team> team)
      : type_(precision == Precision::kBFloat16 ? memory::data_type::bf16 : memory::data_type::f32),
        precision_(precision),
        team_(std::move(team)),
        engine_(dnnl::engine::kind::cpu, 0) {
    for (int thread = 0; thread < team_->threads(); ++thread) streams_.emplace_back(engine_);
    rooms_.resize(streams_.size());
  }

  std::string name() const override {
    const dnnl::version_t* version = dnnl::version();
    return "onednn-" + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch) + " " + kernel_;
  }

  std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) override {
    auto weight = std::make_unique<OneDnnWeight>(matrix.n, matrix.k);
    struct Part {
      int64_t first;  // row of the matrix
      Slice* slice;
    };
    std::vector<Part> parts;
    with_errors_named("packing a weight matrix", [&] {
      weight->packed.reserve(weight->tiles());
      for (int64_t tile = 0; tile < weight->tiles(); ++tile) {
        Tile& packed = weight->packed.emplace_back(empty_tile(weight->tile_outputs(tile), matrix.k));
        for (Slice& slice : packed.slices) parts.push_back({weight->tile_begin(tile) + slice.begin, &slice});
      }
    });
    on_team("packing a weight matrix", static_cast<int64_t>(parts.size()), [&](int thread, int64_t i) {
      const Part& part = parts[i];
      std::vector<uint8_t> rows(part.slice->outputs * matrix.k * element_bytes(precision_));
      convert_rows(matrix, part.first, part.slice->outputs, precision_, rows.data());
      memory source({{matrix.k, part.slice->outputs}, type_, memory::format_tag::ba}, engine_, rows.data());
      dnnl::reorder(source, part.slice->packed).execute(streams_[thread], source, part.slice->packed);
      streams_[thread].wait();
    });
    return weight;
  }

  void multiply(const void* in, const CpuWeight& weight, int64_t tile, int64_t rows, float* out,
                int64_t out_stride) override {
    const Tile& packed = static_cast<const OneDnnWeight&>(weight).packed[tile];
    const int threads = team_->threads();
    const bool whole = packed.whole.outputs == out_stride && threads <= kMostThreadsForWhole &&
                       packed.whole.packed.get_desc().get_size() <= kMostWholeBytes &&
                       rows >= 2 * kWholePieceRows * threads;
    const std::span<const Slice> slices = whole ? std::span(&packed.whole, 1) : std::span(packed.slices);
    const int64_t piece_rows = whole ? kWholePieceRows : kPieceRows, down = (rows + piece_rows - 1) / piece_rows;
    struct Piece {
      Primitive* primitive;
      const Slice* slice;
      int64_t row, rows;
    };
    std::vector<Piece> pieces;
    with_errors_named("a matrix product", [&] {
      if (primitives_.size() >= kMostPrimitives) primitives_.clear();
      for (const Slice& slice : slices) {
        for (int64_t part = 0; part < down; ++part) {
          const int64_t row = rows * part / down, count = rows * (part + 1) / down - row;
          pieces.push_back({&primitive_of(weight.k(), slice, count), &slice, row, count});
        }
      }
    });
    const size_t row_bytes = weight.k() * element_bytes(precision_);
    on_team("a matrix product", static_cast<int64_t>(pieces.size()), [&](int thread, int64_t i) {
      const Piece& piece = pieces[i];
      const int64_t outputs = piece.slice->outputs;
      float* to = out + piece.row * out_stride + piece.slice->begin;
      const bool dense = outputs == out_stride || piece.rows == 1;
      Room& room = rooms_[thread];
      if (!dense) room.landing.resize(std::max<size_t>(room.landing.size(), piece.rows * outputs));
      float* target = dense ? to : room.landing.data();
      piece.primitive->on(thread).execute(streams_[thread], static_cast<const uint8_t*>(in) + piece.row * row_bytes,
                                          piece.slice->packed.get_data_handle(), target, room.working);
      for (int64_t row = 0; row < piece.rows && !dense; ++row) {
        std::memcpy(to + row * out_stride, target + row * outputs, outputs * sizeof(float));
      }
    });
  }

 private:
  // One thread's call of a primitive: its arguments are made once and then only pointed elsewhere.
  class Call {
   public:
    Call(const dnnl::matmul::primitive_desc& description, const dnnl::matmul& matmul, const dnnl::engine& engine)
        : matmul_(matmul),
          in_(description.src_desc(), engine, nullptr),
          weight_(description.weights_desc(), engine, nullptr),
          out_(description.dst_desc(), engine, nullptr),
          working_(description.scratchpad_desc(), engine, nullptr),
          arguments_{{DNNL_ARG_SRC, in_.get()},
                     {DNNL_ARG_WEIGHTS, weight_.get()},
                     {DNNL_ARG_DST, out_.get()},
                     {DNNL_ARG_SCRATCHPAD, working_.get()}} {}
    void execute(const dnnl::stream& stream, const void* in, void* weight, float* out, std::vector<uint8_t>& working) {
      working.resize(std::max(working.size(), working_.get_desc().get_size()));
      working_.set_data_handle(working.data());
      in_.set_data_handle(const_cast<void*>(in));
      weight_.set_data_handle(weight);
      out_.set_data_handle(out);
      dnnl::error::wrap_c_api(
          dnnl_primitive_execute(matmul_.get(), stream.get(), static_cast<int>(arguments_.size()), arguments_.data()),
          "oneDNN could not compute it");
    }

   private:
    dnnl::matmul matmul_;
    memory in_, weight_, out_, working_;
    std::vector<dnnl_exec_arg_t> arguments_;
  };

  // A thread's own memory: one piece of a product, and what oneDNN works in.
  struct Room {
    std::vector<float> landing;
    std::vector<uint8_t> working;
  };

  // Threads share a primitive, but not its arguments.
  class Primitive {
   public:
    Primitive(const dnnl::matmul::primitive_desc& description, const dnnl::engine& engine, int threads) {
      const dnnl::matmul matmul(description);
      for (int thread = 0; thread < threads; ++thread) calls_.emplace_back(description, matmul, engine);
    }
    Call& on(int thread) { return calls_[thread]; }

   private:
    std::vector<Call> calls_;  // [thread]
  };

  static constexpr int64_t kLayoutRows = 512;
  static constexpr size_t kMostPrimitives = 8192;

  template <typename Work>
  static void with_errors_named(const char* what, const Work& work) try {
    omp_set_num_threads(1);  // a primitive keeps the number that it is made with
    work();
  } catch (const dnnl::error& error) {
    throw_world(what, error.message);
  }

  // work(thread, i) on all threads; the first error that oneDNN has comes back as ours.
  template <typename Work>
  void on_team(const char* what, int64_t count, const Work& work) {
    std::atomic<const char*> failed = nullptr;
    parallel_for_uneven(*team_, count, [&](int thread, int64_t i) {
      omp_set_num_threads(1);  // of the thread that calls
      try {
        work(thread, i);
      } catch (const dnnl::error& error) {
        failed = error.message;
      }
    });
    if (failed) throw_world(what, failed.load());
  }

  memory::desc input_desc(int64_t rows, int64_t k) const { return {{rows, k}, type_, memory::format_tag::ab}; }
  static memory::desc output_desc(int64_t rows, int64_t outputs) {
    return {{rows, outputs}, memory::data_type::f32, memory::format_tag::ab};
  }
  dnnl::matmul::primitive_desc describe(int64_t rows, int64_t k, int64_t outputs, const memory::desc& weight) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return {dnnl::matmul::desc(input_desc(rows, k), weight, output_desc(rows, outputs)), attributes, engine_};
  }

  Tile empty_tile(int64_t outputs, int64_t k) {
    const memory::desc any({k, outputs}, type_, memory::format_tag::any);
    const auto primitive = describe(kLayoutRows, k, outputs, any);
    const memory::desc layout = primitive.weights_desc();
    kernel_ = primitive.impl_info_str();
    Tile tile;
    tile.owned = arena_.take(layout.get_size());
    tile.whole = {0, outputs, memory(layout, engine_, tile.owned.get())};
    const size_t step = block_bytes(layout, element_bytes(precision_));
    const int64_t width = slice_width(outputs);
    for (int64_t begin = 0; begin < outputs; begin += width) {
      const int64_t count = std::min(width, outputs - begin);
      const memory::desc part =
          describe(kLayoutRows, k, count, {{k, count}, type_, memory::format_tag::any}).weights_desc();
      if (step == 0 || block_bytes(part, element_bytes(precision_)) != step) {
        tile.slices = {tile.whole};  // another order: the tile is one slice
        return tile;
      }
      void* data = static_cast<uint8_t*>(tile.owned.get()) + begin / kBlockOutputs * step;
      tile.slices.push_back({begin, count, memory(part, engine_, data)});
    }
    return tile;
  }

  Primitive& primitive_of(int64_t k, const Slice& slice, int64_t rows) {
    const auto key = std::make_tuple(k, slice.outputs, rows);
    auto found = primitives_.find(key);
    if (found == primitives_.end()) {
      const auto description = describe(rows, k, slice.outputs, slice.packed.get_desc());
      found = primitives_.try_emplace(key, description, engine_, team_->threads()).first;
    }
    return found->second;
  }

  memory::data_type type_;
  Precision precision_;
  std::shared_ptr<Team> team_;
  dnnl::engine engine_;
  std::vector<dnnl::stream> streams_;  // [thread]
  std::vector<Room> rooms_;            // [thread]
  std::string kernel_;
  HostArena arena_;  // the weights
  std::map<std::tuple<int64_t, int64_t, int64_t>, Primitive> primitives_;
};

// AMX is held back to AVX-512, where rows were measured to be independent: nobody has measured the AMX kernels. Not
// where the user sets a limit. oneDNN reads it once, when it is first asked, and none can be set after that.
bool hold_back_amx() {
  const bool is_set = std::getenv("ONEDNN_MAX_CPU_ISA") || std::getenv("DNNL_MAX_CPU_ISA");
  return is_set || ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 1) == 0;
}

bool has_brgemm(Precision precision) {
  static const bool held_back = hold_back_amx();
  ASSAY_ASSERT(held_back, "the environment has room");
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:  // asked for
    case dnnl::cpu_isa::avx512_core_bf16:
      return true;
    case dnnl::cpu_isa::avx512_core:
    case dnnl::cpu_isa::avx512_core_vnni:
      return precision == Precision::kFloat32;
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<MatrixProduct> make_onednn_product(Precision precision, std::shared_ptr<Team> team) {
  if (precision == Precision::kBFloat16 && !has_brgemm(precision)) return nullptr;
  return std::make_unique<OneDnnProduct>(precision, std::move(team));
}

std::unique_ptr<MatrixProduct> make_matrix_product(Precision precision, const std::shared_ptr<Team>& team) {
  if (!has_brgemm(precision)) return make_tile_product(precision, team);
  return checked_product(make_onednn_product(precision, team), precision, team);
}

}  // namespace assay
