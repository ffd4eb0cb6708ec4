// A set of byte strings with values, for finding which of them start at a place of a text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay {

class Trie {
 public:
  Trie() { first_.fill(0); }

  // Returns false, and changes nothing, when the key is there or empty. value >= 0.
  bool add(std::string_view key, int32_t value) {
    uint32_t node = 0;
    for (char c : key) {
      uint8_t byte = static_cast<uint8_t>(c);
      uint32_t next = child(node, byte);
      if (next == 0) {
        next = static_cast<uint32_t>(values_.size());
        values_.push_back(-1);
        if (node == 0) {
          first_[byte] = next;
        } else {
          children_[edge(node, byte)] = next;
        }
      }
      node = next;
    }
    if (node == 0 || values_[node] >= 0) return false;
    values_[node] = value;
    return true;
  }

  // Calls found(length, value) for every key that is a prefix of `text`, the shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, Found&& found) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) return;
      if (values_[node] >= 0) found(i + 1, values_[node]);
    }
  }

  bool empty() const { return values_.size() == 1; }

 private:
  static uint64_t edge(uint32_t node, uint8_t byte) { return static_cast<uint64_t>(node) << 8 | byte; }
  uint32_t child(uint32_t node, uint8_t byte) const {
    if (node == 0) return first_[byte];
    auto found = children_.find(edge(node, byte));
    return found == children_.end() ? 0 : found->second;
  }

  // Node 0 is the root; its children have their own table, because most searches end there.
  std::array<uint32_t, 256> first_;
  std::unordered_map<uint64_t, uint32_t> children_;
  std::vector<int32_t> values_{-1};
};

}  // namespace assay
