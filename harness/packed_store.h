// Prompts and responses at rest: one or two short texts for each in the place of a dozen structures.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/records.h"

namespace assay {

// Texts one behind the other in large blocks. None moves.
class TextArena {
 public:
  TextArena() = default;
  TextArena(TextArena&&) = default;
  TextArena& operator=(TextArena&&) = default;
  std::string_view add(std::string_view text);

 private:
  std::vector<std::string> blocks_;
};

// The prompts of a task. Heads (description and shots) that follow each other are kept once, as text and as messages.
class PromptStore {
 public:
  void add(const Prompt& prompt);
  size_t size() const { return entries_.size(); }
  Prompt at(size_t i) const;
  // Lets go of what only a model and the database need: `at` gives no context, messages and fields from now on.
  void drop_texts();

 private:
  struct Head {
    std::string text;
    std::vector<Message> messages;
  };
  struct Entry {
    std::string_view answers;  // what scores need
    std::string_view texts;    // the rest
  };
  std::vector<Head> heads_;
  std::vector<Entry> entries_;
  TextArena answers_, texts_;
  bool has_texts_ = true;
};

// Responses by number.
class ResponseStore {
 public:
  // More numbers, without a response so far.
  void grow(size_t count) { places_.resize(count); }
  // Precondition: the number has none yet.
  void put(size_t number, const Response& response);
  bool has(size_t number) const { return number < places_.size() && places_[number].data() != nullptr; }
  std::optional<Response> at(size_t number) const;
  size_t count() const { return count_; }  // of responses

 private:
  std::vector<std::string_view> places_;
  TextArena texts_;
  size_t count_ = 0;
};

}  // namespace assay
