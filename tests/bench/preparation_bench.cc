// What it takes to make all of MMLU ready for a model: documents, five-shot prompts and requests, then token ids and
// plan. Its own limit beside it: reading every byte that is asked for once.
//
//   build/release/tests/bench/preparation_bench --data DATA --tokenizer CHECKPOINT [--tasks mmlu] [--threads 2]
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>

#include "harness/run.h"
#include "model_backend/engine/planned_requests.h"

namespace assay {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Seconds to copy the texts of all requests, each continuation behind its context.
double time_of_reading(const std::vector<Request>& requests, double& bytes) {
  std::string text;
  const double begin = now();
  for (const Request& request : requests) {
    for (const std::string& continuation : request.continuations) {
      text.assign(request.context).append(continuation);
      bytes += static_cast<double>(text.size());
    }
  }
  return now() - begin;
}

void measure(const RunConfig& config, const std::string& checkpoint, int threads) {
  const double begin = now();
  const TaskRegistry registry = load_registry(config.places.include);
  const TaskSelection selection = select_tasks(registry, config.tasks);
  std::vector<Request> requests;
  for (const Task* task : selection.tasks) {
    for (PreparedItem& item : prepare_items(*task, config)) {
      for (Request& request : item.requests) requests.push_back(std::move(request));
    }
  }
  const double rendered = now();
  const auto tokenizer = load_tokenizer(checkpoint);
  const double loaded = now();
  const PlannedRequests planned = plan_requests(*tokenizer, 1 << 20, threads, requests, [] { return true; });
  const double done = now();
  double bytes = 0;
  const double reading = time_of_reading(requests, bytes);
  fmt::print("{} requests, {:.1f} million tokens asked for, {:.2f} million in the tree, {:.0f} MB of text\n",
             requests.size(), 1e-6 * static_cast<double>(planned.requested_tokens),
             1e-6 * static_cast<double>(planned.tree_tokens), 1e-6 * bytes);
  fmt::print(
      "rendering {:.2f} s, tokenizer {:.2f} s, token ids and plan {:.2f} s on {} threads: {:.2f} s, {:.0f} MiB\n",
      rendered - begin, loaded - rendered, done - loaded, threads, done - begin, resident_mib());
  fmt::print("copying the texts {:.3f} s; token ids and plan take {:.1f} times that\n", reading,
             (done - loaded) / reading);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  CLI::App app("Time to make a benchmark ready for a model");
  assay::RunConfig config;
  config.tasks = "mmlu";
  std::string checkpoint;
  int threads = 2;
  app.add_option("--data", config.places.data)->required();
  app.add_option("--tokenizer", checkpoint, "A checkpoint folder or FILE.gguf")->required();
  app.add_option("--tasks", config.tasks)->capture_default_str();
  app.add_option("--threads", threads)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    assay::measure(config, checkpoint, threads);
  } catch (const assay::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
  return 0;
}
