#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace towpath {

// Where each of several sequences begins in a tall matrix of tokens laid end to end: sequence s holds rows
// offsets[s] … offsets[s+1]. There is no padding anywhere, so nothing has to be masked.
struct Sequences {
  std::vector<Index> offsets{0};

  Index count() const { return static_cast<Index>(offsets.size()) - 1; }
  Index tokens() const { return offsets.back(); }
  Index begin(Index s) const { return offsets[static_cast<std::size_t>(s)]; }
  Index length(Index s) const { return offsets[static_cast<std::size_t>(s) + 1] - begin(s); }
  Index longest() const {
    Index n = 0;
    for (Index s = 0; s < count(); ++s) n = n < length(s) ? length(s) : n;
    return n;
  }
};

// The same sequences with n rows before each one's own: where both now stand, and which of the n and whose each of the former is.
struct Prefixed : Sequences {
  std::vector<std::int32_t> own, before, which, whose;

  Prefixed(const Sequences& s, Index n) {
    for (Index i = 0; i < s.count(); ++i) {
      const Index start = tokens();
      for (Index row = 0; row < n; ++row) {
        before.push_back(static_cast<std::int32_t>(start + row));
        which.push_back(static_cast<std::int32_t>(row));
        whose.push_back(static_cast<std::int32_t>(i));
      }
      for (Index t = 0; t < s.length(i); ++t) own.push_back(static_cast<std::int32_t>(start + n + t));
      offsets.push_back(start + n + s.length(i));
    }
  }
};

// A ragged batch of token ids; beside them segment ids, 0 for the first text and 1 for the second of a pair, and each token's place in its
// sequence.
struct Ragged : Sequences {
  std::vector<std::int32_t> ids, types, positions;

  void add(std::span<const std::int32_t> sequence, std::span<const std::int32_t> segments = {}) {
    TOWPATH_CHECK(segments.empty() || segments.size() == sequence.size());
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    if (segments.empty()) types.resize(ids.size(), 0);
    else types.insert(types.end(), segments.begin(), segments.end());
    for (std::size_t t = 0; t < sequence.size(); ++t) positions.push_back(static_cast<std::int32_t>(t));
    offsets.push_back(static_cast<Index>(ids.size()));
  }
  // No sequence; the room stays.
  void clear() {
    offsets.resize(1);
    ids.clear(), types.clear(), positions.clear();
  }
  std::span<const std::int32_t> sequence(Index s) const {
    return {ids.data() + begin(s), static_cast<std::size_t>(length(s))};
  }
};

}  // namespace towpath
