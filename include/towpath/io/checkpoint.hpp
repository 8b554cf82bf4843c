#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/io/names.hpp"
#include "towpath/io/safetensors.hpp"
#include "towpath/tensor/dtype.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace towpath {

namespace detail {

// Everything that is wrong between a file and a model, said at once.
struct Mismatch {
  std::vector<std::string> missing, unexpected, misshapen;

  bool any() const { return !missing.empty() || !unexpected.empty() || !misshapen.empty(); }
  static std::string some(const char* kind, const std::vector<std::string>& names) {
    if (names.empty()) return {};
    std::string s = std::to_string(names.size()) + " " + kind + " (";
    for (std::size_t i = 0; i < names.size() && i < 6; ++i) s += (i ? ", " : "") + names[i];
    return s + (names.size() > 6 ? ", …)" : ")");
  }
  std::string sentence() const {
    std::string s;
    for (const auto& part : {some("missing", missing), some("unexpected", unexpected), some("of another shape", misshapen)})
      if (!part.empty()) s += (s.empty() ? "" : "; ") + part;
    return s;
  }
};

inline std::string extents(const std::vector<Index>& shape) {
  std::string s = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}
template <class Leaf>
std::vector<Index> extents_of(const Leaf& w) {
  if (w.dimensions() == 1) return {w.columns()};
  return {w.rows(), w.columns()};
}
template <class Leaf>
bool fits(const Leaf& w, const Entry& e) {
  if (e.shape.size() == 2) return e.shape[0] == w.rows() && e.shape[1] == w.columns();
  return e.shape.size() == 1 && w.rows() == 1 && e.shape[0] == w.columns();
}

// One leaf from one entry: a frozen matrix points into the file where type and alignment permit, all others are copies.
template <class Env>
void read_leaf(Tensor<Env>& w, const Entry& e, const std::shared_ptr<const void>&) {
  using Scalar = typename Env::Scalar;
  std::vector<Scalar> host(static_cast<std::size_t>(e.size()));
  convert(e.dtype, e.data, e.size(), host.data());
  Env::Space::copy(w.data(), host.data(), host.size() * sizeof(Scalar));
}
template <class Env>
void read_leaf(SharedTensor<Env>& w, const Entry& e, const std::shared_ptr<const void>& owner) {
  using Scalar = typename Env::Scalar;
  if constexpr (std::is_same_v<typename Env::Space, Host>) {
    // (a vector is copied: its page would bring along its neighbours, which nobody may need)
    if (w.rows() > 1 && e.dtype == towpath::dtype_of<Scalar> && reinterpret_cast<std::uintptr_t>(e.data) % alignof(Scalar) == 0)
      return w.refer(owner, reinterpret_cast<const Scalar*>(e.data), true);
  }
  Tensor<Env> t(w.rows(), w.columns());
  read_leaf(t, e, owner);
  w.refer(std::move(t));
}

// Leaves that are `wanted` must be in the file, those that are `welcome` may be; nothing is written before every name and shape was checked.
template <class Env>
using LeafTest = bool (*)(const LeafRef<Env>&);  // not a template parameter: compiled once, not once for each model
template <class Env>
void read_into(std::vector<LeafRef<Env>> model, const Safetensors& file, const Dialect& dialect, LeafTest<Env> wanted, LeafTest<Env> welcome,
               const char* fix) {
  const auto found = dictionary(dialect, file.entries(), file.path());
  Mismatch wrong;
  std::set<std::string> known, absent;
  std::vector<std::pair<LeafRef<Env>*, const Entry*>> pairs;
  for (auto& leaf : model) {
    known.insert(leaf.name);
    if (!wanted(leaf) && !welcome(leaf)) continue;
    if (const auto it = found.find(leaf.name); it != found.end()) {
      pairs.emplace_back(&leaf, it->second.entry);
      if (!fits(leaf, *it->second.entry))
        wrong.misshapen.push_back(leaf.name + " is " + extents(it->second.entry->shape) + " there and " + extents(extents_of(leaf)) + " here");
    } else if (wanted(leaf)) {
      wrong.missing.push_back(leaf.name);
      absent.insert(leaf.name);
    }
  }
  for (const auto& [name, entry] : found)
    if (!entry.ignorable && !known.contains(name)) {
      const std::string near = nearest(name, absent);
      wrong.unexpected.push_back(name + (near.empty() ? "" : " [did you mean " + near + "?]"));
    }
  if (wrong.any()) fail("cannot load " + file.path() + " into this model", wrong.sentence(), fix);
  for (const auto& [leaf, entry] : pairs) {
    if (leaf->owned) read_leaf(*leaf->owned, *entry, file.owner());
    else read_leaf(*leaf->shared, *entry, file.owner());
  }
}

// `numbers`: the leaf's, on the host.
template <class Env>
Entry entry_of(const std::string& name, const LeafRef<Env>& leaf, const typename Env::Scalar* numbers) {
  using Scalar = typename Env::Scalar;
  return {name, towpath::dtype_of<Scalar>, extents_of(leaf), reinterpret_cast<const std::byte*>(numbers), static_cast<std::size_t>(leaf.size()) * sizeof(Scalar)};
}
// What is to be written, and its numbers for as long as that takes.
template <class Env>
class Entries {
public:
  void add(const std::string& name, const LeafRef<Env>& leaf) {
    numbers_.emplace_back(leaf.view());
    entries_.push_back(entry_of(name, leaf, numbers_.back().data()));
  }
  void write(const std::string& path, const Metadata& metadata) const { write_safetensors(path, entries_, metadata); }

private:
  std::vector<OnHost<typename Env::Scalar, typename Env::Space>> numbers_;  // (what moves keeps its memory)
  std::vector<Entry> entries_;
};
template <class Env>
void write_leaves(const std::vector<LeafRef<Env>>& leaves, const std::string& path, const Metadata& metadata) {
  Entries<Env> entries;
  for (const auto& leaf : leaves) entries.add(leaf.name, leaf);
  entries.write(path, metadata);
}
}  // namespace detail

