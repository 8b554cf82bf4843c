// How scattered modules disturb each other (Ma et al. 2022): the update that a module makes was computed while the modules below it stood where
// they were, and in the same step these moved. This measures by how much that matters.
#pragma once

#include "towpath/analysis/point.hpp"

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

// Which parameters make a module: those that get the same name.
//   by_site   each thing that a method has put somewhere: encoder.layer.3.attention.output.adapter, encoder.layer.3.attention.self.query.lora
//   by_layer  all that trains in a layer: encoder.layer.3
// or any function of a parameter's name.
inline std::string by_site(std::string_view name) {
  if (name.ends_with(".weight") || name.ends_with(".bias")) name = name.substr(0, name.rfind('.'));
  const auto dot = name.rfind('.'), joint = name.rfind('_');  // adapter_down and adapter_up, lora_A and lora_B, prefix_key and prefix_value
  if (joint != name.npos && (dot == name.npos || joint > dot)) name = name.substr(0, joint);
  return std::string(name);
}
inline std::string by_layer(std::string_view name) {
  for (std::size_t at = 0; (at = name.find('.', at)) != name.npos; ++at) {
    const auto end = std::min(name.find('.', at + 1), name.size());
    const auto inside = name.substr(at + 1, end - at - 1);
    if (!inside.empty() && inside.find_first_not_of("0123456789") == inside.npos) return std::string(name.substr(0, end));
  }
  return by_site(name);
}

// Module k, counted from the bottom: g is its gradient, g' the gradient it would have had, on the same batch, if the modules below it had
// already taken the step they are about to take.
struct Discrepancy {
  std::string module;
  double norm = 0;      // ‖g‖
  double relative = 0;  // ‖g - g'‖ / ‖g‖; infinite where g alone is zero
  double cosine = 1;    // of the angle between g and g'; 0 where one of the two is zero, 1 where both are
};

// All modules of a model, in the order in which visit() first names them, which is from the bottom up; the first has none below it, so its
// discrepancy is 0. Beside the model:
//   gradients(model, grads) -> loss   adds the gradients of a fixed batch to grads, which arrive zeroed; the same model must give the same gradients, so
//                                     with dropout it sets env.position() to the same place each time
//   step(model, grads)                the optimiser's step of the whole model; it is called once, with the gradients of the model as it stands
//   module_of(name) -> string         by_site, by_layer or another
// As many backward passes as there are modules. The weights are afterwards what they were, bit by bit; what `step` keeps for itself is its own
// affair (an AdamW is kept as it was: see below).
template <class Net, class Gradients, class Step, class ModuleOf>
  requires requires(const Step& step, Net& model, const typename Net::Grads& g) { step(model, g); }
std::vector<Discrepancy> discrepancy(Net& model, const Gradients& gradients, const Step& step, const ModuleOf& module_of) {
  Point<Net> trained(model);
  const auto& parts = trained.parts();
  std::vector<Discrepancy> modules;
  std::vector<std::vector<std::size_t>> parts_of;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string name = module_of(std::string_view(parts[i].name));
    std::size_t k = 0;
    while (k < modules.size() && modules[k].module != name) ++k;
    if (k == modules.size()) {
      modules.push_back({name});
      parts_of.emplace_back();
    }
    parts_of[k].push_back(i);
  }

  const auto before = trained.weights();
  typename Net::Grads grads;
  const auto computed = [&] {
    zero(grads);
    gradients(model, grads);
    return trained.gradient(grads);
  };
  const auto g = computed();
  step(model, grads);
  const auto after = trained.weights();
  trained.set(before);
  for (std::size_t k = 0; k < modules.size(); ++k) {
    const auto moved = k == 0 ? g : computed();
    double gg = 0, mm = 0, gm = 0, dd = 0;
    for (std::size_t part : parts_of[k])
      for (auto i = parts[part].begin; i < parts[part].begin + parts[part].size(); ++i) {
        const auto a = static_cast<double>(g[static_cast<std::size_t>(i)]), b = static_cast<double>(moved[static_cast<std::size_t>(i)]);
        gg += a * a;
        mm += b * b;
        gm += a * b;
        dd += (a - b) * (a - b);
      }
    auto& m = modules[k];
    m.norm = std::sqrt(gg);
    m.relative = dd == 0 ? 0 : std::sqrt(dd) / m.norm;
    m.cosine = dd == 0 ? 1 : gg == 0 || mm == 0 ? 0 : std::clamp(gm / (std::sqrt(gg) * std::sqrt(mm)), -1.0, 1.0);
    if (k + 1 < modules.size())
      for (std::size_t part : parts_of[k]) trained.set(part, after);
  }
  trained.set(before);
  return modules;
}
template <class Net, class Gradients, class Step>
  requires requires(const Step& step, Net& model, const typename Net::Grads& g) { step(model, g); }
std::vector<Discrepancy> discrepancy(Net& model, const Gradients& gradients, const Step& step) {
  return discrepancy(model, gradients, step, by_site);
}

// The same in the middle of training with AdamW, whose next step it looks at: schedule multiplies the rates, gradients are clipped to a norm of
// `clip` (0: not). Moments and the count of steps are afterwards what they were, so training goes on as if nobody had looked.
//   const auto found = discrepancy(model, [&](auto& m, auto& g) { … return loss; }, adam);
template <class Net, class Gradients, class ModuleOf = decltype(&by_site)>
std::vector<Discrepancy> discrepancy(Net& model, const Gradients& gradients, AdamW<Net>& adam, double schedule = 1, double clip = 0,
                                     const ModuleOf& module_of = by_site) {
  using Env = typename Net::Environment;
  std::vector<Tensor<Env>*> moments = tensors<Net>(adam.first_moments());
  for (auto* t : tensors<Net>(adam.second_moments())) moments.push_back(t);
  std::vector<Tensor<Env>> kept;
  for (const auto* t : moments) kept.push_back(t->copy());
  const std::uint64_t steps = adam.steps();
  auto modules = discrepancy(
      model, gradients,
      [&](Net& m, const typename Net::Grads& g) {
        adam.update(m.environment(), m, g, schedule, clip_factor(gradient_norm<Net>(m.environment(), g), clip));
      },
      module_of);
  for (std::size_t i = 0; i < moments.size(); ++i)
    Env::Space::copy(moments[i]->data(), kept[i].data(), static_cast<std::size_t>(kept[i].size()) * sizeof(typename Env::Scalar));
  adam.steps(steps);
  return modules;
}

}  // namespace towpath
