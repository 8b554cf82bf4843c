// A small world for the examples' embedded default: concepts that have several names, sentences about them, documents that use one name of
// a concept and queries that use another. Term matching cannot find the documents; a backbone that was pre-trained on the
// sentences knows which names go together. Everything is a pure function of the seed.
#pragma once

#include <towpath/base/file.hpp>
#include <towpath/base/random.hpp>
#include <towpath/model/shapes.hpp>

#include <set>
#include <string>
#include <vector>

namespace world {

using towpath::Index;
using towpath::Random;

// The backbone that 00_world pre-trains.
struct World : towpath::BertBase {
  static constexpr std::string_view name = "World";
  static constexpr Index hidden = 128, layers = 2, heads = 4, ffn = 256, vocabulary = 640, positions = 64;
};

inline constexpr Index fields = 16, concepts_per_field = 10, concepts = fields * concepts_per_field, names = 3;

class Generator {
public:
  explicit Generator(std::uint64_t seed = 7) : seed_(seed) {
    Random r(seed, 1);
    static constexpr const char* onset[] = {"b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr", "pl"};
    static constexpr const char* vowel[] = {"a", "e", "i", "o", "u", "ai", "ou"};
    static constexpr const char* coda[] = {"", "", "", "n", "r", "l", "s", "m"};
    std::set<std::string> taken;
    while (static_cast<Index>(words_.size()) < concepts * names) {
      std::string w;
      for (std::uint64_t i = 0, n = 2 + r.below(2); i < n; ++i)
        w += std::string(onset[r.below(std::size(onset))]) + vowel[r.below(std::size(vowel))] + coda[r.below(std::size(coda))];
      if (taken.insert(w).second) words_.push_back(w);
    }
    for (Index c = 0; c < concepts; ++c) {  // what a concept has to do with: four others, three of its own field
      std::set<Index> near;
      while (near.size() < 3)
        if (const Index o = c / concepts_per_field * concepts_per_field + static_cast<Index>(r.below(concepts_per_field)); o != c) near.insert(o);
      while (near.size() < 4)
        if (const Index o = static_cast<Index>(r.below(concepts)); o / concepts_per_field != c / concepts_per_field) near.insert(o);
      near_.emplace_back(near.begin(), near.end());
    }
  }

  // vocab.txt: BERT's special tokens, the words of the templates, every name of every concept, and unused pieces up to the table's size.
  std::string vocabulary() const {
    std::string v = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    Index n = 5;
    for (const char* w : plain) v += std::string(w) + "\n", ++n;
    for (const auto& w : words_) v += w + "\n", ++n;
    for (; n < World::vocabulary; ++n) v += "[unused" + std::to_string(n) + "]\n";
    return v;
  }
  // Sentence i of the text to pre-train on.
  std::string sentence(std::uint64_t i) const {
    Random r(seed_, 0x100000000u + i);
    const Index c = static_cast<Index>(r.below(concepts));
    return about(r, c, pick(r, c), pick(r, c), [&](Index x) { return name(x, static_cast<Index>(r.below(names))); });
  }

  struct Text {
    std::string id, text;
  };
  struct Judgement {
    std::string query, document;
  };
  struct Collection {
    std::vector<Text> documents, queries;
    std::vector<Judgement> train, dev, test;
  };
  Collection collection(Index documents = 2000, Index train = 800, Index dev = 150, Index test = 250) const {
    Collection c;
    Random r(seed_, 2);
    std::set<std::vector<Index>> taken;
    struct About {
      std::vector<Index> of, name;
    };
    std::vector<About> abouts;
    while (static_cast<Index>(abouts.size()) < documents) {
      const Index main = static_cast<Index>(r.below(concepts));
      std::vector<Index> of{main, pick(r, main), pick(r, main), static_cast<Index>(r.below(concepts))};
      if (std::set<Index>(of.begin(), of.end()).size() < 4 || !taken.insert({of.begin(), of.end()}).second) continue;
      About a{of, {}};
      for (std::size_t i = 0; i < of.size(); ++i) a.name.push_back(static_cast<Index>(r.below(names)));
      const auto say = [&](Index x) {
        for (std::size_t i = 0; i < of.size(); ++i)
          if (of[i] == x) return name(x, a.name[i]);
        return name(x, 0);
      };
      c.documents.push_back({"d" + std::to_string(abouts.size()), about(r, of[0], of[1], of[2], say) + " " + plain[r.below(6)] + " " + say(of[3]) + " " +
                                                                      plain[6 + r.below(8)] + " " + plain[r.below(6)] + " " + say(of[1])});
      abouts.push_back(std::move(a));
    }
    for (Index q = 0; q < train + dev + test; ++q) {
      const std::size_t d = r.below(abouts.size());
      const About& a = abouts[d];
      std::string text;
      for (std::size_t i : {0, 1, 3}) {  // always by another of its names
        const Index other = (a.name[i] + 1 + static_cast<Index>(r.below(names - 1))) % names;
        text += (text.empty() ? std::string("which ") : " " + std::string(plain[6 + r.below(8)]) + " ") + name(a.of[i], other);
      }
      const std::string id = "q" + std::to_string(q);
      c.queries.push_back({id, text});
      (q < train ? c.train : q < train + dev ? c.dev : c.test).push_back({id, c.documents[d].id});
    }
    return c;
  }

private:
  static constexpr const char* plain[] = {"the", "a", "this", "every", "some", "one", "near", "with", "for", "under", "and", "from", "beside", "without",
                                          "is", "has", "was", "keeps", "makes", "often", "always", "rarely", "which", "of", ".", "in"};

  std::string name(Index c, Index n) const { return words_[static_cast<std::size_t>(c * names + n)]; }
  Index pick(Random& r, Index c) const { return near_[static_cast<std::size_t>(c)][r.below(4)]; }
  template <class Say>
  std::string about(Random& r, Index c, Index x, Index y, const Say& say) const {
    const auto article = [&] { return std::string(plain[r.below(6)]) + " "; };
    const auto verb = [&] { return " " + std::string(plain[14 + r.below(5)]) + " "; };
    const auto link = [&] { return " " + std::string(plain[6 + r.below(8)]) + " "; };
    return article() + say(c) + verb() + article() + say(x) + link() + article() + say(y);
  }

  std::uint64_t seed_;
  std::vector<std::string> words_;
  std::vector<std::vector<Index>> near_;
};

// The collection as files: collection.tsv, queries.tsv, qrels/<split>.txt.
inline void write_collection(const std::string& folder, const Generator::Collection& c) {
  const auto texts = [&](const char* file, const std::vector<Generator::Text>& all) {
    towpath::NewFile out(folder + "/" + file);
    for (const auto& t : all) out.write(t.id + "\t" + t.text + "\n");
    out.commit();
  };
  const auto judgements = [&](const char* split, const std::vector<Generator::Judgement>& all) {
    towpath::NewFile out(folder + "/qrels/" + split + ".txt");
    for (const auto& j : all) out.write(j.query + " 0 " + j.document + " 1\n");
    out.commit();
  };
  texts("collection.tsv", c.documents);
  texts("queries.tsv", c.queries);
  judgements("train", c.train);
  judgements("dev", c.dev);
  judgements("test", c.test);
}

}  // namespace world
