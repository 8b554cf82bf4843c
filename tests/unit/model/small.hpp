// What the tests of models share: small shapes, and the operations compiled once per test program (in its ops.cpp) instead of once
// per file: a file that checks one more composition pays for the composition alone.
#pragma once

#include "towpath/autodiff/check.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/nn/pooling.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#define TOWPATH_TEST_OPS(word, E)                                                                                                 \
  namespace towpath::op {                                                                                                         \
  word template Tensor<E> nt(E&, View<E>, const FactorOf<E>&, const FinishOf<E>&);                                                \
  word template Tensor<E> nn(E&, View<E>, const FactorOf<E>&, const FinishOf<E>&);                                                \
  word template void finish(E&, Writable<E>, const FinishOf<E>&);                                                                 \
  word template void tn_add(E&, View<E>, View<E>, Writable<E>);                                                                   \
  word template void add_row(E&, View<E>, Writable<E>);                                                                           \
  word template void column_sums_add(E&, View<E>, Writable<E>);                                                                   \
  word template void add_scaled(E&, Scalar<E>, View<E>, Writable<E>);                                                             \
  word template void scale(E&, Scalar<E>, Writable<E>);                                                                           \
  word template Tensor<E> copy(E&, View<E>);                                                                                      \
  word template Tensor<E> unary<Gelu>(E&, View<E>);                                                                               \
  word template Tensor<E> unary_backward<Gelu>(E&, View<E>, View<E>);                                                             \
  word template Tensor<E> unary<Relu>(E&, View<E>);                                                                               \
  word template Tensor<E> unary_backward<Relu>(E&, View<E>, View<E>);                                                             \
  word template void dropout(E&, Mask, Writable<E>);                                                                              \
  word template Tensor<E> layer_norm(E&, View<E>, View<E>, View<E>, double, Tensor<E>&, View<E>);                                 \
  word template Tensor<E> layer_norm_backward(E&, View<E>, View<E>, View<E>, View<E>);                                            \
  word template void layer_norm_gain_add(E&, View<E>, View<E>, View<E>, Writable<E>);                                             \
  word template void gather_rows_add(E&, View<E>, Ids, Writable<E>);                                                              \
  word template void scatter_rows_add(E&, View<E>, Ids, Writable<E>);                                                             \
  word template Tensor<E> attention(E&, View<E>, View<E>, View<E>, View<E>, View<E>, const Sequences&, Index, Mask, Tensor<E>&,   \
                                    bool);                                                                                        \
  word template AttentionGradients<E> attention_backward(E&, View<E>, View<E>, View<E>, View<E>, View<E>, View<E>,                \
                                                         const Sequences&, Index, Mask, View<E>, Writable<E>, Writable<E>, bool); \
  word template Tensor<E> normalise_rows(E&, View<E>, Tensor<E>&);                                                                \
  word template Tensor<E> normalise_rows_backward(E&, View<E>, View<E>, View<E>);                                                 \
  word template double cross_entropy(E&, View<E>, std::span<const Index>, std::span<const std::pair<Index, Index>>, double,       \
                                     Tensor<E>&);                                                                                 \
  word template void adam_step(E&, const Adam&, std::uint64_t, double, View<E>, Writable<E>, Writable<E>, Writable<E>);           \
  word template double square_norm(E&, View<E>);                                                                                  \
  }
#if !defined(TOWPATH_TEST_OPS_HERE)
TOWPATH_TEST_OPS(extern, Cpu<float>)
TOWPATH_TEST_OPS(extern, Cpu<double>)
#endif

