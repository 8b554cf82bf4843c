#include "towpath/io/checkpoint.hpp"

#define TOWPATH_TEST_OPS_HERE  // this program compiles the operations that it needs itself
#include "../model/small.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>

using namespace towpath;

namespace {

using Env = Cpu<float>;
template <class Arch>
using Model = typename Arch::template On<Env>;
using Plain = SmallBert<>;
using Tuned = SmallBert<LoRA<2>, BitFit>;

std::string bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
// Gone at the end of the test.
struct File {
  std::string path;
  ~File() { std::remove(path.c_str()); }
};

// The text of the refusal, or nothing.
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class M>
bool same_values(const M& a, const M& b) {
  const auto x = leaves(a), y = leaves(b);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].empty() != y[i].empty() ||
        (!x[i].empty() && std::memcmp(x[i].view().data, y[i].view().data, static_cast<std::size_t>(x[i].size()) * sizeof(float)) != 0))
      return false;
  return true;
}

// The leaves of a model as entries of a file, to be spoilt.
struct Entries {
  Model<Plain> model;
  std::vector<Entry> list;
  std::vector<std::vector<std::byte>> own;

  Entries() {
    randomise(model, 1);
    for (const auto& leaf : leaves(model)) list.push_back(detail::entry_of(leaf.name, leaf, leaf.view().data));
  }
  Entry& operator[](const std::string& name) {
    for (auto& e : list)
      if (e.name == name) return e;
    FAIL(name);
    return list.front();
  }
  void rename(const std::string& from, const std::string& to) { (*this)[from].name = to; }
  void drop(const std::string& name) {
    std::erase_if(list, [&](const Entry& e) { return e.name == name; });
  }
  void add(const std::string& name, std::vector<Index> shape) {
    Index n = 1;
    for (Index e : shape) n *= e;
    own.emplace_back(static_cast<std::size_t>(n) * sizeof(float));
    list.push_back({name, Dtype::f32, std::move(shape), own.back().data(), own.back().size()});
  }
  template <class F>
  void each(const F& f) {
    for (auto& e : list) f(e);
  }
  void write(const std::string& path) const { write_safetensors(path, list, {}); }
};

}  // namespace

TEST_CASE("what is saved and loaded is the same to the byte, frozen and trained") {
  const File first{"first.safetensors"}, second{"second.safetensors"};
  Model<Tuned> a, b;
  randomise(a, 1);
  save(a, first.path);
  load(b, Safetensors{first.path});
  CHECK(same_values(a, b));
  save(b, second.path);
  CHECK(bytes(first.path) == bytes(second.path));
}

TEST_CASE("save_trainable writes exactly what trains; load_trainable reads exactly that") {
  const File all{"all.safetensors"}, trained{"trained.safetensors"}, again{"again.safetensors"};
  Model<Tuned> a, b;
  randomise(a, 1);
  save(a, all.path);
  save_trainable(a, trained.path, {{"method", "lora"}});
  const Safetensors file{trained.path};
  Names names;
  for (const auto& e : file.entries()) names.push_back(e.name);
  Names expected = names_of<Tuned>();
  std::sort(expected.begin(), expected.end());
  CHECK(names == expected);
  CHECK(file.metadata().at("method") == "lora");
  for (auto& leaf : leaves(a))  // other values than those in the file
    if (leaf.owned) leaf.owned->clear();
  load(b, Safetensors{all.path});
  for (auto& leaf : leaves(b))
    if (leaf.owned) leaf.owned->clear();
  load_trainable(b, file);
  randomise(a, 1);
  CHECK(same_values(a, b));
  save_trainable(b, again.path, {{"method", "lora"}});
  CHECK(bytes(trained.path) == bytes(again.path));
}

TEST_CASE("a backbone's file fills a tuned model; the methods' own parameters keep their start") {
  const File file{"backbone.safetensors"};
  Model<Plain> plain;
  randomise(plain, 1);
  save(plain, file.path);
  Model<Tuned> tuned;
  initialise(tuned, 3);
  Model<Tuned> untouched;
  initialise(untouched, 3);
  load(tuned, Safetensors{file.path});
  Env env{{.threads = 1}};
  const Ragged tokens = some_tokens({3, 5});
  CHECK(same_bits(encoding(env, plain, tokens), encoding(env, tuned, tokens)));
  const auto x = trained_leaves(tuned), y = trained_leaves(untouched);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].added) CHECK(same_bits(*x[i].owned, *y[i].owned));
}

