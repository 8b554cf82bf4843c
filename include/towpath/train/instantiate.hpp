#pragma once

#include "towpath/autodiff/pass.hpp"
#include "towpath/autodiff/visit.hpp"
#include "towpath/ir/bi_encoder.hpp"

#include <vector>

// A model's code is generated wherever it is used. To generate it once, in a file that is seldom touched, declare it where its type is
// named and define it in one .cpp:
//   // model.hpp                                             // model.cpp
//   using Retriever = towpath::BiEncoder<…>;                 #include "model.hpp"
//   TOWPATH_EXTERN(Retriever, towpath::Cpu<float>);          TOWPATH_INSTANTIATE(Retriever, towpath::Cpu<float>);
// Every other file that includes model.hpp then calls forward, backward, encode, load, AdamW's step and what else walks over the parameters
// without compiling the layers. Both belong at the outermost level, not into a namespace, and Model must be the model's own type or an
// alias of it, without a comma. It covers the passes Learn<false> (a training step) and Infer (encode); with another pass, or an environment
// that was not named, code is generated on the spot as ever. A model that is declared and not defined fails to link.
#define TOWPATH_EXTERN(Model, Env) TOWPATH_DETAIL_INSTANTIATE(extern, Model, Env, __COUNTER__)
#define TOWPATH_INSTANTIATE(Model, Env) TOWPATH_DETAIL_INSTANTIATE(, Model, Env, __COUNTER__)

// An alias comes first, since the user's names would be looked for in towpath, where others may have the same, among the parameters of its
// functions.
#define TOWPATH_DETAIL_INSTANTIATE(storage, Model, Env, n) TOWPATH_DETAIL_INSTANTIATE_AS(storage, Model, Env, TOWPATH_DETAIL_NAME(n))
#define TOWPATH_DETAIL_NAME(n) TowpathInstantiated##n
#define TOWPATH_DETAIL_INSTANTIATE_AS(storage, Model, Env, Net)                                                                           \
  using Net = Model::On<Env>;                                                                                                             \
  storage template void towpath::each_leaf<Net, Net::Environment>(const Net&, towpath::detail::LeafCall<Net::Environment>);                \
  storage template void towpath::each_tensor<Net, Net::Environment>(const Net::Grads&, towpath::detail::TensorCall<Net::Environment>);    \
  storage template std::vector<towpath::LeafRef<Net::Environment>> towpath::leaves<Net, Net::Environment>(const Net&);                    \
  storage template std::vector<towpath::Tensor<Net::Environment>*> towpath::tensors<Net, Net::Environment>(const Net::Grads&);            \
  storage template Net::Output Net::forward<towpath::Learn<false>>(Net::Environment&, const Net::Input&,                                  \
                                                                   Net::Saved<towpath::Learn<false>>&) const;                            \
  storage template void Net::backward<towpath::Learn<false>>(Net::Environment&, towpath::View<Net::Environment>, const Net::Input&,       \
                                                             Net::Saved<towpath::Learn<false>>&, Net::Grads&) const;               \
  storage template struct Model::On<Env>
