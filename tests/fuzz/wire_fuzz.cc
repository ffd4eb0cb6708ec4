// Whatever a server or a judge says: a server's reply to each kind of request, and a judge's text under each protocol.
#include <cstddef>
#include <cstdint>
#include <string>

#include "model_backend/http/wire.h"
#include "tasks/judge/protocol.h"
#include "tasks/judge/text_signs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace assay;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Request request;
  request.context = "ab";
  request.continuations = {"cd"};
  request.kind = data[0] % 3 == 0   ? RequestKind::kChat
                 : data[0] % 3 == 1 ? RequestKind::kGenerate
                                    : RequestKind::kLoglikelihood;
  read_reply(request, 0, data[0] >= 128 ? 400 : 200, "application/json", text);
  Prompt prompt;
  prompt.fields = {{"label", "safe"}};
  for (const std::string& name : judge_protocol_names()) find_judge_protocol(name)->read(prompt, text);
  read_pair(text);
  is_refusal(text);
  ends_in_a_loop(text);
  return 0;
}
