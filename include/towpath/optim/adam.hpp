#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/optim/groups.hpp"

#include <vector>

namespace towpath {

// AdamW (Loshchilov and Hutter 2019) over the parameters of a model that train: two more Grads for the moments; frozen parameters
// are not in the list. The equation is beside backend/reference's adam_step; defaults are PyTorch's.
template <class Net>
class AdamW {
  static_assert(Net::trains, "[towpath] AdamW: nothing in this model trains: name a method, or call encode() instead");

public:
  using Grads = typename Net::Grads;

  explicit AdamW(const Net& model, Adam rule = {}, const Groups& groups = usual_groups()) : rule_(rule) {
    for (const auto& leaf : trained_leaves(model)) {
      rules_.push_back(rule);
      for (const Group& group : groups)
        if (matches(group.pattern, leaf.name)) {
          rules_.back().rate *= group.rate;
          rules_.back().decay *= group.decay;
        }
    }
  }

  // One step. `schedule` multiplies every rate, `gradient_scale` every gradient (clipping, or 1 / micro-batches).
  template <class Env>
  void update(Env& env, Net& model, const Grads& grads, double schedule = 1, double gradient_scale = 1) {
    ++steps_;
    const auto weights = trained_leaves(model);
    const auto g = tensors<Net>(grads), m = tensors<Net>(first_), v = tensors<Net>(second_);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      Adam rule = rules_[i];
      rule.rate *= schedule;
      op::adam_step<Env>(env, rule, steps_, gradient_scale, *g[i], *m[i], *v[i], *weights[i].owned);
    }
  }
  // For a model that knows its environment.
  void update(Net& model, const Grads& grads) { update(model.environment(), model, grads); }

  const Adam& rule() const { return rule_; }
  std::uint64_t steps() const { return steps_; }
  void steps(std::uint64_t n) { steps_ = n; }
  Grads& first_moments() { return first_; }
  Grads& second_moments() { return second_; }
  const Grads& first_moments() const { return first_; }
  const Grads& second_moments() const { return second_; }

private:
  Adam rule_;
  std::vector<Adam> rules_;  // for each trained parameter
  Grads first_, second_;
  std::uint64_t steps_ = 0;
};

}  // namespace towpath
