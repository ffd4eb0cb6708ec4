// The plan: all token sequences of a run as one prefix tree, and the order in which its rows are computed.
//
// Sequences that begin alike share the nodes of their common beginning, so every shared token is computed once. Nodes
// are kept in preorder: parents before children, a subtree back to back. Walking the nodes in that order, each row
// after the rows of its path, is a depth-first walk: keys and values of a node live from its own rows to the last row
// of its subtree, and of everything else only the current path is alive.
//
// The plan knows no model, no device and no request: token ids in, numbers out. It decides no order that a caller could
// see in a result; children come in the order in which their first sequence was added, so early requests end early.
//
// Cost: linear in the tokens added (each is looked at once), memory linear in the tokens of the tree.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace assay {

// A run of tokens without a branch. Node 0 is the root: no tokens.
struct PlanNode {
  int parent = -1;
  int start = 0;   // position of its first token in its sequences
  int length = 0;  // tokens
  int end = 0;     // the subtree is the nodes [own index, end)
  int children = 0;
  int64_t token_begin = 0;  // into the plan's tokens
};

// One sequence, as it was added.
struct PlanSequence {
  int node = 0;             // its last token is the last token of this node
  int length = 0;           // tokens
  int first_read = 0;       // the head is asked at positions [first_read, length); == length: nowhere
  int32_t last_target = 0;  // the token asked at the last position; before it the next token of the sequence is asked
};

// What a sequence reads of a node: the rows [begin, end) of the node.
struct PlanReader {
  int sequence = 0;
  int begin = 0, end = 0;
};

// Immutable.
class Plan {
 public:
  int node_count() const { return static_cast<int>(nodes_.size()); }
  const PlanNode& node(int index) const { return nodes_[index]; }
  std::span<const int32_t> tokens(int node) const {
    return {tokens_.data() + nodes_[node].token_begin, static_cast<size_t>(nodes_[node].length)};
  }
  int sequence_count() const { return static_cast<int>(sequences_.size()); }
  const PlanSequence& sequence(int index) const { return sequences_[index]; }
  // Sequences that read rows of this node, in the order they were added.
  std::span<const PlanReader> readers(int node) const;
  // Sequences without reads that end with this node, in the order they were added.
  std::span<const int> endings(int node) const;
  // The token that `sequence` asks for at row `row` of `node`. Precondition: the row is one of its reads.
  int32_t target(int sequence, int node, int row) const;

  int64_t tree_tokens() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t requested_tokens() const { return requested_tokens_; }

 private:
  friend class PlanBuilder;
  std::vector<PlanNode> nodes_;
  std::vector<int32_t> tokens_;
  std::vector<PlanSequence> sequences_;
  std::vector<int64_t> reader_begin_;  // [nodes + 1] into readers_
  std::vector<PlanReader> readers_;
  std::vector<int64_t> ending_begin_;  // [nodes + 1] into endings_
  std::vector<int> endings_;
  int64_t requested_tokens_ = 0;
};

// Takes sequences in and keeps what is new of them only: a shared beginning is stored once from the moment it is added.
class PlanBuilder {
 public:
  PlanBuilder();
  // Gives the sequence's index: 0, 1, 2, ... `first_read` in [0, tokens.size()].
  int add(std::span<const int32_t> tokens, int first_read, int32_t last_target);
  // Ends building.
  Plan finish();

 private:
  struct Edge {
    int parent;
    int64_t token_begin;
    int length;
    int first_sequence;  // the sequence that made it: orders children
  };
  // Where an edge is, by the node above it and its first token.
  static uint64_t key(int parent, int32_t token) {
    return static_cast<uint64_t>(static_cast<uint32_t>(parent)) << 32 | static_cast<uint32_t>(token);
  }
  // Cuts edge `lower` after `length` tokens; gives the new edge that holds them. `lower` keeps the rest, so that the
  // sequences that end with it still do.
  int split(int lower, int length);
  std::vector<int> preorder(Plan& plan) const;
  void attach_sequences(Plan& plan) const;

  std::vector<Edge> edges_;
  std::unordered_map<uint64_t, int> children_;
  Plan plan_;
};

// Some rows of one node: the rows [begin, begin + rows).
struct PlanRows {
  int node = 0;
  int begin = 0;
  int rows = 0;
};

// The walk over a plan's rows in preorder.
class PlanWalk {
 public:
  explicit PlanWalk(const Plan& plan);
  bool done() const { return node_ == plan_->node_count(); }
  // The rows that come next, at most `most_rows`; all of one node. Precondition: not done(), most_rows > 0.
  PlanRows peek(int most_rows) const;
  // Moves on behind the rows that peek() gave.
  void advance(const PlanRows& rows);

 private:
  void skip_empty();
  const Plan* plan_;
  int node_ = 0;
  int row_ = 0;
};

}  // namespace assay
