#pragma once

#include <string_view>

namespace towpath {

// How two embeddings are compared; both are products of rows, cosine after dividing each row by its length.
struct Cosine {
  static constexpr std::string_view name = "cosine";
  static constexpr bool normalises = true;
};
struct Dot {
  static constexpr std::string_view name = "dot";
  static constexpr bool normalises = false;
};

}  // namespace towpath
