#include "case.hpp"

namespace compare {

std::unique_ptr<Case> make_case(const std::string& shape, const std::string& type, const Order& o) {
  if (shape == "minilm") return type == "f32" ? minilm(o) : minilm_bf16(o);
  return type == "f32" ? bert_base(o) : bert_base_bf16(o);
}
double device_megabytes() { return 0; }

}  // namespace compare
