// How soon the engine computes its first token, and what it holds at rest.
//
//   build/release/tests/bench/startup_bench MODEL [--rounds 5] [--threads 2]
//
// Each figure comes from a process of its own that opens the checkpoint (its file is in the page cache: a round
// before is not counted), then answers one request of one token. Memory at rest is read once the checkpoint is open:
// pages of mapped files are left out.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
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
  double open = 0, first = 0;  // seconds from the beginning of main
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

Figures start(const std::string& model, const BackendOptions& options) {
  const auto begin = Clock::now();
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

// This program once more, so that nothing of its own memory is counted: it prints three numbers.
Figures in_own_process(const std::string& model, const BackendOptions& options) {
  const std::string command =
      fmt::format("/proc/{}/exe '{}' --threads {} --one {}", ::getpid(), model, options.threads, options.dtype);
  Figures figures;
  FILE* output = ::popen(command.c_str(), "r");
  const int read = output ? std::fscanf(output, "%lf %lf %lf", &figures.open, &figures.first, &figures.rest) : 0;
  if (output) ::pclose(output);
  if (read != 3) throw_world(model, "could not be started");
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
  std::string one;
  app.add_option("--one", one, "One start in this precision, figures only");
  CLI11_PARSE(app, argc, argv);
  try {
    if (one.empty()) {
      assay::measure(model, rounds, threads);
    } else {
      assay::BackendOptions options;
      options.dtype = one, options.threads = threads;
      const assay::Figures figures = assay::start(model, options);
      fmt::print("{} {} {}\n", figures.open, figures.first, figures.rest);
    }
  } catch (const assay::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
  return 0;
}
