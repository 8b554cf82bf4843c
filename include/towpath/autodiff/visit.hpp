#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/reference/ops.hpp"
#include "towpath/base/random.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

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

// One parameter, with its type's facts as values: what is left of a walk when the module types are no longer needed. Whatever runs over all
// parameters (loading, saving, stepping, counting) runs over a list of these, so that a new composition instantiates one walk over
// itself and one over its gradients, and nothing else.
template <class Env>
struct LeafRef {
  std::string name;
  bool trains, added;
  Start start;
  Tensor<Env>* owned;         // exactly one of the two is set
  SharedTensor<Env>* shared;

  Index rows() const { return owned ? owned->rows() : shared->rows(); }
  Index columns() const { return owned ? owned->columns() : shared->columns(); }
  Index size() const { return rows() * columns(); }
  int dimensions() const { return owned ? owned->dimensions() : shared->dimensions(); }
  bool empty() const { return owned ? owned->empty() : shared->empty(); }
  View<Env> view() const { return owned ? owned->view() : shared->view(); }
};

namespace detail {
// The one visitor of a model and the one of its gradients: they call back through a pointer, so that whoever goes over the parameters shares
// one walk per composition, and none who only looks needs a list.
template <class Env>
struct LeafCall {
  void* to;
  void (*found)(void* to, const Path& at, bool trains, bool added, Start start, Tensor<Env>* owned, SharedTensor<Env>* shared);

  template <class Tag>
  void operator()(const Path& at, Tag tag, Tensor<Env>& w) const {
    found(to, at, Tag::trains, tag.added, tag.start, &w, nullptr);
  }
  template <class Tag>
  void operator()(const Path& at, Tag tag, SharedTensor<Env>& w) const {
    found(to, at, Tag::trains, tag.added, tag.start, nullptr, &w);
  }
};
template <class Env>
struct TensorCall {
  void* to;
  void (*found)(void* to, Tensor<Env>& t);

  template <class Tag>
  void operator()(const Path&, Tag, Tensor<Env>& t) const {
    if constexpr (Tag::trains) found(to, t);
  }
  template <class Tag, class Other>
  void operator()(const Path&, Tag, Other&) const {}
};
}  // namespace detail

// f's callback for each parameter of a model, and for each trained tensor of a Grads (or of a moment of one), in the order of visit().
// Models say what they live on (`using Environment = Env`); for a bare module name it.
template <class M, class Env = typename M::Environment>
void each_leaf(const M& model, detail::LeafCall<Env> f) {
  M::visit(f, Path{}, const_cast<M&>(model));
}
template <class M, class Env = typename M::Environment>
void each_tensor(const typename M::Grads& grads, detail::TensorCall<Env> f) {
  M::visit(f, Path{}, const_cast<typename M::Grads&>(grads));
}

// The same as lists.
template <class M, class Env = typename M::Environment>
std::vector<LeafRef<Env>> leaves(const M& model) {
  std::vector<LeafRef<Env>> all;
  each_leaf<M, Env>(model, {&all, [](void* to, const Path& at, bool trains, bool added, Start start, Tensor<Env>* owned, SharedTensor<Env>* shared) {
                              static_cast<std::vector<LeafRef<Env>>*>(to)->push_back({at.string(), trains, added, start, owned, shared});
                            }});
  return all;
}
template <class M, class Env = typename M::Environment>
std::vector<LeafRef<Env>> trained_leaves(const M& model) {
  auto all = leaves<M, Env>(model);
  std::erase_if(all, [](const auto& l) { return !l.trains; });
  return all;
}
template <class M, class Env = typename M::Environment>
std::vector<Tensor<Env>*> tensors(const typename M::Grads& grads) {
  std::vector<Tensor<Env>*> all;
  each_tensor<M, Env>(grads, {&all, [](void* to, Tensor<Env>& t) { static_cast<std::vector<Tensor<Env>*>*>(to)->push_back(&t); }});
  return all;
}

// zero(grads): before a step.
template <class G>
void zero(G& grads) {
  using M = typename G::Module;
  each_tensor<M>(grads, {nullptr, [](void*, Tensor<typename M::Environment>& t) { t.clear(); }});
}

