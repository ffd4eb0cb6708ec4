// One epoll set, driven by libcurl's socket callbacks: libcurl looks only at transfers whose socket has something to
// say. (curl_multi_perform looks at all of them each time it is woken, a system call each: with 256 in flight and one
// reply at a time that is most of what a request costs.)
//
//   start --> libcurl --(on_socket)--> epoll set --(wait)--> curl_multi_socket_action --> ended --> done
//                \----(on_timer)----> timer_ --------------------^
//
// A slot's handle is set up once; a request changes its address, body and one header.
#include "model_backend/http/transfer.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kLongestConnect = 30;  // seconds
constexpr double kLongestRetry = 1e8;   // seconds: a clock must bear it
constexpr int kEventsAtOnce = 128;

void initialise_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw_world("libcurl", "cannot be initialised");
  });
}

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct MultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

// The set of sockets that libcurl waits for.
class EpollSet {
 public:
  EpollSet() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
    if (fd_ < 0) throw_errno("epoll_create1", "cannot wait for servers", errno);
  }
  ~EpollSet() { ::close(fd_); }
  EpollSet(const EpollSet&) = delete;
  EpollSet& operator=(const EpollSet&) = delete;

  void watch(curl_socket_t socket, int what) {
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(fd_, EPOLL_CTL_DEL, socket, &event);  // one that is closed has left by itself
      return;
    }
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    if (epoll_ctl(fd_, EPOLL_CTL_ADD, socket, &event) == 0) return;
    if (errno != EEXIST || epoll_ctl(fd_, EPOLL_CTL_MOD, socket, &event) != 0)
      throw_errno("epoll_ctl", "cannot wait for a server", errno);
  }

  // Fills `events`; 0 when nothing happened within `seconds`.
  int wait(epoll_event (&events)[kEventsAtOnce], double seconds) {
    const int count = epoll_wait(fd_, events, kEventsAtOnce, static_cast<int>(std::ceil(seconds * 1000)));
    if (count < 0 && errno != EINTR) throw_errno("epoll_wait", "cannot wait for servers", errno);
    return std::max(0, count);
  }

 private:
  int fd_;
};

// One transfer's state. Lives at a fixed address while libcurl points at it.
struct Slot {
  std::unique_ptr<CURL, EasyDeleter> easy{curl_easy_init()};
  size_t id = 0;
  size_t place = 0;  // in Implementation::busy
  std::string request, url, key_header;
  curl_slist headers{};  // key_header, then the shared ones
  char error[CURL_ERROR_SIZE] = "";
  TransferReply reply;
  int64_t max_bytes = 0;
};

size_t on_body(char* bytes, size_t size, size_t count, void* user) {
  Slot& slot = *static_cast<Slot*>(user);
  if (static_cast<int64_t>(slot.reply.body.size() + size * count) > slot.max_bytes) {
    slot.reply.too_large = true;
    return 0;  // ends the transfer
  }
  slot.reply.body.append(bytes, size * count);
  return size * count;
}

const char* value_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value ? value : nullptr;
}

int actions_of(uint32_t events) {
  return (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
         (events & EPOLLERR ? CURL_CSELECT_ERR : 0);
}

}  // namespace

struct Transfers::Implementation {
  explicit Implementation(const TransferOptions& given) : options(given) {
    initialise_curl();
    for (const char* header : {"Content-Type: application/json", "Accept: application/json", "Expect:"})
      add_header(header);
    for (const std::string& header : options.headers) add_header(header.c_str());
    multi.reset(curl_multi_init());
    if (!multi) throw_world("libcurl", "cannot be initialised");
    CURLM* handle = multi.get();
    curl_multi_setopt(handle, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
    curl_multi_setopt(handle, CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_connections));
    curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(handle, CURLMOPT_TIMERDATA, this);
  }
  ~Implementation() {
    for (auto& slot : busy) curl_multi_remove_handle(multi.get(), slot->easy.get());
  }

