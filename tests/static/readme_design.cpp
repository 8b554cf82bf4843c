// examples/01_retriever.cpp: tune a six-layer bi-encoder with adapters inside and a pathway outside, on the CPU.
#include <towpath/towpath.hpp>
#include <cstdio>
using namespace towpath;

// 1. The architecture is a type. What a checkpoint fixes (widths, heads, depth) and what you choose
//    (ranks, bottlenecks, where they attach) are template arguments; batch and length never are.
using Layer = TransformerLayer<MiniLM,                                     // hidden 384, 12 heads, ffn 1536: frozen
                               Adapter<16, at::PostAttention, at::PostFfn>, // inside: one after each sub-layer
                               Pathway<Aside<16>>>;                        // outside: x -> x + B(x) joins layer to layer
using Retriever = BiEncoder<Bert<MiniLM, Repeat<6, Layer>>, MeanPooling, Cosine>;

// 2. Facts about a type are constants, so a budget is an assertion.
static_assert(parameters<Retriever>().trainable * 20 < parameters<Retriever>().total);   // under five per cent
static_assert(!receives_gradient<Retriever, struct Embeddings>);                         // backward stops above them

int main() {
  // 3. Weights are values that live on a device. Cpu<double> checks gradients, Cuda<float> trains faster.
  Cpu<float> cpu{{.threads = 4, .seed = 42}};
  Retriever::On<Cpu<float>> model{cpu};
  load(model, Safetensors{"MiniLM-L6/model.safetensors"}, names::bert);   // mapped, shared, never copied

  // 4. One step, long-hand. Saved keeps what backward needs and nothing else; Grads is empty where frozen.
  using Net = decltype(model);
  Net::Saved<Learn<false>> saved;
  Net::Grads grads;
  AdamW adam{model, Adam{.rate = 1e-3f, .decay = 0.01f}};
  const InfoNce loss{.temperature = 0.05f};

  Triples triples{"train.tsv", WordPiece{"vocab.txt"}, {.batch = 32, .passage_length = 128}};
  for (const Batch& batch : triples) {
    zero(grads);
    const Scores scores = model.forward(cpu, batch, saved);
    const Loss l = loss(scores);                                          // a loss returns its own gradient
    model.backward(cpu, l.gradient, batch, saved, grads);
    adam.update(model, grads);
    std::printf("%.4f\n", l.value);
  }

  // 5. Only what was trained is written, under names that Python reads back.
  save_trainable(model, "pathway.safetensors");

  // 6. Search: encode the corpus once, then ask.
  FlatIndex index{MiniLM::hidden};
  for (std::string_view passage : Corpus{"collection.tsv"}) index.add(model.encode(cpu, passage));
  MeanReciprocalRank mrr{.cut = 10};
  for (const auto& query : Queries{"dev.tsv"})
    mrr.add(index.search(model.encode(cpu, query.text), 10), query.relevant);
  std::printf("MRR@10 %.4f\n", mrr.value());

  // 7. Every parameter has a name, a shape and a type-level answer to "does it train?".
  visit(model, [](const Parameter& p) {
    if (p.trains) std::printf("%.*s %td x %td\n", int(p.name.size()), p.name.data(), p.shape[0], p.shape[1]);
  });
  return mrr.value() > 0.2 ? 0 : 1;
}

// 8. The same parts, other shapes.
template <class... Methods> using Mini = Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM, Methods...>>>;
using Mam      = Mini<Prefix<16>, Adapter<16, at::BesideFfn>>;                 // prefix keys and values + parallel FFN
using Reranker = CrossEncoder<Mini<LoRA<8, at::Query, at::Value>, BitFit>, ClsPooling>;
using Splade   = SparseEncoder<Mini<Adapter<48, at::PostFfn>>, MaxLogRelu>;
using ColBert  = LateInteraction<Mini<Ladder<Aside<32>>>, 128>;                // no backward through the backbone at all
using TopTwo   = Bert<MiniLM, Segments<Repeat<4, TransformerLayer<MiniLM>>,    // frozen: forward only, nothing saved
                                       Repeat<2, TransformerLayer<MiniLM, FullTuning>>>>;

// 9. A new method is a struct that names its sites and, for each, a module: forward beside backward.
struct Rescale {                                                               // one learned gain per FFN hidden unit
  using sites = Sites<at::FfnHidden>;
  template <class Env, class Site, Index Width> struct Module {
    static constexpr bool trains = true;
    Tensor<Env> gain{Width};
    struct Grads { Tensor<Env> gain{Width}; };
    template <class Pass> struct Saved {};                                     // nothing: x is handed back to backward
    template <class Pass> static constexpr bool uses_input = Pass::learns;     // ... because we say here that we need it

    template <class Pass> Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      return op::scale_columns(env, x, gain);                                  // y[t,j] = x[t,j] gain[j]
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g) const {
      op::column_dots_add(env, dy, x, g.gain);                                 // dgain[j] += sum_t dy[t,j] x[t,j]
      if constexpr (Pass::wants_input) return op::scale_columns(env, dy, gain);// dx[t,j]   = dy[t,j] gain[j]
      else return {};                                                          // nobody below trains: not even compiled
    }
    template <class F, class Path, class... M> static void visit(F&& f, const Path& at, M&... m) {
      f(at / "gain", Trainable{}, m.gain...);                                  // one walk: init, load, step, check, count
    }
  };
};
using Rescaled = Mini<Rescale>;

// 10. A gradient check is one line, in double precision, on the very type that will be trained.
bool trustworthy() { return check_gradients<Mini<Prefix<4>, LoRA<2, at::Value>, Adapter<8, at::BesideFfn>>>(7).worst < 1e-6; }

// 11. When the shape is known only at run time, choose among the few that were compiled.
void describe(std::string_view name) {
  with_shape(name, [](auto shape) {
    using Any = Bert<decltype(shape), Repeat<6, TransformerLayer<decltype(shape), BitFit>>>;
    std::printf("%td of %td train\n", std::ptrdiff_t(parameters<Any>().trainable), std::ptrdiff_t(parameters<Any>().total));
  });
}

// 12. And these do not compile; each message says what to change.
//   TransformerLayer<MiniLM, Prefix<16>, Prefix<8>>
//     -> "two methods claim at::KeysValues: keep one prefix, or put them in different Segments"
//   TransformerLayer<MiniLM, LoRA<8, at::KeysValues>>
//     -> "LoRA adds to a projection: at::KeysValues is not one; see at::Query ... at::FfnOut"
//   AdamW over BiEncoder<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, MeanPooling, Cosine>
//     -> "nothing in this model trains: name a method, or call encode() instead"
