#include "reports/stored_json.h"

#include <fmt/format.h>

#include <iterator>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

RequestKind kind_from(const std::string& name) {
  for (RequestKind kind :
       {RequestKind::kLoglikelihood, RequestKind::kRolling, RequestKind::kGenerate, RequestKind::kChat}) {
    if (name == to_string(kind)) return kind;
  }
  throw_input("database", "unknown kind of request \"" + name + "\"");
}

// Appends to one text what Json::dump would write: no white space, keys in the order of the calls.
class JsonWriter {
 public:
  std::string take() { return std::move(out_); }

  void raw(std::string_view text) { out_ += text; }
  void key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  void comma() {
    if (out_.back() != '[') out_ += ',';
  }
  void text(std::string_view text) {
    if (!is_valid_utf8(text)) {
      out_ += dump_json(Json(text));
      return;
    }
    out_ += '"';
    size_t plain = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const unsigned char byte = static_cast<unsigned char>(text[i]);
      if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
      out_.append(text, plain, i - plain);
      plain = i + 1;
      escape(byte);
    }
    out_.append(text, plain);
    out_ += '"';
  }
  void texts(const std::vector<std::string>& list) {
    out_ += '[';
    for (const std::string& one : list) comma(), text(one);
    out_ += ']';
  }
  template <typename Integer>
  void integer(Integer value) {
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void real(double value) { out_ += dump_json(Json(value)); }

 private:
  std::string out_;

  void escape(unsigned char byte) {
    switch (byte) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\b':
        out_ += "\\b";
        break;
      case '\f':
        out_ += "\\f";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", byte);
    }
  }
};

void write_tail(JsonWriter& out, std::string_view text, std::string_view head) {
  if (starts_with(text, head)) {
    out.text(text.substr(head.size()));
    return;
  }
  out.raw("{");
  out.key("whole"), out.text(text);
  out.raw("}");
}

void write_settings(JsonWriter& out, const GenerateSettings& settings) {
  out.raw("{");
  out.key("stop"), out.texts(settings.stop);
  out.key("max_tokens"), out.integer(settings.max_tokens);
  out.key("temperature"), out.real(settings.temperature);
  out.key("top_p"), out.real(settings.top_p);
  out.key("top_k"), out.integer(settings.top_k);
  out.key("samples"), out.integer(settings.samples);
  out.key("seed"), out.integer(settings.seed);
  out.raw("}");
}

void write_request(JsonWriter& out, const Request& request, std::string_view head) {
  out.raw("{");
  out.key("kind"), out.text(to_string(request.kind));
  if (request.kind == RequestKind::kRolling) {
    out.key("text"), out.text(request.text);
  } else {
    out.key("context"), write_tail(out, request.context, head);
  }
  if (!request.continuations.empty()) out.key("continuations"), out.texts(request.continuations);
  if (generates(request)) out.key("generate"), write_settings(out, request.generate);
  out.raw("}");
}

}  // namespace

std::string item_json(const ItemView& item, std::string_view head) {
  const Prompt& prompt = *item.prompt;
  JsonWriter out;
  out.raw("{");
  out.key("context"), write_tail(out, prompt.context, head);
  out.key("delimiter"), out.text(prompt.delimiter);
  out.key("choices"), out.texts(prompt.choices);
  out.key("contexts"), out.texts(prompt.contexts);
  out.key("gold_index"), out.integer(prompt.gold_index);
  out.key("golds"), out.texts(prompt.golds);
  out.key("target"), out.text(prompt.target);
  out.key("fields"), out.raw(prompt.fields.text());
  out.key("requests"), out.raw("[");
  for (const Request& request : item.requests) out.comma(), write_request(out, request, head);
  out.raw("]");
  if (!prompt.next_turns.empty()) out.key("next_turns"), out.texts(prompt.next_turns);
  out.raw("}");
  return out.take();
}

