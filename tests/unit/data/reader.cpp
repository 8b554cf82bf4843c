#include "towpath/data/reader.hpp"

#include "scratch.hpp"

#include <vector>

using namespace towpath;

namespace {
using S = std::vector<std::string>;
S all(const std::string& path, Form form) {
  TextReader reader{path, form};
  S texts;
  for (std::string_view text; reader.next(text);) texts.emplace_back(text);
  CHECK(reader.count() == static_cast<Index>(texts.size()));
  return texts;
}
}  // namespace

TEST_CASE("three forms, plain and gzip") {
  Scratch s;
  CHECK(all(s.write("a.txt", "one two\n\nd1\tthree"), Form::lines) == S{"one two", "", "d1\tthree"});
  CHECK(all(s.write("a.tsv.gz", "d1\tone\nd2\t\nd3\tthree\tfour\r\n"), Form::tsv) == S{"one", "", "three\tfour"});
  const auto jsonl = s.write("a.jsonl.gz", "{\"_id\": \"1\", \"title\": \"a\", \"text\": \"b\"}\n\n{\"_id\": 2, \"text\": \"\"}\n\n");
  CHECK(all(jsonl, Form::jsonl) == S{"a b", ""});
  CHECK(all(s.write("none.txt", ""), Form::lines).empty());
}

TEST_CASE("a file's name says its form") {
  CHECK(form_of("corpus.jsonl") == Form::jsonl);
  CHECK(form_of("/data/nq.v1/corpus.jsonl.gz") == Form::jsonl);
  CHECK(form_of("collection.tsv") == Form::tsv);
  CHECK(form_of("x/collection.tsv.gz") == Form::tsv);
  CHECK(form_of("texts.txt") == Form::lines);
  CHECK(form_of("texts.gz") == Form::lines);
  CHECK(form_of("collection.tsv.d/texts") == Form::lines);
}

TEST_CASE("lines of another form say where they are") {
  Scratch s;
  CHECK(says(complaint([&] { all(s.write("a.tsv", "d1\tx\ny\n"), Form::tsv); }), {"a.tsv:2: found \"y\": expected id TAB text"}));
  CHECK(says(complaint([&] { all(s.write("a.jsonl", "{\"_id\": \"1\"}\n"), Form::jsonl); }), {"a.jsonl:1: ", "a field \"text\""}));
}
