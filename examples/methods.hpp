// The methods and backbone shapes that the examples are compiled for, by the names their options give them.
#pragma once

#include "world.hpp"

#include <towpath/autodiff/visit.hpp>
#include <towpath/base/check.hpp>
#include <towpath/io/config.hpp>
#include <towpath/model/bert.hpp>
#include <towpath/peft/adapter.hpp>
#include <towpath/peft/full.hpp>
#include <towpath/peft/lora.hpp>
#include <towpath/peft/mam.hpp>
#include <towpath/peft/pathway.hpp>
#include <towpath/peft/prefix.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace methods {

using namespace towpath;

inline const std::vector<std::string> names{"none", "full", "bitfit", "lora", "adapter", "parallel", "prefix", "mam", "iaa-s", "iaa-l", "iaa-m", "lora-top"};
inline const std::vector<std::string> budgets{"0.5", "6.7", "none"};

// These have one size only: three attach nothing, and one is here for its lower layers.
inline bool without_budget(const std::string& method) {
  return method == "none" || method == "full" || method == "bitfit" || method == "lora-top";
}

template <class Shape, class... Ms>
using Layers = Repeat<Shape::layers, TransformerLayer<Shape, Ms...>>;

// A budget is a share of the backbone's weights, as the IAA paper counts it: weights without biases, every method made as large as an
// adapter pair of rank `whole` in each layer. On BERT-base that gives the paper's own ranks: 16 / 200 for adapters and LoRA, 32 / 200 rows
// of prefix, 16, 16 / 200, 200 for MAM, 8, 8 /
// 100, 100 for IAA-S, 12, 12 / 50, 300 for IAA-L, 15, 24 / 185, 767 for IAA-M. The paper has 185, 960 there, which is an eighth larger than its
// other methods and on a model of six layers would be a third; an aside module narrower than the model keeps that to an eighth.
template <class Shape, Index tenths>
struct Ranks {
  static constexpr bool large = tenths > 20;
  static constexpr Index total = parameters<Bert<Shape, Layers<Shape>>>().total;
  // a bottleneck is narrower than what it bridges; where the embeddings outweigh the layers (Tiny, Mini) that bounds a large budget
  static constexpr Index fit(Index r) { return r < 1 ? 1 : r < Shape::hidden ? r : Shape::hidden - 1; }
  // 589,824 of BERT-base's weights are rank 16, and 7,372,800 rank 200; the same share of another backbone, rounded
  static constexpr Index base_total = parameters<Bert<BertBase, Layers<BertBase>>>().total;
  static constexpr Index base_weights = (large ? 200 : 16) * 24 * 2 * 768;
  static constexpr Index per_rank = Shape::layers * 4 * Shape::hidden;
  static constexpr double share = static_cast<double>(base_weights) / static_cast<double>(base_total);
  static constexpr Index wanted = static_cast<Index>(share * static_cast<double>(total) / static_cast<double>(per_rank) + 0.5);
  static constexpr Index whole = fit(wanted), parallel = fit(2 * wanted), s = fit(wanted / 2);
  static constexpr Index prefix = large ? whole : 2 * whole;  // rows of keys and of values; the paper's 200 is half the large budget
  static constexpr Index l_inside = fit(large ? wanted / 4 : wanted * 3 / 4), l_aside = fit(large ? wanted * 3 / 2 : wanted * 3 / 4);
  static constexpr Index m_inside = fit(large ? wanted * 37 / 40 : wanted * 15 / 16), m_aside = fit(large ? wanted * 24 / 5 : wanted * 3 / 2);
};
static_assert(Ranks<BertBase, 5>::whole == 16 && Ranks<BertBase, 67>::whole == 200);
static_assert(Ranks<BertBase, 5>::l_inside == 12 && Ranks<BertBase, 67>::l_inside == 50 && Ranks<BertBase, 67>::l_aside == 300);
static_assert(Ranks<BertBase, 5>::m_inside == 15 && Ranks<BertBase, 5>::m_aside == 24 && Ranks<BertBase, 67>::m_inside == 185);

