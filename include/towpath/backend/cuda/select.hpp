// The largest numbers of each row, for exact search.
#pragma once

#include "towpath/backend/cuda/group.hpp"

#include "towpath/base/config.hpp"

#include <cstdint>
#include <limits>
#include <type_traits>

namespace towpath::cuda {

// Row i: the k largest numbers above least[i], all if there are fewer; of equal ones those in the lowest columns. What is no number, or -∞, is never
// among them. Written in no order: columns[i, :], scores[i, :], and how many in counts[i].
// A number's bits, turned so that they are in the numbers' order, are found from the highest on: one more bit is 1 if k numbers still have as much. Then
// the last column of those that equal the k-th, in the same way. That is 32 (64) looks at a row, and log₂ n; no sorting, nothing atomic.
template <class T>
struct LargestOfRows {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr int width = std::numeric_limits<Bits>::digits;

  Matrix<const T> s;
  const T* least;
  Index k;
  std::int32_t* columns;  // [rows, k]
  T* scores;              // [rows, k]
  std::int32_t* counts;

  // 0 for what is out of the question
  TOWPATH_BOTH Bits key(T x, T above) const {
    if (!(x > above)) return 0;
    const auto bits = __builtin_bit_cast(Bits, x + T(0));  // -0 is 0; (a kernel cannot call std::bit_cast)
    return bits >> (width - 1) ? ~bits : bits | Bits{1} << (width - 1);
  }
  template <class Group>
  TOWPATH_BOTH void operator()(const Group& us, Index i) const {
    const T above = least[i];
    const T* row = s.row(i);
    const auto count = [&](const auto& wanted) {
      Index c = 0;
      for (Index j = us.lane(); j < s.columns; j += us.count()) c += wanted(j, key(row[j], above));
      return us.sum(c);
    };
    Bits kth = 0;
    for (int bit = width - 1; bit >= 0; --bit) {
      const Bits more = kth | Bits{1} << bit;
      if (count([&](Index, Bits b) { return b >= more; }) >= k) kth = more;
    }
    Index until = s.columns;  // columns from here on that equal the k-th are too many
    if (kth > 0) {
      const Index equal = k - count([&](Index, Bits b) { return b > kth; });
      Index low = 0, high = s.columns;  // the first `high` columns have enough of them, the first `low` do not
      while (high - low > 1) {
        const Index middle = (low + high) / 2;
        if (count([&](Index j, Bits b) { return j < middle && b == kth; }) >= equal) high = middle;
        else low = middle;
      }
      until = high;
    }
    const auto taken = [&](Index j) {
      const Bits b = key(row[j], above);
      return b > kth || (kth > 0 && b == kth && j < until);
    };
    Index mine = 0;
    for (Index j = us.lane(); j < s.columns; j += us.count()) mine += taken(j);
    Index at = 0, all = 0;  // where this thread's begin
    for (Index lane = 0; lane < us.count(); ++lane) {
      const Index c = us.sum(us.lane() == lane ? mine : Index{0});
      if (lane < us.lane()) at += c;
      all += c;
    }
    for (Index j = us.lane(); j < s.columns; j += us.count())
      if (taken(j)) {
        columns[i * k + at] = static_cast<std::int32_t>(j);
        scores[i * k + at] = row[j];
        ++at;
      }
    if (us.lane() == 0) counts[i] = static_cast<std::int32_t>(all);
  }
};

}  // namespace towpath::cuda
