#include "towpath/data/masking.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("masking hides the share it should, remembers what stood there, and is a function of the stream") {
  Ragged text;
  std::vector<std::int32_t> sentence(50);
  for (std::size_t i = 0; i < sentence.size(); ++i) sentence[i] = 10 + static_cast<std::int32_t>(i);
  for (int s = 0; s < 400; ++s) text.add(sentence);
  Random random(1, 2), again(1, 2);
  const Masked m = mask_tokens(text, random, 4, 5, 100);
  const Masked n = mask_tokens(text, again, 4, 5, 100);
  CHECK(m.tokens.ids == n.tokens.ids);
  CHECK(m.rows == n.rows);
  const double hidden = 400 * 48;
  CHECK(static_cast<double>(m.rows.size()) / hidden == doctest::Approx(0.15).epsilon(0.05));
  double masked = 0, kept = 0;
  std::size_t next = 0;
  for (std::size_t t = 0; t < text.ids.size(); ++t) {
    if (next < m.rows.size() && static_cast<std::size_t>(m.rows[next]) == t) {
      CHECK(m.labels[next] == text.ids[t]);
      masked += m.tokens.ids[t] == 4;
      kept += m.tokens.ids[t] == text.ids[t];
      CHECK(t % 50 != 0);
      CHECK(t % 50 != 49);
      ++next;
    } else {
      CHECK(m.tokens.ids[t] == text.ids[t]);
    }
  }
  CHECK(masked / static_cast<double>(m.rows.size()) == doctest::Approx(0.8).epsilon(0.05));
  CHECK(kept / static_cast<double>(m.rows.size()) == doctest::Approx(0.1).epsilon(0.2));
}

TEST_CASE("sentences of [CLS] and [SEP] alone have nothing to hide") {
  Ragged text;
  text.add(std::vector<std::int32_t>{2, 3});
  text.add(std::vector<std::int32_t>{2});
  Random random(1, 2);
  CHECK(mask_tokens(text, random, 4, 5, 100).rows.empty());
}
