#include <catch2/catch.hpp>

#include "model_backend/engine/collective.h"
#include "model_backend/engine/ops.h"
#include "tests/support.h"

namespace assay {

using testing::error_of;

#if ASSAY_HAS_CUDA

TEST_CASE("without a GPU the CUDA device says how far it came and why it stopped") {
  const std::string error = error_of([] { make_cuda_ops(Precision::kFloat32, 0); });
  if (error == "(no error)") return testing::skip("this machine has a GPU");
  CHECK_THAT(error, Catch::Contains("--device cuda"));
  CHECK_THAT(error, Catch::Contains("stopped at the first driver call, cudaGetDeviceCount: cudaError"));
  CHECK_THAT(error, Catch::Contains("use --device cpu"));
}

TEST_CASE("a missing driver is the machine's failure, not the user's input") {
  try {
    make_cuda_ops(Precision::kBFloat16, 0);
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::kWorld);
    return;
  }
  testing::skip("this machine has a GPU");
}

TEST_CASE("a device number that is not there is named") {
  const std::string error = error_of([] { make_cuda_ops(Precision::kFloat32, 4096); });
  if (error.find("first driver call") != std::string::npos) return testing::skip("this machine has no GPU: " + error);
  CHECK_THAT(error, Catch::Contains("CUDA device 4096"));
}

TEST_CASE("what can change a bit of a result is in the numerics text") {
  std::unique_ptr<Ops> ops;
  const std::string error = error_of([&] { ops = make_cuda_ops(Precision::kFloat32, 0); });
  if (!ops) return testing::skip("this machine has no GPU: " + error);
  for (const char* part : {"cuda ", "sm_", "cublaslt-", "kernels-"}) {
    CHECK_THAT(ops->numerics(), Catch::Contains(part));
  }
}

#else

TEST_CASE("a program without CUDA says so, and how to get one with it") {
  const std::string error = error_of([] { make_cuda_ops(Precision::kFloat32, 0); });
  CHECK_THAT(error, Catch::Contains("--device cuda"));
  CHECK_THAT(error, Catch::Contains("built without CUDA"));
  CHECK_THAT(error, Catch::Contains("-DASSAY_CUDA=ON"));
}

TEST_CASE("a program without CUDA has no NCCL either, and says so") {
  CHECK_THAT(error_of([] { make_nccl_collectives({}); }), Catch::Contains("built without NCCL"));
}

#endif

}  // namespace assay
