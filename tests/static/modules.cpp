// Which types are modules and which are not.
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/nn/pooling.hpp"
#include "towpath/nn/rehearse.hpp"
#include "towpath/peft/compacter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace towpath;

namespace {

template <class Arch>
constexpr bool on_all() {
  return check_module<typename Arch::template On<Cpu<float>>, Cpu<float>>() && check_module<typename Arch::template On<Cpu<double>>, Cpu<double>>() &&
         check_module<typename Arch::template On<Reference<double>>, Reference<double>>();
}
template <class Arch, class Env = Cpu<float>>
constexpr bool a_module = Module<typename Arch::template On<Env>, Env>;
template <class... Methods>
using Layer = TransformerLayer<MiniLM, Methods...>;

static_assert(on_all<Linear<8, 4>>() && on_all<Linear<8, 4, Leaf::frozen>>() && on_all<Linear<8, 4, Leaf::trained, Leaf::absent>>());
static_assert(on_all<LayerNorm<MiniLM>>() && on_all<LayerNorm<MiniLM, true>>() && on_all<LayerNorm<MiniLM, false, true>>());
static_assert(on_all<Activation<Gelu>>() && on_all<Scaled<Linear<8, 4>, 3, 2>>() && on_all<Dropped<Linear<8, 4>>>());
static_assert(on_all<Chain<Linear<8, 4>, Activation<Relu>, Linear<4, 8>>>() && on_all<Residual<Linear<8, 8>>>());
static_assert(on_all<Beside<Linear<8, 4>, Linear<8, 4>>>() && on_all<Under<"dense", Linear<8, 4>>>());
static_assert(on_all<SelfAttention<2, Linear<8, 8>, Linear<8, 8>, Linear<8, 8>>>());
static_assert(on_all<Layer<>>() && on_all<Layer<FullTuning>>());
static_assert(on_all<Layer<LoRA<4>, Adapter<4>, Prefix<4>, BitFit, LayerNormTuning, Pathway<Aside<4>>>>());
static_assert(on_all<Layer<Ia3<>, Prefix<4, Mlp<8>>, Compacter<8>, Pfeiffer<4>, Pathway<Aside<4>>>>() && on_all<Layer<UniPELT<>>>());
static_assert(on_all<Repeat<3, Layer<LoRA<4>>>>() && on_all<Segments<Repeat<3, Layer<>>, Repeat<3, Layer<LoRA<4>>>>>());
static_assert(on_all<Checkpoint<Layer<LoRA<4>>>>());

// Negative facts.
static_assert(!Described<int> && !Described<Layer<LoRA<4>>>);                              // a description is not a module: its On is
static_assert(!a_module<BertEmbeddings<MiniLM, false>>);                                   // takes ids, not rows
static_assert(!a_module<Bert<MiniLM, Repeat<6, Layer<>>>>);
static_assert(!a_module<Freeze<Layer<LoRA<4>>>>);                                          // has no backward at all
static_assert(!Runs<NoPrefix::On<Cpu<float>>, Cpu<float>, Infer>);                         // rows of keys and values, nothing that runs

// What trains follows from the parts.
static_assert(!Layer<>::trains && Layer<LoRA<4>>::trains && Layer<BitFit>::trains && Layer<Prefix<4>>::trains);
static_assert(!Repeat<3, Layer<>>::trains && Segments<Repeat<3, Layer<>>, Repeat<3, Layer<LoRA<4>>>>::trains);
static_assert(!Segments<Repeat<3, Layer<>>, Repeat<3, Layer<>>>::trains && !Checkpoint<Layer<>>::trains && !Freeze<Layer<LoRA<4>>>::trains);
static_assert(!Linear<8, 4, Leaf::frozen>::trains && Linear<8, 4, Leaf::frozen, Leaf::trained>::trains);
static_assert(!Linear<8, 4, Leaf::frozen, Leaf::absent>::trains && !LayerNorm<MiniLM>::trains && LayerNorm<MiniLM, false, true>::trains);
static_assert(!Bert<MiniLM, Repeat<6, Layer<>>>::trains && Bert<MiniLM, Repeat<6, Layer<>>, BitFit>::trains);
static_assert(Bert<MiniLM, Repeat<6, Layer<>>, Pathway<Aside<4>>>::trains);

}  // namespace
