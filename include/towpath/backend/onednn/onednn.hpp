// Some products with frozen weights by oneDNN (version 2, with OpenMP or without threads): an environment to put in the place of
// Cpu<float, bf16>, not part of the umbrella. CMake: TOWPATH_ONEDNN=ON, towpath::onednn.
#pragma once

#include "towpath/backend/cpu/cpu.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#if DNNL_VERSION_MAJOR != 2
#error "[towpath] backend/onednn is written for oneDNN 2, and this is another: take Cpu<float, bf16>"
#endif
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
#include <omp.h>
#elif DNNL_CPU_RUNTIME != DNNL_RUNTIME_SEQ
#error \
    "[towpath] backend/onednn shares work out among its own threads: it needs a oneDNN that was built for OpenMP or without threads"
#endif

namespace towpath {
inline namespace TOWPATH_ISA {
namespace onednn {

// oneDNN computes on the thread that asks while one of these is alive: which rows are computed together, and so the bits, is our decision.
class OneThread {
public:
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
#else
  OneThread() = default;
#endif
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

private:
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
  int before_;
#endif
};

// y [m, n] = a [m, k] w, the rows of a and of y behind each other: with anything between them oneDNN computes in plain loops.
struct Shape {
  Index m, n, k;
  friend bool operator==(const Shape&, const Shape&) = default;
};

// That product. The weight lies in an order that oneDNN chose, for another m if `order` says so.
class Product {
public:
  using Memory = dnnl::memory;

  Product(const dnnl::engine& engine, const Shape& s, const Memory::desc* order) : shape(s), engine_(engine) {
    const OneThread one;
    using Type = Memory::data_type;
    using Tag = Memory::format_tag;
    given_ = {{s.m, s.k}, Type::f32, Tag::ab};
    left_ = {{s.m, s.k}, Type::bf16, Tag::ab};
    const Memory::desc right = order ? *order : Memory::desc{{s.k, s.n}, Type::bf16, Tag::any},
                       result{{s.m, s.n}, Type::f32, Tag::ab};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::matmul::primitive_desc how({left_, right, result}, attributes, engine);
    right_ = how.weights_desc();
    result_ = how.dst_desc();
    room_ = how.scratchpad_desc();
    product_ = dnnl::matmul(how);
    round_ = dnnl::reorder({engine, given_, engine, left_, attributes});
  }

  const Memory::desc& order() const { return right_; }
  // w [k, n] in that order; `across`: as it lies, else its transpose lies there.
  void pack(BasicView<const float> w, bool across, void* to) const {
    const OneThread one;
    const Memory::desc plain({shape.k, shape.n}, Memory::data_type::f32,
                             across ? Memory::dims{w.stride, 1} : Memory::dims{1, w.stride});
    Memory from(plain, engine_, const_cast<float*>(w.data)), into(right_, engine_, to);
    dnnl::stream stream(engine_);
    dnnl::reorder(from, into).execute(stream, from, into);
    stream.wait();
  }
  // Bytes of room that a product needs: a in bf16, and what oneDNN asks for.
  std::size_t room() const { return rounded() + room_.get_size(); }
  void operator()(const float* a, const void* packed, float* y, void* room) const {
    const OneThread one;
    dnnl::stream stream(engine_);
    Memory given(given_, engine_, const_cast<float*>(a)), left(left_, engine_, room);
    round_.execute(stream, given, left);
    product_.execute(stream, {{DNNL_ARG_SRC, left},
                              {DNNL_ARG_WEIGHTS, Memory(right_, engine_, const_cast<void*>(packed))},
                              {DNNL_ARG_DST, Memory(result_, engine_, y)},
                              {DNNL_ARG_SCRATCHPAD, Memory(room_, engine_, static_cast<char*>(room) + rounded())}});
    stream.wait();
  }

  const Shape shape;

private:
  std::size_t rounded() const { return Pool<Host>::rounded(left_.get_size()); }

  dnnl::engine engine_;
  Memory::desc given_, left_, right_, result_, room_;
  dnnl::matmul product_;
  dnnl::reorder round_;
};

// The primitives that were asked for, each made once.
class Products {
public:
  const Product& operator()(const Shape& shape, const dnnl::memory::desc* order = nullptr) {
    for (const auto& p : made_)
      if (p->shape == shape) return *p;
    made_.push_back(std::make_unique<Product>(engine_, shape, order));
    return *made_.back();
  }

private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::vector<std::unique_ptr<Product>> made_;
};

struct Ops : cpu::Ops<float, bf16> {
  using Base = cpu::Ops<float, bf16>;

  template <class Env>
  static void nt(Env& env, V a, const Factor<float>& b, W y, const Finish<float>& finish = {}) {
    times(env, a, b, false, y, finish);
  }
  template <class Env>
  static void nn(Env& env, V a, const Factor<float>& b, W y, const Finish<float>& finish = {}) {
    times(env, a, b, true, y, finish);
  }
  template <class Env>
  static void nt_nt(Env& env, V a, const Factor<float>& b, const Finish<float>& inner, const Factor<float>& c, W y,
                    const Finish<float>& finish) {
    twice(env, a, b, inner, c, false, y, finish);
  }
  template <class Env>
  static void nn_nn(Env& env, V a, const Factor<float>& b, const Finish<float>& inner, const Factor<float>& c, W y,
                    const Finish<float>& finish) {
    twice(env, a, b, inner, c, true, y, finish);
  }

  // Whether oneDNN multiplies by a frozen weight with so many outputs and inputs.
  template <class Env>
  static bool theirs(const Env& env, Index outputs, Index inputs) {
    return inputs >= 64 && outputs >= inputs && std::string_view(env.kernels().name) == "amx";
  }

private:
  static constexpr Index step = 32, most = 128;  // rows of a product: a multiple of the one, at most the other
  static constexpr Index few = 256;              // Cpu shares columns out where rows are few

  // A right-hand side for blocks of `block` rows, by oneDNN or as the base has it.
  template <class Env>
  struct Right {
    Base::Right<Env> own;
    const void* packed = nullptr;
    const Product *whole = nullptr, *rest = nullptr;
    Index columns = 0;

    // y = finish(a · this), at most a block
    void times(Env& env, V a, W y, const Finish<float>& finish) const {
      if (!packed) return own.times(env, a, 0, own.panels, y, finish);
      const Product& p = a.rows > rest->shape.m ? *whole : *rest;
      const auto room = env.room(p.room());
      const Index m = p.shape.m, n = p.shape.n, k = p.shape.k;
      if (a.rows == m && a.stride == k && y.stride == n && !at(finish.plus, y) && !at(finish.gate, y)) {
        p(a.data, packed, y.data, room.data());
        if (!finish.nothing()) env.kernels().finish(y, finish);
        return;
      }
      // rows that are not there are zeros; and the result may not be written before what lies there has been read
      const auto beside = env.room(static_cast<std::size_t>(m * (k + n)) * sizeof(float));
      auto *from = static_cast<float*>(beside.data()), *to = from + m * k;
      for (Index i = 0; i < a.rows; ++i) std::copy_n(a.row(i), k, from + i * k);
      std::fill_n(from + a.rows * k, (m - a.rows) * k, 0.0f);
      p(from, packed, to, room.data());
      const W result{to, y.rows, n};
      if (!finish.nothing()) env.kernels().finish(result, finish);
      for (Index i = 0; i < y.rows; ++i) std::copy_n(result.row(i), n, y.row(i));
    }
    static bool at(V x, W y) { return !x.empty() && x.data == y.data; }
  };
  template <class Env>
  static Right<Env> right(Env& env, const Factor<float>& b, bool across, Index rows, Index block) {
    Right<Env> r;
    r.columns = across ? b.values.columns : b.values.rows;
    const Index k = across ? b.values.rows : b.values.columns;
    if (b.forms && theirs(env, r.columns, k)) {
      // the order of a weight is that for the largest block of rows, whoever asks
      const Product& usual = env.products()({most, r.columns, k});
      const auto product = [&](Index m) { return &env.products()({m, r.columns, k}, &usual.order()); };
      r.packed = b.forms->form(
          2 * 18 + across, usual.order().get_size(), [&](void* to) { usual.pack(b.values, across, to); }, b.values.data,
          static_cast<std::size_t>(b.values.size()) * sizeof(float));
      const Index left = rows % block;
      r.whole = product(block);
      r.rest = left ? product((left + step - 1) / step * step) : r.whole;
    }
    if (!r.packed) r.own = Base::right(env, b, across, rows);
    return r;
  }
  static Index block_of(Index rows) {
    const Index pieces = (rows + most - 1) / most;
    return ((rows + pieces - 1) / pieces + step - 1) / step * step;
  }
  template <class Env>
  static bool theirs(const Env& env, const Factor<float>& b, bool across, Index rows) {
    return b.forms && rows >= few &&
           (across ? theirs(env, b.values.columns, b.values.rows) : theirs(env, b.values.rows, b.values.columns));
  }
  template <class Env>
  static void times(Env& env, V a, const Factor<float>& b, bool across, W y, const Finish<float>& finish) {
    if (y.rows == 0 || !theirs(env, b, across, y.rows))
      return across ? Base::nn(env, a, b, y, finish) : Base::nt(env, a, b, y, finish);
    const Index block = block_of(y.rows);
    const auto r = right(env, b, across, y.rows, block);
    env.rows(y.rows, block, [&](Index from, Index to) {
      r.times(env, a.row_block(from, to - from), y.row_block(from, to - from), finish.rows(from, to - from));
    });
  }
  template <class Env>
  static void twice(Env& env, V a, const Factor<float>& b, const Finish<float>& inner, const Factor<float>& c,
                    bool across, W y, const Finish<float>& finish) {
    if (y.rows == 0 || (!theirs(env, b, across, y.rows) && !theirs(env, c, across, y.rows)))
      return across ? Base::nn_nn(env, a, b, inner, c, y, finish) : Base::nt_nt(env, a, b, inner, c, y, finish);
    const Index block = block_of(y.rows), between = across ? b.values.columns : b.values.rows;
    const auto first = right(env, b, across, y.rows, block), second = right(env, c, across, y.rows, block);
    env.rows(y.rows, block, [&](Index from, Index to) {
      const Index n = to - from;
      const auto room = env.room(static_cast<std::size_t>(n * between) * sizeof(float));
      const W middle{static_cast<float*>(room.data()), n, between};
      first.times(env, a.row_block(from, n), middle, inner.rows(from, n));
      second.times(env, middle, y.row_block(from, n), finish.rows(from, n));
    });
  }
};

}  // namespace onednn

// Cpu<float, bf16>, but on AMX oneDNN multiplies by frozen weights with at least as many outputs as inputs, from 256 rows on: there it
// measured better. Its sums are Cpu's to the last bit. Rows are cut into pieces that do not depend on threads, and each piece is computed by
// one thread of the environment: so are results. A weight keeps oneDNN's order, once for each orientation asked for, whatever
// Settings::repack says: memory that Cpu does not need. oneDNN allocates a few small things in each product, so a steady step is not free
// of that. What oneDNN refuses comes as dnnl::error. bench/RESULTS.md has what it gains.
class OneDnn : public Environment<float, onednn::Ops> {
public:
  explicit OneDnn(Settings settings = {}) : Environment(settings), kernels_(&cpu::choose<float>(settings.isa)) {}
  const kernels::Table<float>& kernels() const { return *kernels_; }
  onednn::Products& products() { return products_; }

private:
  const kernels::Table<float>* kernels_;
  onednn::Products products_;
};

}  // namespace TOWPATH_ISA
}  // namespace towpath
