#include "towpath/backend/cuda/ops.hpp"

#include "../compare.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

// Numbers are compared in ../cpu/*.cpp; here: what is sent to the device, and in which order it is added.
using namespace towpath;
using namespace towpath::compare;

TEST_CASE("what kernels know of a batch's sequences is sent once, whatever reads it; another batch's is sent again") {
  Emulated<double> env({.threads = 1});
  Draw draw(1);
  const Sequences s{{0, 2, 5}}, other{{0, 3, 5}};
  const Grid<double> x = draw.matrix<double>(5, 4);
  Grid<double> y(2, 4), dx(5, 4);
  using Ops = Emulated<double>::Ops;
  Ops::pool_mean(env, x, s, y);
  CHECK(env.queue().uploads == 1);
  Ops::pool_max(env, x, s, y);
  Ops::pool_mean_backward(env, y, s, dx);
  CHECK(env.queue().uploads == 1);
  Ops::pool_first(env, x, other, y);
  CHECK(env.queue().uploads == 2);
  const Sequences same{{0, 2, 5}};  // equal is enough
  Ops::pool_first(env, x, same, y);
  CHECK(env.queue().uploads == 2);
}

TEST_CASE("lists come and go: more than there is room for are still each other's") {
  cuda::Lists<Host> lists;
  const auto upload = [](const void* from, std::size_t bytes) {
    Buffer<Host> b(bytes);
    std::memcpy(b.data(), from, bytes);
    return b;
  };
  for (int round = 0; round < 2; ++round)
    for (Index i = 0; i < 40; ++i) {
      const std::vector<Index> list{i, i + 1, i + 2};
      const Index* there = lists(list, upload);
      CHECK(there[0] == i);
      CHECK(there[2] == i + 2);
    }
}

TEST_CASE("rows of a table that come more than once are added in the order of tokens") {
  // sums whose result depends on the order: 1e16 + 1 - 1e16 is 0, in another order 1
  Emulated<double> env({.threads = 1});
  Tensor<Emulated<double>> dy(4, 1), table(3, 1);
  const double values[] = {1e16, 1, 5, -1e16};
  Emulated<double>::Space::copy(dy.data(), values, sizeof values);
  const auto sums = [&] {
    const auto here = on_host(table);
    return std::vector<double>(here.data(), here.data() + 3);
  };
  const std::vector<std::int32_t> ids{2, 2, 0, 2};
  Emulated<double>::Ops::scatter_rows_add(env, dy, ids, table);
  CHECK(sums() == std::vector<double>{5, 0, 0});
  Emulated<double>::Ops::scatter_rows_add(env, dy.view().row_block(0, 0), {}, table);
  CHECK(sums() == std::vector<double>{5, 0, 0});
}

TEST_CASE("a row of a table that hundreds of tokens have: pieces of them, in their order") {
  using Env = Emulated<double>;
  Env env({.threads = 1});
  Random random(3, 4);
  std::vector<std::int32_t> ids;
  std::vector<double> values, expected(4 * 3, 1.0);
  for (int t = 0; t < 700; ++t) {
    ids.push_back(t % 7 == 0 ? 3 : t < 128 ? 1 : 0);
    for (int j = 0; j < 3; ++j) {
      values.push_back(static_cast<double>(random.below(100)));
      expected[static_cast<std::size_t>(ids.back() * 3 + j)] += values.back();
    }
  }
  Tensor<Env> dy(700, 3), table(4, 3);
  const std::vector<double> ones(12, 1.0);
  Env::Space::copy(dy.data(), values.data(), values.size() * sizeof(double));
  Env::Space::copy(table.data(), ones.data(), ones.size() * sizeof(double));
  Env::Ops::scatter_rows_add(env, dy, ids, table);
  const auto here = on_host(table);
  CHECK(std::vector<double>(here.data(), here.data() + 12) == expected);
}

TEST_CASE("the emulated device's memory is closed to the host but for copies, so these tests see who looks into it") {
  Tensor<Emulated<double>> x(1, 8);
  const ::pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    const volatile double* p = x.data();
    ::_exit(p[3] == 0 ? 1 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(on_host(x).data()[3] == 0);
}
