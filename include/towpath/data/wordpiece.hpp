#pragma once

#include "towpath/data/lines.hpp"
#include "towpath/data/texts.hpp"
#include "towpath/data/unicode.hpp"

#include "towpath/base/json.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

struct WordPieceOptions {
  bool lowercase = true;
  std::optional<bool> strip_accents = {};    // without a word: as lowercase
  bool chinese = true;                       // every ideograph is a word of its own
  bool specials_in_text = true;              // "[MASK]" in a text is that token; false: five ordinary characters
};

// How a pair that is too long is cut. longest_first: the longer text gives way until both are equal, then both (an odd last
// piece goes to the longer one, to the second where they are equal). only_second: the first text is kept whole.
enum class Truncation { longest_first, only_second };

struct Encoded {
  std::vector<std::int32_t> ids, types;    // types: 0 for [CLS] first [SEP], 1 for second [SEP]
  bool truncated = false;
};

// BERT's tokenizer: text -> ids, equal to Hugging Face's fast one (BertTokenizerFast, the Rust library `tokenizers`).
//   text -> drop controls, space -> ' ' -> ' ' around ideographs -> NFD, drop accents -> lower case, character by character
//        -> words at spaces, punctuation marks as words of their own
//        -> each word from the left by the longest piece in the vocabulary ("##" pieces inside a word);
//           [UNK] for a word that cannot be spelled so, or that has more than 100 characters
// Where that differs from BERT's original Python code, the fast tokenizer is followed: it knows "[CLS]" and its like inside a
// text, has no final sigma, and leaves U+2B820 … U+2B91F unspaced. Ill-formed UTF-8 is dropped, as Python's "replace" would
// make U+FFFD of it, which the first step removes.
//   WordPiece words{"vocab.txt"};                            // or a folder: then do_lower_case and so on are read from its
//   words.encode("Hello, world!", 128).ids                   //   tokenizer_config.json, else tokenizer.json
//   words.encode_pair(query, passage, 256, Truncation::only_second)
// A value: copies share one immutable table, and every member may be called from many threads.
// Errors: no vocabulary at that path; a vocabulary without [UNK], [CLS] or [SEP]; a tokenizer.json of another kind.
// Not for SentencePiece or byte-level BPE models (XLM-R, RoBERTa). Text that others wrote can contain "[SEP]": where that
// matters, set specials_in_text = false, and it is spelled out instead.
class WordPiece {
public:
  explicit WordPiece(const std::string& path) { load(path, nullptr); }
  // With options, the settings files of a folder are not looked at.
  WordPiece(const std::string& path, const WordPieceOptions& options) { load(path, &options); }

  // The pieces of a text, without [CLS] and [SEP], uncut.
  std::vector<std::int32_t> pieces(std::string_view text) const;

  // [CLS] text [SEP], at most max_length ids.
  Encoded encode(std::string_view text, Index max_length = 512) const { return single(pieces(text), max_length); }
  // [CLS] first [SEP] second [SEP], at most max_length ids. With only_second, a first text that alone fills max_length is an
  // error.
  Encoded encode_pair(std::string_view first, std::string_view second, Index max_length = 512,
                      Truncation rule = Truncation::longest_first) const {
    return pair(pieces(first), pieces(second), max_length, rule);
  }

  // The same two from pieces that are already there.
  Encoded single(std::span<const std::int32_t> text, Index max_length) const;
  Encoded pair(std::span<const std::int32_t> first, std::span<const std::int32_t> second, Index max_length,
               Truncation rule = Truncation::longest_first) const;