// Loads a backbone (and whatever of the methods the file happens to hold). Frozen weights are mapped and shared: nothing is copied where
// the file has the model's type. Every tensor is checked for name and shape before any is written; what is missing, unexpected or of
// another shape is reported at once. A model that knows how to take more from the file's folder (a tokenizer) does so.
template <class M>
void load(M& model, const Safetensors& file, const Dialect& dialect = names::bert) {
  using Env = typename M::Environment;
  detail::read_into<Env>(
      leaves(model), file, dialect, [](const LeafRef<Env>& leaf) { return !leaf.added; }, [](const LeafRef<Env>&) { return true; },
      "Give the model.safetensors of a BERT of this shape (config.json beside it says which), or the dialect that translates its names");
  detail::start_from_weights(leaves(model));
  if constexpr (requires { model.found_beside(std::string()); }) {
    const auto slash = file.path().rfind('/');
    model.found_beside(slash == std::string::npos ? std::string(".") : file.path().substr(0, slash));
  }
}

// Loads what save_trainable wrote: exactly the parameters that train, no more and no fewer.
template <class M>
void load_trainable(M& model, const Safetensors& file) {
  using Env = typename M::Environment;
  const auto trains = [](const LeafRef<Env>& leaf) { return leaf.trains; };
  detail::read_into<Env>(trained_leaves(model), file, names::plain, trains, trains,
                    "Give a file that was saved from the same composition of methods, ranks and sites");
}

// Writes every parameter that trains, and nothing else, under the names of visit().
template <class M>
void save_trainable(const M& model, const std::string& path, const Metadata& metadata = {}) {
  detail::write_leaves(trained_leaves(model), path, metadata);
}

// Writes every parameter, frozen ones too.
template <class M>
void save(const M& model, const std::string& path, const Metadata& metadata = {}) {
  detail::write_leaves(leaves(model), path, metadata);
}

}  // namespace towpath
