// expects: TransformerLayer: the hidden width must be a multiple of the number of heads
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"

using namespace towpath;
struct Odd : MiniLM {
  static constexpr Index heads = 5;
};
static_assert(!TransformerLayer<Odd>::trains);
