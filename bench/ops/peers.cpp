// Products with a frozen weight, y = x wᵀ, beside oneDNN's and OpenBLAS's: checked against each other first, then timed in turns, so that
// whatever else the machine does falls on all of them.
//   bench_ops_peers [rows] [threads] [rounds]     GFLOP/s, median of the rounds
#include <towpath/backend/cpu/cpu.hpp>
#include <towpath/backend/op.hpp>

#include <cblas.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace towpath;

namespace {

using Float = Cpu<float>;
using Half = Cpu<float, bf16>;

template <class Env>
Tensor<Env> random_tensor(Index rows, Index columns, std::uint64_t stream) {
  Tensor<Env> t(rows, columns);
  Random r(1, stream);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(2 * r.uniform() - 1);
  return t;
}
template <class Env>
SharedTensor<Env> frozen(Index n, Index k) {
  SharedTensor<Env> w(n, k);
  w.refer(random_tensor<Env>(n, k, 2));
  return w;
}

// oneDNN's matmul with the weight in whatever order it likes, made once. In bf16 x is rounded in each call, as towpath does it, or
// is taken to lie there rounded.
class Matmul {
public:
  Matmul(dnnl::memory::data_type type, float* x, float* w, float* y, Index m, Index n, Index k, bool rounds)
      : converts_(rounds && type != dnnl::memory::data_type::f32) {
    using memory = dnnl::memory;
    using tag = memory::format_tag;
    const memory::desc x_as_given({m, k}, memory::data_type::f32, tag::ab),
        w_as_given({k, n}, memory::data_type::f32, tag::ba), left({m, k}, type, tag::ab), right({k, n}, type, tag::any),
        result({m, n}, memory::data_type::f32, tag::ab);
    const dnnl::matmul::primitive_desc how(dnnl::matmul::desc(left, right, result), engine_);
    how_ = how.impl_info_str();
    product_ = dnnl::matmul(how);
    given_ = memory(x_as_given, engine_, x);
    left_ = type == memory::data_type::f32 ? given_ : memory(how.src_desc(), engine_);
    right_ = memory(how.weights_desc(), engine_);
    y_ = memory(result, engine_, y);
    memory plain(w_as_given, engine_, w);
    dnnl::reorder(plain, right_).execute(stream_, plain, right_);
    if (type != memory::data_type::f32) {
      convert_ = dnnl::reorder(given_, left_);
      convert_.execute(stream_, given_, left_);
    }
    stream_.wait();
  }
  void operator()() {
    if (converts_) convert_.execute(stream_, given_, left_);
    product_.execute(stream_, {{DNNL_ARG_SRC, left_}, {DNNL_ARG_WEIGHTS, right_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }
  const std::string& how() const { return how_; }

private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul product_;
  dnnl::reorder convert_;
  dnnl::memory given_, left_, right_, y_;
  std::string how_;
  bool converts_;
};

struct Way {
  const char* name;
  bool in_bf16;
  std::function<void()> run;
  std::vector<double> seconds;

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

// Seconds of one call: after one that wakes the threads, as many as fill 20 ms.
double sample(const std::function<void()>& f) {
  using Clock = std::chrono::steady_clock;
  f();
  const auto start = Clock::now();
  double t = 0;
  int calls = 0;
  do {
    f();
    ++calls;
    t = std::chrono::duration<double>(Clock::now() - start).count();
  } while (t < 0.02);
  return t / calls;
}

}  // namespace

int main(int argc, char** argv) {
  const Index rows = argc > 1 ? std::atol(argv[1]) : 2048;
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1, rounds = argc > 3 ? std::atoi(argv[3]) : 7;
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
  const char* wide = kernels::Machine::find().avx512 ? "avx512" : nullptr;
  Float best({.threads = threads}), plain({.threads = threads, .isa = wide});
  Half half({.threads = threads});
  bool headed = false;
  for (const auto& [n, k] :
       {std::pair<Index, Index>{384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}}) {
    auto x = random_tensor<Float>(rows, k, 1), w = random_tensor<Float>(n, k, 2), y = Tensor<Float>(rows, n);
    const auto w_best = frozen<Float>(n, k), w_plain = frozen<Float>(n, k);
    const auto w_half = frozen<Half>(n, k);
    const auto x_half = random_tensor<Half>(rows, k, 1);
    const auto keep = [&](const auto& result) { std::copy(result.data(), result.data() + result.size(), y.data()); };
    bool check = true;
    const auto done = [&](const auto& result) {
      if (check) keep(result);
    };
    using type = dnnl::memory::data_type;
    Matmul of_float(type::f32, x.data(), w.data(), y.data(), rows, n, k, false),
        of_bf16(type::bf16, x.data(), w.data(), y.data(), rows, n, k, false),
        rounding(type::bf16, x.data(), w.data(), y.data(), rows, n, k, true);
    std::vector<Way> ways{
        {"towpath f32", false, [&] { done(op::nt<Float>(best, x, w_best)); }, {}},
        {"towpath f32, no AMX", false, [&] { done(op::nt<Float>(plain, x, w_plain)); }, {}},
        {"OpenBLAS sgemm",
         false,
         [&, n = n, k = k] {
           cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(rows), static_cast<int>(n),
                       static_cast<int>(k), 1, x.data(), static_cast<int>(k), w.data(), static_cast<int>(k), 0,
                       y.data(), static_cast<int>(n));
         },
         {}},
        {"oneDNN sgemm",
         false,
         [&, n = n, k = k] { dnnl_sgemm('N', 'T', rows, n, k, 1, x.data(), k, w.data(), k, 0, y.data(), n); },
         {}},
        {"oneDNN f32 packed", false, [&] { of_float(); }, {}},
        {"towpath bf16", true, [&] { done(op::nt<Half>(half, x_half, w_half)); }, {}},
        {"oneDNN bf16, x rounded in it", true, [&] { rounding(); }, {}},
        {"oneDNN bf16, x in bf16", true, [&] { of_bf16(); }, {}},
    };
    if (!headed) {
      std::printf("%ld rows, %d threads, medians of %d, GFLOP/s; OpenBLAS: %s, oneDNN: %s, %s\n\n| n x k |",
                  static_cast<long>(rows), threads, rounds, openblas_get_corename(), of_float.how().c_str(),
                  of_bf16.how().c_str());
      for (const Way& way : ways) std::printf(" %s |", way.name);
      std::printf(" theirs / ours, f32 | bf16 |\n|---|");
      for (std::size_t i = 0; i < ways.size() + 2; ++i) std::printf("---|");
      std::printf("\n");
      headed = true;
    }

    for (const Way& way : ways) {
      std::fill(y.data(), y.data() + y.size(), 0.0f);
      way.run();
      const double allowed = (way.in_bf16 ? 1e-2 : 1e-5) * std::sqrt(static_cast<double>(k));
      for (Index i = 0; i < rows; i += 97)
        for (Index j = 0; j < n; j += 31) {
          double s = 0;
          for (Index t = 0; t < k; ++t)
            s += static_cast<double>(x.data()[i * k + t]) * static_cast<double>(w.data()[j * k + t]);
          const double got = static_cast<double>(y.data()[i * n + j]);
          if (!(std::fabs(got - s) <= allowed)) {
            std::fprintf(stderr, "%s at %ld x %ld: %g where %g was expected\n", way.name, static_cast<long>(n),
                         static_cast<long>(k), got, s);
            return 1;
          }
        }
    }
    check = false;
    for (int round = 0; round < rounds; ++round)
      for (std::size_t i = 0; i < ways.size(); ++i) {
        // their threads stay awake for a while after a product, and would take the processor from whoever comes next
        std::this_thread::sleep_for(std::chrono::milliseconds(40));
        Way& way = ways[(i + static_cast<std::size_t>(round)) % ways.size()];
        way.seconds.push_back(sample(way.run));
      }
    double ours[2] = {1e9, 1e9}, theirs[2] = {1e9, 1e9};
    std::printf("| %ld x %ld |", static_cast<long>(n), static_cast<long>(k));
    for (Way& way : ways) {
      const double t = way.median();
      double& least = (std::string(way.name).starts_with("towpath") ? ours : theirs)[way.in_bf16];
      least = std::min(least, t);
      std::printf(" %.0f |", 2e-9 * static_cast<double>(rows * n * k) / t);
    }
    std::printf(" %.2f | %.2f |\n", ours[0] / theirs[0], ours[1] / theirs[1]);
    std::fflush(stdout);
  }
}