// f.template operator()<Encoder>(learning rate) for the composition of that name. The rates are usual ones
// for these methods, not swept; --lr of 02_finetune sets another.
template <class Shape, class F>
auto with_method(const std::string& method, const std::string& budget, const F& f) {
  const auto sized = [&]<Index tenths>(std::integral_constant<Index, tenths>) {
    using R = Ranks<Shape, tenths>;
    if (method == "lora") return f.template operator()<Bert<Shape, Layers<Shape, LoRA<R::whole, Alpha<2 * R::whole>>>>>(1e-3);
    if (method == "adapter") return f.template operator()<Bert<Shape, Layers<Shape, Adapter<R::whole>>>>(1e-3);
    if (method == "parallel") return f.template operator()<Bert<Shape, Layers<Shape, Adapter<R::parallel, at::BesideFfn>>>>(1e-3);
    if (method == "prefix") return f.template operator()<Bert<Shape, Layers<Shape, Prefix<R::prefix>>>>(5e-3);
    if (method == "mam") return f.template operator()<Bert<Shape, Layers<Shape, MAM<R::whole, R::whole>>>>(1e-3);
    if (method == "iaa-s")
      return f.template operator()<Bert<Shape, Layers<Shape, Adapter<R::s>, Pathway<Aside<R::s>, at::OutsideAttention, at::OutsideFfn>>>>(1e-3);
    if (method == "iaa-l") return f.template operator()<Bert<Shape, Layers<Shape, Adapter<R::l_inside>, Pathway<Aside<R::l_aside>>>>>(1e-3);
    return f.template operator()<Bert<Shape, Layers<Shape, Adapter<R::m_inside>>, Pathway<Aside<R::m_aside>>>>(1e-3);
  };
  if (method == "full") return f.template operator()<Bert<Shape, Layers<Shape, FullTuning>, FullTuning>>(5e-5);
  if (method == "bitfit") return f.template operator()<Bert<Shape, Layers<Shape, BitFit>, BitFit>>(2e-3);
  if (method == "lora-top") {  // as many parameters as lora at 0.5 %, in the upper half of the layers: what comes out of the lower is constant
    constexpr Index low = Shape::layers / 2, high = Shape::layers - low, rank = Ranks<Shape, 5>::fit(Ranks<Shape, 5>::whole * Shape::layers / high);
    using Stack = Segments<Repeat<low, TransformerLayer<Shape>>, Repeat<high, TransformerLayer<Shape, LoRA<rank, Alpha<2 * rank>>>>>;
    return f.template operator()<Bert<Shape, Stack>>(1e-3);
  }
  if (method == "none") return f.template operator()<Bert<Shape, Layers<Shape>>>(0.0);
  return budget == "0.5" ? sized(std::integral_constant<Index, 5>{}) : sized(std::integral_constant<Index, 67>{});
}

// The shapes that the build asked for.
using Compiled = ShapeList<TOWPATH_EXAMPLE_SHAPES>;

// f(Shape{}) for the shape that a checkpoint's config.json asks for, or a sentence that says how the nearest by width differs.
template <class F>
void with_shape_of(const std::string& folder, const F& f) {
  const std::string path = folder + "/config.json";
  const Config c = read_config(path);
  const auto call = [&]<class Shape>(Shape shape) {
    [&]<class... All>(ShapeList<All...>) { expect_shape<Shape>(c, path, Shape::layers, List<All...>{}); }(Compiled{});
    f(shape);
  };
  Index nearest = 1 << 30;
  const auto distance = [&]<class Shape>(Shape) {
    return std::abs(Shape::hidden - c.hidden_size) + std::abs(Shape::layers - c.num_hidden_layers) + (Shape::vocabulary == c.vocab_size ? 0 : 1);
  };
  Compiled::find([&](auto shape) { return nearest = std::min(nearest, distance(shape)), false; }, [](auto) {});
  Compiled::find([&](auto shape) { return distance(shape) == nearest; }, call);
}

}  // namespace methods
