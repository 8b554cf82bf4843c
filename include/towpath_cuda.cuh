// The umbrella for a .cu file: towpath's models, methods, losses and optimisers, and the GPU (Cuda<float>, Cuda<bf16>). Needs nvcc; link towpath::cuda.
#pragma once

#include "towpath/fwd.hpp"

#include "towpath/backend/cuda/cuda.cuh"
#include "towpath/io/checkpoint.hpp"
#include "towpath/io/config.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/loss/info_nce.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"
