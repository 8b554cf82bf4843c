#pragma once

#include "towpath/backend/functions.hpp"
#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <array>
#include <string>
#include <string_view>

namespace towpath {

// The shapes have a namespace of their own so that a program may call its own types Mini or Tiny; the three that everybody
// names are in towpath too.
namespace shapes {

// What a BERT checkpoint fixes, as a tag: widths, depth, tables. Inherit to change a number:
//   struct Tall : MiniLM { static constexpr Index layers = 24; };
struct BertBase {
  static constexpr std::string_view name = "BertBase";
  static constexpr Index hidden = 768, layers = 12, heads = 12, ffn = 3072;
  static constexpr Index vocabulary = 30522, positions = 512, types = 2;
  static constexpr double norm_epsilon = 1e-12;
  using Activation = Gelu;
};
struct BertLarge : BertBase {
  static constexpr std::string_view name = "BertLarge";
  static constexpr Index hidden = 1024, layers = 24, heads = 16, ffn = 4096;
};
struct MiniLM : BertBase {  // all-MiniLM-L6-v2 and its relatives
  static constexpr std::string_view name = "MiniLM";
  static constexpr Index hidden = 384, layers = 6, heads = 12, ffn = 1536;
};
struct Mini : BertBase {  // google/bert_uncased_L-4_H-256_A-4
  static constexpr std::string_view name = "Mini";
  static constexpr Index hidden = 256, layers = 4, heads = 4, ffn = 1024;
};
struct Tiny : BertBase {  // google/bert_uncased_L-2_H-128_A-2
  static constexpr std::string_view name = "Tiny";
  static constexpr Index hidden = 128, layers = 2, heads = 2, ffn = 512;
};

}  // namespace shapes

using shapes::BertBase;
using shapes::BertLarge;
using shapes::MiniLM;

// Several shapes to choose among at run time.
template <class... Shapes>
struct ShapeList {
  static constexpr std::size_t size = sizeof...(Shapes);
  static constexpr std::array<std::string_view, size> names{Shapes::name...};

  // f(Shape{}) for the first shape that `is` accepts; false if there is none.
  template <class Is, class F>
  static bool find(const Is& is, const F& f) {
    return ((is(Shapes{}) && (f(Shapes{}), true)) || ...);
  }
};
using BertShapes = ShapeList<shapes::Tiny, shapes::Mini, MiniLM, BertBase, BertLarge>;

// with_shape("MiniLM", [](auto shape) { … }): calls the function with the shape of that name; a name that was not compiled in is refused
// with those that were.
template <class Shapes = BertShapes, class F>
void with_shape(std::string_view name, const F& f) {
  if (Shapes::find([&](auto shape) { return decltype(shape)::name == name; }, f)) return;
  std::string known;
  for (std::string_view n : Shapes::names) known += (known.empty() ? "" : ", ") + std::string(n);
  fail("no shape is called \"" + std::string(name) + "\"", "compiled in: " + known, "Choose one of these, or add yours to the list");
}

}  // namespace towpath
