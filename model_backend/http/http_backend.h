// Any OpenAI-compatible server as a backend: "openai:MODEL".
//
//   Request -> wire.h (JSON) -> transfer.h (libcurl, one thread) -> wire.h -> Response
//
// Generated texts come from chat/completions where HttpOptions::chat says so, else from completions. Log-probabilities
// need the completions endpoint and a server that gives those of the prompt (echo with logprobs): that is tried when
// the backend is opened, and what it gives is compared with what it says of the token that it would write itself; where
// they are absent or differ, info() says so and the run refuses such tasks.
//
// A request whose attempts are used up becomes kFailed: it is not stored, and the next run of the same command asks for
// it again. Each attempt carries the request's hash as its Idempotency-Key, so that a server that honours it never
// sells one answer twice, whatever happened to the connection or to this process.
#pragma once

#include <memory>
#include <string>

#include "model_backend/backend.h"

namespace assay {

// Throws Error(kInput) when the URL is malformed, a key is needed and not there, or its file cannot be read.
std::unique_ptr<Backend> open_http_backend(const std::string& model, const BackendOptions& options);

}  // namespace assay
