#pragma once

#include "towpath/data/lines.hpp"
#include "towpath/data/texts.hpp"
#include "towpath/data/tsv.hpp"

#include "towpath/base/json.hpp"

#include <string>
#include <string_view>

namespace towpath {

namespace detail {
struct OwnedTextLine {
  std::string id, text;
};
inline OwnedTextLine json_line(const Lines& lines, std::string_view line) {
  Json object;
  if (!read_json(line, object).empty() || !object.is_object())
    lines.malformed(line, "a JSON object {\"_id\": …, \"title\": …, \"text\": …} on a line of its own");
  const auto string = [&](const char* key, bool needed) {
    std::string text;
    const Json* v = object.find(key);
    if (!v || v->is_null()) {
      if (needed) lines.malformed(line, std::string("a field \"") + key + "\"");
    } else if (!v->read(text)) {
      if (v->kind() != Json::Kind::integer) lines.malformed(line, std::string("a string in \"") + key + "\"");
      text = v->dump();    // ids without quotes are common
    }
    return text;
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
