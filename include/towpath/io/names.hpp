#pragma once

#include "towpath/base/check.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

// How a family of files spells the names of its tensors. Canonical names are those of transformers' BertModel
// ("encoder.layer.3.attention.self.query.weight"); a dialect is a table, and adding one is adding a table.
struct Dialect {
  struct Leaf {
    std::string_view within, from, to;  // a last step `from` directly under a step `within` is called `to`
  };
  std::span<const std::string_view> prefixes;  // each is taken off once, in this order, where it stands
  std::span<const Leaf> leaves;
  std::span<const std::string_view> ignorable;  // canonical names, or beginnings of them that end in '*'
};

// A tensor's name in a file, translated. `ignorable`: a model that has no such tensor leaves it unread without a complaint (a
// model that has one reads it, so a re-ranker finds its pooler).
struct Translated {
  std::string name;
  bool ignorable = false;
};

inline Translated translate(const Dialect& dialect, std::string_view in_file) {
  for (std::string_view p : dialect.prefixes)
    if (in_file.size() > p.size() && in_file.starts_with(p)) in_file.remove_prefix(p.size());
  Translated t{std::string(in_file)};
  if (const auto dot = in_file.rfind('.'); dot != in_file.npos) {
    const auto above = in_file.substr(0, dot);
    const auto step = above.substr(above.rfind('.') + 1);  // npos + 1 is 0
    for (const auto& leaf : dialect.leaves)
      if (in_file.substr(dot + 1) == leaf.from && step == leaf.within)
        t.name = std::string(above) + "." + std::string(leaf.to);
  }
  for (std::string_view i : dialect.ignorable)
    t.ignorable |= i.ends_with('*') ? t.name.starts_with(i.substr(0, i.size() - 1)) : t.name == i;
  return t;
}

// What a file holds under a canonical name.
template <class Entry>
struct Found {
  const Entry* entry;
  bool ignorable;
};
template <class Entry>
using Dictionary = std::map<std::string, Found<Entry>, std::less<>>;

// The canonical names of a file's entries, which are things with a `name`. Fails where two of them have the same canonical
// name, for then nobody can say which is meant.
template <class Entry>
Dictionary<Entry> dictionary(const Dialect& dialect, const std::vector<Entry>& entries, const std::string& path) {
  Dictionary<Entry> found;
  for (const auto& e : entries) {
    auto t = translate(dialect, e.name);
    const auto [at, fresh] = found.emplace(t.name, Found<Entry>{&e, t.ignorable});
    if (!fresh)
      fail("cannot read " + path,
           "\"" + std::string(at->second.entry->name) + "\" and \"" + std::string(e.name) + "\" both mean \"" + t.name +
               "\"",
           "Remove one of them, or read the file with names::plain");
  }
  return found;
}

namespace names {

namespace detail {
inline constexpr std::string_view bert_prefixes[] = {"bert."};
inline constexpr Dialect::Leaf bert_leaves[] = {{"LayerNorm", "gamma", "weight"}, {"LayerNorm", "beta", "bias"}};
inline constexpr std::string_view bert_ignorable[] = {"embeddings.position_ids", "pooler.*", "cls.*", "classifier.*"};
}  // namespace detail

// Names are taken as they stand.
inline constexpr Dialect plain{};

// Hugging Face BERT with or without a head: "bert." in front or not, LayerNorm's parameters under their old names or the new.
inline constexpr Dialect bert{detail::bert_prefixes, detail::bert_leaves, detail::bert_ignorable};

}  // namespace names

// The least number of letters to insert, delete or change that makes b of a (Levenshtein); `enough` or more is not told apart.
inline std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t enough = std::string_view::npos) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= enough) return enough;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0], least = row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
      least = std::min(least, row[j]);
    }
    if (least >= enough) return enough;
  }
  return std::min(row[b.size()], enough);
}

// "Did you mean": the known name that is fewest letters away, the first of several; empty if none is within a third of the
// name's length.
template <class Names>
std::string nearest(std::string_view name, const Names& known) {
  std::size_t best = name.size() / 3 + 1;
  std::string found;
  for (const auto& k : known)
    if (const auto d = edit_distance(name, k, best); d < best) {
      best = d;
      found = std::string(std::string_view(k));
    }
  return found;
}

}  // namespace towpath
