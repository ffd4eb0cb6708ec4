#include "model_backend/engine/plan.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace assay {
namespace {

// Calls visit(node, reader) for every node that a sequence reads, last node first.
template <typename Visit>
void for_each_read_node(const Plan& plan, int sequence, const Visit& visit) {
  const PlanSequence& asked = plan.sequence(sequence);
  int node = asked.node;
  while (node > 0) {
    const PlanNode& at = plan.node(node);
    if (at.start + at.length <= asked.first_read) break;
    visit(node, PlanReader{sequence, std::max(0, asked.first_read - at.start), at.length});
    node = at.parent;
  }
}

}  // namespace

std::span<const PlanReader> Plan::readers(int node) const {
  return {readers_.data() + reader_begin_[node], static_cast<size_t>(reader_begin_[node + 1] - reader_begin_[node])};
}

std::span<const int> Plan::endings(int node) const {
  return {endings_.data() + ending_begin_[node], static_cast<size_t>(ending_begin_[node + 1] - ending_begin_[node])};
}

int32_t Plan::target(int sequence, int node, int row) const {
  const PlanSequence& asked = sequences_[sequence];
  const int next = nodes_[node].start + row + 1;
  if (next == asked.length) return asked.last_target;
  if (row + 1 < nodes_[node].length) return tokens_[nodes_[node].token_begin + row + 1];
  // The next token is the first of the node below, on the way to the sequence's end.
  int below = asked.node;
  while (nodes_[below].parent != node) below = nodes_[below].parent;
  return tokens_[nodes_[below].token_begin];
}

PlanBuilder::PlanBuilder() {
  edges_.push_back({-1, 0, 0, 0});
}

int PlanBuilder::add(std::span<const int32_t> tokens, int first_read, int32_t last_target) {
  const int length = static_cast<int>(tokens.size()), index = plan_.sequence_count();
  ASSAY_ASSERT(first_read >= 0 && first_read <= length, "a sequence reads inside itself");
  plan_.requested_tokens_ += length;
  int node = 0, matched = 0;
  while (matched < length) {
    const auto found = children_.find(key(node, tokens[matched]));
    if (found == children_.end()) {
      const int fresh = static_cast<int>(edges_.size());
      edges_.push_back({node, plan_.tree_tokens(), length - matched, index});
      children_.emplace(key(node, tokens[matched]), fresh);
      plan_.tokens_.insert(plan_.tokens_.end(), tokens.begin() + matched, tokens.end());
      node = fresh;
      break;
    }
    const Edge& edge = edges_[found->second];
    const int32_t* held = plan_.tokens_.data() + edge.token_begin;
    const int most = std::min(edge.length, length - matched);
    const int same = static_cast<int>(std::mismatch(held, held + most, tokens.begin() + matched).first - held);
    matched += same;
    node = same == edge.length ? found->second : split(found->second, same);
  }
  plan_.sequences_.push_back({node, length, first_read, last_target});
  return index;
}

int PlanBuilder::split(int lower, int length) {
  const int upper = static_cast<int>(edges_.size());
  Edge& rest = edges_[lower];
  const Edge head{rest.parent, rest.token_begin, length, rest.first_sequence};
  children_[key(head.parent, plan_.tokens_[head.token_begin])] = upper;
  rest.parent = upper;
  rest.token_begin += length;
  rest.length -= length;
  children_[key(upper, plan_.tokens_[rest.token_begin])] = lower;
  edges_.push_back(head);
  return upper;
}

// Fills plan.nodes_ and gives each edge's index there.
std::vector<int> PlanBuilder::preorder(Plan& plan) const {
  const int count = static_cast<int>(edges_.size());
  std::vector<int> by_age(count - 1);
  std::iota(by_age.begin(), by_age.end(), 1);
  std::stable_sort(by_age.begin(), by_age.end(),
                   [&](int a, int b) { return edges_[a].first_sequence < edges_[b].first_sequence; });
  std::vector<int> child_begin(count + 1, 0), child(count - 1);
  for (int edge : by_age) ++child_begin[edges_[edge].parent + 1];
  std::partial_sum(child_begin.begin(), child_begin.end(), child_begin.begin());
  std::vector<int> fill(child_begin.begin(), child_begin.end() - 1);
  for (int edge : by_age) child[fill[edges_[edge].parent]++] = edge;

  std::vector<int> place(count, 0), open = {0};
  plan.nodes_.reserve(count);
  while (!open.empty()) {
    const int edge = open.back();
    open.pop_back();
    place[edge] = plan.node_count();
    PlanNode node;
    node.length = edges_[edge].length;
    node.token_begin = edges_[edge].token_begin;
    node.children = child_begin[edge + 1] - child_begin[edge];
    if (edge != 0) {
      node.parent = place[edges_[edge].parent];
      node.start = plan.nodes_[node.parent].start + plan.nodes_[node.parent].length;
    }
    plan.nodes_.push_back(node);
    for (int i = child_begin[edge + 1]; i-- > child_begin[edge];) open.push_back(child[i]);
  }
  for (int i = count; i-- > 0;) {
    PlanNode& node = plan.nodes_[i];
    node.end = std::max(node.end, i + 1);
    if (node.parent >= 0) plan.nodes_[node.parent].end = std::max(plan.nodes_[node.parent].end, node.end);
  }
  return place;
}

void PlanBuilder::attach_sequences(Plan& plan) const {
  plan.reader_begin_.assign(plan.node_count() + 1, 0);
  plan.ending_begin_.assign(plan.node_count() + 1, 0);
  for (int s = 0; s < plan.sequence_count(); ++s) {
    if (plan.sequence(s).first_read == plan.sequence(s).length) ++plan.ending_begin_[plan.sequence(s).node + 1];
    for_each_read_node(plan, s, [&](int node, const PlanReader&) { ++plan.reader_begin_[node + 1]; });
  }
  std::partial_sum(plan.reader_begin_.begin(), plan.reader_begin_.end(), plan.reader_begin_.begin());
  std::partial_sum(plan.ending_begin_.begin(), plan.ending_begin_.end(), plan.ending_begin_.begin());
  plan.readers_.resize(plan.reader_begin_.back());
  plan.endings_.resize(plan.ending_begin_.back());
  auto reader_fill = plan.reader_begin_, ending_fill = plan.ending_begin_;
  for (int s = 0; s < plan.sequence_count(); ++s) {
    const PlanSequence& sequence = plan.sequence(s);
    if (sequence.first_read == sequence.length) plan.endings_[ending_fill[sequence.node]++] = s;
    for_each_read_node(plan, s,
                       [&](int node, const PlanReader& reader) { plan.readers_[reader_fill[node]++] = reader; });
  }
}

Plan PlanBuilder::finish() {
  Plan plan = std::move(plan_);
  const std::vector<int> place = preorder(plan);
  for (PlanSequence& sequence : plan.sequences_) sequence.node = place[sequence.node];
  attach_sequences(plan);
  return plan;
}

PlanWalk::PlanWalk(const Plan& plan) : plan_(&plan) {
  skip_empty();
}

PlanRows PlanWalk::peek(int most_rows) const {
  ASSAY_ASSERT(!done() && most_rows > 0, "the walk has rows left");
  return {node_, row_, std::min(most_rows, plan_->node(node_).length - row_)};
}

void PlanWalk::advance(const PlanRows& rows) {
  row_ += rows.rows;
  skip_empty();
}

void PlanWalk::skip_empty() {
  while (!done() && row_ == plan_->node(node_).length) ++node_, row_ = 0;
}

}  // namespace assay