TEST_CASE("frozen matrices point into the mapped file, vectors and what trains are copies") {
  const File path{"mapped.safetensors"};
  Model<Tuned> a, b;
  randomise(a, 1);
  save(a, path.path);
  auto file = std::make_unique<Safetensors>(path.path);
  load(b, *file);
  for (const auto& leaf : leaves(b)) {
    const auto* in_file = reinterpret_cast<const float*>(file->find(leaf.name)->data);
    CHECK((leaf.view().data == in_file) == (!leaf.trains && leaf.view().rows > 1));
  }
  file.reset();  // the weights keep the mapping alive
  CHECK(same_values(a, b));
}

TEST_CASE("everything that is wrong is said at once, with the name that was probably meant") {
  const File path{"wrong.safetensors"};
  Entries e;
  e.rename("encoder.layer.0.output.dense.weight", "encoder.layer.0.output.densse.weight");
  e.drop("encoder.layer.1.attention.self.key.bias");
  e.add("encoder.layer.2.something.quite.different", {3});
  e["encoder.layer.0.attention.self.query.weight"].shape = {6, 24};
  e["encoder.layer.1.output.dense.bias"].shape = {2, 6};
  e.write(path.path);
  Model<Plain> model;
  const std::string said = refusal([&] { load(model, Safetensors{path.path}); });
  CHECK(says(said, "cannot load wrong.safetensors into this model: "));
  CHECK(says(said, "2 missing (encoder.layer.0.output.dense.weight, encoder.layer.1.attention.self.key.bias)"));
  CHECK(says(said, "2 unexpected (encoder.layer.0.output.densse.weight [did you mean encoder.layer.0.output.dense.weight?], "
                   "encoder.layer.2.something.quite.different)"));
  CHECK(says(said, "2 of another shape (encoder.layer.0.attention.self.query.weight is [6, 24] there and [12, 12] here, "
                   "encoder.layer.1.output.dense.bias is [2, 6] there and [12] here)"));
  CHECK(says(said, "Give the model.safetensors of a BERT of this shape"));
  for (const auto& leaf : leaves(model)) CHECK(leaf.empty());  // nothing was written
}

TEST_CASE("a refused file leaves a model that had weights as it was") {
  const File path{"late.safetensors"};
  Entries e;
  e.drop("encoder.layer.1.output.LayerNorm.weight");  // the last but one
  e.write(path.path);
  Model<Tuned> model, before;
  randomise(model, 5);
  randomise(before, 5);
  CHECK(says(refusal([&] { load(model, Safetensors{path.path}); }), "1 missing (encoder.layer.1.output.LayerNorm.weight)"));
  CHECK(same_values(model, before));
}

TEST_CASE("long lists are cut") {
  const File path{"few.safetensors"};
  Entries e;
  e.list.resize(3);
  e.write(path.path);
  Model<Plain> model;
  const std::string said = refusal([&] { load(model, Safetensors{path.path}); });
  CHECK(says(said, "34 missing ("));
  CHECK(says(said, ", …)"));
}

