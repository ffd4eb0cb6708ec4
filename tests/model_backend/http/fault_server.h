// An OpenAI-compatible server that makes faults on request, and keeps a log of what it sold.
//
// The fault is the model's name: "ok", or one of kFaults in fault_server.cc, made on the first attempt of each request
// ("always-" in front: on every attempt; "mixed": by a hash of key and attempt, half of them). Attempts are told apart
// by the Idempotency-Key, which it honours: a key that was answered before gets the same answer and is not sold again.
// A key that changes between attempts, or that two requests share, shows as too many or too few sold.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace httplib {
class Server;
}

namespace assay::testing {

class FaultServer {
 public:
  FaultServer();
  ~FaultServer();
  std::string base_url() const;

  int delay_ms = 0;                 // before each answer; set before the first request
  std::string text = "the answer";  // what every text is
  size_t sold();                    // keys that an answer was given to
  int64_t replays();                // answers given again to such a key
  int64_t requests();               // all that arrived
  int most_at_once() const { return most_at_once_; }
  void reset_most_at_once() { most_at_once_ = 0; }
  std::vector<std::string> keys_seen();  // Authorization headers

 private:
  struct Handler;
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::atomic<int> at_once_{0}, most_at_once_{0};
  std::mutex mutex_;  // guards the five below
  std::set<std::string> sold_;
  std::map<std::string, int> attempts_;
  int64_t replays_ = 0, requests_ = 0;
  std::vector<std::string> authorizations_;
  std::thread thread_;
};

}  // namespace assay::testing
