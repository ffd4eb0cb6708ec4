// Three listeners on the host that no program in the sandbox may reach.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace assay {

// A TCP listener and a UDP echo on 127.0.0.1, port 47811, and a listener on the abstract unix socket sbx-suite-47811;
// they accept and answer until the object dies.
class Canaries {
 public:
  Canaries();
  ~Canaries();
  Canaries(const Canaries&) = delete;
  Canaries& operator=(const Canaries&) = delete;
  // Why they could not be started; empty: they run.
  const std::string& problem() const { return problem_; }
  // Connections and datagrams so far.
  int visits() const { return visits_; }

 private:
  std::string problem_;
  int sockets_[3] = {-1, -1, -1};
  std::atomic<int> visits_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
  void serve();
};

}  // namespace assay
