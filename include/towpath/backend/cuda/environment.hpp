#pragma once

#include "towpath/backend/cuda/ops.hpp"

#include "towpath/backend/environment.hpp"

namespace towpath::cuda {

// An environment whose work is put on a queue. A Queue is made from Settings and has
//   Space                                    where its memory is
//   rounds()                                 whether products with frozen weights round to bf16
//   each(rows, columns, f)                   f(t, j) for each element
//   groups(n, f)                             f(group, i) for each of n items
//   tiles(n, room, f)                        the same with `room` numbers of shared memory for each group: f(group, i, shared)
//   upload(to, from, bytes)                  from the host; `from` may go afterwards
//   product(turn, a, b, keep, y, finish)     y = keep y + the product, keep 0 or 1, and as much of `finish` as it can take up; returns the rest
// all in the order in which they are called. Cuda<T> (cuda.cuh) has a stream of a GPU; the tests have one that loops.
template <class T, class Queue>
class Environment : public towpath::Environment<T, Ops<T, typename Queue::Space>, typename Queue::Space> {
public:
  explicit Environment(Settings settings = {}) : towpath::Environment<T, Ops<T, typename Queue::Space>, typename Queue::Space>(settings), queue_(settings) {}

  Queue& queue() { return queue_; }
  Lists<typename Queue::Space>& lists() { return lists_; }
  // Are frozen weights, and what they are multiplied by, rounded to bf16?
  bool rounds() const { return queue_.rounds(); }

private:
  Queue queue_;
  Lists<typename Queue::Space> lists_;
};

}  // namespace towpath::cuda
