// What the client of servers costs: CPU of its one thread a request, requests in flight, and memory over many requests.
// The server is of the simplest kind, in the same process on threads of its own; its CPU is not counted.
//
//   http_client_bench [REQUESTS]      default 100000
#include <fmt/format.h>
#include <httplib.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "model_backend/http/http_backend.h"

namespace {

using namespace assay;

double thread_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  long total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * 4096 / 1048576;
}

struct Counter final : ResponseSink {
  int64_t answered = 0, lost = 0;
  void deliver(size_t, Response response) override {
    ++(response.status == ResponseStatus::kAnswered ? answered : lost);
  }
  void progress(const RunStats&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100000;
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(300); };
  server.set_keep_alive_max_count(10000000);
  server.set_tcp_nodelay(true);
  std::atomic<int> at_once{0}, most{0};
  server.Post("/v1/chat/completions", [&](const httplib::Request&, httplib::Response& out) {
    const int now = ++at_once;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    out.set_content(R"({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]})", "application/json");
    --at_once;
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread listening([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::setenv("no_proxy", "127.0.0.1", 1);

  BackendOptions options;
  options.http.base_url = fmt::format("http://127.0.0.1:{}/v1", port);
  options.http.chat = true;
  options.http.max_in_flight = 256;
  auto backend = open_http_backend("bench", options);
  const std::atomic<bool> never{false};
  double after_first = 0;
  for (const size_t part : {count / 10, count}) {
    std::vector<Request> requests(part);
    for (size_t i = 0; i < part; ++i) {
      requests[i].kind = RequestKind::kChat;
      requests[i].messages = {{"user", "question " + std::to_string(i)}};
    }
    const double before_mib = resident_mib(), before_cpu = thread_cpu_s();
    Counter sink;
    const RunStats stats = backend->answer(requests, sink, never);
    fmt::print(
        "{} requests: {} answered, {} lost, {:.0f} a second, at most {} at once, {:.1f} us CPU each, "
        "{:+.1f} MiB of memory\n",
        part, sink.answered, sink.lost, static_cast<double>(part) / stats.seconds, most.load(),
        1e6 * (thread_cpu_s() - before_cpu) / static_cast<double>(part), resident_mib() - before_mib);
    after_first = resident_mib();
  }
  fmt::print("resident at the end: {:.1f} MiB\n", after_first);
  server.stop();
  listening.join();
  return 0;
}
