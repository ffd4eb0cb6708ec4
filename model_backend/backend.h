// A backend answers requests. It may batch, share and reorder them as it likes: it sees all of them before the first.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/records.h"

namespace assay {

// What a backend is and can do. A task that needs more is refused before any work.
struct BackendInfo {
  std::string name;          // "engine", "scripted", ...
  std::string label;         // the checkpoint's default label: the last part of its path
  std::string weights_hash;  // identity of the weights; scripted: of the script
  std::string tokenizer_hash;
  std::string numerics;  // precision, device kind, instruction set, library and kernel versions
  std::string identity;  // hash of the three above: enters every request's hash
  bool loglikelihood = false;
  bool rolling = false;
  bool generate = false;
  bool bought = false;     // answers cost money: none may be lost once it is here
  bool chat = false;       // answers kChat itself; otherwise the harness renders messages with chat_template
  int context_length = 0;  // tokens; 0 = not known
  std::optional<std::string> chat_template;           // Jinja; rendered by the harness, never by the backend
  std::map<std::string, std::string> special_tokens;  // for the chat template: "bos_token" -> "<s>"
};

// Work done so far, or in all.
struct RunStats {
  int64_t requests_done = 0;
  int64_t requested_tokens = 0;  // what the requests would cost one by one
  int64_t tree_tokens = 0;       // tokens in their prefix tree, generated ones too: the lower bound
  int64_t computed_tokens = 0;   // rows that went through the layers
  int64_t generated_tokens = 0;  // of these, rows that continued a generated text
  int64_t head_rows = 0;         // rows that went through the output head
  double seconds = 0;            // wall time inside answer()
  double operations = 0;         // multiplications and additions of the model's products and attention
  double matrix_peak = 0;        // the device's, in operations per second, measured after answers; 0 = not known
  int64_t passes = 0;            // over the model, of any number of rows; 0 = not counted
  double rows_of_key = 0;        // what a key costs that one row alone sees, in rows of a prompt, about; 0 = not known
  double plan_seconds = 0;       // of these, until the first row could be computed: tokenising, plan
  int64_t peak_bytes = 0;        // the process's largest resident size
  // operations / seconds / matrix_peak, or 0 where one of them is not known.
  double share_of_peak() const {
    const double working = seconds - plan_seconds;
    return working > 0 && matrix_peak > 0 ? operations / working / matrix_peak : 0;
  }
  // Where passes are counted: the texts that are being generated, and those that ended since the report before.
  struct TextLength {
    size_t request;  // position in the span given to answer()
    int tokens;      // so far
  };
  std::vector<TextLength> under_way, ended;
  // What happened on the way, by name, for people ("retried", "answered 429", ...); empty where nothing did.
  std::map<std::string, int64_t> events;
  std::string first_failure;  // why the first lost request was lost; empty = none was
  // Replies of a server that came with status 200 and were no answers: they are paid for all the same.
  int64_t wasted_prompt_tokens = 0, wasted_generated_tokens = 0;
};

// Receives responses. Each request's response arrives exactly once, in any order, from one thread at a time.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  // `index`: position in the span given to answer(), whose texts may be gone when this returns. What this throws ends
  // answer() and is passed on.
  virtual void deliver(size_t index, Response response) = 0;
  // Called every now and then, at least once a second while work goes on.
  virtual void progress(const RunStats& stats) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendInfo& info() const = 0;
  // Answers every request, then returns. When `cancelled` becomes true returns soon, with the requests not yet
  // delivered left unanswered. Throws Error when the device, file or server fails; what was delivered stays valid.
  // Precondition: info() says that the requests' kinds can be answered; kChat only where info().chat is true.
  virtual RunStats answer(std::span<const Request> requests, ResponseSink& sink,
                          const std::atomic<bool>& cancelled) = 0;
  // Puts the weights of another checkpoint in the place of its own: `model` as for open_backend. What was prepared for
  // the requests of the last answer() is kept, so asking the same ones again costs no preparation. False, and nothing
  // has changed, where the other needs a backend of its own (another tokenizer, another context length, no weights at
  // all). Throws as open_backend does; the backend is then of no use any more, and answers no further call.
  virtual bool reload(const std::string& /*model*/) { return false; }
};

// How a server is spoken to (model_backend/http). None of it but the URL is part of a request's identity.
struct HttpOptions {
  std::string base_url;  // "http://host:port/v1"; empty = OpenAI's own
  // Environment variable that holds the key. Empty: ASSAY_API_KEY, at OpenAI's own host else OPENAI_API_KEY; of a judge
  // ASSAY_JUDGE_API_KEY first, and ASSAY_API_KEY only at the host of `model_url`.
  std::string key_variable;
  bool judge = false;
  std::string model_url;       // of a judge: the base URL given for the model under test; empty = OpenAI's own
  std::string key_file;        // file whose first line is the key; wins over the variable
  bool chat = false;           // the chat endpoint; otherwise completions. Changes results.
  int max_in_flight = 64;      // requests at once; the client starts low and finds out how many the server bears
  int max_attempts = 6;        // of one request
  double request_s = 300;      // limit of one attempt
  double give_up_s = 1800;     // limit of one request with all its attempts and pauses
  double first_pause_s = 0.5;  // before the second attempt; doubles, with jitter, up to a minute
  int64_t max_reply_bytes = int64_t{16} << 20;
};

struct BackendOptions {
  // Changes results, and is part of BackendInfo::numerics:
  std::string dtype = "bfloat16";  // "float32" or "bfloat16"
  std::string device = "cpu";      // "cpu" or "cuda"
  // Changes speed and memory only:
  int threads = 0;              // 0 = all cores
  int64_t kv_memory_bytes = 0;  // memory for keys and values; 0 = a share of what the machine has
  int batch_tokens = 0;         // rows in one pass; 0 = the device's default
  bool keep_plan = false;       // for Backend::reload
  HttpOptions http;             // for "openai:MODEL"
};

// `model`: a checkpoint folder, FILE.gguf, or "scheme:rest" as in the table of backend_table.cc ("scripted:FILE").
// Throws Error(kInput) naming what it can't run, before any work.
std::unique_ptr<Backend> open_backend(const std::string& model, const BackendOptions& options);

}  // namespace assay
