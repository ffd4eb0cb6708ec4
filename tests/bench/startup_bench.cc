// How soon the engine computes its first token, and what it holds at rest.
//
//   GOMP_SPINCOUNT=4000 build/release/tests/bench/startup_bench MODEL [--rounds 5] [--threads 2]
//
// (`assay` sets that variable for itself.)
//
// Each figure comes from a process of its own that opens the checkpoint (its file is in the page cache: a round
// before is not counted), then answers one request of one token. Memory at rest is read once the checkpoint is open:
// pages of mapped files are left out.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "model_backend/backend.h"
#include "model_backend/checkpoint/checkpoint.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

struct Figures {
  double open = 0, first = 0;  // seconds from the start of the process
  double rest = 0;             // bytes
};

double anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  std::string name;
  while (status >> name) {
    double kib = 0;
    if (name == "RssAnon:" && status >> kib) return kib * 1024;
    std::getline(status, name);
  }
  return 0;
}

class LastResponse : public ResponseSink {
 public:
  void deliver(size_t, Response response) override { answered_ = response.status == ResponseStatus::kAnswered; }
  void progress(const RunStats&) override {}
  bool answered() const { return answered_; }

 private:
  bool answered_ = false;
};

// `begin`: when the process started.
Figures start(const std::string& model, const BackendOptions& options, Clock::time_point begin) {
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  Figures figures;
  auto backend = open_backend(model, options);
  figures.open = seconds();
  figures.rest = anonymous_bytes();
  Request request;
  request.kind = RequestKind::kGenerate;
  request.context = "Once";
  request.generate.max_tokens = 1;
  LastResponse sink;
  const std::atomic<bool> cancelled = false;
  const RunStats stats = backend->answer(std::span(&request, 1), sink, cancelled);
  figures.first = figures.open + stats.seconds;
  if (!sink.answered()) throw_world(model, "did not answer");
  return figures;
}

Figures in_own_process(const std::string& model, const BackendOptions& options) {
  int ends[2];
  if (::pipe(ends) != 0) throw_world("pipe", "cannot be made");
  const auto begin = Clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      const Figures figures = start(model, options, begin);
      status = ::write(ends[1], &figures, sizeof figures) == sizeof figures ? 0 : 1;
    } catch (const Error& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
    ::_exit(status);
  }
  Figures figures;
  ::close(ends[1]);
  const bool whole = ::read(ends[0], &figures, sizeof figures) == sizeof figures;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!whole) throw_world(model, "could not be started");
  return figures;
}

// Of the checkpoint as the engine has to hold it once: its parameters in this precision.
double weight_bytes(const std::string& model, const std::string& dtype) {
  double weights = 0;
  const Checkpoint checkpoint = Checkpoint::open(model);
  for (const auto& [name, tensor] : checkpoint.tensors()) weights += static_cast<double>(tensor.elements());
  return weights * (dtype == "float32" ? 4 : 2);
}

void measure(const std::string& model, int rounds, int threads) {
  for (const char* dtype : {"bfloat16", "float32"}) {
    BackendOptions options;
    options.dtype = dtype, options.threads = threads;
    in_own_process(model, options);
    std::vector<Figures> all;
    for (int i = 0; i < rounds; ++i) all.push_back(in_own_process(model, options));
    std::sort(all.begin(), all.end(), [](const Figures& a, const Figures& b) { return a.first < b.first; });
    const Figures& middle = all[all.size() / 2];
    const double weights = weight_bytes(model, dtype);
    fmt::print("{:8}  open {:.2f} s, first token {:.2f} s ({:.2f} of 0.7 s), at rest {:.0f} MiB: {:.2f} x weights\n",
               dtype, middle.open, middle.first, middle.first / 0.7, middle.rest / (1 << 20), middle.rest / weights);
  }
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  CLI::App app("Time to the first token, memory at rest");
  std::string model;
  int rounds = 5, threads = 2;
  app.add_option("model", model)->required();
  app.add_option("--rounds", rounds)->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    assay::measure(model, rounds, threads);
  } catch (const assay::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
  return 0;
}
