#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/base/random.hpp"

#include <string>
#include <string_view>
#include <type_traits>

namespace towpath {

// What a walk shows of one parameter.
struct Parameter {
  std::string_view name;
  Index shape[2];  // rows, columns; a vector is 1 x n
  bool trains;

  constexpr Index size() const { return shape[0] * shape[1]; }
};

// walk<M>(f, a, b, …): f(path, tag, a's leaf, b's leaf, …) for each parameter of M, over any number of congruent structures (the
// model itself, its gradients, two moments). Where a structure has no such leaf (a gradient of a frozen weight), f gets Nothing.
template <class M, class F, class... Ms>
constexpr void walk(F&& f, Ms&... ms) {
  std::remove_const_t<M>::visit(f, Path{}, ms...);
}

// Only the parameters that train.
template <class M, class F, class... Ms>
constexpr void walk_trained(F&& f, Ms&... ms) {
  walk<M>(
      [&](const Path& at, auto tag, auto&... leaves) {
        if constexpr (decltype(tag)::trains) f(at, tag, leaves...);
      },
      ms...);
}

template <class M, class F>
constexpr void visit(const M& model, F&& f) {
  walk<M>([&](const Path& at, auto tag, const auto& w) {
    f(Parameter{at.view(), {w.rows(), w.columns()}, decltype(tag)::trains});
  }, model);
}

struct Count {
  Index total = 0, trainable = 0;
  constexpr double percent() const { return 100.0 * static_cast<double>(trainable) / static_cast<double>(total); }
};

// parameters<Arch>(): how many numbers an architecture has and how many of them train; a constant, nothing is allocated.
template <class Arch>
constexpr Count parameters() {
  Count c;
  const typename Arch::template On<Blueprint> m{};
  std::remove_const_t<decltype(m)>::visit(
      [&](const Path&, auto tag, const auto& w) {
        c.total += w.size();
        if (decltype(tag)::trains) c.trainable += w.size();
      },
      Path{}, m);
  return c;
}

// zero(grads): before a step. Grads that name their module (`using Module = …`) need no help; zero<M>(grads) serves the others.
template <class M, class G>
void zero(G& grads) {
  walk_trained<M>([](const Path&, auto, auto& g) {
    using Space = typename std::remove_reference_t<decltype(g)>::Space;
    if (g.size()) Space::clear(g.data(), static_cast<std::size_t>(g.size()) * sizeof(*g.data()));
  }, grads);
}
template <class G>
void zero(G& grads) {
  zero<typename G::Module>(grads);
}

namespace detail {
template <class Env>
void fill_from(Tensor<Env>& t, Start s, std::uint64_t seed, std::string_view name) {
  using Scalar = typename Env::Scalar;
  Random random(seed, stream_of(name));
  auto* host = static_cast<Scalar*>(::operator new(static_cast<std::size_t>(t.size()) * sizeof(Scalar)));
  for (Index i = 0; i < t.size(); ++i) {
    switch (s.kind) {
      case Start::Kind::constant: host[i] = static_cast<Scalar>(s.scale); break;
      case Start::Kind::normal: host[i] = static_cast<Scalar>(s.scale * random.normal()); break;
      case Start::Kind::uniform: host[i] = static_cast<Scalar>(s.scale * (2 * random.uniform() - 1)); break;
    }
  }
  Env::Space::copy(t.data(), host, static_cast<std::size_t>(t.size()) * sizeof(Scalar));
  ::operator delete(host);
}
}  // namespace detail

// Which leaves initialise() fills.
enum class Fill { trained, everything };

// Fills parameters by their own starting rule; each is a pure function of (seed, its name). With Fill::everything the frozen
// backbone is drawn too (to train one from nothing, or to test), in memory of its own.
template <class M>
void initialise(M& model, std::uint64_t seed, Fill which = Fill::trained) {
  walk<M>([&](const Path& at, auto tag, auto& w) {
    using Stored = std::remove_reference_t<decltype(w)>;
    if constexpr (requires { w.writable(); }) {
      if (decltype(tag)::trains || which == Fill::everything) detail::fill_from(w, tag.start, seed, at.view());
    } else if constexpr (requires(Stored& l) { l.empty(); }) {
      if (which == Fill::everything) {
        auto t = [&]<class Env>(SharedTensor<Env>&) { return Tensor<Env>(w.rows(), w.columns()); }(w);
        detail::fill_from(t, tag.start, seed, at.view());
        w.refer(std::move(t));
      }
    }
  }, model);
}

// The first frozen parameter that has no values yet, or an empty name: what load() would have filled.
template <class M>
std::string unloaded(const M& model) {
  std::string name;
  walk<M>([&](const Path& at, auto, const auto& w) {
    if (name.empty() && w.size() && w.empty()) name = at.string();
  }, model);
  return name;
}

// Lets `to` use the frozen weights of `from` (same names, same extents, the same memory): many models over one backbone.
template <class From, class To>
Index share(const From& from, To& to) {
  Index shared = 0;
  walk<To>([&](const Path& name, auto, auto& w) {
    walk<From>([&](const Path& other, auto, const auto& v) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(w)>, std::remove_cvref_t<decltype(v)>> && !requires { w.writable(); })
        if (name.view() == other.view() && w.rows() == v.rows() && w.columns() == v.columns()) {
          w = v;
          ++shared;
        }
    }, from);
  }, to);
  return shared;
}

}  // namespace towpath
