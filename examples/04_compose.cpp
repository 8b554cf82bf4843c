// examples/04_compose.cpp: a method of your own, in about thirty lines: a learned gain on every hidden unit of the feed-forward network. The
// struct names its site and says what stands there; layers, names, saving, the optimiser and the gradient check follow from that.
#include "program.hpp"

#include <towpath/towpath.hpp>

using namespace towpath;

struct Rescale {
  using sites = Sites<at::FfnHidden>;
  template <class Env, class Site, Index Width>
  struct Module {
    static constexpr bool trains = true;
    Tensor<Env> gain{Width};
    struct Grads {
      Tensor<Env> gain{Width};
    };
    template <class Pass>
    struct Saved {};                                                               // nothing: x is handed back to backward
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;                               // ... because we say here that we need it

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      return op::scale_columns(env, x, gain);                                      // y[t,j] = x[t,j] gain[j]
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g) const {
      op::column_dots_add(env, dy, x, g.gain);                                     // dgain[j] += sum_t dy[t,j] x[t,j]
      if constexpr (Pass::wants_input) return op::scale_columns(env, dy, gain);    // dx[t,j]   = dy[t,j] gain[j]
      else return {};                                                              // nobody below trains: not even compiled
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "gain", Trainable{start::ones}, ms.gain...);                          // one walk: init, load, save, step, count
    }
  };
};

// It composes with everything else: here with a pathway round each layer, over a frozen backbone.
template <class... Methods>
using Encoder = Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM, Methods...>>>;
using Rescaled = Encoder<Rescale>;
using Connected = Encoder<Rescale, Pathway<Aside<8>>>;
static_assert(parameters<Rescaled>().trainable == 6 * MiniLM::ffn);
static_assert(!receives_gradient<Connected, Embeddings>);

static int run(int argc, char** argv) {
  std::string json;
  program::Options options{"A new method: parameters, names, and a gradient check in double on the very type that would be trained"};
  options.add("--json", json, "write the figures to this file");
  options.parse(argc, argv);

  constexpr Count alone = parameters<Rescaled>(), connected = parameters<Connected>();
  std::printf("Rescale           trains %td of %td parameters (%.3f %%)\n", alone.trainable, alone.total, alone.percent());
  std::printf("Rescale, Pathway  trains %td of %td parameters (%.3f %%)\n", connected.trainable, connected.total, connected.percent());
  visit(Connected::On<Blueprint>{}, [](const Parameter& p) {
    if (p.trains && p.name.starts_with("encoder.layer.0.")) std::printf("  %.*s  %td x %td\n", int(p.name.size()), p.name.data(), p.shape[0], p.shape[1]);
  });
  const GradientCheck check = check_gradients<Connected>(7, {.lengths = {1, 2, 6}, .entries = 1});
  std::printf("gradients against central differences: worst relative error %.1e at %s, %td comparisons\n", check.worst, check.where.c_str(), check.compared);
  if (!json.empty())
    program::write_json(json, {{"trained", {alone.trainable, connected.trainable}}, {"total", alone.total}, {"worst", check.worst}, {"compared", check.compared}});
  return check.worst < 1e-6 ? 0 : 1;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
