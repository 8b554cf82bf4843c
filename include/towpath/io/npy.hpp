#pragma once

#include "towpath/io/mapping.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/file.hpp"
#include "towpath/tensor/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace towpath {

namespace detail {

inline std::string_view npy_name(Dtype d) {
  constexpr std::string_view names[] = {"<f8", "<f4", "<f2", "",    "<i8", "<i4", "<i2",
                                        "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"};
  return names[static_cast<std::size_t>(d)];
}

inline std::string npy_header(const std::string& path, Dtype d, std::span<const Index> shape) {
  if (npy_name(d).empty()) fail("cannot write " + path, "numpy has no bf16", "Convert to float first");
  std::string s = "{'descr': '" + std::string(npy_name(d)) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i)
    s += std::to_string(shape[i]) + (shape.size() == 1 ? "," : i + 1 < shape.size() ? ", " : "");
  s += "), }";
  s.append(63 - (10 + s.size()) % 64, ' ');  // so that the data begin at a multiple of 64
  s += '\n';
  if (s.size() > 65535)
    fail("cannot write " + path, "it has " + std::to_string(shape.size()) + " dimensions", "Write fewer");
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(s.size() & 255) + static_cast<char>(s.size() >> 8) + s;
}

}  // namespace detail

// A new .npy file (version 1.0, C order, little-endian) whose numbers come bit by bit. The shape is known from the start, since
// it stands in front of them; commit() fails if another number of elements has come. T: float, double, half, bool or an
// integer. Format: numpy, doc/neps/nep-0001-npy-format.rst.
template <class T>
class NewNpy {
public:
  NewNpy(const std::string& path, std::vector<Index> shape) : path_(path), shape_(std::move(shape)), file_(path) {
    for (Index d : shape_) {
      if (d < 0 || __builtin_mul_overflow(wanted_, d, &wanted_))
        fail("cannot write " + path_, "its shape is impossible", "Correct the shape");
    }
    file_.write(detail::npy_header(path_, dtype_of<T>, shape_));
  }
  void add(const T* values, Index n) {
    file_.write(values, static_cast<std::size_t>(n) * sizeof(T));
    written_ += n;
  }
  void commit() {
    if (written_ != wanted_)
      fail("cannot write " + path_,
           std::to_string(written_) + " numbers came for a shape of " + std::to_string(wanted_),
           "Write as many as the shape says");
    file_.commit();
  }

private:
  std::string path_;
  std::vector<Index> shape_;
  NewFile file_;
  Index wanted_ = 1, written_ = 0;
};

template <class T>
void write_npy(const std::string& path, const T* data, std::vector<Index> shape) {
  Index n = 1;
  for (Index d : shape) n *= d;
  NewNpy<T> file(path, std::move(shape));
  file.add(data, n);
  file.commit();
}

// A .npy file, mapped. Fails on anything but versions 1.0 and 2.0, C order, little-endian numbers that have a Dtype, and
// exactly as many bytes as the shape asks for.
class Npy {
public:
  explicit Npy(const std::string& path) : file_(Mapping::open(path)) {
    const std::string_view all = file_->text();
    if (all.size() < 10 || !all.starts_with("\x93NUMPY")) bad("it does not begin as a .npy file does");
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(all[i])); };
    if ((byte(6) != 1 && byte(6) != 2) || byte(7) != 0)
      bad("its version is " + std::to_string(byte(6)) + "." + std::to_string(byte(7)) + ", not 1.0 or 2.0");
    std::size_t start = 10, length = byte(8) | byte(9) << 8;
    if (byte(6) == 2) {
      if (all.size() < 12) bad("it breaks off in its header");
      start = 12;
      length |= byte(10) << 16 | byte(11) << 24;
    }
    if (length > all.size() - start) bad("it breaks off in its header");
    read_header(all.substr(start, length));
    data_ = file_->data() + start + length;
    std::size_t wanted = size_of(dtype_);
    for (Index d : shape_)
      if (__builtin_mul_overflow(wanted, static_cast<std::size_t>(d), &wanted)) bad("its shape is too large to count");
    const std::size_t bytes = all.size() - start - length;
    if (wanted != bytes)
      bad("its shape asks for " + std::to_string(wanted) + " bytes, but " + std::to_string(bytes) +
          " follow the header");
    size_ = static_cast<Index>(wanted / size_of(dtype_));
  }

  Dtype dtype() const { return dtype_; }
  const std::vector<Index>& shape() const { return shape_; }
  Index size() const { return size_; }
  const std::byte* data() const { return data_; }
  const std::shared_ptr<const Mapping>& owner() const { return file_; }

  // The numbers as T. Fails unless the file holds that very type, so that nothing is rounded unasked; towpath::convert reads
  // any type as float or double.
  template <class T>
  std::vector<T> values() const {
    static_assert(!std::is_same_v<T, bool>, "[towpath] std::vector<bool> holds no bools: read them through convert()");
    if (dtype_of<T> != dtype_)
      fail("cannot read " + file_->path(),
           "it holds " + std::string(name(dtype_)) + ", not " + std::string(name(dtype_of<T>)),
           "Ask for the type that it holds, or read it through convert()");
    std::vector<T> v(static_cast<std::size_t>(size_));
    if (size_) std::memcpy(v.data(), data_, v.size() * sizeof(T));
    return v;
  }

private:
  [[noreturn]] void bad(const std::string& why) const {
    fail("cannot read " + file_->path(), why, "Write it with numpy.save, little-endian and in C order");
  }

  // {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with the keys in any order.
  void read_header(std::string_view h) {
    const auto value = [&](std::string_view key) {
      for (char quote : {'\'', '"'}) {
        const std::string quoted = quote + std::string(key) + quote;
        auto at = h.find(quoted);
        if (at == h.npos) continue;
        at = h.find_first_not_of(" \t", at + quoted.size());
        if (at == h.npos || h[at] != ':') continue;
        at = h.find_first_not_of(" \t", at + 1);
        if (at != h.npos) return h.substr(at);
      }
      bad("its header has no " + std::string(key));
    };
    std::string_view descr = value("descr");
    const auto close = descr.find(descr[0], 1);
    if ((descr[0] != '\'' && descr[0] != '"') || close == descr.npos) bad("its numbers are records, not of one type");
    descr = descr.substr(1, close - 1);
    bool known = false;
    for (Dtype d : every_dtype)
      if (!detail::npy_name(d).empty() && detail::npy_name(d) == descr) {
        dtype_ = d;
        known = true;
      }
    if (!known) bad("its numbers are of type '" + std::string(descr) + "', which is not read here");
    const auto order = value("fortran_order");
    if (!order.starts_with("False")) bad("it is in Fortran order");
    std::string_view shape = value("shape");
    if (shape[0] != '(') bad("its shape is not a tuple");
    for (std::size_t i = 1;;) {
      i = shape.find_first_not_of(" ,", i);
      if (i == shape.npos) bad("its shape does not end");
      if (shape[i] == ')') break;
      Index n = 0;
      const std::size_t first = i;
      for (; i < shape.size() && shape[i] >= '0' && shape[i] <= '9'; ++i)
        if (__builtin_mul_overflow(n, Index{10}, &n) || __builtin_add_overflow(n, Index{shape[i] - '0'}, &n))
          bad("its shape is too large to count");
      if (i == first) bad("its shape holds something else than whole numbers");
      shape_.push_back(n);
    }
  }

  std::shared_ptr<const Mapping> file_;
  Dtype dtype_ = Dtype::f32;
  std::vector<Index> shape_;
  const std::byte* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace towpath
