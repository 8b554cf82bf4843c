// What merging does to scores: of a bi-encoder and of a cross-encoder, for each method that can become part of a weight. Over a small
// random backbone, and over a real one where TOWPATH_MODEL names a folder with all-MiniLM-L6-v2 (and TOWPATH_DATA the collections'):
//   TOWPATH_MODEL=… TOWPATH_DATA=… TOWPATH_SHOW_WORST=1 unit_peft -tc='*scores*'
#include "towpath/data/collection.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/merge.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

using namespace towpath;

namespace {
using Env = Cpu<float>;

// Values as training leaves them: factors about what they were, A as it was drawn, everything else away from where it started, a
// head further, so that scores come to some tenths (rounding grows with them).
template <class Model>
void tune(Model& model) {
  for (auto& leaf : trained_leaves(model)) {
    Random random(7, stream_of(leaf.name));
    const float far = leaf.name.starts_with("classifier") ? 0.2f : leaf.name.ends_with("lora_A.weight") ? 0.0f : 0.02f;
    const bool factor = leaf.name.ends_with("ia3_l") || leaf.name.ends_with("magnitude_vector") ||
                        leaf.name.ends_with("LayerNorm.weight");
    for (Index i = 0; i < leaf.size(); ++i) {
      float& w = leaf.owned->data()[i];
      const auto n = static_cast<float>(random.normal());
      w = factor ? w * (1 + 0.1f * n) : w + far * n;
    }
  }
}

struct Inputs {
  Ragged queries, passages, pairs;
};
// [Q, P] cosines, or a score for each pair
template <class Model>
Tensor<Env> scores(Env& env, const Model& model, const Inputs& texts) {
  if constexpr (requires { model.score(env, texts.pairs); }) return model.score(env, texts.pairs);
  else return op::nt<Env>(env, model.encode(env, texts.queries), model.encode(env, texts.passages));
}
double furthest(const Tensor<Env>& a, const Tensor<Env>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (Index i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(double(a.data()[i]) - double(b.data()[i])));
  return worst;
}

template <class Arch>
void merges(const std::string& method, const Safetensors& file, const Inputs& texts) {
  Env env{{.threads = 1}};
  typename Arch::template On<Env> tuned{env};
  typename Merged<Arch>::template On<Env> plain{env}, backbone{env};
  load(tuned, file), load(backbone, file);
  tune(tuned);
  copy_owned(tuned, backbone);  // the head, which is no part of what is merged
  std::map<std::string, LeafRef<Env>> mine;
  for (const auto& leaf : leaves(tuned)) mine.insert({leaf.name, leaf});
  // What was there before the method came: the file's bytes, but for what was trained in place.
  const auto restored = [&] {
    bool all = true;
    const auto before = leaves(backbone), after = leaves(plain);
    REQUIRE(before.size() == after.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      const auto& own = mine.at(after[i].name);
      const View<Env> right = own.trains ? own.view() : before[i].view();
      all &= std::memcmp(after[i].view().data, right.data, static_cast<std::size_t>(right.size()) * sizeof(float)) == 0;
    }
    return all;
  };

  const Tensor<Env> before = scores(env, tuned, texts);
  merge(env, tuned, plain);
  const double off = furthest(before, scores(env, plain, texts));
  CHECK_MESSAGE(off <= 1e-5, method);
  CHECK_MESSAGE(restored() == (off == 0), method);  // what trains in place has changed no weight
  const double moved = furthest(before, scores(env, backbone, texts));
  CHECK_MESSAGE(moved > 1e-3, method);  // there was something to merge
  unmerge(env, tuned, plain);
  CHECK_MESSAGE(restored(), method);
  if (std::getenv("TOWPATH_SHOW_WORST"))
    std::printf("%-10s %-6s merged scores off by %.1e, tuning moved them by %.1e\n", method.c_str(),
                before.columns() == 1 ? "cross" : "bi", off, moved);
}
template <class Encoder>
void merges_in_both(const std::string& method, const Safetensors& file, const Inputs& texts) {
  merges<BiEncoder<Encoder, MeanPooling, Cosine>>(method, file, texts);
  merges<CrossEncoder<Encoder, ClsPooling>>(method, file, texts);
}

template <class Shape, class... Methods>
using Layers = Repeat<Shape::layers, TransformerLayer<Shape, Methods...>>;
template <class Shape>
void every_method(const Safetensors& file, const Inputs& texts) {
  using Deltas = LoRA<4, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>;
  merges_in_both<Bert<Shape, Layers<Shape, LoRA<8, Alpha<16>>>>>("LoRA", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, LoRA<8, Alpha<16>, RankStabilised>>>>("rsLoRA", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, DoRA<8, Alpha<16>>>>>("DoRA", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, Ia3<>>>>("(IA)3", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, BitFit>, BitFit>>("BitFit", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, LayerNormTuning>, LayerNormTuning>>("norms", file, texts);
  merges_in_both<Bert<Shape, Layers<Shape, Deltas, Ia3<>, BitFit>, BitFit>>("all six", file, texts);
}
}  // namespace

TEST_CASE("merged scores are the tuned ones, and unmerging gives back every byte") {
  Env env{{.threads = 1}};
  SmallBert<>::On<Env> backbone;
  randomise(backbone, 3);
  save(backbone, "merge_scores.safetensors");
  every_method<Small>(Safetensors{"merge_scores.safetensors"},
                      {some_tokens({3, 1, 5}), some_tokens({7, 1, 12, 4, 9}, 6), some_tokens({12, 3, 8, 2}, 7)});
  std::remove("merge_scores.safetensors");
}

TEST_CASE("merged scores are the tuned ones over a real backbone, and unmerging gives back every byte") {
  const char *model = std::getenv("TOWPATH_MODEL"), *data = std::getenv("TOWPATH_DATA");
  if (!model || !data) {
    MESSAGE("skipped: TOWPATH_MODEL or TOWPATH_DATA is not set, so there is no backbone or no text");
    return;
  }
  const Collection scifact = open_collection(std::string(data) + "/scifact");
  const WordPiece words{std::string(model) + "/vocab.txt"};
  Inputs texts;
  for (Index i = 0; i < 32; ++i) {
    if (i < 8) append(texts.queries, words, scifact.queries[i], 32);
    append(texts.passages, words, scifact.documents[i], 128);
    append_pair(texts.pairs, words, scifact.queries[i], scifact.documents[i], 128);
  }
  every_method<MiniLM>(Safetensors{std::string(model) + "/model.safetensors"}, texts);
}