namespace detail {
template <class Env>
void fill_from(Tensor<Env>& t, Start s, std::uint64_t seed, std::string_view name) {
  using Scalar = typename Env::Scalar;
  Random random(seed, stream_of(name));
  std::vector<Scalar> host(static_cast<std::size_t>(t.size()));
  for (Scalar& x : host) {
    switch (s.kind) {
      case Start::Kind::constant: x = static_cast<Scalar>(s.scale); break;
      case Start::Kind::normal: x = static_cast<Scalar>(s.scale * random.normal()); break;
      case Start::Kind::uniform: x = static_cast<Scalar>(s.scale * (2 * random.uniform() - 1)); break;
      case Start::Kind::norms: x = 0; break;  // not yet
    }
  }
  Env::Space::copy(t.data(), host.data(), host.size() * sizeof(Scalar));
}
}  // namespace detail

namespace detail {
// Parameters that start from a frozen weight's norms and were never set (they are zero) take them, if the weight is there. The weight is
// that of the nearest step above: a.b.tag.name belongs to a.b.weight.
template <class Env>
void start_from_weights(const std::vector<LeafRef<Env>>& leaves) {
  using Scalar = typename Env::Scalar;
  using Here = OnHost<Scalar, typename Env::Space>;
  for (const auto& leaf : leaves) {
    if (leaf.start.kind != Start::Kind::norms || !leaf.owned) continue;
    const Here now(leaf.view());
    std::vector<Scalar> norms(now.data(), now.data() + leaf.size());
    const LeafRef<Env>* weight = nullptr;
    for (auto dot = leaf.name.rfind('.'); !weight && dot != 0 && dot != std::string::npos; dot = leaf.name.rfind('.', dot - 1))
      for (const auto& other : leaves)
        if (other.name == leaf.name.substr(0, dot) + ".weight") weight = &other;
    const bool set = std::any_of(norms.begin(), norms.end(), [](Scalar x) { return x != 0; });
    if (set || !weight || weight->empty() || weight->rows() != leaf.size()) continue;
    const Here w(weight->view());
    for (std::size_t i = 0; i < norms.size(); ++i)
      norms[i] = reference::Ops<Scalar>::norm(w.data() + i * static_cast<std::size_t>(weight->columns()), weight->columns());
    Env::Space::copy(leaf.owned->data(), norms.data(), norms.size() * sizeof(Scalar));
  }
}
}  // namespace detail

// Which parameters initialise() fills.
enum class Fill { trained, everything };

// Fills parameters by their own starting rule; each is a pure function of (seed, its name). With Fill::everything the frozen backbone is
// drawn too (to train one from nothing, or to test), in memory of its own.
template <class M, class Env = typename M::Environment>
void initialise(M& model, std::uint64_t seed, Fill which = Fill::trained) {
  for (auto& leaf : leaves<M, Env>(model)) {
    if (leaf.owned) {
      if (leaf.trains || which == Fill::everything) detail::fill_from(*leaf.owned, leaf.start, seed, leaf.name);
    } else if (which == Fill::everything) {
      Tensor<Env> t(leaf.rows(), leaf.columns());
      detail::fill_from(t, leaf.start, seed, leaf.name);
      leaf.shared->refer(std::move(t));
    }
  }
  detail::start_from_weights(leaves<M, Env>(model));
}

// The first frozen parameter that has no values yet, or an empty name: what load() would have filled.
template <class M, class Env = typename M::Environment>
std::string unloaded(const M& model) {
  std::string first;
  each_leaf<M, Env>(model, {&first, [](void* to, const Path& at, bool, bool, Start, Tensor<Env>* owned, SharedTensor<Env>* shared) {
                              auto& name = *static_cast<std::string*>(to);
                              if (name.empty() && (owned ? owned->empty() : shared->empty())) name = at.view();
                            }});
  return first;
}

// Lets `to` use the frozen weights of `from` where names and extents agree (the same memory): many models over one backbone. Returns how
// many it now shares.
template <class From, class To>
Index share(const From& from, To& to) {
  std::map<std::string, const SharedTensor<typename To::Environment>*> given;
  for (const auto& leaf : leaves(from))
    if (leaf.shared && !leaf.empty()) given[leaf.name] = leaf.shared;
  Index shared = 0;
  for (auto& leaf : leaves(to))
    if (const auto it = given.find(leaf.name);
        leaf.shared && it != given.end() && it->second->rows() == leaf.rows() && it->second->columns() == leaf.columns()) {
      *leaf.shared = *it->second;
      ++shared;
    }
  detail::start_from_weights(leaves(to));
  return shared;
}

}  // namespace towpath
