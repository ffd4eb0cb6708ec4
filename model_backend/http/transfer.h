// Many POST requests on one thread through libcurl's multi interface: connections are kept and shared (HTTP/2 where a
// TLS server has it), redirects are not followed (a key must not travel to another host). From the environment, as
// curl's own program reads it: proxies (http_proxy, HTTPS_PROXY, no_proxy, ...) and the authorities that sign servers'
// certificates (CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR). Certificates are always checked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct TransferOptions {
  std::vector<std::string> headers;  // "Name: value", sent with every request
  double request_s = 300;            // limit of one transfer, connecting included
  int64_t max_reply_bytes = int64_t{16} << 20;
  int max_connections = 64;
};

struct TransferReply {
  int status = 0;  // 0 = no whole reply came: see `failure`
  std::string content_type, body;
  std::string location;                 // of a redirect
  std::optional<double> retry_after_s;  // seconds from now, from either form of the header
  std::string failure;                  // libcurl's words on it
  bool untrusted = false;               // the failure is the server's certificate: it will not pass
  bool too_large = false;               // ended by max_reply_bytes
};

// Not thread-safe: one thread starts and waits.
class Transfers {
 public:
  explicit Transfers(const TransferOptions& options);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // Sends `body` (kept until done). `id` names the transfer in the reply; `idempotency_key` becomes that header.
  // Nothing is sent before the next wait().
  void start(size_t id, const std::string& url, std::string body, const std::string& idempotency_key);
  size_t in_flight() const;
  // Waits up to `seconds` for something to happen and hands over each transfer that ended. `done` may call start().
  void wait(double seconds, const std::function<void(size_t id, TransferReply reply)>& done);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace assay
