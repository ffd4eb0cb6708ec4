// What the client of servers costs: CPU of its one thread a request, requests in flight, and memory over many requests;
// beside it what libcurl alone costs for the same exchange, as a ratio. The server is a scripted one in a process of
// its own (one thread, epoll), which answers each request 20 ms after it came.
//
//   http_client_bench [REQUESTS]      default 100000
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <vector>

#include "core/error.h"
#include "model_backend/http/http_backend.h"

namespace {

using namespace assay;
using Clock = std::chrono::steady_clock;

constexpr int kInFlight = 256;
constexpr std::chrono::milliseconds kDelay{20};
constexpr const char* kReply =
    R"({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})";

// --- the server

struct Connection {
  std::string input;
};

// Takes whole requests off the input and says how many there were.
int take_requests(std::string& input) {
  int count = 0;
  while (true) {
    const size_t end = input.find("\r\n\r\n");
    if (end == std::string::npos) return count;
    const size_t field = input.find("Content-Length: ");
    const size_t length = field < end ? std::strtoul(input.c_str() + field + 16, nullptr, 10) : 0;
    if (input.size() < end + 4 + length) return count;
    input.erase(0, end + 4 + length);
    ++count;
  }
}

[[noreturn]] void serve(int listener) {
  const std::string reply =
      fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                  std::string(kReply).size(), kReply);
  const int set = epoll_create1(0);
  epoll_event event{EPOLLIN, {.fd = listener}};
  epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
  std::map<int, Connection> connections;
  std::deque<std::pair<Clock::time_point, int>> due;  // in order: the delay is one for all
  while (true) {
    const auto now = Clock::now();
    while (!due.empty() && due.front().first <= now) {
      if (::send(due.front().second, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) ::close(due.front().second);
      due.pop_front();
    }
    const int wait =
        due.empty() ? -1
                    : static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(due.front().first - now).count());
    epoll_event events[64];
    const int count = epoll_wait(set, events, 64, wait);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = ::accept(listener, nullptr, nullptr);
        const int on = 1;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event added{EPOLLIN, {.fd = accepted}};
        epoll_ctl(set, EPOLL_CTL_ADD, accepted, &added);
        connections[accepted] = {};
        continue;
      }
      char buffer[1 << 16];
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) {
        ::close(fd);
        connections.erase(fd);
        continue;
      }
      std::string& input = connections[fd].input;
      input.append(buffer, static_cast<size_t>(got));
      for (int request = take_requests(input); request > 0; --request) due.emplace_back(Clock::now() + kDelay, fd);
    }
  }
}

struct Server {
  Server() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1024) != 0)
      throw_world("127.0.0.1", "no port for the benchmark's server");
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    url = fmt::format("http://127.0.0.1:{}/v1", ntohs(address.sin_port));
    process = ::fork();
    if (process == 0) serve(listener);
    ::close(listener);
  }
  ~Server() {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
  std::string url;
  pid_t process = 0;
};

// --- what is measured

double cpu_s() {
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

struct Watcher final : ResponseSink {
  explicit Watcher(size_t requests) : tenth(static_cast<int64_t>(requests / 10)) {}
  void deliver(size_t, Response response) override {
    ++(response.status == ResponseStatus::kAnswered ? answered : lost);
    if (answered + lost == tenth) at_tenth_mib = resident_mib();
  }
  void progress(const RunStats&) override {}
  const int64_t tenth;
  int64_t answered = 0, lost = 0;
  double at_tenth_mib = 0;
};

double client_us(const std::string& url, size_t count) {
  BackendOptions options;
  options.http.base_url = url;
  options.http.chat = true;
  options.http.max_in_flight = kInFlight;
  auto backend = open_http_backend("bench", options);
  std::vector<Request> requests(count);
  for (size_t i = 0; i < count; ++i) {
    requests[i].kind = RequestKind::kChat;
    requests[i].messages = {{"user", "question " + std::to_string(i)}};
  }
  const std::atomic<bool> never{false};
  Watcher sink(count);
  const double before = cpu_s();
  const RunStats stats = backend->answer(requests, sink, never);
  const double us = 1e6 * (cpu_s() - before) / static_cast<double>(count);
  const double rate = static_cast<double>(count) / stats.seconds;
  fmt::print("client: {} answered, {} lost, {:.0f} a second, {:.0f} in flight on average, {:.1f} us CPU each\n",
             sink.answered, sink.lost, rate, rate * 1e-3 * static_cast<double>(kDelay.count()), us);
  fmt::print("resident: {:.1f} MiB after {} requests, {:.1f} MiB after {} (the requests themselves included)\n",
             sink.at_tenth_mib, sink.tenth, resident_mib(), count);
  return us;
}

size_t append(char* bytes, size_t size, size_t count, void* user) {
  static_cast<std::string*>(user)->append(bytes, size * count);
  return size * count;
}

// libcurl as its manual's first example of the multi interface uses it: a handle a request in flight, set up once.
double curl_us(const std::string& url, size_t count) {
  const std::string body = R"({"model":"bench","messages":[{"role":"user","content":"question"}],"max_tokens":256})";
  curl_slist* headers = nullptr;
  for (const char* header : {"Content-Type: application/json", "Accept: application/json",
                             "Expect:", "Idempotency-Key: 0123456789012345678901234567890123456789"})
    headers = curl_slist_append(headers, header);
  CURLM* multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(kInFlight));
  std::vector<CURL*> handles(kInFlight);
  std::vector<std::string> replies(kInFlight);
  size_t started = 0, ended = 0;
  const double before = cpu_s();
  for (int i = 0; i < kInFlight; ++i) {
    CURL* easy = handles[static_cast<size_t>(i)] = curl_easy_init();
    std::string& reply = replies[static_cast<size_t>(i)];
    curl_easy_setopt(easy, CURLOPT_URL, (url + "/chat/completions").c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &reply);
    curl_multi_add_handle(multi, easy);
    ++started;
  }
  while (ended < count) {
    int running = 0, waiting = 0;
    curl_multi_perform(multi, &running);
    while (CURLMsg* message = curl_multi_info_read(multi, &waiting)) {
      CURL* easy = message->easy_handle;
      std::string* reply = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &reply);
      reply->clear();
      ++ended;
      curl_multi_remove_handle(multi, easy);
      if (started == count) continue;
      curl_multi_add_handle(multi, easy);
      ++started;
    }
    if (ended < count) curl_multi_poll(multi, nullptr, 0, 500, nullptr);
  }
  const double us = 1e6 * (cpu_s() - before) / static_cast<double>(count);
  for (CURL* easy : handles) {
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
  }
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  fmt::print("libcurl alone (curl_multi_poll): {:.1f} us CPU each\n", us);
  return us;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::max(10ul, std::strtoul(argv[1], nullptr, 10)) : 100000;
  Server server;
  ::setenv("no_proxy", "127.0.0.1", 1);
  const double ours = client_us(server.url, count);
  const double bare = curl_us(server.url, std::max<size_t>(kInFlight, count / 5));
  fmt::print("client / libcurl alone: {:.2f}; client / 100 us: {:.2f}\n", ours / bare, ours / 100);
  return 0;
}
