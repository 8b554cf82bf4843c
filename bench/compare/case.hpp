// What is timed, behind one small interface, so that each (shape, environment) is a translation unit of its own.
#pragma once

#include <towpath/towpath.hpp>

#include <memory>
#include <string>
#include <vector>

namespace compare {

using namespace towpath;

// One training step or one encoding of a batch.
struct Case {
  virtual ~Case() = default;
  virtual double run() = 0;                    // the loss before the step's update; 0 where nothing trains
  virtual std::vector<float> embeddings() = 0;  // [queries + passages, hidden]
};

struct Order {
  std::string method, folder;  // folder: model.safetensors, and init_<method>.safetensors where the method adds parameters
  Index threads;
  double rate;  // of AdamW
  bool scarce = false;  // memory: Settings::repack = 0
  Batch batch;
};

// One for each translation unit.
std::unique_ptr<Case> minilm(const Order&);
std::unique_ptr<Case> bert_base(const Order&);
std::unique_ptr<Case> minilm_bf16(const Order&);
std::unique_ptr<Case> bert_base_bf16(const Order&);

// cpu.cpp has these for bench_compare, gpu.cu for bench_compare_gpu.
std::unique_ptr<Case> make_case(const std::string& shape, const std::string& type, const Order&);
double device_megabytes();  // in use on the GPU, by all programs; 0 without one

template <class Env, class Encoder>
class On : public Case {
public:
  using Model = typename BiEncoder<Encoder, MeanPooling, Cosine>::template On<Env>;

  explicit On(const Order& o) : env_({.threads = o.threads, .dropout = 0, .repack = o.scarce ? 0 : Settings{}.repack}), model_(env_), batch_(o.batch), all_(o.batch.queries) {
    for (Index s = 0; s < batch_.passages.count(); ++s) all_.add(batch_.passages.sequence(s));
    load(model_, Safetensors(o.folder + "/model.safetensors"));
  }
  double run() override {
    const auto e = model_.encode(env_, all_);
    return 0 * static_cast<double>(on_host(e).data()[0]);
  }
  std::vector<float> embeddings() override {
    const auto e = model_.encode(env_, all_);
    const auto here = on_host(e);
    return {here.data(), here.data() + e.size()};
  }

protected:
  Env env_;
  Model model_;
  Batch batch_;
  Ragged all_;
};

template <class Env, class Encoder>
class Step : public On<Env, Encoder> {
  using Base = On<Env, Encoder>;
  using Model = typename Base::Model;
  using Base::env_, Base::model_, Base::batch_;

public:
  explicit Step(const Order& o) : Base(o), adam_(model_, Adam{.rate = o.rate, .decay = 0.01}) {
    if (o.method != "full") load_trainable(model_, Safetensors(o.folder + "/init_" + o.method + ".safetensors"));
  }
  double run() override {
    zero(grads_);
    const auto l = loss_(model_.forward(env_, batch_, saved_));
    model_.backward(env_, l.gradient, batch_, saved_, grads_);
    adam_.update(env_, model_, grads_);
    return l.value;
  }

private:
  typename Model::template Saved<Learn<false>> saved_;
  typename Model::Grads grads_;
  AdamW<Model> adam_;
  InfoNce loss_{.temperature = 0.05};
};

template <class Shape, class... Methods>
using Encoder = Bert<Shape, Repeat<Shape::layers, TransformerLayer<Shape, Methods...>>>;
template <class Shape>
using Full = Bert<Shape, Repeat<Shape::layers, TransformerLayer<Shape, FullTuning>>, FullTuning>;

// (not make_unique: at its conversion to a Case nvcc 13 runs out of any memory)
template <class C>
std::unique_ptr<Case> one(const Order& o) {
  return std::unique_ptr<Case>(new C(o));
}
// The widths are those of inputs.py.
template <class Env, class Shape, bool full>
std::unique_ptr<Case> make(const Order& o) {
  if (o.method == "encode") return one<On<Env, Encoder<Shape>>>(o);
  if (o.method == "lora") return one<Step<Env, Encoder<Shape, LoRA<8>>>>(o);
  if (o.method == "adapter") return one<Step<Env, Encoder<Shape, Adapter<12>>>>(o);
  if (o.method == "iaa-l") return one<Step<Env, Encoder<Shape, Adapter<12>, Pathway<Aside<12>>>>>(o);
  if constexpr (full)
    if (o.method == "full") return one<Step<Env, Full<Shape>>>(o);
  fail("there is no method " + o.method + " here", "it was not compiled in", "Use encode, lora, adapter, iaa-l or (in f32) full");
}

}  // namespace compare
