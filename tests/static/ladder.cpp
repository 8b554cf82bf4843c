// A ladder's backbone is forward only: it keeps nothing, has no gradients, and gradients reach it by neither stream.
#include "towpath/peft/ladder.hpp"

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/model/bert.hpp"

using namespace towpath;

namespace {

template <class... Methods>
using Layer = TransformerLayer<MiniLM, Methods...>;
using Reads = Layer<Ladder<Aside<32>>>;
using Both = Layer<Ladder<Aside<32>, Inject>>;
template <class Arch>
using On = typename Arch::template On<Cpu<float>>;
template <class Arch, class Pass>
using Saved = typename On<Arch>::template Saved<Pass>;

static_assert(std::is_empty_v<decltype(Saved<Reads, Learn<true>>::main)> &&
              std::is_empty_v<decltype(Saved<Reads, Learn<false>>::main)>);
static_assert(std::is_empty_v<decltype(On<Reads>::Grads::main)> && std::is_empty_v<Saved<Reads, Infer>> &&
              std::is_empty_v<Saved<Reads, Rehearse>>);
static_assert(std::is_same_v<On<Reads>::Backbone<Learn<true>>, Rehearse> &&
              std::is_same_v<On<Reads>::Backbone<Infer>, Infer>);
static_assert(!std::is_empty_v<decltype(Saved<Reads, Learn<true>>::branch)>);
// One that injects needs the backbone's backward, from the second layer on.
static_assert(!std::is_empty_v<decltype(Saved<Both, Learn<true>>::main)> &&
              std::is_empty_v<decltype(Saved<Both, Learn<false>>::main)>);
static_assert(std::is_same_v<On<Both>::Backbone<Learn<true>>, Learn<true>>);
// What flows: of two streams, h and s up; s alone down.
static_assert(Reads::side == 32 && !Reads::injects && Both::injects);
static_assert(!Reach<false, true>::h && Reach<false, true>::s);

}  // namespace
