// A cross-encoder beside transformers' BertForSequenceClassification. Numbers: cross.py.
#include "tuning.hpp"
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/loss/binary.hpp"
#include "towpath/loss/cross_entropy.hpp"
#include "towpath/peft/full.hpp"

#include <fstream>

using namespace parity;

namespace {

using Reranker = CrossEncoder<Bert<Shape, Stack<FullTuning>, FullTuning>, ClsPooling>;

PairBatch pairs(const Safetensors& file) {
  const auto ids = integers(file, "ids"), types = integers(file, "types"), offsets = integers(file, "offsets"), groups = integers(file, "groups");
  PairBatch b;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
    b.pairs.add(std::vector<std::int32_t>(ids.begin() + offsets[s], ids.begin() + offsets[s + 1]),
                std::vector<std::int32_t>(types.begin() + offsets[s], types.begin() + offsets[s + 1]));
  b.groups.assign(groups.begin(), groups.end());
  return b;
}
// The file's names are those of the checkpoint: "bert." before the encoder's.
std::string in_file(const std::string& name) { return name.starts_with("classifier") ? name : "bert." + name; }

template <class Env, class L>
void beside(const char* name, const L& loss) {
  const Safetensors file{fixture("cross")};
  const Tolerance allowed = tolerance<typename Env::Scalar>;
  Env env{{.threads = 1}};
  typename Reranker::template On<Env> model{env};
  using Net = decltype(model);
  for (auto& leaf : leaves(model)) {
    const Tensor<Env> t = tensor<Env>(file, "model." + in_file(leaf.name));
    REQUIRE((leaf.owned && t.rows() == leaf.rows() && t.columns() == leaf.columns()));
    std::memcpy(leaf.owned->data(), t.data(), static_cast<std::size_t>(t.size()) * sizeof(typename Env::Scalar));
  }
  const PairBatch batch = pairs(file);
  CHECK(distance(model.score(env, batch.pairs).data(), numbers(file, "scores")) <= allowed.encoding);

  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  const auto scores = model.forward(env, batch, saved);
  CHECK(distance(scores.values.data(), numbers(file, "scores")) <= allowed.encoding);
  const auto l = loss(scores);
  const double right = numbers(file, std::string(name) + ".loss")[0];
  CHECK(std::fabs(l.value - right) <= allowed.loss * right);
  model.backward(env, l.gradient, batch, saved, grads);
  const auto trained = trained_leaves(model);
  const auto found = tensors<Net>(grads);
  REQUIRE(trained.size() == found.size());
  CHECK(trained.size() == 5 + 2 * 16 + 4);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto expected = numbers(file, std::string(name) + "." + in_file(trained[i].name));
    if (noise(trained[i].name)) {
      CHECK(largest_difference(found[i]->data(), expected) < 1e-6);
      continue;
    }
    const double d = distance(found[i]->data(), expected);
    CHECK_MESSAGE(d <= allowed.gradient, trained[i].name << " has a gradient that is off by " << d);
  }
}

}  // namespace

TEST_CASE("a cross-encoder gives the scores, losses and gradients of BertForSequenceClassification") {
  beside<Cpu<double>>("lce", GroupCrossEntropy{});
  beside<Cpu<double>>("bce", BinaryCrossEntropy{});
  beside<Cpu<float>>("lce", GroupCrossEntropy{});
  beside<Cpu<float>>("bce", BinaryCrossEntropy{});
}

TEST_CASE("its checkpoint is loaded with its head, and the pairs are those of its tokenizer") {
  const Safetensors file{fixture("cross")};
  std::vector<Entry> entries;
  for (const Entry& e : file.entries())
    if (e.name.starts_with("model.")) {
      entries.push_back(e);
      entries.back().name = entries.back().name.substr(6);
    }
  write_safetensors("checkpoint.safetensors", entries, {});
  Cpu<float> env{{.threads = 1}};
  CrossEncoder<Bert<Shape, Stack<>>, ClsPooling>::On<Cpu<float>> model{env};
  load(model, Safetensors{"checkpoint.safetensors"});
  const PairBatch batch = pairs(file);
  CHECK(distance(model.score(env, batch.pairs).data(), numbers(file, "scores")) <= tolerance<float>.encoding);

  std::ofstream vocabulary("vocab.txt");
  vocabulary << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) vocabulary << c << "\n";
  vocabulary.close();
  const WordPiece words("vocab.txt");
  Ragged made;
  for (const auto& [query, passages] : std::vector<std::pair<const char*, std::vector<const char*>>>{
           {"a b", {"a c b", "d e f g h i j k l m n o", "x"}},
           {"q", {"q q", "r s t u v w x y z a b c d"}},
           {"h i j k l m", {"h", "i j", "k l m n o p q r", "z z"}}})
    for (const char* p : passages) append_pair(made, words, query, p, 14, Truncation::only_second);
  CHECK(made.ids == batch.pairs.ids);
  CHECK(made.types == batch.pairs.types);
  CHECK(made.offsets == batch.pairs.offsets);
}
