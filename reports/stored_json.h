// The stored forms of items and responses: JSON text, written directly since a run writes one of each per request.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/records.h"

namespace assay {

// One item of a task in a run, owned by whoever shows it to the database.
struct ItemView {
  int64_t position = 0;
  const Prompt* prompt = nullptr;
  std::span<const Request> requests;
  std::span<const std::string> request_hashes;  // one each
};

// items.content. Texts that begin with `head` are stored without it; others as {"whole": text}.
std::string item_json(const ItemView& item, std::string_view head);
// The prompt and requests of items.content: messages are not kept, item_id is the caller's.
void item_from_json(const Json& content, const std::string& head, Prompt& prompt, std::vector<Request>& requests);

// responses.answer: what is not a column of its own.
std::string response_json(const Response& response);
// status, prompt_tokens and truncated are the caller's.
Response response_from_json(const Json& answer);

}  // namespace assay
