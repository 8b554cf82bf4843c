// expects: Segments: each part is a Repeat<N, Layer>
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/nn/segments.hpp"

using namespace towpath;
static_assert(Segments<TransformerLayer<MiniLM>, TransformerLayer<MiniLM>>::layers == 2);
