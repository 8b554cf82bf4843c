#pragma once

#include "towpath/data/jsonl.hpp"
#include "towpath/data/lines.hpp"
#include "towpath/data/tsv.hpp"

#include "towpath/base/config.hpp"

#include <string>
#include <string_view>

namespace towpath {

// How a file holds its texts: one on each line; lines "id TAB text"; BEIR's objects {"_id", "title", "text"}, one on each line.
enum class Form { lines, tsv, jsonl };

// As the file's name says: jsonl if it holds ".jsonl", tsv if it holds ".tsv" (corpus.jsonl.gz, collection.tsv), else lines.
inline Form form_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  const auto holds = [&](std::string_view ending) { return name.find(ending) != std::string_view::npos; };
  return holds(".jsonl") ? Form::jsonl : holds(".tsv") ? Form::tsv : Form::lines;
}

// The texts of a file from first to last, one in memory at a time; plain or gzip.
//   TextReader reader{"corpus.jsonl.gz", Form::jsonl};
//   for (std::string_view text; reader.next(text);) …          // the view holds until the next call
// An empty line is an empty text among lines, and nothing in jsonl. Ids are not compared: read_tsv and read_jsonl do that.
// Errors: a line of another form; a file that cannot be read.
class TextReader {
public:
  TextReader(const std::string& path, Form form) : lines_(path), form_(form) {}

  bool next(std::string_view& text) {
    std::string_view line;
    do
      if (!lines_.next(line)) return false;
    while (form_ == Form::jsonl && line.empty());
    if (form_ == Form::jsonl) text = owned_ = detail::json_line(lines_, line).text;
    else if (form_ == Form::tsv) text = detail::text_line(lines_, line).text;
    else text = line;
    ++count_;
    return true;
  }
  Index count() const { return count_; }  // texts so far

private:
  Lines lines_;
  Form form_;
  std::string owned_;
  Index count_ = 0;
};

}  // namespace towpath
