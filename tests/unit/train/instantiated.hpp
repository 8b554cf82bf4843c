// A model whose code is generated in instantiate_model.cpp only. Its shape occurs nowhere else, so its name finds that code in an object.
#pragma once

#include "small.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/train/instantiate.hpp"

struct InstantiatedOnce : small::Shape {};
using Once = towpath::BiEncoder<
    towpath::Bert<InstantiatedOnce, towpath::Repeat<2, towpath::TransformerLayer<InstantiatedOnce, towpath::Adapter<4>>>>, towpath::MeanPooling, towpath::Cosine>;
TOWPATH_EXTERN(Once, towpath::Cpu<float>);

using Frozen = towpath::BiEncoder<towpath::Bert<InstantiatedOnce, towpath::Repeat<1, towpath::TransformerLayer<InstantiatedOnce>>>, towpath::ClsPooling, towpath::Dot>;
TOWPATH_EXTERN(Frozen, towpath::Cpu<float>);
