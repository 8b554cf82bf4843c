// What does not train has no memory in the backward direction: which Saved and which Grads are empty, who keeps what.
// (Emptiness is std::is_empty_v; sizeof says nothing, since two empty members of one type need two addresses.)
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/nn/rehearse.hpp"
#include "towpath/peft/compacter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"
#include "towpath/peft/prompt.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace towpath;

namespace {

template <class Arch>
using On = typename Arch::template On<Cpu<float>>;
template <class Arch, class Pass>
using Saved = typename On<Arch>::template Saved<Pass>;
template <class Arch>
using Grads = typename On<Arch>::Grads;
template <class Arch, class Pass>
constexpr bool keeps_nothing = std::is_empty_v<Saved<Arch, Pass>>;
template <class Arch>
constexpr bool no_gradients = std::is_empty_v<Grads<Arch>>;
template <class Arch, class Pass>
constexpr bool reads_its_input = On<Arch>::template uses_input<Pass>;
template <class Arch, class Pass>
constexpr bool has_backward = active<On<Arch>, Pass>;

template <class... Methods>
using Layer = TransformerLayer<MiniLM, Methods...>;
using Low = Learn<false>;
using High = Learn<true>;

// Passes.
static_assert(!active<On<Layer<>>, Low> && active<On<Layer<>>, High> && active<On<Layer<LoRA<4>>>, Low> && !active<On<Layer<LoRA<4>>>, Infer>);
static_assert(std::is_same_v<PassFor<On<Layer<>>, Low>, Rehearse> && std::is_same_v<PassFor<On<Layer<>>, High>, High>);
static_assert(std::is_same_v<PassFor<On<Layer<>>, Infer>, Infer> && std::is_same_v<PassFor<On<Layer<BitFit>>, Low>, Low>);
static_assert(std::is_same_v<Above<Low, true>, High> && std::is_same_v<Above<Low, false>, Low> && std::is_same_v<Above<High, false>, High>);
static_assert(std::is_same_v<Above<Infer, true>, Infer> && std::is_same_v<Above<Rehearse, true>, Rehearse>);
static_assert(std::is_same_v<InputGradient<Cpu<float>, High>, Tensor<Cpu<float>>> && is_nothing<InputGradient<Cpu<float>, Low>>);

// Without learning nothing is kept, whatever stands in the layer.
using Crowd = Layer<LoRA<4>, Adapter<4>, Prefix<4>, BitFit, LayerNormTuning, Pathway<Aside<4>>>;
static_assert(keeps_nothing<Layer<>, Infer> && keeps_nothing<Crowd, Infer> && keeps_nothing<Crowd, Rehearse> && keeps_nothing<Layer<FullTuning>, Infer>);
static_assert(keeps_nothing<Bert<MiniLM, Repeat<6, Crowd>, Pathway<Aside<4>>, BitFit>, Infer>);
static_assert(keeps_nothing<Bert<MiniLM, Repeat<6, Crowd>, Pathway<Aside<4>>, BitFit>, Rehearse>);
static_assert(!keeps_nothing<Crowd, Low> && !no_gradients<Crowd>);
using Others = Layer<UniPELT<>, Ia3<>, Compacter<8>>;
static_assert(keeps_nothing<Others, Infer> && keeps_nothing<Layer<Prefix<4, Mlp<8>>>, Infer> && keeps_nothing<Bert<MiniLM, Repeat<6, Layer<>>, Prompt<4>>, Infer>);

// A frozen layer has no gradients, and is remembered only if somebody below trains.
static_assert(no_gradients<Layer<>> && no_gradients<Repeat<6, Layer<>>> && no_gradients<Bert<MiniLM, Repeat<6, Layer<>>>>);
static_assert(no_gradients<Segments<Repeat<3, Layer<>>, Repeat<3, Layer<>>>>);
static_assert(keeps_nothing<Layer<>, PassFor<On<Layer<>>, Low>> && !keeps_nothing<Layer<>, High>);
static_assert(!reads_its_input<Layer<>, High>);  // q, k, v are kept, x is not: no weight beside it trains

// Frozen layers below the lowest that trains: no Saved, no Grads, no backward.
using TopTwo = Segments<Repeat<4, Layer<>>, Repeat<2, Layer<FullTuning>>>;
static_assert(std::is_empty_v<decltype(Saved<TopTwo, Low>::first)> && !std::is_empty_v<decltype(Saved<TopTwo, Low>::second)>);
static_assert(std::is_empty_v<decltype(Grads<TopTwo>::first)> && !std::is_empty_v<decltype(Grads<TopTwo>::second)>);
static_assert(!has_backward<Repeat<4, Layer<>>, Low> && std::is_same_v<On<TopTwo>::Below<Low>, Rehearse> && std::is_same_v<On<TopTwo>::Over<Low>, Low>);
static_assert(On<TopTwo>::keeps<Low>);  // the input of the fifth layer, which its weights read
// ... and above it: remembered, without gradients of their own.
using BottomTwo = Segments<Repeat<2, Layer<LoRA<4>>>, Repeat<4, Layer<>>>;
static_assert(!std::is_empty_v<decltype(Saved<BottomTwo, Low>::second)> && std::is_empty_v<decltype(Grads<BottomTwo>::second)>);
static_assert(std::is_same_v<On<BottomTwo>::Over<Low>, High>);

// Repeat: the lowest layer under the stack's pass, the others know whether their like trains.
static_assert(std::is_same_v<On<Repeat<6, Layer<LoRA<4>>>>::Lowest<Low>, Low> && std::is_same_v<On<Repeat<6, Layer<LoRA<4>>>>::Later<Low>, High>);
static_assert(std::is_same_v<On<Repeat<6, Layer<>>>::Lowest<Low>, Rehearse> && std::is_same_v<On<Repeat<6, Layer<>>>::Later<Low>, Rehearse>);

// Within a layer: what lies below the lowest site keeps nothing (first: attention, second: feed-forward).
static_assert(std::is_empty_v<decltype(Saved<Layer<LoRA<4, at::FfnIn>>, Low>::first)>);
static_assert(std::is_empty_v<decltype(Saved<Layer<LoRA<4, at::FfnOut>>, Low>::first)>);
static_assert(std::is_empty_v<decltype(Saved<Layer<Adapter<4, at::PostFfn>>, Low>::first)>);
static_assert(std::is_empty_v<decltype(Saved<Layer<Adapter<4, at::BesideFfn>>, Low>::first)>);
static_assert(!std::is_empty_v<decltype(Saved<Layer<LoRA<4, at::FfnOut>>, High>::first)>);
static_assert(!std::is_empty_v<decltype(Saved<Layer<LoRA<4, at::Query>>, Low>::first)>);

// Who reads x: projections' deltas and weights, adapters and pathways beside; not biases, not prefixes, not what stands after.
static_assert(reads_its_input<Layer<LoRA<4, at::Query>>, Low> && reads_its_input<Layer<LoRA<4, at::Key>>, Low> && reads_its_input<Layer<FullTuning>, Low>);
static_assert(reads_its_input<Layer<Adapter<4, at::BesideAttention>>, Low> && reads_its_input<Layer<Pathway<Aside<4>>>, Low>);
static_assert(reads_its_input<Layer<Pathway<Aside<4>, at::OutsideAttention>>, Low> && !reads_its_input<Layer<Pathway<Aside<4>, at::OutsideFfn>>, Low>);
static_assert(!reads_its_input<Layer<BitFit>, Low> && !reads_its_input<Layer<BitFit>, High>);
static_assert(!reads_its_input<Layer<Prefix<4>>, Low> && !reads_its_input<Layer<Prefix<4>>, High>);
static_assert(!reads_its_input<Layer<Adapter<4>>, High> && !reads_its_input<Layer<LoRA<4, at::AttentionOutput>>, Low>);
static_assert(!reads_its_input<Layer<LayerNormTuning>, High> && !reads_its_input<Layer<Ia3<>>, High> && !reads_its_input<Layer<Pfeiffer<4>>, High>);
// Inputs between layers: the norm below gives them again, unless something is added to what it gives.
static_assert(!On<Repeat<6, Layer<BitFit>>>::keeps<Low> && !On<Repeat<6, Layer<BitFit>>>::recalls<Low>);
static_assert(!On<Repeat<6, Layer<LoRA<4>>>>::keeps<Low> && On<Repeat<6, Layer<LoRA<4>>>>::recalls<Low>);
static_assert(On<Repeat<6, Layer<Pathway<Aside<4>>>>>::keeps<Low> && !On<Repeat<6, Layer<Pathway<Aside<4>>>>>::recalls<Low>);
static_assert(On<Layer<LoRA<4, at::FfnIn>>>::recalls<High> && On<Layer<LoRA<4, at::FfnIn>>>::keeps<Low>);  // … and within one: below the lowest site nothing is kept
static_assert(!repeats<On<Checkpoint<Layer<LoRA<4>>>>, High> && !repeats<On<Dropped<LayerNorm<MiniLM>>>, High>);  // who does more gives something else
static_assert(keeps_nothing<Linear<8, 4>, High> && !reads_its_input<Linear<8, 4, Leaf::frozen, Leaf::trained>, High>);
static_assert(!keeps_nothing<LayerNorm<MiniLM>, High> && keeps_nothing<LayerNorm<MiniLM, false, true>, Low>);

// Prefix alone keeps what attention needs, and no more below it than the probabilities, q, k and v.
static_assert(Layer<Prefix<4>>::trains && !keeps_nothing<Layer<Prefix<4>>, Low> && !no_gradients<Layer<Prefix<4>>>);

// Gradients: a tensor where the leaf trains, nothing where it does not.
static_assert(is_nothing<decltype(Grads<Linear<8, 4, Leaf::frozen, Leaf::trained>>::weight)>);
static_assert(std::is_same_v<decltype(Grads<Linear<8, 4, Leaf::frozen, Leaf::trained>>::bias), Tensor<Cpu<float>>>);
static_assert(is_nothing<decltype(On<Linear<8, 4, Leaf::frozen, Leaf::absent>>::bias)>);
static_assert(std::is_same_v<decltype(On<Linear<8, 4, Leaf::frozen>>::weight), SharedTensor<Cpu<float>>>);  // an optimiser cannot reach it
static_assert(std::is_same_v<decltype(On<Linear<8, 4>>::weight), Tensor<Cpu<float>>>);
static_assert(std::is_empty_v<decltype(Grads<Bert<MiniLM, Repeat<6, Layer<LoRA<4>>>>>::embeddings)>);
static_assert(!std::is_empty_v<decltype(Grads<Bert<MiniLM, Repeat<6, Layer<>>, BitFit>>::embeddings)>);

// IAA-L: the lowest layer alone has no backward, its branch has; the layers above have both.
using L = Layer<Pathway<Aside<4>>>;
static_assert(std::is_empty_v<decltype(Saved<L, Low>::main)> && !std::is_empty_v<decltype(Saved<L, Low>::branch)>);
static_assert(!std::is_empty_v<decltype(Saved<L, High>::main)> && std::is_empty_v<decltype(Grads<L>::main)>);

// IAA-M alone: no layer has a backward pass; what is kept is the branch's own and the embedding output that it reads.
using M = Bert<MiniLM, Repeat<6, Layer<>>, Pathway<Aside<4>>>;
static_assert(M::trains && !active<On<Repeat<6, Layer<>>>, On<M>::Over<Low>> && std::is_same_v<On<M>::Over<Low>, Low>);
static_assert(std::is_empty_v<decltype(Saved<M, Low>::encoder.main)> && !std::is_empty_v<decltype(Saved<M, Low>::encoder.branch)>);
static_assert(std::is_empty_v<decltype(Saved<M, Low>::embeddings)> && On<M>::keeps<Low> && std::is_empty_v<decltype(Grads<M>::encoder.main)>);
// With adapters inside, from the lowest adapter up.
using MA = Bert<MiniLM, Repeat<6, Layer<Adapter<4>>>, Pathway<Aside<4>>>;
static_assert(active<On<Repeat<6, Layer<Adapter<4>>>>, Low> && !std::is_empty_v<decltype(Saved<MA, Low>::encoder.main)>);

// Does backward reach the embeddings? Only if they train.
static_assert(!receives_gradient<Bert<MiniLM, Repeat<6, Layer<LoRA<4>>>>, Embeddings> && !receives_gradient<M, Embeddings>);
static_assert(receives_gradient<Bert<MiniLM, Repeat<6, Layer<>>, BitFit>, Embeddings>);
static_assert(receives_gradient<Bert<MiniLM, Repeat<6, Layer<>>, FullTuning>, Embeddings>);
static_assert(receives_gradient<Bert<MiniLM, Repeat<6, Layer<>>, LayerNormTuning>, Embeddings>);
static_assert(!receives_gradient<Bert<MiniLM, Repeat<6, Layer<FullTuning>>>, Embeddings>);
static_assert(receives_gradient<Bert<MiniLM, Repeat<6, Layer<>>, Prompt<4>>, Embeddings>);  // a prompt stands below every layer
static_assert(!receives_gradient<Freeze<Bert<MiniLM, Repeat<6, Layer<>>, BitFit>>, Embeddings>);

// First tokens alone are enough for every layer but one with a gate.
static_assert(!needs_all<On<Layer<Prefix<4>, Ia3<>>>> && needs_all<On<Repeat<6, Layer<Gated<LoRA<4>>>>>> && needs_all<On<Layer<Gated<Prefix<4>>>>>);
static_assert(needs_all<On<Segments<Repeat<3, Layer<>>, Repeat<3, Layer<Gated<Pfeiffer<4>>>>>>>);

// Recomputation keeps the place in the random stream and nothing else (its input is its owner's); frozen, not even that.
static_assert(sizeof(Saved<Checkpoint<Layer<FullTuning>>, High>) == sizeof(std::uint64_t) && reads_its_input<Checkpoint<Layer<BitFit>>, Low>);
static_assert(keeps_nothing<Checkpoint<Layer<>>, Low> && !reads_its_input<Checkpoint<Layer<>>, Low>);
static_assert(no_gradients<Freeze<Crowd>> && keeps_nothing<Freeze<Crowd>, Low> && !reads_its_input<Freeze<Crowd>, High>);

}  // namespace
