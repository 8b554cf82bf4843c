// The backbone's encoding, its poolings and scores beside PyTorch's. Numbers: tuning.py.
#include "tuning.hpp"

using namespace parity;

namespace {

template <class Pooling, class Env>
void pools(const Safetensors& file, const Tensor<Env>& states, const Ragged& tokens, const char* name) {
  const Tensor<Env> y = Pooling::template forward<Env>(*std::make_unique<Env>(Settings{.threads = 1}), states, tokens);
  CHECK(largest_difference(y.data(), numbers(file, std::string("expected.") + name)) <= tolerance<typename Env::Scalar>.encoding);
}

template <class Env>
void backbone() {
  using Encoder = Bert<Shape, Stack<>>;
  const Safetensors file{fixture("tuning_backbone")};
  Env env{{.threads = 1}};
  typename Encoder::template On<Env> model;
  for (auto& leaf : leaves(model)) leaf.shared->refer(tensor<Env>(file, leaf.name));
  const Batch b = batch(file, 0);
  const Tensor<Env> states = encoding(env, model, b.passages);
  const double off = largest_difference(states.data(), numbers(file, "expected.encoding"));
  CHECK(off <= tolerance<typename Env::Scalar>.encoding);
  if (std::getenv("TOWPATH_SHOW_WORST")) std::printf("encoding off by %.1e\n", off);
  pools<ClsPooling>(file, states, b.passages, "cls");
  pools<MeanPooling>(file, states, b.passages, "mean");
  pools<MaxPooling>(file, states, b.passages, "max");

  typename Retriever<Stack<>>::template On<Env> retriever{env};
  share(model, retriever);
  typename Retriever<Stack<>>::template On<Env>::template Saved<Infer> saved;
  const Scores<Env> scores = retriever.forward(env, b, saved);
  auto expected = numbers(file, "expected.scores");
  for (double& s : expected) s *= 0.05;  // the script divides by the temperature
  CHECK(largest_difference(scores.values.data(), expected) <= tolerance<typename Env::Scalar>.encoding);
}

}  // namespace

TEST_CASE("the backbone encodes, pools and scores as PyTorch's BERT does") {
  backbone<Cpu<float>>();
  backbone<Cpu<double>>();
}
