// Matrix products by oneDNN on machines with AVX-512 (see matmul.h).
//
// A weight is reordered once into the layout that oneDNN names for format tag `any` (one layout serves every number of
// rows); primitives are made once for each (shape, rows, output stride) and kept. oneDNN fixes the number of threads
// when a primitive is made, so threads are part of the product.
#include <omp.h>

#include <dnnl.hpp>
#include <map>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "model_backend/engine/cpu/host_memory.h"
#include "model_backend/engine/cpu/matmul.h"

namespace assay {
namespace {

using dnnl::memory;

class OneDnnWeight final : public CpuWeight {
 public:
  OneDnnWeight(int64_t n, int64_t k) : CpuWeight(n, k) {}
  size_t bytes() const override {
    size_t sum = 0;
    for (const memory& tile : packed) sum += tile.get_desc().get_size();
    return sum;
  }
  // One a tile, each [k, outputs] in oneDNN's layout, and the memory it lies in.
  std::vector<memory> packed;
  std::vector<std::shared_ptr<void>> owned;
};

class OneDnnProduct final : public MatrixProduct {
 public:
  OneDnnProduct(Precision precision, int threads)
      : type_(precision == Precision::kBFloat16 ? memory::data_type::bf16 : memory::data_type::f32),
        precision_(precision),
        threads_(threads),
        engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_) {}

  std::string name() const override {
    const dnnl::version_t* version = dnnl::version();
    return "onednn-" + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch) + " " + kernel_;
  }

  std::unique_ptr<CpuWeight> pack(const HostMatrix& matrix) override try {
    omp_set_num_threads(threads_);
    auto weight = std::make_unique<OneDnnWeight>(matrix.n, matrix.k);
    std::vector<uint8_t> rows;
    for (int64_t tile = 0; tile < weight->tiles(); ++tile) {
      const int64_t outputs = weight->tile_outputs(tile);
      rows.resize(outputs * matrix.k * (precision_ == Precision::kBFloat16 ? 2 : 4));
      convert_rows(matrix, weight->tile_begin(tile), outputs, precision_, rows.data());
      memory source({{matrix.k, outputs}, type_, memory::format_tag::ba}, engine_, rows.data());
      const memory::desc any({matrix.k, outputs}, type_, memory::format_tag::any);
      auto primitive = describe(kLayoutRows, matrix.k, outputs, any, outputs);
      kernel_ = primitive.impl_info_str();
      weight->owned.push_back(arena_.take(primitive.weights_desc().get_size()));
      memory packed(primitive.weights_desc(), engine_, weight->owned.back().get());
      dnnl::reorder(source, packed).execute(stream_, source, packed);
      stream_.wait();
      weight->packed.push_back(std::move(packed));
    }
    return weight;
  } catch (const dnnl::error& error) {
    throw_world("packing a weight matrix", error.message);
  }

  void multiply(const void* in, const CpuWeight& weight, int64_t tile, int64_t rows, float* out,
                int64_t out_stride) override try {
    omp_set_num_threads(threads_);
    const memory& packed = static_cast<const OneDnnWeight&>(weight).packed[tile];
    const int64_t outputs = weight.tile_outputs(tile);
    const auto key = std::make_tuple(weight.k(), outputs, rows, out_stride);
    auto found = primitives_.find(key);
    if (found == primitives_.end()) {
      if (primitives_.size() >= kMostPrimitives) primitives_.clear();
      auto description = describe(rows, weight.k(), outputs, packed.get_desc(), out_stride);
      found = primitives_.emplace(key, dnnl::matmul(description)).first;
    }
    memory source({{rows, weight.k()}, type_, memory::format_tag::ab}, engine_, const_cast<void*>(in));
    memory target(output_desc(rows, outputs, out_stride), engine_, out);
    found->second.execute(stream_, {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, target}});
    stream_.wait();
  } catch (const dnnl::error& error) {
    throw_world("a matrix product", error.message);
  }

 private:
  static constexpr int64_t kLayoutRows = 512;
  static constexpr size_t kMostPrimitives = 8192;

  static memory::desc output_desc(int64_t rows, int64_t outputs, int64_t stride) {
    return memory::desc({rows, outputs}, memory::data_type::f32, memory::dims{stride, 1});
  }
  dnnl::matmul::primitive_desc describe(int64_t rows, int64_t k, int64_t outputs, const memory::desc& weight,
                                        int64_t out_stride) const {
    const memory::desc in({rows, k}, type_, memory::format_tag::ab);
    return {dnnl::matmul::desc(in, weight, output_desc(rows, outputs, out_stride)), engine_};
  }

  memory::data_type type_;
  Precision precision_;
  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::string kernel_;
  HostArena arena_;  // the weights
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, dnnl::matmul> primitives_;
};

// oneDNN can tell its own limit (ONEDNN_MAX_CPU_ISA included). AMX is held back to AVX-512: rows were measured to be
// independent there, and nobody has measured the AMX kernels.
bool has_brgemm(Precision precision) {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
      dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
      return true;
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

std::unique_ptr<MatrixProduct> make_onednn_product(Precision precision, int threads) {
  if (precision == Precision::kBFloat16 && !has_brgemm(precision)) return nullptr;
  return std::make_unique<OneDnnProduct>(precision, threads);
}

ProductAndTeam make_matrix_product(Precision precision, int threads) {
  if (has_brgemm(precision)) {
    auto product = make_onednn_product(precision, threads);
    if (rows_are_independent(*product, precision)) return {std::move(product), make_openmp_team(threads)};
  }
  std::shared_ptr<Team> team = make_own_team(threads);
  return {make_tile_product(precision, team), team};
}

}  // namespace assay
