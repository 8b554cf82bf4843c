#include "case.hpp"

namespace compare {
std::unique_ptr<Case> bert_base(const Order& o) { return make<Cpu<float>, BertBase, true>(o); }
}  // namespace compare
