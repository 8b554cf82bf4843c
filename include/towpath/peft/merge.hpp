#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/nn/repeat.hpp"
#include "towpath/peft/method.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace towpath {

namespace detail {

// Is all that M does a change of the backbone's parameters? Then a merged model has no need of it.
template <class M>
inline constexpr bool disappears = [] {
  if constexpr (Method<M>) return merges<M> || only_leaves<M>(typename M::sites::list{});
  else return false;
}();

template <class T>
struct MergedOf {
  using type = T;
};
template <class T>
using Remaining = std::conditional_t<disappears<T>, List<>, List<typename MergedOf<T>::type>>;
template <template <class...> class Host, class... Ts>
requires(!Method<Host<Ts...>>) struct MergedOf<Host<Ts...>> {
  using type = list::apply<Host, list::join<Remaining<Ts>...>>;
};
template <Index N, class L, Index first>
struct MergedOf<Repeat<N, L, first>> {
  using type = Repeat<N, typename MergedOf<L>::type, first>;
};

// A walk that sees methods as a whole: those that merge are put down, of all else the leaves.
template <class Env>
struct MergeWalk {
  struct Change {
    std::string projection;  // whose weight and bias become others
    const void* trained;
    void (*apply)(Env&, const void* trained, Tensor<Env>& weight, Tensor<Env>& bias);
  };
  std::vector<LeafRef<Env>> leaves;
  std::vector<Change> deltas, gains;    // a gain of units comes after all that is added to the projection
  std::set<std::string> beside, among;  // projections with something that stays: a delta, a module of units