  Index vocabulary() const { return table_->tokens.count(); }
  std::string_view token(std::int32_t id) const {
    if (id < 0 || id >= vocabulary())
      fail("there is no piece " + std::to_string(id), "the vocabulary has " + std::to_string(vocabulary()) + " pieces");
    return table_->tokens[id];
  }
  // -1 for a string that is no piece.
  std::int32_t id(std::string_view token) const { return table_->id(token); }
  std::int32_t cls() const { return table_->cls; }
  std::int32_t sep() const { return table_->sep; }
  std::int32_t unk() const { return table_->unk; }
  std::int32_t pad() const { return id("[PAD]"); }
  std::int32_t mask() const { return id("[MASK]"); }
  const WordPieceOptions& options() const { return table_->options; }

private:
  // Two tries in one hash table: from `start` the pieces that begin a word, from `inside` those after "##", without it.
  struct Trie {
    static constexpr std::uint32_t start = 0, inside = 1, none = 0;
    struct Slot {
      std::uint32_t key = 0, node = 0;    // key: parent << 8 | byte; never 0, since no text has a zero byte
    };
    std::vector<Slot> slots = std::vector<Slot>(1024);
    std::vector<std::int32_t> ids{-1, -1};    // by node; -1 where no piece ends

    std::size_t slot(std::uint32_t key) const {
      const std::size_t mask = slots.size() - 1;
      std::size_t at = (key * 0x9E3779B1u >> 8 ^ key) & mask;
      while (slots[at].key && slots[at].key != key) at = (at + 1) & mask;
      return at;
    }
    std::uint32_t next(std::uint32_t node, char byte) const {    // none where no piece goes on so
      return slots[slot(node << 8 | static_cast<unsigned char>(byte))].node;
    }
    void add(std::uint32_t node, std::string_view text, std::int32_t id);
    void grow();
  };

  struct Table {
    WordPieceOptions options;
    bool strip = true;
    Strings tokens;                      // by id
    Ids names;                           // distinct tokens; a token written twice has its last id, as in the original
    std::vector<std::int32_t> id_of;     // by row of names
    Trie trie;
    std::int32_t cls = -1, sep = -1, unk = -1;
    std::vector<std::pair<std::string, std::int32_t>> specials;

    std::int32_t id(std::string_view token) const {
      const Index row = names.find(token);
      return row < 0 ? -1 : id_of[static_cast<std::size_t>(row)];
    }
    void add(std::string_view token);
  };

  enum Kind : unsigned char { drop, blank, mark, letter };
  static constexpr std::array<Kind, 128> ascii = [] {
    std::array<Kind, 128> kinds{};
    for (unsigned c = 0; c < 128; ++c)
      kinds[c] = c == ' ' || c == '\t' || c == '\n' || c == '\r' ? blank
                 : c < 32 || c == 127                            ? drop
                 : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? letter
                                                                                               : mark;
    return kinds;
  }();

  // One reading of a text: characters come in, the ids of finished words go out.
  struct Words {
    const Table& table;
    std::vector<std::int32_t>& out;
    std::string word{};
    Index characters = 0;
    struct Waiting {
      int order;
      char32_t c;
    };
    std::vector<Waiting> run{};    // combining characters, until the next that is none shows where their run ends

    void read(std::string_view text);

    void put(char32_t c);
    void settle();
    void emit(char32_t c);
    void character(char32_t c) {
      unicode::append(word, c);
      ++characters;
    }

    // Longest piece first, from the left. Pieces end where characters do, since both sides are well-formed UTF-8.
    void finish();
  };

  static void room(Index max_length, Index needed, const char* what) {
    if (max_length < needed)
      fail("max_length " + std::to_string(max_length) + " is too short", std::string(what) + " take " + std::to_string(needed));
  }

  static std::string_view trim_end(std::string_view s);

  static Json json_file(const std::string& path);
  static std::optional<bool> flag(const Json& object, const char* key);

  void load(std::string path, const WordPieceOptions* options);

  static void read_json(const Json& whole, const std::string& path, Table& table);

  std::shared_ptr<const Table> table_;
};