void item_from_json(const Json& content, const std::string& head, Prompt& prompt, std::vector<Request>& requests) {
  auto whole = [&](const Json& text) {
    return text.is_string() ? head + text.get<std::string>() : text.at("whole").get<std::string>();
  };
  prompt.context = whole(content.at("context"));
  prompt.shared_bytes = head.size();
  prompt.delimiter = content.at("delimiter").get<std::string>();
  prompt.choices = content.at("choices").get<std::vector<std::string>>();
  prompt.contexts = content.at("contexts").get<std::vector<std::string>>();
  prompt.gold_index = content.at("gold_index").get<int>();
  prompt.golds = content.at("golds").get<std::vector<std::string>>();
  prompt.target = content.at("target").get<std::string>();
  prompt.fields = content.at("fields");
  if (content.contains("next_turns")) prompt.next_turns = content["next_turns"].get<std::vector<std::string>>();
  for (const Json& entry : content.at("requests")) {
    Request request;
    request.kind = kind_from(entry.at("kind").get<std::string>());
    request.item_id = prompt.item_id;
    request.part = static_cast<int>(requests.size());
    if (entry.contains("text")) request.text = entry["text"].get<std::string>();
    if (entry.contains("context")) request.context = whole(entry["context"]);
    if (entry.contains("continuations")) {
      request.continuations = entry["continuations"].get<std::vector<std::string>>();
    }
    if (entry.contains("generate")) {
      const Json& generate = entry["generate"];
      request.generate.stop = generate.at("stop").get<std::vector<std::string>>();
      request.generate.max_tokens = generate.at("max_tokens").get<int>();
      request.generate.temperature = generate.at("temperature").get<double>();
      request.generate.top_p = generate.at("top_p").get<double>();
      request.generate.top_k = generate.at("top_k").get<int>();
      request.generate.samples = generate.at("samples").get<int>();
      request.generate.seed = generate.at("seed").get<uint64_t>();
    }
    requests.push_back(std::move(request));
  }
}

std::string response_json(const Response& response) {
  JsonWriter out;
  out.raw("{");
  if (!response.detail.empty()) out.key("detail"), out.text(response.detail);
  if (!response.answered_by.empty()) out.key("answered_by"), out.text(response.answered_by);
  if (!response.continuations.empty()) {
    out.key("continuations"), out.raw("[");
    for (const ContinuationScore& score : response.continuations) {
      out.comma(), out.raw("{");
      out.key("logprob"), out.real(score.logprob);
      out.key("tokens"), out.integer(score.tokens);
      out.key("bytes"), out.integer(score.bytes);
      out.key("characters"), out.integer(score.characters);
      out.key("is_greedy"), out.raw(score.is_greedy ? "true" : "false");
      if (score.rarest) out.key("rarest"), out.real(*score.rarest);
      out.raw("}");
    }
    out.raw("]");
  }
  if (!response.texts.empty()) {
    out.key("texts"), out.raw("[");
    for (const GeneratedText& text : response.texts) {
      out.comma(), out.raw("{");
      out.key("text"), out.text(text.text);
      out.key("finish"), out.text(to_string(text.finish));
      out.key("tokens"), out.integer(text.tokens);
      out.raw("}");
    }
    out.raw("]");
  }
  out.raw("}");
  return out.take();
}

Response response_from_json(const Json& answer) {
  Response response;
  if (answer.contains("detail")) response.detail = answer["detail"].get<std::string>();
  if (answer.contains("answered_by")) response.answered_by = answer["answered_by"].get<std::string>();
  if (answer.contains("continuations")) {
    for (const Json& entry : answer["continuations"]) {
      response.continuations.push_back({entry.at("logprob").get<double>(),
                                        entry.at("tokens").get<int>(),
                                        entry.at("bytes").get<int64_t>(),
                                        entry.at("characters").get<int64_t>(),
                                        entry.at("is_greedy").get<bool>(),
                                        {}});
      if (entry.contains("rarest")) response.continuations.back().rarest = entry["rarest"].get<double>();
    }
  }
  if (answer.contains("texts")) {
    for (const Json& entry : answer["texts"]) {
      std::string finish = entry.at("finish").get<std::string>();
      FinishReason reason = FinishReason::kEndOfText;
      for (const FinishReason one : {FinishReason::kStop, FinishReason::kLength, FinishReason::kContentFilter})
        if (finish == to_string(one)) reason = one;
      response.texts.push_back({entry.at("text").get<std::string>(), reason, entry.at("tokens").get<int>()});
    }
  }
  return response;
}

}  // namespace assay