  template <class Tag>
  void operator()(const Path& at, Tag tag, Tensor<Env>& w) {
    leaves.push_back({at.string(), Tag::trains, tag.added, tag.start, &w, nullptr});
  }
  template <class Tag>
  void operator()(const Path& at, Tag tag, SharedTensor<Env>& w) {
    leaves.push_back({at.string(), Tag::trains, tag.added, tag.start, nullptr, &w});
  }
  template <class M, class Site, class Module>
  void whole(const Path& at, Module& trained) {
    constexpr bool delta = Site::rule == at::Rule::delta, units = list::contains<Site, UnitSites>;
    std::string projection = at.string();
    if constexpr (std::is_same_v<Site, at::FfnHidden>)
      projection.replace(projection.size() - Site::path_name.view().size(), std::string::npos,
                         at::FfnOut::path_name.view());
    if constexpr (merges<M>) {
      static_assert(delta || units,
                    "[towpath] merge: only what stands at a projection, or scales units, can become part of a weight");
      (delta ? deltas : gains)
          .push_back(
              {std::move(projection), &trained, [](Env& env, const void* t, Tensor<Env>& weight, Tensor<Env>& bias) {
                 M::template merge<Site>(env, *static_cast<const Module*>(t), weight, bias);
               }});
    } else {
      if constexpr (delta || units) (delta ? beside : among).insert(std::move(projection));
      // Its leaves alone: a method inside another (Gated) does not merge by itself.
      Module::visit([&](const Path& name, auto tag, auto& leaf) { (*this)(name, tag, leaf); }, at, trained);
    }
  }
};

// `to` gets every parameter of what was walked, changed ones in memory of their own; nothing is written before everything has its place.
template <class Env>
void give(Env& env, const MergeWalk<Env>& from, std::vector<LeafRef<Env>> to) {
  const char* fix = "Merge into a model of type Merged<…> of this one's";
  const auto alone = [](const auto& changes, const std::set<std::string>& staying) {
    for (const auto& change : changes)
      if (staying.contains(change.projection))
        fail("cannot merge",
             "at " + change.projection + " stand a method that can become part of the weight and one that cannot",
             "Put one of them elsewhere");
  };
  alone(from.deltas, from.beside), alone(from.gains, from.beside), alone(from.gains, from.among);
  std::map<std::string, const LeafRef<Env>*> given;
  for (const auto& leaf : from.leaves) given[leaf.name] = &leaf;
  std::set<std::string> wanted;
  for (const auto& leaf : to) {
    wanted.insert(leaf.name);
    const auto it = given.find(leaf.name);
    if (it == given.end())
      fail("cannot merge into this model", "it has " + leaf.name + ", which the tuned one does not have", fix);
    if (it->second->rows() != leaf.rows() || it->second->columns() != leaf.columns())
      fail("cannot merge into this model", leaf.name + " has other extents in the tuned one", fix);
    if (it->second->empty())
      fail("this model has no weights yet", "\"" + leaf.name + "\" was never filled",
           "Call load(model, Safetensors{…}) before merging");
  }
  for (const auto& leaf : from.leaves)
    if (!wanted.contains(leaf.name)) fail("cannot merge into this model", "it has no place for " + leaf.name, fix);

  std::map<std::string, Tensor<Env>> changed;
  const auto parameter = [&](const std::string& name) -> Tensor<Env>* {
    const auto it = given.find(name);
    if (it == given.end()) return nullptr;
    const auto [at, fresh] = changed.try_emplace(name);
    if (fresh) at->second = op::copy<Env>(env, it->second->view());
    return &at->second;
  };
  for (const auto* changes : {&from.deltas, &from.gains})
    for (const auto& change : *changes) {
      Tensor<Env> none, *bias = parameter(change.projection + ".bias");
      change.apply(env, change.trained, *parameter(change.projection + ".weight"), bias ? *bias : none);
    }
  const auto fill = [](LeafRef<Env>& leaf, View<Env> values) {
    if (leaf.owned)
      return Env::Space::copy(leaf.owned->data(), values.data,
                              static_cast<std::size_t>(leaf.size()) * sizeof(typename Env::Scalar));
    Tensor<Env> own(leaf.rows(), leaf.columns());
    Env::Space::copy(own.data(), values.data, static_cast<std::size_t>(leaf.size()) * sizeof(typename Env::Scalar));
    leaf.shared->refer(std::move(own));
  };
  for (auto& leaf : to) {
    const auto* source = given.at(leaf.name);
    if (const auto it = changed.find(leaf.name); it != changed.end()) fill(leaf, it->second);
    else if (leaf.shared && source->shared) *leaf.shared = *source->shared;
    else fill(leaf, source->view());
  }
}

template <class M>
auto merge_walk(const M& model) {
  MergeWalk<typename M::Environment> walk;
  M::visit(walk, Path{}, const_cast<M&>(model));
  return walk;
}
}  // namespace detail

// Merged<Arch>: Arch without the methods that can become part of its weights (LoRA, DoRA, (IA)³, and those that only flip what trains:
// BitFit, LayerNormTuning, FullTuning). Prefixes, adapters and pathways stay.
template <class Arch>
using Merged = typename detail::MergedOf<Arch>::type;

// merge(env, tuned, plain): plain, of type Merged<Arch>, computes what tuned computes, at the backbone's cost: LoRA's W + s B A, DoRA's
// m / ‖·‖ ⊙ (W + s B A), …. Touched weights are copies of its own; all others stay shared with tuned, which is not changed, nor is any
// other model over the same backbone. Sums are rounded in another order, so results agree to rounding. save(plain, path) then writes a
// checkpoint that loads without the methods (peft's merge_and_unload). Fails, before anything is written, if a parameter would be lost or
// is missing.
template <class From, class To>
void merge(typename From::Environment& env, const From& tuned, To& plain) {
  detail::give(env, detail::merge_walk(tuned), leaves(plain));
}

// unmerge(env, tuned, plain): the copies are dropped, and plain is the backbone again, to the byte (in tuned's own memory). What BitFit and its
// like trained is part of the backbone, and stays; load() has what it was.
template <class From, class To>
void unmerge(typename From::Environment& env, const From& tuned, To& plain) {
  auto walk = detail::merge_walk(tuned);
  walk.deltas.clear(), walk.gains.clear();
  detail::give(env, walk, leaves(plain));
}

}  // namespace towpath
