// Token texts and their ids, both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay {

using TokenId = int32_t;

class Vocab {
 public:
  // Ids lie in [0, kIdLimit): far above any real vocabulary, and small enough that a table of all ids fits in memory.
  static constexpr int64_t kIdLimit = int64_t{1} << 22;

  void reserve(size_t count) { ids_.reserve(count); }
  // Throws Error(kInput) headed by `where` when the text is there with another id, the id is another text's, or the id
  // is out of range.
  void add(std::string text, int64_t id, std::string_view where);

  std::optional<TokenId> find(std::string_view text) const;
  // Null for an id without a token. Valid as long as this object; adding tokens keeps it valid.
  const std::string* text(TokenId id) const;
  size_t size() const { return texts_.size(); }  // highest id + 1
  size_t count() const { return ids_.size(); }   // tokens

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, TokenId, Hash, std::equal_to<>> ids_;
  std::vector<const std::string*> texts_;  // keys of ids_, whose nodes never move
};

}  // namespace assay