namespace towpath {

// Two heads, a width that is no multiple of a vector's, tables that a check runs through in no time.
struct Small : BertBase {
  static constexpr std::string_view name = "Small";
  static constexpr Index hidden = 12, layers = 2, heads = 2, ffn = 20, vocabulary = 17, positions = 12;
};
template <class... Methods>
using SmallStack = Repeat<2, TransformerLayer<Small, Methods...>>;
template <class... Methods>
using SmallBert = Bert<Small, SmallStack<Methods...>>;

// The worst disagreement over batches of one token, of several sequences, and with the longest first.
template <class Arch, class Pass = Learn<false>>
GradientCheck checked(std::uint64_t seed = 1, float dropout = 0) {
  GradientCheck worst;
  for (const std::vector<Index>& lengths : {std::vector<Index>{1}, {1, 2, 5}, {9, 1, 3}}) {
    auto r = check_gradients<Arch, Pass>(seed++, {.lengths = lengths, .width = Small::hidden, .dropout = dropout, .entries = 2});
    r.compared += worst.compared;
    worst.compared = r.compared;
    if (!(r.worst <= worst.worst)) worst = r;
  }
  return worst;
}

// Central differences in double at the best of three steps: 1e-9 is usual, 1e-6 is what a wrong gradient never reaches.
constexpr double gradient_tolerance = 1e-6;

// TOWPATH_SHOW_WORST=1 prints what each check found.
inline void note(const char* what, const GradientCheck& found) {
  static const bool show = std::getenv("TOWPATH_SHOW_WORST") != nullptr;
  if (show) std::printf("%-100s %.1e %5td  %s\n", what, found.worst, found.compared, found.where.c_str());
}

// Every parameter gets values of its own, so that nothing is zero or one by design.
template <class Model, class Env = typename Model::Environment>
void randomise(Model& model, std::uint64_t seed) {
  using Scalar = typename Env::Scalar;
  for (auto& leaf : leaves<Model, Env>(model)) {
    Random random(seed, stream_of(leaf.name));
    Tensor<Env> t(leaf.rows(), leaf.columns());
    for (Index i = 0; i < t.size(); ++i)
      t.data()[i] = static_cast<Scalar>((leaf.name.ends_with("LayerNorm.weight") ? 1.0 : 0.0) + 0.3 * random.normal());
    if (leaf.owned) std::memcpy(leaf.owned->data(), t.data(), static_cast<std::size_t>(t.size()) * sizeof(Scalar));
    else leaf.shared->refer(std::move(t));
  }
}

// The values of the backbone where `to` owns its own (parameters that train), as load() would do it.
template <class From, class To>
void copy_owned(const From& from, To& to) {
  using Env = typename To::Environment;
  std::map<std::string, View<Env>> given;
  for (const auto& leaf : leaves(from)) given[leaf.name] = leaf.view();
  for (auto& leaf : leaves(to))
    if (const auto it = given.find(leaf.name); leaf.owned && it != given.end())
      std::memcpy(leaf.owned->data(), it->second.data, static_cast<std::size_t>(leaf.size()) * sizeof(typename Env::Scalar));
}

inline Ragged some_tokens(const std::vector<Index>& lengths, std::uint64_t seed = 5, std::uint64_t vocabulary = Small::vocabulary) {
  Random random(seed, 0);
  Ragged tokens;
  std::vector<std::int32_t> ids;
  for (Index n : lengths) {
    ids.clear();
    for (Index t = 0; t < n; ++t) ids.push_back(static_cast<std::int32_t>(random.below(vocabulary)));
    tokens.add(ids);
  }
  return tokens;
}

template <class Env>
bool same_bits(const Tensor<Env>& a, const Tensor<Env>& b) {
  return a.rows() == b.rows() && a.columns() == b.columns() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(typename Env::Scalar)) == 0;
}

// What an untrained composition says against what the plain backbone says with the same weights.
template <class Pass = Infer, class Model>
Tensor<typename Model::Environment> encoding(typename Model::Environment& env, const Model& model, const Ragged& tokens) {
  typename Model::template Saved<Pass> saved;
  return model.template forward<Pass>(env, tokens, saved);
}
template <class Arch, class Plain = SmallBert<>>
bool starts_at_the_backbone() {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  typename Plain::template On<Env> plain;
  randomise(plain, 3);
  typename Arch::template On<Env> model;
  initialise(model, 4);
  share(plain, model);
  copy_owned(plain, model);
  const Ragged tokens = some_tokens({1, 7, 12, 3});
  return same_bits(encoding(env, plain, tokens), encoding(env, model, tokens)) &&
         same_bits(encoding(env, plain, tokens), encoding<Learn<false>>(env, model, tokens));
}

// The names of an architecture's parameters: those that train, or all.
template <class Arch>
std::vector<std::string> names_of(bool all = false) {
  std::vector<std::string> names;
  const typename Arch::template On<Blueprint> m{};
  visit(m, [&](const Parameter& p) {
    if (all || p.trains) names.emplace_back(p.name);
  });
  return names;
}
using Names = std::vector<std::string>;

}  // namespace towpath

// CHECK_GRADIENTS(Arch) or (Arch, Pass): on failure the message names the parameter. CHECK_GRADIENTS_DROPPED: with dropout.
#define TOWPATH_CHECK_GRADIENTS(dropout, ...)                                                               \
  do {                                                                                                      \
    const auto found_ = ::towpath::checked<__VA_ARGS__>(1, dropout);                                        \
    INFO(found_.where << " is off by " << found_.worst << " after " << found_.compared << " comparisons"); \
    CHECK(found_.compared > 0);                                                                             \
    CHECK(found_.worst <= ::towpath::gradient_tolerance);                                                   \
    ::towpath::note(#__VA_ARGS__, found_);                                                                  \
  } while (false)
#define CHECK_GRADIENTS(...) TOWPATH_CHECK_GRADIENTS(0, __VA_ARGS__)
#define CHECK_GRADIENTS_DROPPED(...) TOWPATH_CHECK_GRADIENTS(0.25f, __VA_ARGS__)
