#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/base/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace towpath;

namespace {

template <class T>
std::vector<T> draw(Index n, std::uint64_t seed) {
  Random random(seed, 0);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) v = static_cast<T>(2 * random.uniform() - 1);
  return x;
}
template <class T>
struct Lists {
  std::vector<kernels::Best<T>> best;
  std::vector<T> scores;
  std::vector<Index> ids;
  Lists(const kernels::Store<T>& store, Index m, Index room, Index wanted, T least)
      : best(static_cast<std::size_t>((m + store.fill - 1) / store.fill * store.fill)),
        scores(static_cast<std::size_t>(m * room)), ids(scores.size()) {
    for (Index q = 0; q < static_cast<Index>(best.size()); ++q) {
      auto& b = best[static_cast<std::size_t>(q)];
      if (q < m) b = {least, scores.data() + q * room, ids.data() + q * room, 0, room, wanted};
      else b = {std::numeric_limits<T>::infinity(), nullptr, nullptr, 0, 0, 0};
    }
  }
};

// Scores of vectors [first, n) of a block that holds n, with everything above `least` reported.
template <class T>
void scores(const char* isa, const kernels::Store<T>& store, Index n, Index first, Index m, Index k, double tolerance,
            double largest) {
  CAPTURE(isa);
  CAPTURE(n);
  CAPTURE(m);
  CAPTURE(k);
  const auto x = draw<T>(n * k, 1), q = draw<T>(m * k, 2);
  Buffer<Host> block(static_cast<std::size_t>(store.size(n, k))),
      queries(static_cast<std::size_t>(store.query_size(m, k)));
  Host::clear(block.data(), block.size());
  for (Index i = 0; i < n; i += 7) store.put({x.data() + i * k, std::min<Index>(7, n - i), k, k}, block.data(), i);
  std::vector<T> units(static_cast<std::size_t>(m));
  store.prepare({q.data(), m, k, k}, queries.data(), units.data());
  Lists<T> all(store, m, n + 1, n, -std::numeric_limits<T>::infinity());
  store.search(queries.data(), m, k, block.data(), first, n, 1000 + first, all.best.data());
  double worst = 0;
  for (Index i = 0; i < m; ++i) {
    const auto& b = all.best[static_cast<std::size_t>(i)];
    REQUIRE(b.count == n - first);
    for (Index j = 0; j < b.count; ++j) {
      REQUIRE(b.ids[j] == 1000 + first + j);
      double s = 0;
      for (Index c = 0; c < k; ++c)
        s += static_cast<double>(q[static_cast<std::size_t>(i * k + c)]) *
             static_cast<double>(x[static_cast<std::size_t>((first + j) * k + c)]);
      worst = std::max(worst, std::fabs(static_cast<double>(b.scores[j]) *
                                            static_cast<double>(units[static_cast<std::size_t>(i)]) -
                                        s));
    }
  }
  CHECK(worst <= tolerance * std::sqrt(static_cast<double>(k)));
  if (k > 30 && n > 60 && largest > 0) CHECK(worst > 0);
  // only what is above the least, bit for bit the same; and of a short list the best, of equal ones the first
  const T least = all.best[0].scores[(n - first) / 2];
  const Index wanted = 1 + n / 10;
  Lists<T> some(store, m, n + 1, n, least), short_list(store, m, wanted + 3, wanted, least);
  store.search(queries.data(), m, k, block.data(), first, n, 1000 + first, some.best.data());
  store.search(queries.data(), m, k, block.data(), first, n, 1000 + first, short_list.best.data());
  for (Index i = 0; i < m; ++i) {
    const auto &a = all.best[static_cast<std::size_t>(i)], &b = some.best[static_cast<std::size_t>(i)];
    auto& c = short_list.best[static_cast<std::size_t>(i)];
    std::vector<std::pair<T, Index>> above;  // in the order in which they come
    for (Index j = 0; j < a.count; ++j)
      if (a.scores[j] > least) {
        const auto at = static_cast<Index>(above.size());
        REQUIRE(at < b.count);
        CHECK((b.ids[at] == a.ids[j] && b.scores[at] == a.scores[j]));
        above.emplace_back(-a.scores[j], a.ids[j]);
      }
    CHECK(static_cast<Index>(above.size()) == b.count);
    std::sort(above.begin(), above.end());
    above.resize(std::min(above.size(), static_cast<std::size_t>(wanted)));
    std::sort(above.begin(), above.end(), [](const auto& l, const auto& r) { return l.second < r.second; });
    store.narrow(c);
    REQUIRE(c.count == static_cast<Index>(above.size()));
    for (Index j = 0; j < c.count; ++j)
      CHECK((-c.scores[j] == above[static_cast<std::size_t>(j)].first && c.ids[j] == above[static_cast<std::size_t>(j)].second));
  }
}

}  // namespace

TEST_CASE("scores of strips, each way to hold them and each set of kernels, against sums in double") {
  int sets = 0;
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    const kernels::Table<float>* t = nullptr;
    try {
      t = &cpu::choose<float>(isa);
    } catch (const Error& e) {
      MESSAGE("skipped: ", std::string(e.what()));
      continue;
    }
    ++sets;
    for (const Index k : {1, 2, 5, 33, 64, 130})
      for (const Index n : {1, 16, 17, 47, 48, 100})
        for (const Index m : {1, 2, 3, 7, 8, 33, 64}) {
          const Index first = n > 32 ? 32 : 0;
          scores<float>(isa, t->plain, n, first, m, k, 1e-6, 1);
          scores<float>(isa, t->in_bf16, n, first, m, k, 5e-3, 1);
          scores<float>(isa, t->in_int8, n, first, m, k, 1e-2, 1);
        }
    const auto& d = cpu::choose<double>(isa);
    scores<double>(isa, d.plain, 100, 0, 11, 37, 1e-15, 0);
  }
  CHECK(sets > 0);
}

TEST_CASE("bytes are multiplied exactly, at their largest and over the longest sums") {
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    const kernels::Table<float>* t = nullptr;
    try {
      t = &cpu::choose<float>(isa);
    } catch (const Error&) { continue; }
    CAPTURE(isa);
    const auto& store = t->in_int8;
    for (const Index k : {64, 65536}) {
      std::vector<float> x(static_cast<std::size_t>(2 * k), 1), q(static_cast<std::size_t>(2 * k), 1);
      for (Index c = 0; c < k; ++c) x[static_cast<std::size_t>(k + c)] = -1;
      for (Index c = 1; c < k; c += 2) q[static_cast<std::size_t>(k + c)] = -1;
      q[static_cast<std::size_t>(k + 1)] = 1;
      Buffer<Host> block(static_cast<std::size_t>(store.size(2, k))),
          queries(static_cast<std::size_t>(store.query_size(2, k)));
      Host::clear(block.data(), block.size());
      store.put({x.data(), 2, k, k}, block.data(), 0);
      float units[2];
      store.prepare({q.data(), 2, k, k}, queries.data(), units);
      Lists<float> all(store, 2, 3, 2, -std::numeric_limits<float>::infinity());
      store.search(queries.data(), 2, k, block.data(), 0, 2, 0, all.best.data());
      const auto width = static_cast<float>(k);
      for (const auto& [query, vector, value] : {std::tuple{0, 0, width}, {0, 1, -width}, {1, 0, 2.0f}, {1, 1, -2.0f}})
        CHECK(units[query] * all.best[static_cast<std::size_t>(query)].scores[vector] ==
              doctest::Approx(value).epsilon(1e-6));
    }
  }
}
