#pragma once

#include "towpath/data/lines.hpp"
#include "towpath/data/texts.hpp"
#include "towpath/data/tsv.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace towpath {

namespace detail {
struct OwnedTextLine {
  std::string id, text;
};
inline OwnedTextLine json_line(const Lines& lines, std::string_view line) {
  const auto object = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  if (!object.is_object()) lines.malformed(line, "a JSON object {\"_id\": …, \"title\": …, \"text\": …} on a line of its own");
  const auto string = [&](const char* key, bool needed) -> std::string {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null()) {
      if (needed) lines.malformed(line, std::string("a field \"") + key + "\"");
      return {};
    }
    if (it->is_string()) return it->get<std::string>();
    if (it->is_number_integer()) return it->dump();    // ids without quotes are common
    lines.malformed(line, std::string("a string in \"") + key + "\"");
  };
  OwnedTextLine out{string("_id", true), string("text", true)};
  if (out.id.empty()) lines.malformed(line, "a field \"_id\" that is not empty");
  if (std::string title = string("title", false); !title.empty()) out.text = title + " " + out.text;
  return out;
}
}  // namespace detail

// Reads BEIR's corpus.jsonl and queries.jsonl, plain or gzip: {"_id", "title", "text"} per line, title optional. A text is
// title + " " + text where the title is not empty, and the text alone otherwise, as BEIR's own models join them.
// Errors: a line that is no such object; an id used twice. Blank lines are skipped.
inline Texts read_jsonl(const std::string& path) {
  Lines lines{path};
  Texts all;
  for (std::string_view line; lines.next(line);) {
    if (line.empty()) continue;
    const auto [id, text] = detail::json_line(lines, line);
    if (!all.add(id, text)) detail::duplicate(lines, id);
  }
  return all;
}

}  // namespace towpath
