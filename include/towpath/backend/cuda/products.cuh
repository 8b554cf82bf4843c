// Products by cuBLASLt, which takes up the bias and the sum of a finish; functions, slopes and gates are left to a kernel, since its own GELU is the
// approximation by tanh and BERT's is not.
#pragma once

#include "towpath/backend/cuda/device.cuh"
#include "towpath/backend/cuda/ops.hpp"
#include "towpath/backend/cuda/rows.hpp"

#include "towpath/backend/finish.hpp"

#include <array>
#include <cublasLt.h>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>

namespace towpath::cuda {

inline void require(cublasStatus_t s, const char* what) {
  if (s != CUBLAS_STATUS_SUCCESS) fail(std::string("cuBLASLt refused: ") + what, cublasLtGetStatusString(s), "See CUBLASLT_LOG_LEVEL in NVIDIA's manual");
}

// The queue of Cuda<T>: kernels on a stream, and products. Matrices are float or double; if it rounds() (always for bf16, as Settings::bf16 says for
// FloatOrBf16), frozen weights are held in bf16, and what they
// are multiplied by is rounded to it, and so is what is multiplied by a weight that trains; sums are in float all the same. Else nothing is rounded, not to TF32 either.
template <class T, class Frozen = T>
class Queue : public Stream {
  static_assert(std::is_same_v<T, float> || (std::is_same_v<T, double> && std::is_same_v<Frozen, T>), "[towpath] Cuda<T>: T is float, double, bf16 or FloatOrBf16");

public:
  using Space = Device;
  static constexpr bool may_round = !std::is_same_v<Frozen, T>;

  explicit Queue(const Settings& s) : rounds_(std::is_same_v<Frozen, bf16> || (may_round && s.bf16)), room_(workspace), pool_(std::make_shared<towpath::Pool<Device>>()) { require(cublasLtCreate(&handle_), "to start"); }
  bool rounds() const { return rounds_; }
  ~Queue() {
    forget();
    cublasLtDestroy(handle_);
  }

  template <class F>
  void tiles(Index n, Index room, const F& f) {
    Stream::template tiles<T>(n, room, f);
  }

  // y = keep y + the product + bias + plus. Errors: what cuBLASLt has no algorithm for.
  Finish<T, Device> product(Turn turn, BasicView<const T, Device> a, const Factor<T, Device>& factor, T keep, BasicView<T, Device> y, Finish<T, Device> finish) {
    const auto b = factor.values;
    if (y.rows == 0 || y.columns == 0) return {};
    const Index inner = turn == Turn::left ? a.rows : a.columns;
    if (inner == 0) {
      if (keep == 0) each(y.rows, y.columns, Fill<T>{T(0), y});
      return finish;
    }
    // cuBLASLt counts down columns, so a matrix here is its transpose there: yᵀ = bᵀ-or-b aᵀ-or-a
    const bool half = rounds() && factor.forms;
    // an epilogue wants its bias aligned; what is not is left to the kernel
    const bool bias = !finish.bias.empty() && alignment_of(finish.bias.data) >= 16;
    Problem p{half, turn != Turn::right ? CUBLAS_OP_N : CUBLAS_OP_T, turn == Turn::left ? CUBLAS_OP_T : CUBLAS_OP_N, y.columns, y.rows, inner,
              half ? b.columns : b.stride, half ? a.columns : a.stride, y.stride, y.stride, bias};
    const void *left = b.data, *right = a.data;
    Buffer<Device> rounded;
    if constexpr (may_round) {
      if (half) {
        left = factor.forms->form(0, static_cast<std::size_t>(b.size()) * sizeof(bf16), [&](void* to) { round(b, to); }, nullptr, 0);
        rounded = Buffer<Device>(static_cast<std::size_t>(a.size()) * sizeof(bf16), pool_);
        round(a, rounded.data());
        right = rounded.data();
      }
    }
    const T* sum = y.data;
    T beta = keep;
    if (!finish.plus.empty()) {
      sum = finish.plus.data, beta = T(1);
      p.ldc = finish.plus.stride;
    }
    p.alignments = {alignment_of(left), alignment_of(right), alignment_of(sum), alignment_of(y.data)};
    const void* there = finish.bias.data;
    Plan* found = plan_of(p, there);
    if (!found && p.bias) {
      p.bias = false;
      found = plan_of(p, nullptr);
    }
    if (!found)
      fail("cuBLASLt has no algorithm for a product of " + std::to_string(p.n) + " x " + std::to_string(p.k) + " by " + std::to_string(p.k) + " x " + std::to_string(p.m));
    Plan& plan = *found;
    if (p.bias) require(cublasLtMatmulDescSetAttribute(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &there, sizeof there), "a bias");
    const T one = 1;
    require(cublasLtMatmul(handle_, plan.operation, &one, left, plan.left, right, plan.right, &beta, sum, plan.sum, y.data, plan.result, &plan.algorithm, room_.data(),
                           workspace, this->get()),
            "a product");
    if (p.bias) finish.bias = {};
    finish.plus = {};
    return finish;
  }

private:
  struct Problem {
    bool half;
    cublasOperation_t left, right;
    Index m, n, k, lda, ldb, ldc, ldd;
    bool bias;
    std::array<std::uint32_t, 4> alignments{};  // of left, right, sum and result

