#include "case.hpp"

namespace compare {
std::unique_ptr<Case> minilm(const Order& o) { return make<Cpu<float>, MiniLM, true>(o); }
}  // namespace compare
