#include "towpath/peft/prompt.hpp"

#include "../model/small.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <Index n, class... Methods>
using WithPrompt = Bert<Small, SmallStack<Methods...>, Prompt<n>>;
static_assert(parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase>>, Prompt<20>>>().trainable == 15'360);
static_assert(receives_gradient<WithPrompt<2>, Embeddings> && !WithPrompt<2>::On<Cpu<float>>::has_bottom);
}  // namespace

TEST_CASE("gradients of prompts") {
  CHECK_GRADIENTS(WithPrompt<1>);
  CHECK_GRADIENTS_DROPPED(WithPrompt<3, LoRA<2>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<>, Prompt<2>, FullTuning, Pathway<Aside<2>>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<>, BitFit, Prompt<2>>);
}

TEST_CASE("a prompt's name") { CHECK(names_of<WithPrompt<2>>() == Names{"embeddings.prompt_embeddings"}); }

TEST_CASE("a prompt of words says what the words would: their rows, before the others, without their own result") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  SmallBert<>::On<Env> plain;
  WithPrompt<2>::On<Env> model;
  randomise(plain, 3);
  share(plain, model);
  const std::int32_t first = 5, second = 9;
  for (Index j = 0; j < Small::hidden; ++j) {
    model.embeddings.prompt.table.data()[j] = plain.embeddings.word.view().row(first)[j];
    model.embeddings.prompt.table.data()[Small::hidden + j] = plain.embeddings.word.view().row(second)[j];
  }
  Ragged tokens, longer;
  for (const std::vector<std::int32_t>& ids : {std::vector<std::int32_t>{7, 2, 3}, {}, {4}}) {
    const std::vector<std::int32_t> types(ids.size(), 1);
    tokens.add(ids, types);
    std::vector<std::int32_t> more{first, second}, kinds{0, 0};
    more.insert(more.end(), ids.begin(), ids.end());
    kinds.insert(kinds.end(), types.begin(), types.end());
    longer.add(more, kinds);
  }
  const Tensor<Env> y = encoding(env, model, tokens), all = encoding(env, plain, longer);
  REQUIRE(y.rows() == 4);
  const Index rows[] = {2, 3, 4, 9};
  for (Index t = 0; t < 4; ++t)
    for (Index j = 0; j < Small::hidden; ++j) CHECK(y.view().row(t)[j] == doctest::Approx(all.view().row(rows[t])[j]).epsilon(1e-5));
  // Asked for the first tokens, it gives those of the words, and zeros for a text without any.
  WithPrompt<2>::On<Env>::Saved<Infer> saved;
  const Tensor<Env> firsts = model.forward<Infer, true>(env, tokens, saved);
  REQUIRE(firsts.rows() == 3);
  for (Index j = 0; j < Small::hidden; ++j) {
    CHECK(firsts.view().row(0)[j] == y.view().row(0)[j]);
    CHECK(firsts.view().row(1)[j] == 0);
    CHECK(firsts.view().row(2)[j] == y.view().row(3)[j]);
  }
}

TEST_CASE("the gradient of first tokens alone is that of all tokens, zero elsewhere") {
  using Env = Cpu<double>;
  using Net = WithPrompt<2, LoRA<2>>::On<Env>;
  Env env{{.threads = 1}};
  Net model;
  randomise(model, 3);
  const Ragged tokens = some_tokens({3, 1, 4});
  Net::Saved<Learn<false>> saved;
  Net::Grads some, all;
  model.forward<Learn<false>, true>(env, tokens, saved);
  Tensor<Env> dy(3, Small::hidden), dall(8, Small::hidden);
  const Index at[] = {0, 3, 4};
  for (Index i = 0; i < dy.size(); ++i) {
    dy.data()[i] = 0.1 * static_cast<double>(i + 1);
    dall.data()[at[i / Small::hidden] * Small::hidden + i % Small::hidden] = dy.data()[i];
  }
  model.backward<Learn<false>, true>(env, dy, tokens, saved, some);
  model.forward<Learn<false>>(env, tokens, saved);
  model.backward<Learn<false>>(env, dall, tokens, saved, all);
  const auto a = tensors<Net>(some), b = tensors<Net>(all);
  REQUIRE(a.size() == b.size());
  double norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (Index k = 0; k < a[i]->size(); ++k) {
      CHECK(a[i]->data()[k] == doctest::Approx(b[i]->data()[k]).epsilon(1e-12));
      norm += a[i]->data()[k] * a[i]->data()[k];
    }
  CHECK(norm > 0);
}

TEST_CASE("a frozen model with a prompt says what the tuned one said") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  WithPrompt<2, LoRA<2>>::On<Env> tuned;
  Freeze<WithPrompt<2, LoRA<2>>>::On<Env> frozen;
  randomise(tuned, 1);
  randomise(frozen, 1);
  const Ragged tokens = some_tokens({3, 8, 1});
  CHECK(same_bits(encoding(env, tuned, tokens), encoding(env, frozen, tokens)));
}

TEST_CASE("a prompt takes positions from the text") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  WithPrompt<3>::On<Env> model;
  randomise(model, 1);
  CHECK(encoding(env, model, some_tokens({9})).rows() == 9);
  CHECK_THROWS_WITH_AS(encoding(env, model, some_tokens({10})), doctest::Contains("10 tokens after a prompt of 3"), Error);
}