    auto key() const { return std::tuple(half, left, right, m, n, k, lda, ldb, ldc, ldd, bias, alignments); }
    bool operator<(const Problem& o) const { return key() < o.key(); }
  };
  struct Plan {
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatrixLayout_t left = nullptr, right = nullptr, sum = nullptr, result = nullptr;
    cublasLtMatmulAlgo_t algorithm{};

    void drop() {
      for (auto* l : {left, right, sum, result})
        if (l) cublasLtMatrixLayoutDestroy(l);
      if (operation) cublasLtMatmulDescDestroy(operation);
    }
  };

  void round(BasicView<const T, Device> x, void* to) {
    each(x.rows, x.columns, Rounded<T>{x, BasicView<bf16, Device>(static_cast<bf16*>(to), x.rows, x.columns)});
  }
  // What an address is a multiple of, 256 at most: blocks of rows and columns begin anywhere.
  static std::uint32_t alignment_of(const void* p) {
    const auto at = reinterpret_cast<std::uintptr_t>(p) & 255;
    return at == 0 ? 256 : static_cast<std::uint32_t>(at & (~at + 1));
  }
  void forget() {
    for (auto& [_, p] : plans_) p.drop();
    plans_.clear();
  }
  // How a product of these extents and alignments is done: asked for once, and again when there were many others; null if there is no way.
  Plan* plan_of(const Problem& p, const void* bias) {
    if (plans_.size() > 8192) forget();
    if (const auto it = plans_.find(p); it != plans_.end()) return it->second.operation ? &it->second : nullptr;
    constexpr bool wide = std::is_same_v<T, double>;
    const cudaDataType_t held = wide ? CUDA_R_64F : CUDA_R_32F, multiplied = p.half ? CUDA_R_16BF : held;
    Plan plan;
    require(cublasLtMatmulDescCreate(&plan.operation, wide ? CUBLAS_COMPUTE_64F : rounds() ? CUBLAS_COMPUTE_32F_FAST_16BF : CUBLAS_COMPUTE_32F, held), "to describe a product");
    require(cublasLtMatmulDescSetAttribute(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, &p.left, sizeof p.left), "to turn a matrix");
    require(cublasLtMatmulDescSetAttribute(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, &p.right, sizeof p.right), "to turn a matrix");
    if (p.bias) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      require(cublasLtMatmulDescSetAttribute(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue), "a bias");
      require(cublasLtMatmulDescSetAttribute(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias), "a bias");
    }
    const auto layout = [](cublasLtMatrixLayout_t& to, cudaDataType_t type, Index rows, Index columns, Index stride) {
      require(cublasLtMatrixLayoutCreate(&to, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), stride), "to describe a matrix");
    };
    layout(plan.left, multiplied, p.left == CUBLAS_OP_N ? p.m : p.k, p.left == CUBLAS_OP_N ? p.k : p.m, p.lda);
    layout(plan.right, multiplied, p.right == CUBLAS_OP_N ? p.k : p.n, p.right == CUBLAS_OP_N ? p.n : p.k, p.ldb);
    layout(plan.sum, held, p.m, p.n, p.ldc);
    layout(plan.result, held, p.m, p.n, p.ldd);
    cublasLtMatmulPreference_t wish = nullptr;
    require(cublasLtMatmulPreferenceCreate(&wish), "to look for an algorithm");
    require(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace), "to look for an algorithm");
    // no sums by several blocks through atomics: the same bits each time
    const std::uint32_t in_order = CUBLASLT_REDUCTION_SCHEME_MASK & ~static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_INPLACE);
    require(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &in_order, sizeof in_order), "to look for an algorithm");
    const cublasLtMatmulPreferenceAttributes_t alignments[] = {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                                                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (std::size_t i = 0; i < 4; ++i)
      require(cublasLtMatmulPreferenceSetAttribute(wish, alignments[i], &p.alignments[i], sizeof p.alignments[i]), "to look for an algorithm");
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t s = cublasLtMatmulAlgoGetHeuristic(handle_, plan.operation, plan.left, plan.right, plan.sum, plan.result, wish, 1, &found, &count);
    cublasLtMatmulPreferenceDestroy(wish);
    if (s != CUBLAS_STATUS_SUCCESS || count == 0) {
      plan.drop();
      return plans_.emplace(p, Plan{}), nullptr;
    }
    plan.algorithm = found.algo;
    return &plans_.emplace(p, plan).first->second;
  }

  static constexpr std::size_t workspace = std::size_t{32} << 20;
  bool rounds_;
  cublasLtHandle_t handle_ = nullptr;
  Buffer<Device> room_;
  std::shared_ptr<towpath::Pool<Device>> pool_;
  std::map<Problem, Plan> plans_;
};

}  // namespace towpath::cuda
