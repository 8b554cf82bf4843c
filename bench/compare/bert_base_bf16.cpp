#include "case.hpp"

namespace compare {
#ifdef TOWPATH_HAS_BF16
std::unique_ptr<Case> bert_base_bf16(const Order& o) { return make<Cpu<float, bf16>, BertBase, false>(o); }
#else
std::unique_ptr<Case> bert_base_bf16(const Order&) { fail("no bf16 here", "Cpu<float, bf16> does not exist yet", "Ask for f32"); }
#endif
}  // namespace compare
