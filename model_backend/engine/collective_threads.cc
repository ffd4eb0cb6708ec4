// Threads of one process meet at a barrier.
//
// A call has three steps: every rank shows its pointer, and all wait; every rank works on its own slice of the
// elements, in all ranks' memory; all wait again. Slices do not overlap, so no two threads touch the same element, and
// an element is summed by one thread from rank 0 upwards.
#include <barrier>
#include <cstring>

#include "core/error.h"
#include "model_backend/engine/collective.h"

namespace assay {
namespace {

struct Contribution {
  void* data = nullptr;
  size_t count = 0;
};

// Written by its rank before the first wait, read by all between the waits.
struct Meeting {
  explicit Meeting(int size) : barrier(size), contributions(static_cast<size_t>(size)) {}
  std::barrier<> barrier;
  std::vector<Contribution> contributions;
};

class ThreadCollective final : public Collective {
 public:
  ThreadCollective(std::shared_ptr<Meeting> meeting, int rank) : meeting_(std::move(meeting)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_->contributions.size()); }

  void all_reduce_sum(float* data, size_t count) override {
    show(data, count);
    const size_t ranks = meeting_->contributions.size(), me = static_cast<size_t>(rank_);
    const size_t begin = count / ranks * me + std::min(me, count % ranks);
    const size_t end = begin + count / ranks + (me < count % ranks ? 1 : 0);
    for (size_t i = begin; i < end; ++i) {
      float sum = 0;
      for (const Contribution& other : meeting_->contributions) sum += static_cast<const float*>(other.data)[i];
      for (const Contribution& other : meeting_->contributions) static_cast<float*>(other.data)[i] = sum;
    }
    meeting_->barrier.arrive_and_wait();
  }

  void broadcast(void* data, size_t bytes, int root) override {
    ASSAY_ASSERT(root >= 0 && root < size(), "the root of a broadcast is a rank");
    show(data, bytes);
    if (rank_ != root && bytes > 0) {
      std::memcpy(data, meeting_->contributions[static_cast<size_t>(root)].data, bytes);
    }
    meeting_->barrier.arrive_and_wait();
  }

 private:
  std::shared_ptr<Meeting> meeting_;
  int rank_;

  void show(void* data, size_t count) {
    meeting_->contributions[static_cast<size_t>(rank_)] = {data, count};
    meeting_->barrier.arrive_and_wait();
    for (const Contribution& other : meeting_->contributions) {
      ASSAY_ASSERT(other.count == count, "all ranks bring the same count");
    }
  }
};

}  // namespace

std::vector<std::unique_ptr<Collective>> make_thread_collectives(int size) {
  ASSAY_ASSERT(size > 0, "a group has a rank");
  const auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::unique_ptr<Collective>> ranks;
  for (int rank = 0; rank < size; ++rank) ranks.push_back(std::make_unique<ThreadCollective>(meeting, rank));
  return ranks;
}

}  // namespace assay