// The tokenizer of a checkpoint's folder, if there is a vocab.txt.
inline std::shared_ptr<const WordPiece> words_in(const std::string& folder) {
  return detail::is_file(folder + "/vocab.txt") ? std::make_shared<const WordPiece>(folder) : nullptr;
}

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE void WordPiece::Trie::add(std::uint32_t node, std::string_view text, std::int32_t id) {
  for (char byte : text) {
    const std::uint32_t key = node << 8 | static_cast<unsigned char>(byte);
    if (ids.size() * 3 > slots.size()) grow();
    Slot& s = slots[slot(key)];
    if (!s.key) {
      if (ids.size() >= std::size_t{1} << 24) fail("the vocabulary has more than 16 million characters", "keys hold 24 bits of them");
      s = {key, static_cast<std::uint32_t>(ids.size())};
      ids.push_back(-1);
    }
    node = s.node;
  }
  ids[node] = id;
}

TOWPATH_ONCE void WordPiece::Trie::grow() {
  std::vector<Slot> old(slots.size() * 2);
  old.swap(slots);
  for (const Slot& s : old)
    if (s.key) slots[slot(s.key)] = s;
}

TOWPATH_ONCE void WordPiece::Table::add(std::string_view token) {
  const auto id = static_cast<std::int32_t>(tokens.add(token));
  const auto [row, is_new] = names.add(token);
  if (is_new) id_of.push_back(id);
  else id_of[static_cast<std::size_t>(row)] = id;
  if (token.empty()) return;
  if (token.find('\0') != std::string_view::npos) return;    // no word has one
  if (token.size() > 2 && token.starts_with("##")) trie.add(Trie::inside, token.substr(2), id);
  else trie.add(Trie::start, token, id);
}

TOWPATH_ONCE void WordPiece::Words::read(std::string_view text) {
  const bool lowercase = table.options.lowercase, chinese = table.options.chinese;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {    // nothing of Unicode is asked for plain ASCII
      ++at;
      const Kind kind = ascii[byte];
      if (kind == drop) continue;
      if (!run.empty()) settle();
      if (kind == letter) {
        word.push_back(static_cast<char>(lowercase && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte));
        ++characters;
      } else {
        finish();
        if (kind == mark) {
          word.push_back(static_cast<char>(byte));
          characters = 1;
          finish();
        }
      }
      continue;
    }
    const char32_t c = unicode::decode(text, at);
    if (unicode::dropped(c)) continue;
    if (unicode::space(c)) settle(), finish();
    else if (chinese && unicode::ideograph(c)) settle(), finish(), put(c), settle(), finish();
    else put(c);
  }
  settle();
  finish();
}

TOWPATH_ONCE void WordPiece::Words::put(char32_t c) {
  if (!table.strip) return emit(c);
  char32_t parts[8];
  const int n = unicode::decompose(c, parts);
  for (int i = 0; i < n; ++i) {
    if (const int order = unicode::order_class(parts[i])) run.push_back({order, parts[i]});
    else {
      if (!run.empty()) settle();
      emit(parts[i]);
    }
  }
}

TOWPATH_ONCE void WordPiece::Words::settle() {
  if (run.empty()) return;
  for (std::size_t i = 1; i < run.size(); ++i) {    // insertion sort: stable, and runs are short
    const Waiting w = run[i];
    std::size_t j = i;
    for (; j > 0 && run[j - 1].order > w.order; --j) run[j] = run[j - 1];
    run[j] = w;
  }
  for (const Waiting& w : run) emit(w.c);
  run.clear();
}

TOWPATH_ONCE void WordPiece::Words::emit(char32_t c) {
  if (table.strip && unicode::mark(c)) return;
  if (table.options.lowercase) {
    if (c == 0x130) {
      character(U'i');
      c = 0x307;
    } else {
      c = unicode::lower(c);
    }
  }
  if (!unicode::punctuation(c)) return character(c);
  finish();
  character(c);
  finish();
}

TOWPATH_ONCE void WordPiece::Words::finish() {
  if (word.empty()) return;
  const std::size_t before = out.size();
  const Trie& trie = table.trie;
  bool spelled = characters <= 100;
  for (std::size_t at = 0; spelled && at < word.size();) {
    std::uint32_t node = at ? Trie::inside : Trie::start;
    std::size_t end = at;
    std::int32_t best = -1;
    for (std::size_t i = at; i < word.size(); ++i) {
      node = trie.next(node, word[i]);
      if (node == Trie::none) break;
      if (trie.ids[node] >= 0) {
        best = trie.ids[node];
        end = i + 1;
      }
    }
    spelled = best >= 0;
    if (spelled) out.push_back(best);
    at = end;
  }
  if (!spelled) {
    out.resize(before);
    out.push_back(table.unk);
  }
  word.clear();
  characters = 0;
}

