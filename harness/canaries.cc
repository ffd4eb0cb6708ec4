#include "harness/canaries.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace assay {
namespace {

constexpr int kPort = 47811;
constexpr const char* kAbstractName = "sbx-suite-47811";
constexpr int kPollMs = 50;

int listen_inet(int type) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      (type != SOCK_STREAM || ::listen(fd, 8) == 0)) {
    return fd;
  }
  ::close(fd);
  return -1;
}

int listen_abstract() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, kAbstractName, std::strlen(kAbstractName));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(kAbstractName));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(fd, 8) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

Canaries::Canaries() {
  sockets_[0] = listen_inet(SOCK_STREAM);
  sockets_[1] = listen_inet(SOCK_DGRAM);
  sockets_[2] = listen_abstract();
  for (int fd : sockets_) {
    if (fd < 0 && problem_.empty())
      problem_ = std::string("port 47811 is not to be had on this host: ") + std::strerror(errno);
  }
  if (problem_.empty()) thread_ = std::thread([this] { serve(); });
}

Canaries::~Canaries() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
  for (int fd : sockets_) {
    if (fd >= 0) ::close(fd);
  }
}

void Canaries::serve() {
  while (!ending_) {
    pollfd ready[3];
    for (int i = 0; i < 3; ++i) ready[i] = {sockets_[i], POLLIN, 0};
    if (::poll(ready, 3, kPollMs) <= 0) continue;
    for (int i = 0; i < 3; ++i) {
      if (!ready[i].revents) continue;
      ++visits_;
      if (i == 1) {
        char text[64];
        sockaddr_in from = {};
        socklen_t size = sizeof from;
        const ssize_t got = ::recvfrom(sockets_[i], text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got >= 0)
          ::sendto(sockets_[i], text, static_cast<size_t>(got), 0, reinterpret_cast<sockaddr*>(&from), size);
      } else {
        const int visitor = ::accept4(sockets_[i], nullptr, nullptr, SOCK_CLOEXEC);
        if (visitor >= 0) ::close(visitor);
      }
    }
  }
}

}  // namespace assay
