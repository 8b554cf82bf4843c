#pragma once

#include "towpath/base/random.hpp"
#include "towpath/tensor/ragged.hpp"

#include <cstdint>
#include <vector>

namespace towpath {

// A batch with some tokens hidden, for masked language modelling: where they are (rows of the batch) and what stood there.
struct Masked {
  Ragged tokens;
  std::vector<std::int32_t> rows;
  std::vector<Index> labels;
};

// BERT's masking (Devlin et al. 2019): each token but the first and last of its sequence is chosen with probability `rate`; of the chosen
// 80 % become [MASK], 10 % another piece drawn evenly from [first_piece, vocabulary), 10 % stay. A pure function of the random stream.
inline Masked mask_tokens(Ragged tokens, Random& random, std::int32_t mask, std::int32_t first_piece, std::int32_t vocabulary, double rate = 0.15) {
  Masked m{std::move(tokens), {}, {}};
  for (Index s = 0; s < m.tokens.count(); ++s)
    for (Index t = m.tokens.begin(s) + 1; t + 1 < m.tokens.begin(s) + m.tokens.length(s); ++t) {
      if (random.uniform() >= rate) continue;
      std::int32_t& id = m.tokens.ids[static_cast<std::size_t>(t)];
      m.rows.push_back(static_cast<std::int32_t>(t));
      m.labels.push_back(id);
      const double what = random.uniform();
      if (what < 0.8) id = mask;
      else if (what < 0.9) id = first_piece + static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocabulary - first_piece)));
    }
  return m;
}

}  // namespace towpath
