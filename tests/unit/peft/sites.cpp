#include "towpath/peft/sites.hpp"

#include <doctest/doctest.h>
#include <set>
#include <string>

using namespace towpath;

static_assert(Site<at::Query> && Site<at::Outside> && Site<at::Weights>);
static_assert(!Site<int> && !Site<Sites<at::Query>>);
static_assert(Sites<at::Query, at::Value>::size == 2 && list::contains<at::Value, Sites<at::Query, at::Value>::list>);

namespace {
template <class... S>
std::set<std::string> names(List<S...>) {
  return {std::string(S::name)...};
}
using Deltas = List<at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>;
template <class... S>
constexpr bool all(at::Rule rule, List<S...>) {
  return ((S::rule == rule) && ...);
}
}  // namespace

TEST_CASE("a site's name is what the user writes") {
  CHECK(at::Query::name == "at::Query");
  CHECK(at::PostFfnNorm::name == "at::PostFfnNorm");
  CHECK(names(Deltas{}).size() == 6);
}

TEST_CASE("a site says where below the layer its parameters are found, in BERT's words") {
  CHECK(at::Query::path_name.view() == "attention.self.query");
  CHECK(at::Key::path_name.view() == "attention.self.key");
  CHECK(at::Value::path_name.view() == "attention.self.value");
  CHECK(at::AttentionOutput::path_name.view() == "attention.output.dense");
  CHECK(at::FfnIn::path_name.view() == "intermediate.dense");
  CHECK(at::FfnOut::path_name.view() == "output.dense");
  CHECK(at::KeysValues::path_name.view() == "attention.self");
  CHECK(at::Keys::path_name.view() == at::Key::path_name.view());
  CHECK(at::Values::path_name.view() == at::Value::path_name.view());
  CHECK(at::Context::path_name.view() == at::AttentionOutput::path_name.view());
  CHECK(at::FfnArgument::path_name.view() == at::FfnIn::path_name.view());
  CHECK(at::OutsideLayer::path_name.view().empty());
}

TEST_CASE("the rule of combination belongs to the site") {
  CHECK(all(at::Rule::delta, Deltas{}));
  CHECK(all(at::Rule::sequence, List<at::Keys, at::Values, at::Context, at::FfnArgument, at::FfnHidden, at::PostAttention, at::PostFfn, at::PostAttentionNorm, at::PostFfnNorm>{}));
  CHECK(all(at::Rule::branch, List<at::BesideAttention, at::BesideFfn, at::AroundAttentionNorm, at::AroundFfnNorm, at::OutsideAttention, at::OutsideFfn, at::OutsideLayer, at::OutsideModel,
                                   at::Outside>{}));
  CHECK(all(at::Rule::leaves, List<at::Biases, at::Norms, at::Weights>{}));
  CHECK(all(at::Rule::owner, List<at::KeysValues, at::InputTokens, at::Positions>{}));
}