TOWPATH_ONCE std::vector<std::int32_t> WordPiece::pieces(std::string_view text) const {
  std::vector<std::int32_t> out;
  out.reserve(text.size() / 4 + 2);
  Words words{*table_, out};
  if (table_->options.specials_in_text) {
    std::size_t done = 0;
    for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
      std::int32_t id = -1;
      for (const auto& [name, its_id] : table_->specials)
        if (text.substr(at).starts_with(name)) {
          words.read(text.substr(done, at - done));
          out.push_back(id = its_id);
          done = at += name.size();
          break;
        }
      if (id < 0) ++at;
    }
    text.remove_prefix(done);
  }
  words.read(text);
  return out;
}

TOWPATH_ONCE Encoded WordPiece::single(std::span<const std::int32_t> text, Index max_length) const {
  room(max_length, 2, "[CLS] and [SEP]");
  const std::size_t budget = static_cast<std::size_t>(max_length) - 2, n = text.size() < budget ? text.size() : budget;
  Encoded out;
  out.ids.reserve(n + 2);
  out.truncated = n < text.size();
  out.ids.push_back(cls());
  out.ids.insert(out.ids.end(), text.begin(), text.begin() + static_cast<Index>(n));
  out.ids.push_back(sep());
  out.types.assign(n + 2, 0);
  return out;
}

TOWPATH_ONCE Encoded WordPiece::pair(std::span<const std::int32_t> first, std::span<const std::int32_t> second, Index max_length,
             Truncation rule) const {
  room(max_length, 3, "[CLS] and two [SEP]");
  const std::size_t budget = static_cast<std::size_t>(max_length) - 3;
  std::size_t n1 = first.size(), n2 = second.size();
  if (n1 + n2 > budget) {
    if (budget == 0) n1 = n2 = 0;
    else if (rule == Truncation::only_second) {
      if (n1 >= budget)
        fail("the first text of a pair has " + std::to_string(n1) + " pieces",
             "only the second may be cut, and of " + std::to_string(max_length) + " ids nothing is left for it",
             "Use Truncation::longest_first, a greater max_length or shorter queries");
      n2 = budget - n1;
    } else {
      const bool swapped = n1 > n2;
      if (swapped) std::swap(n1, n2);
      n2 = n1 > budget ? n1 : std::max(n1, budget - n1);
      if (n1 + n2 > budget) {
        n1 = budget / 2;
        n2 = n1 + budget % 2;
      }
      if (swapped) std::swap(n1, n2);
    }
  }
  Encoded out;
  out.truncated = n1 < first.size() || n2 < second.size();
  out.ids.reserve(n1 + n2 + 3);
  out.ids.push_back(cls());
  out.ids.insert(out.ids.end(), first.begin(), first.begin() + static_cast<Index>(n1));
  out.ids.push_back(sep());
  out.types.assign(out.ids.size(), 0);
  out.ids.insert(out.ids.end(), second.begin(), second.begin() + static_cast<Index>(n2));
  out.ids.push_back(sep());
  out.types.resize(out.ids.size(), 1);
  return out;
}

TOWPATH_ONCE std::string_view WordPiece::trim_end(std::string_view s) {
  while (!s.empty()) {
    std::size_t at = s.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
    std::size_t after = at;
    if (!unicode::space(unicode::decode(s, after)) || after != s.size()) break;
    s = s.substr(0, at);
  }
  return s;
}

TOWPATH_ONCE Json WordPiece::json_file(const std::string& path) {
  Lines lines{path};
  std::string all;
  for (std::string_view line; lines.next(line); all += '\n') all.append(line);
  Json value;
  if (!detail::read_json(all, value).empty() || !value.is_object())
    fail(path + " is not JSON", "expected one object", "Save the tokenizer again, or remove the file");
  return value;
}

