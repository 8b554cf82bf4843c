// How closely numbers have to agree in the tests, each with the reason for its size.
#pragma once

namespace towpath::tolerance {

// Gradients in double against central differences of fourth order with step 2e-4: rounding contributes ε|f|/h ≈ 1e-12 … 1e-11,
// truncation h⁴ f⁗ ≈ 1e-15, both relative to slopes that may be a hundredth of the gradient's norm.
inline constexpr double gradient = 1e-7;
// A backward that forgets a term or a factor is wrong by a share of the gradient itself, never by less than this.
inline constexpr double wrong_gradient = 1e-3;
// Slopes of scalar functions against central differences (step 1e-5, second order): h² f‴ / 6 ≈ 1e-11, rounding ε / h ≈ 1e-11.
inline constexpr double slope = 1e-9;
// Finite differences of whole operations in double (step 1e-5), sums of some dozens of terms of either sign.
inline constexpr double difference = 1e-7;

// Numbers printed with ten decimals by PyTorch (float64): half a unit of the tenth.
inline constexpr double ten_decimals = 6e-11;
// Sums worked out by hand with exactly representable terms, then one division or square root.
inline constexpr double exact_in_double = 1e-14;

// An operation in double against the same equation as plain loops in double: other orders of summation over at most a few hundred
// terms, and vector exp, erf and tanh good to some units in the last place. Relative to the largest element of the result.
inline constexpr double same_in_double = 1e-12;
// The same in float (ε = 6e-8), its inputs being exact in both. The rows are up to 384 wide, the columns up to 300 high.
inline constexpr double same_in_float = 1e-5;
// Vector functions against scalar ones, per element and relative to 1 + |f|: xsimd's exp and tanh are good to some units in the last
// place, its erf in double to about fifty (1.1e-14 seen, xsimd 8.1).
inline constexpr double vector_function_double = 3e-14;
inline constexpr double vector_function_float = 1e-6;

// Layer norm's ε = 1e-12 stands beside the variance σ² and so takes ε / σ² off the variance of its result; σ² ≥ 0.01 here.
inline constexpr double norm_epsilon = 1e-10;

// Sample moments: how many standard errors they may be off. Seeds are fixed, so a failure is a change and not bad luck.
inline constexpr double standard_errors = 5;

}  // namespace towpath::tolerance
