#include "model_backend/engine/plan.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "model_backend/engine/kv_cache.h"

namespace assay {
namespace {

struct Sequence {
  std::vector<int32_t> tokens;
  int first_read;
  int32_t last_target;
};

Plan make_plan(const std::vector<Sequence>& sequences) {
  PlanBuilder builder;
  for (const Sequence& sequence : sequences) builder.add(sequence.tokens, sequence.first_read, sequence.last_target);
  return builder.finish();
}

std::vector<int32_t> prefix_of(const Plan& plan, int node, int rows) {
  std::vector<int32_t> tokens;
  for (int at = plan.node(node).parent; at >= 0; at = plan.node(at).parent) {
    tokens.insert(tokens.begin(), plan.tokens(at).begin(), plan.tokens(at).end());
  }
  tokens.insert(tokens.end(), plan.tokens(node).begin(), plan.tokens(node).begin() + rows);
  return tokens;
}

// Everything a plan must be, against what follows from the sequences by counting.
void check_against_brute_force(const std::vector<Sequence>& sequences, int batch_rows) {
  const Plan plan = make_plan(sequences);
  std::set<std::vector<int32_t>> prefixes;
  std::multiset<std::tuple<int, std::vector<int32_t>, int32_t>> expected_reads, reads;
  int64_t requested = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const auto& tokens = sequences[s].tokens;
    requested += static_cast<int64_t>(tokens.size());
    for (size_t n = 1; n <= tokens.size(); ++n) {
      const std::vector<int32_t> prefix(tokens.begin(), tokens.begin() + n);
      prefixes.insert(prefix);
      if (static_cast<int>(n) > sequences[s].first_read) {
        expected_reads.insert({static_cast<int>(s), prefix, n < tokens.size() ? tokens[n] : sequences[s].last_target});
      }
    }
  }
  CHECK(plan.requested_tokens() == requested);
  CHECK(plan.tree_tokens() == static_cast<int64_t>(prefixes.size()));

  std::set<std::vector<int32_t>> walked;
  SlotPool pool(static_cast<int>(prefixes.size()) + 1);
  TreeSlots slots(plan, pool);
  std::map<int32_t, int32_t> token_in_slot;
  for (PlanWalk walk(plan); !walk.done();) {
    const PlanRows rows = walk.peek(batch_rows);
    CHECK(rows.rows <= batch_rows);
    slots.take(rows);
    for (int r = rows.begin; r < rows.begin + rows.rows; ++r) {
      const auto prefix = prefix_of(plan, rows.node, r + 1);
      CHECK(walked.insert(prefix).second);
      if (prefix.size() > 1) CHECK(walked.count({prefix.begin(), prefix.end() - 1}) == 1);
      token_in_slot[slots.path(rows.node, r + 1).back()] = prefix.back();
      const auto path = slots.path(rows.node, r + 1);
      for (size_t i = 0; i < path.size(); ++i) CHECK(token_in_slot[path[i]] == prefix[i]);
      for (const PlanReader& reader : plan.readers(rows.node)) {
        if (r >= reader.begin && r < reader.end) {
          reads.insert({reader.sequence, prefix, plan.target(reader.sequence, rows.node, r)});
        }
      }
    }
    walk.advance(rows);
    if (rows.begin + rows.rows == plan.node(rows.node).length) slots.release(rows.node);
  }
  CHECK(walked == prefixes);
  CHECK(reads == expected_reads);
  CHECK(pool.in_use() == 0);

  std::multiset<int> ending, expected_ending;
  for (int node = 0; node < plan.node_count(); ++node)
    ending.insert(plan.endings(node).begin(), plan.endings(node).end());
  for (size_t s = 0; s < sequences.size(); ++s) {
    if (sequences[s].first_read == static_cast<int>(sequences[s].tokens.size()))
      expected_ending.insert(static_cast<int>(s));
  }
  CHECK(ending == expected_ending);
}

}  // namespace

TEST_CASE("option letters after one stem read one row") {
  const Plan plan = make_plan({{{7, 8, 9}, 2, 1}, {{7, 8, 9}, 2, 2}, {{7, 8, 9}, 2, 3}});
  REQUIRE(plan.node_count() == 2);
  CHECK(plan.tree_tokens() == 3);
  CHECK(plan.requested_tokens() == 9);
  REQUIRE(plan.readers(1).size() == 3);
  for (int s = 0; s < 3; ++s) {
    CHECK(plan.readers(1)[s].begin == 2);
    CHECK(plan.target(s, 1, 2) == s + 1);
  }
}

TEST_CASE("a sequence that ends inside an edge and one that is longer both keep their reads") {
  const Plan plan = make_plan({{{1, 2, 3, 4}, 1, 5}, {{1, 2}, 0, 9}, {{1, 2, 6}, 2, 7}});
  CHECK(plan.tree_tokens() == 5);
  const int upper = plan.sequence(1).node;
  CHECK(plan.node(upper).length == 2);
  CHECK(plan.target(0, upper, 1) == 3);
  CHECK(plan.target(1, upper, 1) == 9);
  CHECK(plan.node(plan.sequence(0).node).parent == upper);
  CHECK(plan.node(plan.sequence(2).node).parent == upper);
}

TEST_CASE("children come in the order in which they were added") {
  const Plan plan = make_plan({{{1, 9}, 1, 0}, {{1, 3}, 1, 0}, {{1, 5}, 1, 0}, {{1, 3, 4}, 2, 0}});
  CHECK(plan.sequence(0).node < plan.sequence(1).node);
  CHECK(plan.sequence(1).node < plan.sequence(3).node);
  CHECK(plan.sequence(3).node < plan.sequence(2).node);
}

TEST_CASE("every small set of sequences is planned as brute force says") {
  // All pairs and triples of sequences of up to three tokens over two letters, reading from every place.
  std::vector<Sequence> all;
  for (int length = 0; length <= 3; ++length) {
    for (int bits = 0; bits < 1 << length; ++bits) {
      std::vector<int32_t> tokens;
      for (int i = 0; i < length; ++i) tokens.push_back(bits >> i & 1);
      for (int read = 0; read <= length; ++read) all.push_back({tokens, read, 1});
    }
  }
  for (const Sequence& a : all) {
    for (const Sequence& b : all) check_against_brute_force({a, b}, 2);
  }
  std::mt19937 random(1);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<Sequence> some;
    for (int i = 0; i < 12; ++i) some.push_back(all[random() % all.size()]);
    check_against_brute_force(some, 1 + static_cast<int>(random() % 4));
  }
}

TEST_CASE("slots that are promised are not handed to others") {
  SlotPool pool(3);
  pool.promise(2);
  CHECK(pool.available() == 1);
  const int32_t own = pool.take();
  CHECK(pool.available() == 0);
  const int32_t promised = pool.take_promised();
  CHECK(pool.available() == 0);
  pool.forgo(1);
  CHECK(pool.available() == 1);
  const int32_t back[] = {own, promised};
  pool.give_back(back);
  CHECK(pool.available() == 3);
}

}  // namespace assay