TOWPATH_ONCE std::optional<bool> WordPiece::flag(const Json& object, const char* key) {
  const Json* v = object.find(key);
  bool set = false;
  return v && v->read(set) ? std::optional(set) : std::nullopt;
}

TOWPATH_ONCE void WordPiece::load(std::string path, const WordPieceOptions* options) {
  auto table = std::make_shared<Table>();
  const bool folder = detail::is_folder(path), json = !folder && path.ends_with("tokenizer.json");
  const std::string at = folder ? path + "/" : json ? path.substr(0, path.size() - 14) : std::string();
  Json whole, settings;
  if (folder || json) {
    if (detail::is_file(at + "tokenizer.json")) whole = json_file(at + "tokenizer.json");
    if (detail::is_file(at + "tokenizer_config.json")) settings = json_file(at + "tokenizer_config.json");
    if (folder) path = detail::plain_or_gz(at + "vocab.txt");
    if (path.empty() && whole.is_null())
      fail("no vocabulary in " + at, "neither vocab.txt nor tokenizer.json is there", "Give the folder of a BERT checkpoint");
  }

  if (options) table->options = *options;
  else if (folder || json) {
    const Json* normalizer = whole.find("normalizer");
    const auto either = [&](const char* in_settings, const char* in_whole) {
      const auto v = flag(settings, in_settings);
      return v || !normalizer ? v : flag(*normalizer, in_whole);
    };
    table->options.lowercase = either("do_lower_case", "lowercase").value_or(true);
    table->options.strip_accents = either("strip_accents", "strip_accents");
    table->options.chinese = either("tokenize_chinese_chars", "handle_chinese_chars").value_or(true);
  }
  table->strip = table->options.strip_accents.value_or(table->options.lowercase);

  if (json || path.empty()) {
    path = at + "tokenizer.json";
    read_json(whole, path, *table);
  } else {
    Lines lines{path};
    for (std::string_view line; lines.next(line);) table->add(trim_end(line));
  }

  const auto need = [&](const char* name, const char* why) {
    const std::int32_t id = table->id(name);
    if (id < 0)
      fail(path + " has no " + name, why, "Take the vocab.txt of a BERT model; " + std::to_string(table->tokens.count()) +
                                              " pieces were read here, the first of them \"" +
                                              std::string(table->tokens.count() ? table->tokens[0] : "") + "\"");
    return id;
  };
  table->unk = need("[UNK]", "words that cannot be spelled become it");
  table->cls = need("[CLS]", "every text begins with it");
  table->sep = need("[SEP]", "every text ends with it");
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (const std::int32_t id = table->id(name); id >= 0) table->specials.emplace_back(name, id);
  table_ = std::move(table);
}

TOWPATH_ONCE void WordPiece::read_json(const Json& whole, const std::string& path, Table& table) {
  const Json* model = whole.find("model");
  const Json* type = model ? model->find("type") : nullptr;
  const Json* pieces = model ? model->find("vocab") : nullptr;
  std::string_view name = "WordPiece";
  if (!pieces || !pieces->is_object() || (type && !type->read(name)) || name != "WordPiece")
    fail(path + " is no WordPiece tokenizer", "expected model.type \"WordPiece\" and a model.vocab",
         "Use a BERT, MiniLM, DistilBERT or ELECTRA checkpoint");
  const Json& vocab = *pieces;
  std::vector<std::string> tokens(vocab.size());
  std::vector<bool> seen(vocab.size());
  for (std::size_t at = 0; at < vocab.size(); ++at) {
    std::size_t i = 0;
    if (!vocab[at].read(i) || i >= tokens.size() || seen[i])
      fail(path + " numbers the piece \"" + vocab.key(at) + "\" " + vocab[at].dump(),
           "expected every number from 0 to " + std::to_string(tokens.size() - 1) + " once");
    seen[i] = true;
    tokens[i] = vocab.key(at);
  }
  for (const auto& token : tokens) table.add(token);
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
