#include "model_backend/http/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "core/error.h"

namespace assay {
namespace {

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

// One transfer's state. Lives at a fixed address while libcurl points at it.
struct Slot {
  std::unique_ptr<CURL, EasyDeleter> easy{curl_easy_init()};
  std::unique_ptr<curl_slist, ListDeleter> headers;
  size_t id = 0;
  std::string request;
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

}  // namespace

struct Transfers::Implementation {
  explicit Implementation(const TransferOptions& given) : options(given) {
    initialise_curl();
    multi.reset(curl_multi_init());
    if (!multi) throw_world("libcurl", "cannot be initialised");
    curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_connections));
  }
  ~Implementation() {
    for (auto& slot : busy) curl_multi_remove_handle(multi.get(), slot->easy.get());
  }

  std::unique_ptr<Slot> take_slot() {
    if (idle.empty()) {
      auto slot = std::make_unique<Slot>();
      if (!slot->easy) throw_world("libcurl", "no memory for another transfer");
      return slot;
    }
    std::unique_ptr<Slot> slot = std::move(idle.back());
    idle.pop_back();
    return slot;
  }

  void set_headers(Slot& slot, const std::string& idempotency_key) {
    curl_slist* list = nullptr;
    auto add = [&](const std::string& header) { list = curl_slist_append(list, header.c_str()); };
    add("Content-Type: application/json");
    add("Accept: application/json");
    add("Expect:");
    add("Idempotency-Key: " + idempotency_key);
    for (const std::string& header : options.headers) add(header);
    slot.headers.reset(list);
  }

  void finish(CURL* easy, CURLcode code) {
    const auto place =
        std::find_if(busy.begin(), busy.end(), [&](const auto& slot) { return slot->easy.get() == easy; });
    ASSAY_ASSERT(place != busy.end(), "libcurl ends only transfers that were started");
    std::unique_ptr<Slot> slot = std::move(*place);
    *place = std::move(busy.back());
    busy.pop_back();
    TransferReply& reply = slot->reply;
    long status = 0;
    curl_off_t retry_after = 0;
    char* text = nullptr;
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK && text) reply.content_type = text;
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text) reply.location = text;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (retry_after > 0) reply.retry_after_s = static_cast<double>(retry_after);
    if (code == CURLE_OK) {
      reply.status = static_cast<int>(status);
    } else {
      reply.failure = curl_easy_strerror(code);
    }
    curl_multi_remove_handle(multi.get(), easy);
    ended.push_back(std::move(slot));
  }

  TransferOptions options;
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::vector<std::unique_ptr<Slot>> busy, idle, ended;
};

Transfers::Transfers(const TransferOptions& options) : implementation_(std::make_unique<Implementation>(options)) {}
Transfers::~Transfers() = default;

size_t Transfers::in_flight() const {
  return implementation_->busy.size();
}

void Transfers::start(size_t id, const std::string& url, std::string body, const std::string& idempotency_key) {
  Implementation& own = *implementation_;
  std::unique_ptr<Slot> slot = own.take_slot();
  CURL* easy = slot->easy.get();
  curl_easy_reset(easy);
  slot->id = id;
  slot->request = std::move(body);
  slot->reply = {};
  slot->max_bytes = own.options.max_reply_bytes;
  own.set_headers(*slot, idempotency_key);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, slot->request.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(slot->request.size()));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->headers.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot.get());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(own.options.request_s * 1000));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(own.options.request_s, 30.0) * 1000));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  const CURLMcode code = curl_multi_add_handle(own.multi.get(), easy);
  if (code != CURLM_OK) throw_world(url, curl_multi_strerror(code));
  own.busy.push_back(std::move(slot));
}

void Transfers::wait(double seconds, const std::function<void(size_t id, TransferReply reply)>& done) {
  Implementation& own = *implementation_;
  int running = 0;
  curl_multi_perform(own.multi.get(), &running);
  int waiting = 0;
  if (CURLMsg* first = curl_multi_info_read(own.multi.get(), &waiting)) {
    own.finish(first->easy_handle, first->data.result);
  } else {
    curl_multi_poll(own.multi.get(), nullptr, 0, static_cast<int>(std::max(0.0, seconds) * 1000), nullptr);
    curl_multi_perform(own.multi.get(), &running);
  }
  while (CURLMsg* message = curl_multi_info_read(own.multi.get(), &waiting)) {
    if (message->msg == CURLMSG_DONE) own.finish(message->easy_handle, message->data.result);
  }
  std::vector<std::unique_ptr<Slot>> ended = std::move(own.ended);
  own.ended.clear();
  for (auto& slot : ended) {
    TransferReply reply = std::move(slot->reply);
    const size_t id = slot->id;
    slot->request.clear();
    own.idle.push_back(std::move(slot));
    done(id, std::move(reply));
  }
}

}  // namespace assay
