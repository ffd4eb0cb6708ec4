// What the parts of a model that is spread over several devices say to one another.
//
// `size` ranks, numbered from 0, each with its own Collective, each used by one thread. A call is complete when every
// rank has made it: all ranks call the same functions in the same order with the same counts, or they wait for ever. So
// a rank that fails must end the run, not only itself.
//
// Two fillings: threads of one process over host memory (tests, and tensor parallelism on CPU), and NCCL between GPUs.
// The threads add in the order of the ranks, so their bits are the same in every run. NCCL's order is its own choice,
// fixed for a machine, a size and a count, but not the order of the ranks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace assay {

class Ops;

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // data[i] of every rank = sum over the ranks of data[i].   data [count] float, memory of this rank's device
  // On a GPU this runs in the stream of the rank's Ops, after the work given to it before.
  virtual void all_reduce_sum(float* data, size_t count) = 0;

  // Every rank's bytes become those of rank `root`. Memory and order as above.
  virtual void broadcast(void* data, size_t bytes, int root) = 0;
};

// One Collective for each of `size` threads, by rank. They share what they need; they may die in any order, after the
// last call of all ranks.
std::vector<std::unique_ptr<Collective>> make_thread_collectives(int size);

// One Collective for each of these Ops, by rank; all made by make_cuda_ops on different devices of this machine, and
// each outlives its Collective. Throws Error(kWorld) when NCCL can't connect the devices, or is not built in
// (no_nccl.cc).
std::vector<std::unique_ptr<Collective>> make_nccl_collectives(std::span<Ops* const> ranks);

}  // namespace assay
