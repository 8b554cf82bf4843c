#include "towpath/tensor/ragged.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using namespace towpath;

TEST_CASE("no sequences: nothing anywhere") {
  const Ragged r;
  CHECK(r.count() == 0);
  CHECK(r.tokens() == 0);
  CHECK(r.longest() == 0);
}

TEST_CASE("sequences lie end to end, an empty one among them") {
  Ragged r;
  const std::vector<std::int32_t> a{101, 5, 102}, b{7}, c{8, 9};
  r.add(a);
  r.add({});
  r.add(b);
  r.add(c);
  CHECK(r.count() == 4);
  CHECK(r.tokens() == 6);
  CHECK(r.longest() == 3);
  CHECK(r.offsets == std::vector<Index>{0, 3, 3, 4, 6});
  CHECK(r.ids == std::vector<std::int32_t>{101, 5, 102, 7, 8, 9});
  CHECK(r.types == std::vector<std::int32_t>(6, 0));
  CHECK(r.positions == std::vector<std::int32_t>{0, 1, 2, 0, 0, 1});
  CHECK(r.begin(2) == 3);
  CHECK(r.length(1) == 0);
  CHECK(r.length(3) == 2);
  const auto s = r.sequence(3);
  CHECK(std::vector<std::int32_t>(s.begin(), s.end()) == c);
  CHECK(r.sequence(1).empty());
  r.clear();
  CHECK(r.count() == 0);
  r.add(c);
  CHECK(r.offsets == std::vector<Index>{0, 2});
  CHECK(r.positions == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("segments are kept beside the ids where they are given, and are 0 where not") {
  Ragged r;
  const std::vector<std::int32_t> pair{1, 2, 3}, segments{0, 1, 1}, single{4, 5};
  r.add(single);
  r.add(pair, segments);
  r.add(single);
  CHECK(r.types == std::vector<std::int32_t>{0, 0, 0, 1, 1, 0, 0});
  CHECK(r.types.size() == r.ids.size());
}

TEST_CASE("Sequences alone can be written down") {
  const Sequences s{{0, 2, 2, 7}};
  CHECK(s.count() == 3);
  CHECK(s.tokens() == 7);
  CHECK(s.longest() == 5);
  CHECK(s.length(1) == 0);
}
