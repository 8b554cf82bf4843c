#include "towpath/nn/under.hpp"
#include "towpath/nn/linear.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
using Env = Cpu<double>;
using Plain = Linear<4, 3>;
using Named = Under<"output.dense", Plain>;
using Deep = Under<"a", Under<"b", Named>>;
static_assert(Module<Named::On<Env>, Env> && Module<Deep::On<Env>, Env> && Named::trains && !Under<"x", Linear<4, 3, Leaf::frozen>>::trains);
static_assert(parameters<Deep>().total == parameters<Plain>().total);
static_assert(std::is_same_v<Named::On<Env>::Grads, Plain::On<Env>::Grads> && sizeof(Named::On<Env>) == sizeof(Plain::On<Env>));

template <class M>
std::string names(const M& m) {
  std::string all;
  for (const auto& l : leaves<M, Env>(m)) all += l.name + " ";
  return all;
}
}  // namespace

TEST_CASE("names go one step further down, step by step; an empty name adds none") {
  CHECK(names(Named::On<Env>{}) == "output.dense.weight output.dense.bias ");
  CHECK(names(Deep::On<Env>{}) == "a.b.output.dense.weight a.b.output.dense.bias ");
  CHECK(names(Under<"", Plain>::On<Env>{}) == "weight bias ");
}

TEST_CASE("gradients have the names of their parameters") {
  using M = Deep::On<Env>;
  M m;
  M::Grads g;
  int seen = 0;
  walk<M>(
      [&](const Path& at, auto, Tensor<Env>& w, Tensor<Env>& d) {
        CHECK(at.view().substr(0, 17) == "a.b.output.dense.");
        CHECK(w.size() == d.size());
        ++seen;
      },
      m, g);
  CHECK(seen == 2);
}

TEST_CASE("gradients") { gradients::right_both<Deep>(4); }
