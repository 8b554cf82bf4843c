#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

// Many strings in one block of memory: eight bytes each beyond the characters, where a std::string costs thirty-two and an
// allocation. Views stay valid until the next add.
class Strings {
public:
  Index add(std::string_view text) {
    block_.append(text);
    ends_.push_back(block_.size());
    return count() - 1;
  }
  Index count() const { return static_cast<Index>(ends_.size()); }
  std::string_view operator[](Index row) const {
    const auto r = static_cast<std::size_t>(row);
    const std::size_t from = r ? ends_[r - 1] : 0;
    return {block_.data() + from, ends_[r] - from};
  }

private:
  std::string block_;
  std::vector<std::size_t> ends_;
};

// Distinct strings numbered 0, 1, 2, … in the order they came: rows[7] = "doc-7", rows.find("doc-7") = 7.
class Ids {
public:
  // The row of `id` and whether it is new.
  std::pair<Index, bool> add(std::string_view id) {
    if (static_cast<std::size_t>(count()) * 2 >= slots_.size()) grow();
    const std::size_t at = slot(id);
    if (slots_[at]) return {static_cast<Index>(slots_[at]) - 1, false};
    const Index row = names_.add(id);
    slots_[at] = static_cast<std::uint32_t>(row + 1);
    return {row, true};
  }
  // -1 when there is no such id.
  Index find(std::string_view id) const {
    return slots_.empty() ? -1 : static_cast<Index>(slots_[slot(id)]) - 1;
  }
  std::string_view operator[](Index row) const { return names_[row]; }
  Index count() const { return names_.count(); }

private:
  std::size_t slot(std::string_view id) const {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    h ^= h >> 29;
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(h) & mask;
    while (slots_[at] && names_[static_cast<Index>(slots_[at]) - 1] != id) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, 0);
    for (Index row = 0; row < count(); ++row) slots_[slot(names_[row])] = static_cast<std::uint32_t>(row + 1);
  }

  Strings names_;
  std::vector<std::uint32_t> slots_;    // row + 1, 0 where free; a power of two of them, at most half full
};

// Documents or queries: row r has the id ids[r] and the text texts[r]. Empty texts are allowed (an encoder gives them the
// vector of "[CLS] [SEP]") and counted, since a collection of many is usually a broken export.
struct Texts {
  Ids ids;
  Strings texts;
  Index empty = 0;

  Index count() const { return ids.count(); }
  Index find(std::string_view id) const { return ids.find(id); }
  std::string_view id(Index row) const { return ids[row]; }
  std::string_view operator[](Index row) const { return texts[row]; }

  // False when the id is taken.
  bool add(std::string_view name, std::string_view text) {
    if (!ids.add(name).second) return false;
    texts.add(text);
    empty += text.find_first_not_of(" \t") == std::string_view::npos;
    return true;
  }
};

}  // namespace towpath