TEST_CASE("other dtypes are converted: doubles, bfloat16, half") {
  const File path{"other.safetensors"};
  for (Dtype dtype : {Dtype::f64, Dtype::bf16, Dtype::f16}) {
    Entries e;
    std::vector<std::vector<std::byte>> stored;
    e.each([&](Entry& entry) {
      const auto n = static_cast<std::size_t>(entry.size());
      const auto* x = reinterpret_cast<const float*>(entry.data);
      stored.emplace_back(n * (dtype == Dtype::f64 ? 8 : 2));
      for (std::size_t i = 0; i < n; ++i) {
        const double wide = x[i];
        const bf16 b = bf16(x[i]);
        const half h = half(x[i]);
        if (dtype == Dtype::f64) std::memcpy(stored.back().data() + 8 * i, &wide, 8);
        else if (dtype == Dtype::bf16) std::memcpy(stored.back().data() + 2 * i, &b, 2);
        else std::memcpy(stored.back().data() + 2 * i, &h, 2);
      }
      entry.dtype = dtype;
      entry.data = stored.back().data();
      entry.bytes = stored.back().size();
    });
    e.write(path.path);
    Model<Tuned> model;
    const Safetensors file{path.path};
    load(model, file);
    std::map<std::string, View<Env>> right;
    for (const auto& leaf : leaves(e.model)) right[leaf.name] = leaf.view();
    for (const auto& leaf : leaves(model)) {
      if (leaf.added) continue;
      CHECK(static_cast<const void*>(leaf.view().data) != static_cast<const void*>(file.find(leaf.name)->data));
      for (Index i = 0; i < leaf.size(); ++i) {
        const float x = right[leaf.name].data[i];
        const float expected = dtype == Dtype::f64 ? x : dtype == Dtype::bf16 ? float(bf16(x)) : float(half(x));
        if (leaf.view().data[i] != expected) FAIL_CHECK(leaf.name << " is " << leaf.view().data[i] << ", not " << expected);
      }
    }
  }
}

TEST_CASE("a model in double takes a file in float, and maps one in double") {
  const File narrow{"narrow.safetensors"}, wide{"wide.safetensors"};
  Entries e;
  e.write(narrow.path);
  Plain::On<Cpu<double>> a, b;
  load(a, Safetensors{narrow.path});
  CHECK(leaves(a).front().view().data[3] == double(leaves(e.model).front().view().data[3]));
  save(a, wide.path);
  const Safetensors file{wide.path};
  load(b, file);
  CHECK(static_cast<const void*>(leaves(b).front().view().data) == static_cast<const void*>(file.find(leaves(b).front().name)->data));
}

TEST_CASE("BERT's other spellings: a prefix, gamma and beta, a pooler and position_ids that nobody asked for") {
  const File path{"spelling.safetensors"};
  Entries e;
  e.each([](Entry& entry) {
    for (const auto& [now, then] : {std::pair<std::string, std::string>{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}})
      if (entry.name.ends_with(now)) entry.name.replace(entry.name.size() - now.size(), now.size(), then);
    entry.name = "bert." + entry.name;
  });
  e.add("bert.pooler.dense.weight", {12, 12});
  e.add("bert.pooler.dense.bias", {12});
  e.add("bert.embeddings.position_ids", {1, 12});
  e.add("cls.predictions.bias", {17});
  e.write(path.path);
  Model<Plain> model;
  CHECK(refusal([&] { load(model, Safetensors{path.path}); }) == "");
  CHECK(same_values(model, e.model));
  Model<Plain> other;
  CHECK(says(refusal([&] { load(other, Safetensors{path.path}, names::plain); }), "37 missing"));
}

TEST_CASE("an adapter of another composition is refused: other rank, other sites, other method") {
  const File path{"trained.safetensors"};
  Model<SmallBert<LoRA<2>>> source;
  randomise(source, 1);
  save_trainable(source, path.path);
  const Safetensors file{path.path};
  Model<SmallBert<LoRA<3>>> rank;
  CHECK(says(refusal([&] { load_trainable(rank, file); }), "8 of another shape (encoder.layer.0.attention.self.query.lora_A.weight is [2, 12] there and [3, 12] here"));
  Model<SmallBert<LoRA<2, at::Query>>> fewer;
  const std::string said = refusal([&] { load_trainable(fewer, file); });
  CHECK(says(said, "4 unexpected (encoder.layer.0.attention.self.value.lora_A.weight"));
  CHECK(says(said, "Give a file that was saved from the same composition of methods, ranks and sites"));
  Model<SmallBert<Pathway<Aside<2>>>> other;
  CHECK(says(refusal([&] { load_trainable(other, file); }), "8 missing (encoder.layer.0.aside_down.weight"));
  Model<SmallBert<LoRA<2>>> right;
  CHECK(refusal([&] { load_trainable(right, file); }) == "");
  CHECK(says(refusal([&] { load(right, file); }), "37 missing"));  // it is no backbone
}
