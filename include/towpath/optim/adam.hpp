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
    for (auto* list : {&weights_, &g_, &m_, &v_}) list->clear();
    each_leaf(model, {&weights_, [](void* to, const Path&, bool trains, bool, Start, Tensor<Env>* owned, SharedTensor<Env>*) {
                        if (trains) static_cast<List*>(to)->push_back(owned);
                      }});
    const auto add = [](void* to, Tensor<Env>& t) { static_cast<List*>(to)->push_back(&t); };
    each_tensor<Net>(grads, {&g_, add});
    each_tensor<Net>(first_, {&m_, add});
    each_tensor<Net>(second_, {&v_, add});
    if constexpr (op::all_at_once<Env>) {
      update_all(env, schedule, gradient_scale);
    } else {
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        Adam rule = rules_[i];
        rule.rate *= schedule;
        op::adam_step<Env>(env, rule, steps_, gradient_scale, *g_[i], *m_[i], *v_[i], *weights_[i]);
      }
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
  using List = std::vector<Tensor<typename Net::Environment>*>;

  template <class Env>
  void update_all(Env& env, double schedule, double gradient_scale) {
    std::vector<Adam> rules = rules_;
    for (Adam& rule : rules) rule.rate *= schedule;
    const auto views = [](const List& list) {
      std::vector<Writable<Env>> all;
      for (auto* t : list) all.push_back(t->writable());
      return all;
    };
    const auto m = views(m_), v = views(v_), w = views(weights_);
    std::vector<View<Env>> g;
    for (const auto* t : g_) g.push_back(t->view());
    op::adam_step_of_all<Env>(env, rules, steps_, gradient_scale, g, m, v, w);
  }

  Adam rule_;
  std::vector<Adam> rules_;  // for each trained parameter
  Grads first_, second_;
  std::uint64_t steps_ = 0;
  List weights_, g_, m_, v_;  // of the step under way: who is stepped may have moved since the last, but the room for a list is kept
};

}  // namespace towpath
