// assay view: the report in a browser, while a run goes on.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "harness/commands.h"
#include "harness/run_config.h"
#include "harness/view_server.h"

namespace assay {
namespace {

struct ViewOptions {
  Places places;
  std::string file;  // instead of --db
  int port = 8477;
};

int view_command(const ViewOptions& options) {
  ViewServer server(options.file.empty() ? options.places.db : options.file, options.places.include);
  const int port = server.bind(options.port);
  std::printf("http://127.0.0.1:%d/\n", port);
  std::fflush(stdout);
  std::fprintf(stderr, "Ctrl-C ends it\n");
  std::atomic<bool> ended{false};
  std::thread watcher([&] {
    while (!g_cancelled && !ended) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    server.stop();
  });
  server.serve();
  ended = true;
  watcher.join();
  return kExitDone;
}

}  // namespace

void declare_view(CLI::App& command, int& exit_code) {
  auto options = std::make_shared<ViewOptions>();
  add_place_flags(command, options->places);
  command.add_option("file", options->file, "Report database (default: --db)");
  command.add_option("--port", options->port, "Port on 127.0.0.1; 0 = any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command.callback([options, &exit_code] { exit_code = view_command(*options); });
}

}  // namespace assay
