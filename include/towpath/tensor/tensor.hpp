#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/nothing.hpp"
#include "towpath/tensor/buffer.hpp"
#include "towpath/tensor/view.hpp"

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace towpath {

// An owned row-major matrix on an environment. Moves; copies only when asked to (copy()). Tensor{n} is a row of n zeros,
// Tensor{r, c} is r x c zeros, and an environment's tensor(r, c) is uninitialised memory from its pool.
template <class Env>
class Tensor {
public:
  using Scalar = typename Env::Scalar;
  using Space = typename Env::Space;

  Tensor() = default;
  explicit Tensor(Index columns) : Tensor(1, columns) { dimensions_ = 1; }
  Tensor(Index rows, Index columns) : buffer_(bytes(rows, columns)), rows_(rows), columns_(columns) {
    if (size()) Space::clear(buffer_.data(), bytes(rows, columns));
  }
  Tensor(std::shared_ptr<Pool<Space>> pool, Index rows, Index columns)
      : buffer_(bytes(rows, columns), std::move(pool)), rows_(rows), columns_(columns) {}

  Scalar* data() { return static_cast<Scalar*>(buffer_.data()); }
  const Scalar* data() const { return static_cast<const Scalar*>(buffer_.data()); }
  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  Index size() const { return rows_ * columns_; }
  int dimensions() const { return dimensions_; }  // as files have it: 1 for Tensor{n}, else 2
  bool empty() const { return buffer_.data() == nullptr; }

  operator View<Env>() const { return {data(), rows_, columns_}; }
  operator Writable<Env>() { return {data(), rows_, columns_}; }
  View<Env> view() const { return *this; }
  Writable<Env> writable() { return *this; }
  void clear() {
    if (size()) Space::clear(data(), bytes(rows_, columns_));
  }
  Tensor copy() const {
    Tensor t({}, rows_, columns_);
    t.dimensions_ = dimensions_;
    if (size()) Space::copy(t.data(), data(), bytes(rows_, columns_));
    return t;
  }

private:
  static std::size_t bytes(Index rows, Index columns) { return static_cast<std::size_t>(rows * columns) * sizeof(Scalar); }

  Buffer<Space> buffer_;
  Index rows_ = 0, columns_ = 0;
  int dimensions_ = 2;
};

// A read-only matrix with many owners: a frozen weight. The memory may be a mapped file. It has its extents from the start and
// its values from load(), initialise() or another model that already has them.
template <class Env>
class SharedTensor {
public:
  using Scalar = typename Env::Scalar;
  using Space = typename Env::Space;

  SharedTensor() = default;
  explicit SharedTensor(Index columns) : SharedTensor(1, columns) { dimensions_ = 1; }
  SharedTensor(Index rows, Index columns) : rows_(rows), columns_(columns) {}

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  Index size() const { return rows_ * columns_; }
  int dimensions() const { return dimensions_; }
  bool empty() const { return data_ == nullptr; }
  const Scalar* data() const { return data_; }
  operator View<Env>() const { return {data_, rows_, columns_}; }
  View<Env> view() const { return *this; }

  // Takes values that live as long as `owner` does (rows * columns of them, aligned as Scalar is); `mapped`: they are pages of a file.
  void refer(std::shared_ptr<const void> owner, const Scalar* data, bool mapped = false) {
    owner_ = std::move(owner);
    data_ = data;
    forms_ = std::make_shared<BasicForms<Space>>(mapped);
  }
  // Nobody will read these values for a while: pages of a file make room.
  void idle() const {
    if (forms_) forms_->idle(data_, static_cast<std::size_t>(size()) * sizeof(Scalar));
  }
  // Where other layouts of these values are kept, for all who share them.
  BasicForms<Space>* forms() const { return forms_.get(); }
  void refer(Tensor<Env> values) {
    TOWPATH_CHECK(values.rows() == rows_ && values.columns() == columns_);
    auto kept = std::make_shared<Tensor<Env>>(std::move(values));
    const Scalar* d = kept->data();
    refer(std::shared_ptr<const void>(std::move(kept)), d);
  }

private:
  std::shared_ptr<const void> owner_;
  std::shared_ptr<BasicForms<Space>> forms_;
  const Scalar* data_ = nullptr;
  Index rows_ = 0, columns_ = 0;
  int dimensions_ = 2;
};

// A tensor's numbers where the host can read them: on the host they are there, from a device they are brought.
template <class Scalar, class Space>
class OnHost {
public:
  explicit OnHost(BasicView<const Scalar, Space> x) : data_(x.data) {
    TOWPATH_CHECK(x.contiguous());
    if constexpr (!std::is_same_v<Space, Host>) {
      brought_.resize(static_cast<std::size_t>(x.size()));
      if (x.size()) Space::copy(brought_.data(), x.data, brought_.size() * sizeof(Scalar));
      data_ = brought_.data();
    }
  }
  const Scalar* data() const { return data_; }

private:
  const Scalar* data_;
  [[no_unique_address]] If<!std::is_same_v<Space, Host>, std::vector<Scalar>> brought_;
};
template <class Env>
OnHost<typename Env::Scalar, typename Env::Space> on_host(const Tensor<Env>& t) {
  return OnHost<typename Env::Scalar, typename Env::Space>(t.view());
}

// An environment without memory: On<Blueprint> is the same model with extents only, so that counting parameters is a constant
// expression and allocates nothing.
struct Blueprint {
  using Scalar = float;
  struct Space {};
};
template <>
class Tensor<Blueprint> {
public:
  constexpr Tensor() = default;
  constexpr explicit Tensor(Index columns) : Tensor(1, columns) {}
  constexpr Tensor(Index rows, Index columns) : rows_(rows), columns_(columns) {}
  constexpr Index rows() const { return rows_; }
  constexpr Index columns() const { return columns_; }
  constexpr Index size() const { return rows_ * columns_; }

private:
  Index rows_ = 0, columns_ = 0;
};
template <>
class SharedTensor<Blueprint> : public Tensor<Blueprint> {
  using Tensor<Blueprint>::Tensor;
};

// How a weight is stored follows from whether it trains: an optimiser cannot reach what is const.
template <class Env, bool trains>
using Weight = std::conditional_t<trains, Tensor<Env>, SharedTensor<Env>>;

}  // namespace towpath
