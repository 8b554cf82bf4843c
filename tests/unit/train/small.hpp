// A model and a file of triples small enough to train in a moment.
#pragma once

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/data/triples.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/pathway.hpp"

#include <cstdio>
#include <fstream>
#include <string>

namespace small {

using namespace towpath;

struct Shape : BertBase {
  static constexpr std::string_view name = "Small";
  static constexpr Index hidden = 16, layers = 2, heads = 2, ffn = 32, vocabulary = 45, positions = 16;
};
using Arch = BiEncoder<Bert<Shape, Repeat<2, TransformerLayer<Shape, FullTuning, Pathway<Aside<4>>>>, FullTuning>, MeanPooling, Cosine>;
using Env = Cpu<float>;
using Model = Arch::On<Env>;

inline std::string word(int i) { return "w" + std::string(1, static_cast<char>('a' + i / 8)) + std::string(1, static_cast<char>('a' + i % 8)); }

// Forty words; query i asks for two words, its passage has these and another.
inline void write_files() {
  std::ofstream vocabulary("vocab.txt");
  vocabulary << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 0; i < 40; ++i) vocabulary << word(i) << "\n";
  std::ofstream triples("train.tsv");
  for (int i = 0; i < 30; ++i)
    triples << word(i) << " " << word(i + 1) << "\t" << word(i) << " " << word(i + 5) << " " << word(i + 1) << "\t" << word((i * 7 + 3) % 40) << " " << word((i * 3) % 40) << "\n";
}

inline Triples triples(const Lengths& lengths = {}) {
  write_files();
  return Triples("train.tsv", WordPiece("vocab.txt"), {.batch = 8, .query_length = 8, .passage_length = 8, .seed = 3, .lengths = lengths});
}
inline void set(Model& model) { initialise(model, 11, Fill::everything); }

}  // namespace small
