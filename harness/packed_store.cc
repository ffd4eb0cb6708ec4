#include "harness/packed_store.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace assay {
namespace {

constexpr size_t kFirstBlockBytes = 1 << 14, kLargestBlockBytes = 1 << 20;

// Numbers in groups of seven bits, lowest first, the eighth says that more follow; texts behind their length.
class Packer {
 public:
  void number(uint64_t value) {
    for (; value >= 128; value >>= 7) out_.push_back(static_cast<char>(value | 128));
    out_.push_back(static_cast<char>(value));
  }
  void text(std::string_view text) {
    number(text.size());
    out_ += text;
  }
  void real(double value) {
    const auto bits = std::bit_cast<std::array<char, sizeof value>>(value);
    out_.append(bits.data(), bits.size());
  }
  // A text that may begin with `head`: what comes after it.
  void tail(std::string_view text, std::string_view head) {
    const bool shared = starts_with(text, head);
    number(shared);
    this->text(shared ? text.substr(head.size()) : text);
  }
  void texts(const std::vector<std::string>& list) {
    number(list.size());
    for (const std::string& one : list) text(one);
  }
  std::string_view out() const { return out_; }

 private:
  std::string out_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view in) : in_(in) {}

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      ASSAY_ASSERT(at_ < in_.size(), "what was packed ends where it ended");
      const auto byte = static_cast<unsigned char>(in_[at_++]);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return value;
    }
  }
  std::string text() {
    const size_t size = number(), begin = std::exchange(at_, at_ + size);
    return std::string(in_.substr(begin, size));
  }
  double real() {
    std::array<char, sizeof(double)> bits;
    in_.copy(bits.data(), bits.size(), std::exchange(at_, at_ + bits.size()));
    return std::bit_cast<double>(bits);
  }
  std::string tail(std::string_view head) {
    const bool shared = number() != 0;
    std::string rest = text();
    return shared ? std::string(head) + rest : rest;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> list(number());
    for (std::string& one : list) one = text();
    return list;
  }

 private:
  std::string_view in_;
  size_t at_ = 0;
};

}  // namespace

std::string_view TextArena::add(std::string_view text) {
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < text.size()) {
    const size_t wanted =
        blocks_.empty() ? kFirstBlockBytes : std::min(2 * blocks_.back().capacity(), kLargestBlockBytes);
    blocks_.emplace_back().reserve(std::max(wanted, text.size()));
  }
  std::string& block = blocks_.back();
  const size_t begin = block.size();
  block += text;
  return std::string_view(block).substr(begin);
}

void PromptStore::add(const Prompt& prompt) {
  const std::string_view head = std::string_view(prompt.context).substr(0, prompt.shared_bytes);
  if (heads_.empty() || heads_.back().text != head) {
    heads_.push_back({std::string(head), prompt.messages});
    if (!prompt.messages.empty()) heads_.back().messages.pop_back();
  }
  Packer answers, texts;
  answers.number(heads_.size() - 1);
  answers.text(prompt.item_id);
  answers.text(prompt.delimiter);
  answers.texts(prompt.choices);
  answers.number(prompt.contexts.size());
  for (const std::string& context : prompt.contexts) answers.tail(context, head);
  answers.number(static_cast<uint64_t>(prompt.gold_index + 1));
  answers.texts(prompt.golds);
  const bool same_target = !prompt.golds.empty() && prompt.golds.front() == prompt.target;
  answers.number(same_target);
  if (!same_target) answers.text(prompt.target);
  answers.texts(prompt.next_turns);

  texts.text(std::string_view(prompt.context).substr(head.size()));
  const std::vector<Message>&known = heads_.back().messages, &messages = prompt.messages;
  const auto own = std::mismatch(messages.begin(), messages.end(), known.begin(), known.end()).first;
  texts.number(static_cast<uint64_t>(own - messages.begin()));
  texts.number(static_cast<uint64_t>(messages.end() - own));
  for (auto message = own; message != messages.end(); ++message)
    texts.text(message->role), texts.text(message->content);
  texts.text(prompt.fields.text());
  entries_.push_back({answers_.add(answers.out()), texts_.add(texts.out())});
}

Prompt PromptStore::at(size_t i) const {
  ASSAY_ASSERT(i < entries_.size(), "a prompt that was added");
  Prompt prompt;
  Unpacker answers(entries_[i].answers);
  const Head& head = heads_[answers.number()];
  prompt.item_id = answers.text();
  prompt.delimiter = answers.text();
  prompt.choices = answers.texts();
  prompt.contexts.resize(answers.number());
  for (std::string& context : prompt.contexts) context = answers.tail(head.text);
  prompt.gold_index = static_cast<int>(answers.number()) - 1;
  prompt.golds = answers.texts();
  prompt.target = answers.number() != 0 ? prompt.golds.front() : answers.text();
  prompt.next_turns = answers.texts();
  if (!has_texts_) return prompt;

  Unpacker texts(entries_[i].texts);
  prompt.shared_bytes = head.text.size();
  prompt.context = head.text + texts.text();
  const size_t shared = texts.number(), own = texts.number();
  prompt.messages.assign(head.messages.begin(), head.messages.begin() + static_cast<std::ptrdiff_t>(shared));
  for (size_t message = 0; message < own; ++message) {
    std::string role = texts.text();
    prompt.messages.push_back({std::move(role), texts.text()});
  }
  prompt.fields = PackedJson::of_text(texts.text());
  return prompt;
}

void PromptStore::drop_texts() {
  texts_ = TextArena();
  has_texts_ = false;
}

void ResponseStore::put(size_t number, const Response& response) {
  ASSAY_ASSERT(number < places_.size() && !has(number), "a request is answered once");
  Packer out;
  out.number(static_cast<uint64_t>(response.status));
  out.text(response.detail);
  out.number(response.continuations.size());
  for (const ContinuationScore& score : response.continuations) {
    out.real(score.logprob);
    out.number(static_cast<uint64_t>(score.tokens));
    out.number(static_cast<uint64_t>(score.bytes));
    out.number(static_cast<uint64_t>(score.characters));
    out.number(score.is_greedy);
    out.number(score.rarest.has_value());
    if (score.rarest) out.real(*score.rarest);
  }
  out.number(response.texts.size());
  for (const GeneratedText& text : response.texts) {
    out.text(text.text);
    out.number(static_cast<uint64_t>(text.finish));
    out.number(static_cast<uint64_t>(text.tokens));
  }
  out.number(static_cast<uint64_t>(response.prompt_tokens));
  out.number(response.truncated);
  out.text(response.answered_by);
  places_[number] = texts_.add(out.out());
  ++count_;
}

std::optional<Response> ResponseStore::at(size_t number) const {
  if (!has(number)) return std::nullopt;
  Unpacker in(places_[number]);
  Response response;
  response.status = static_cast<ResponseStatus>(in.number());
  response.detail = in.text();
  response.continuations.resize(in.number());
  for (ContinuationScore& score : response.continuations) {
    score.logprob = in.real();
    score.tokens = static_cast<int>(in.number());
    score.bytes = static_cast<int64_t>(in.number());
    score.characters = static_cast<int64_t>(in.number());
    score.is_greedy = in.number() != 0;
    if (in.number() != 0) score.rarest = in.real();
  }
  response.texts.resize(in.number());
  for (GeneratedText& text : response.texts) {
    text.text = in.text();
    text.finish = static_cast<FinishReason>(in.number());
    text.tokens = static_cast<int>(in.number());
  }
  response.prompt_tokens = static_cast<int>(in.number());
  response.truncated = in.number() != 0;
  response.answered_by = in.text();
  return response;
}

}  // namespace assay
