#include "model_backend/engine/collective.h"

#include <catch2/catch.hpp>
#include <functional>
#include <thread>

#include "model_backend/engine/ops.h"
#include "tests/support.h"

namespace assay {
namespace {

// Runs `action` once a rank, each in its own thread, and waits for all.
void on_each_rank(int size, const std::function<void(Collective&)>& action) {
  const auto ranks = make_thread_collectives(size);
  std::vector<std::thread> threads;
  for (const auto& rank : ranks) threads.emplace_back([&action, &rank] { action(*rank); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("every rank knows its number and the size of its group") {
  const auto ranks = make_thread_collectives(3);
  REQUIRE(ranks.size() == 3);
  for (int rank = 0; rank < 3; ++rank) {
    CHECK(ranks[static_cast<size_t>(rank)]->rank() == rank);
    CHECK(ranks[static_cast<size_t>(rank)]->size() == 3);
  }
}

// Whole numbers below 2^24: their sum is exact in any order of adding, so this holds for every filling of the
// interface.
TEST_CASE("an all-reduce gives every rank the sum, for any size and count") {
  for (int size : {1, 2, 3, 8}) {
    for (size_t count : {0u, 1u, 2u, 7u, 8u, 1000u}) {
      CAPTURE(size, count);
      std::vector<std::vector<float>> data(static_cast<size_t>(size));
      on_each_rank(size, [&](Collective& rank) {
        auto& mine = data[static_cast<size_t>(rank.rank())];
        for (size_t i = 0; i < count; ++i)
          mine.push_back(static_cast<float>(1000 * rank.rank()) + static_cast<float>(i));
        rank.all_reduce_sum(mine.data(), count);
      });
      std::vector<float> expected;
      for (size_t i = 0; i < count; ++i) {
        expected.push_back(static_cast<float>(1000 * size * (size - 1) / 2) +
                           static_cast<float>(size) * static_cast<float>(i));
      }
      for (const auto& mine : data) CHECK(mine == expected);
    }
  }
}

TEST_CASE("threads add in the order of the ranks, so a sum that rounds has the same bits in every run") {
  // From the left: 1e8 + 1 rounds to 1e8, then - 1e8 gives 0, then + 3. Any other order gives another number.
  const float parts[] = {1e8f, 1, -1e8f, 3};
  for (int repeat = 0; repeat < 50; ++repeat) {
    on_each_rank(4, [&](Collective& rank) {
      std::vector<float> mine(5, parts[rank.rank()]);
      rank.all_reduce_sum(mine.data(), mine.size());
      if (mine != std::vector<float>(5, 3)) FAIL_CHECK("rank " << rank.rank() << " has " << mine[0]);
    });
  }
}

TEST_CASE("calls follow one another without mixing") {
  std::vector<float> last(4);
  on_each_rank(4, [&](Collective& rank) {
    float value = static_cast<float>(rank.rank());
    for (int round = 0; round < 10; ++round) rank.all_reduce_sum(&value, 1);
    last[static_cast<size_t>(rank.rank())] = value;
  });
  // 0+1+2+3 = 6 after the first round, then times 4 in each of nine.
  CHECK(last == std::vector<float>(4, 6.0f * 262144.0f));
}

TEST_CASE("a broadcast gives every rank the root's bytes") {
  for (int root : {0, 2}) {
    std::vector<std::string> texts{"aaaa", "bbbb", "cccc"};
    on_each_rank(3, [&](Collective& rank) {
      std::string& mine = texts[static_cast<size_t>(rank.rank())];
      rank.broadcast(mine.data(), mine.size(), root);
    });
    CHECK(texts == std::vector<std::string>(3, root == 0 ? "aaaa" : "cccc"));
  }
}

TEST_CASE("NCCL over one GPU leaves its numbers as they are, or says why it can't start") {
  std::unique_ptr<Ops> ops;
  const std::string no_device = testing::error_of([&] { ops = make_cuda_ops(Precision::kFloat32, 0); });
  if (!ops) return testing::skip("NCCL needs a GPU: " + no_device);
  std::vector<std::unique_ptr<Collective>> group;
  Ops* const ranks[] = {ops.get()};
  const std::string error = testing::error_of([&] { group = make_nccl_collectives(ranks); });
  if (group.empty()) {
    CHECK_THAT(error, Catch::Contains("NCCL"));
    return testing::skip(error);
  }
  const std::vector<float> numbers{1, 2, 3};
  const auto buffer = ops->allocate(12);
  ops->upload(buffer->data(), numbers.data(), 12);
  group[0]->all_reduce_sum(static_cast<float*>(buffer->data()), 3);
  std::vector<float> back(3);
  ops->download(back.data(), buffer->data(), 12);
  CHECK(back == numbers);
}

}  // namespace assay
