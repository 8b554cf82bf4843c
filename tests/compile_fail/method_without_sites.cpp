// expects: a method needs `using sites = Sites<at::.*>` and, for each site, a `Module` template: see LoRA
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"

using namespace towpath;
struct Mine {
  template <class Env, class Site, Index In, Index Out>
  struct Module;
};
static_assert(TransformerLayer<MiniLM, Mine>::trains);
