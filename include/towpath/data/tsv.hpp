#pragma once

#include "towpath/data/lines.hpp"
#include "towpath/data/texts.hpp"

namespace towpath {

namespace detail {
struct TextLine {
  std::string_view id, text;
};
inline TextLine text_line(const Lines& lines, std::string_view line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos || tab == 0) lines.malformed(line, "id TAB text");
  return {line.substr(0, tab), line.substr(tab + 1)};
}
[[noreturn]] inline void duplicate(const Lines& lines, std::string_view id) {
  fail(lines.where() + ": the id \"" + std::string(id) + "\" was used before", "ids name one text each",
       "Remove one of the two lines");
}
}  // namespace detail

// Reads lines "id TAB text" (MS MARCO's collection.tsv and queries.tsv), plain or gzip. Later tabs belong to the text.
// Errors: a line without a tab or without an id; an id used twice.
inline Texts read_tsv(const std::string& path) {
  Lines lines{path};
  Texts all;
  for (std::string_view line; lines.next(line);) {
    const auto [id, text] = detail::text_line(lines, line);
    if (!all.add(id, text)) detail::duplicate(lines, id);
  }
  return all;
}

}  // namespace towpath
