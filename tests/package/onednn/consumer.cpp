// The installed header with the installed target: one product by oneDNN.
#include <towpath/backend/onednn/onednn.hpp>
#include <towpath/backend/op.hpp>

#include <algorithm>

int main() {
  using Env = towpath::OneDnn;
  Env env({.threads = 1});
  towpath::Tensor<Env> x(300, 64), w(128, 64);
  std::fill_n(x.data(), x.size(), 0.5f);
  std::fill_n(w.data(), w.size(), 2.0f);
  towpath::SharedTensor<Env> frozen(128, 64);
  frozen.refer(std::move(w));
  const auto y = towpath::op::nt<Env>(env, x, frozen);
  return std::all_of(y.data(), y.data() + y.size(), [](float s) { return s == 64; }) ? 0 : 1;
}
