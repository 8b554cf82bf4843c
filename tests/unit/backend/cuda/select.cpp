#include "towpath/backend/cuda/select.hpp"

#include "../compare.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

using namespace towpath;

namespace {

using Found = std::vector<std::pair<Index, double>>;  // columns and scores, by column

template <class T>
std::vector<Found> sorted(const std::vector<std::vector<T>>& rows, Index k, const std::vector<T>& least) {
  std::vector<Found> best;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Found all;
    for (std::size_t j = 0; j < rows[i].size(); ++j)
      if (rows[i][j] > least[i]) all.emplace_back(j, rows[i][j]);
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (static_cast<Index>(all.size()) > k) all.resize(static_cast<std::size_t>(k));
    std::sort(all.begin(), all.end());
    best.push_back(all);
  }
  return best;
}
template <class Env>
std::vector<Found> chosen(const std::vector<std::vector<typename Env::Scalar>>& rows, Index k, const std::vector<typename Env::Scalar>& least) {
  using T = typename Env::Scalar;
  Env env({.threads = 1});
  std::vector<T> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  Tensor<Env> there(static_cast<Index>(rows.size()), static_cast<Index>(rows[0].size()));
  Env::Space::copy(there.data(), flat.data(), flat.size() * sizeof(T));
  std::vector<Found> found(rows.size());
  op::largest_of_rows<Env>(env, there, k, least, [&](Index row, Index column, T score) { found[static_cast<std::size_t>(row)].emplace_back(column, score); });
  for (auto& f : found) std::sort(f.begin(), f.end());
  return found;
}

template <class T>
void check(const std::vector<std::vector<T>>& rows, Index k, const std::vector<T>& least) {
  const auto expected = sorted(rows, k, least);
  CHECK(chosen<compare::Device<T>>(rows, k, least) == expected);
#if !defined(__CUDACC__)
  CHECK(chosen<compare::Emulated<T, 3>>(rows, k, least) == expected);
#endif
}

template <class T>
void all_cases() {
  constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  Random random(1, 2);
  for (const Index n : {1, 2, 31, 32, 33, 100})
    for (const Index k : {1, 2, 10, 100, 1000})
      for (const int kind : {0, 1, 2}) {  // all different; many equal; many that are out of the question
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(kind);
        std::vector<std::vector<T>> rows(3);
        for (auto& row : rows)
          for (Index j = 0; j < n; ++j) {
            const auto x = static_cast<T>(random.normal());
            row.push_back(kind == 0 ? x : kind == 1 ? std::round(2 * x) / 2 : std::abs(x) < T(0.3) ? nan : std::abs(x) < T(0.6) ? -infinity : x > 2 ? infinity : x);
          }
        check<T>(rows, k, std::vector<T>(3, -infinity));
        check<T>(rows, k, {T(0.5), T(-1), infinity});
      }
  check<T>({{T(0), T(-0.0), T(0), std::numeric_limits<T>::denorm_min(), -std::numeric_limits<T>::denorm_min()}}, 5, {-infinity});
}

}  // namespace

TEST_CASE("the largest of each row, of equal ones the first") {
  all_cases<float>();
  all_cases<double>();
}
