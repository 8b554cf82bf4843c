#pragma once

#include "towpath/base/config.hpp"

#include <cmath>
#include <string_view>
#include <type_traits>

namespace towpath {

namespace functions {
// A constant as T: a number, or a vector filled with it.
template <class T>
TOWPATH_BOTH T number(double x) {
  if constexpr (requires { typename T::value_type; }) return T(static_cast<typename T::value_type>(x));
  else return static_cast<T>(x);
}

// Activation functions, element by element: value f(x) and slope f'(x). T is a number or a vector of numbers (its erf, exp and
// tanh are found by argument). `name` is Hugging Face's `hidden_act`.

// GELU, x Φ(x) (Hendrycks and Gimpel 2016), with the error function.
struct Gelu {
  static constexpr std::string_view name = "gelu";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::erf;
    return x * (number<T>(0.5) + number<T>(0.5) * erf(x * number<T>(0.7071067811865475244)));
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {  // Φ(x) + x φ(x)
    using std::erf;
    using std::exp;
    return number<T>(0.5) + number<T>(0.5) * erf(x * number<T>(0.7071067811865475244)) + x * number<T>(0.3989422804014326779) * exp(x * x * number<T>(-0.5));
  }
};

// GELU by its tanh approximation: x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
struct GeluTanh {
  static constexpr std::string_view name = "gelu_new";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::tanh;
    return number<T>(0.5) * x * (T(1) + tanh(inner(x)));
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    using std::tanh;
    const T t = tanh(inner(x));
    return number<T>(0.5) * (T(1) + t) + number<T>(0.5) * x * (T(1) - t * t) * number<T>(0.7978845608028653559) * (T(1) + number<T>(3 * 0.044715) * x * x);
  }

private:
  template <class T>
  TOWPATH_BOTH static T inner(const T& x) {
    return number<T>(0.7978845608028653559) * (x + number<T>(0.044715) * x * x * x);
  }
};

// ReLU, max(x, 0); its slope at 0 is 0.
struct Relu {
  static constexpr std::string_view name = "relu";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    if constexpr (std::is_arithmetic_v<T>) return x < 0 ? T(0) : x;
    else return select(x < T(0), T(0), x);
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    if constexpr (std::is_arithmetic_v<T>) return x > 0 ? T(1) : T(0);
    else return select(x > T(0), T(1), T(0));
  }
};

// tanh.
struct Tanh {
  static constexpr std::string_view name = "tanh";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::tanh;
    return tanh(x);
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    const T t = value(x);
    return T(1) - t * t;
  }
};

// SiLU (swish), x / (1 + e^-x) (Elfwing et al. 2017).
struct Silu {
  static constexpr std::string_view name = "silu";
  template <class T>
  TOWPATH_BOTH static T value(const T& x) {
    using std::exp;
    return x / (T(1) + exp(-x));
  }
  template <class T>
  TOWPATH_BOTH static T slope(const T& x) {
    using std::exp;
    const T s = T(1) / (T(1) + exp(-x));
    return s * (T(1) + x * (T(1) - s));
  }
};

}  // namespace functions

// The same functions as values, for kernels that are compiled once: a product applies them to its result while it is at hand.
enum class Function { none, gelu, gelu_tanh, relu, tanh, silu };
template <class F>
inline constexpr Function function_of = Function::none;  // a function of the user's own: applied by itself
template <>
inline constexpr Function function_of<functions::Gelu> = Function::gelu;
template <>
inline constexpr Function function_of<functions::GeluTanh> = Function::gelu_tanh;
template <>
inline constexpr Function function_of<functions::Relu> = Function::relu;
template <>
inline constexpr Function function_of<functions::Tanh> = Function::tanh;
template <>
inline constexpr Function function_of<functions::Silu> = Function::silu;

// f(F{}) for the function of that name.
template <class Do>
void with_function(Function function, Do&& f) {
  switch (function) {
    case Function::gelu: return f(functions::Gelu{});
    case Function::gelu_tanh: return f(functions::GeluTanh{});
    case Function::relu: return f(functions::Relu{});
    case Function::tanh: return f(functions::Tanh{});
    case Function::silu: return f(functions::Silu{});
    case Function::none: return;
  }
}

using functions::Gelu;
using functions::GeluTanh;
using functions::Relu;
using functions::Silu;
using functions::Tanh;

}  // namespace towpath
