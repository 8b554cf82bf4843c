#include "gpu_shape.cuh"
#include "peaks.hpp"

#include <cuda_runtime.h>

namespace compare {

// Each shape is a translation unit of its own.
extern template std::unique_ptr<Case> on_gpu<MiniLM>(const std::string&, const Order&);
extern template std::unique_ptr<Case> on_gpu<BertBase>(const std::string&, const Order&);
extern template std::unique_ptr<Case> on_gpu<BertLarge>(const std::string&, const Order&);

std::unique_ptr<Case> make_case(const std::string& shape, const std::string& type, const Order& o) {
  return shape == "minilm" ? on_gpu<MiniLM>(type, o) : shape == "bert-base" ? on_gpu<BertBase>(type, o) : on_gpu<BertLarge>(type, o);
}
double device_megabytes() {
  std::size_t free = 0, all = 0;
  return cudaMemGetInfo(&free, &all) == cudaSuccess ? static_cast<double>(all - free) / 1e6 : 0;
}
Peaks peaks(int) { return {}; }  // torch_peer.py measures a GPU's

}  // namespace compare