  // libcurl's callbacks: no exception may pass through it, so a failure is kept until wait().
  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    auto& own = *static_cast<Implementation*>(user);
    try {
      own.sockets.watch(socket, what);
    } catch (const Error& error) {
      own.failure = error;
    }
    return 0;
  }
  static int on_timer(CURLM*, long milliseconds, void* user) {
    auto& own = *static_cast<Implementation*>(user);
    own.timer = milliseconds < 0 ? Clock::time_point::max() : Clock::now() + std::chrono::milliseconds(milliseconds);
    return 0;
  }

  void add_header(const char* header) {
    curl_slist* longer = curl_slist_append(shared_headers.get(), header);
    if (!longer) throw_world("libcurl", "no memory for a header");
    shared_headers.release();
    shared_headers.reset(longer);
  }

  std::unique_ptr<Slot> take_slot() {
    if (idle.empty()) {
      auto slot = std::make_unique<Slot>();
      if (!slot->easy) throw_world("libcurl", "no memory for another transfer");
      set_up(*slot);
      return slot;
    }
    std::unique_ptr<Slot> slot = std::move(idle.back());
    idle.pop_back();
    return slot;
  }

  void set_up(Slot& slot) {
    CURL* easy = slot.easy.get();
    slot.max_bytes = options.max_reply_bytes;
    slot.headers.next = shared_headers.get();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &slot);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &slot);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot.error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.request_s * 1000));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::min(options.request_s, kLongestConnect) * 1000));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    // As curl's own program reads them.
    const char* bundle = value_of("CURL_CA_BUNDLE");
    if (!bundle) bundle = value_of("SSL_CERT_FILE");
    if (bundle) curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (const char* folder = value_of("SSL_CERT_DIR")) curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
  }

  void start(size_t id, const std::string& url, std::string body, const std::string& idempotency_key) {
    std::unique_ptr<Slot> slot = take_slot();
    CURL* easy = slot->easy.get();
    slot->id = id;
    slot->request = std::move(body);
    slot->reply = {};
    slot->error[0] = '\0';
    slot->key_header.assign("Idempotency-Key: ").append(idempotency_key);
    slot->headers.data = slot->key_header.data();
    if (slot->url != url) {
      slot->url = url;
      curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
      // Only TLS can find out whether the server has HTTP/2; without it a look for shared connections would be wasted.
      const bool tls = starts_with(url, "https:");
      curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                       static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
      curl_easy_setopt(easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &slot->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, slot->request.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(slot->request.size()));
    const CURLMcode code = curl_multi_add_handle(multi.get(), easy);
    if (code != CURLM_OK) throw_world(url, curl_multi_strerror(code));
    slot->place = busy.size();
    busy.push_back(std::move(slot));
  }

  // Waits for sockets and timers once, and lets libcurl act on them.
  void drive(double seconds) {
    const double until_timer = std::chrono::duration<double>(timer - Clock::now()).count();
    epoll_event events[kEventsAtOnce];
    const int count = sockets.wait(events, std::clamp(until_timer, 0.0, std::max(0.0, seconds)));
    int running = 0;
    for (int i = 0; i < count; ++i)
      curl_multi_socket_action(multi.get(), events[i].data.fd, actions_of(events[i].events), &running);
    if (Clock::now() >= timer) {
      timer = Clock::time_point::max();
      curl_multi_socket_action(multi.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    }
    if (failure) throw Error(*failure);
  }

  std::vector<std::unique_ptr<Slot>> take_ended() {
    std::vector<std::unique_ptr<Slot>> ended;
    int waiting = 0;
    while (CURLMsg* message = curl_multi_info_read(multi.get(), &waiting)) {
      if (message->msg == CURLMSG_DONE) ended.push_back(finish(message->easy_handle, message->data.result));
    }
    return ended;
  }

  std::unique_ptr<Slot> finish(CURL* easy, CURLcode code) {
    Slot* ended = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &ended);
    std::unique_ptr<Slot> slot = std::move(busy.at(ended->place));
    if (slot->place + 1 < busy.size()) {
      busy[slot->place] = std::move(busy.back());
      busy[slot->place]->place = slot->place;
    }
    busy.pop_back();
    TransferReply& reply = slot->reply;
    if (code == CURLE_OK) {
      long status = 0;
      curl_off_t retry_after = 0;
      char* text = nullptr;
      if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK && text) reply.content_type = text;
      if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text) reply.location = text;
      curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      if (retry_after > 0) reply.retry_after_s = std::min(static_cast<double>(retry_after), kLongestRetry);
      reply.status = static_cast<int>(status);
    } else {
      reply.failure = slot->error[0] ? slot->error : curl_easy_strerror(code);
      reply.untrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    }
    curl_multi_remove_handle(multi.get(), easy);
    return slot;
  }

  const TransferOptions options;
  EpollSet sockets;  // outlives multi, whose end calls on_socket
  Clock::time_point timer = Clock::time_point::max();
  std::optional<Error> failure;
  std::unique_ptr<curl_slist, ListDeleter> shared_headers;
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::vector<std::unique_ptr<Slot>> busy, idle;
};

Transfers::Transfers(const TransferOptions& options) : implementation_(std::make_unique<Implementation>(options)) {}
Transfers::~Transfers() = default;

size_t Transfers::in_flight() const {
  return implementation_->busy.size();
}

void Transfers::start(size_t id, const std::string& url, std::string body, const std::string& idempotency_key) {
  implementation_->start(id, url, std::move(body), idempotency_key);
}

void Transfers::wait(double seconds, const std::function<void(size_t id, TransferReply reply)>& done) {
  Implementation& own = *implementation_;
  own.drive(seconds);
  for (auto& slot : own.take_ended()) {
    TransferReply reply = std::move(slot->reply);
    const size_t id = slot->id;
    own.idle.push_back(std::move(slot));
    done(id, std::move(reply));
  }
}

}  // namespace assay
