#include "towpath/data/jsonl.hpp"

#include "scratch.hpp"

using towpath::read_jsonl;

TEST_CASE("BEIR's objects") {
  Scratch s;
  for (const char* name : {"c.jsonl", "c.jsonl.gz"}) {
    const auto t = read_jsonl(s.write(name, R"({"_id": "a", "title": "The title", "text": "the text", "metadata": {}}

{"_id": 7, "title": "", "text": "caf\u00e9 \ud83d\ude00"}
{"text": "", "_id": "b", "title": null}
)"));
    CHECK(t.count() == 3);
    CHECK(t.empty == 1);
    CHECK(t[0] == "The title the text");
    CHECK(t[t.find("7")] == "café 😀");
  }
}

TEST_CASE("objects of another form") {
  Scratch s;
  CHECK(says(complaint([&] { read_jsonl(s.write("a", "{\"_id\": \"x\", \"text\": \"y\"}\n{\"_id\"\n")); }),
             {"/a:2: found \"{\"_id\"\": expected a JSON object"}));
  CHECK(says(complaint([&] { read_jsonl(s.write("b", "[1]\n")); }), {"/b:1: ", "expected a JSON object"}));
  CHECK(says(complaint([&] { read_jsonl(s.write("c", "{\"id\": \"x\"}\n")); }), {"/c:1: ", "expected a field \"_id\""}));
  CHECK(says(complaint([&] { read_jsonl(s.write("d", "{\"_id\": \"x\"}\n")); }), {"/d:1: ", "expected a field \"text\""}));
  CHECK(says(complaint([&] { read_jsonl(s.write("e", "{\"_id\": \"x\", \"text\": []}\n")); }), {"expected a string in \"text\""}));
  CHECK(says(complaint([&] { read_jsonl(s.write("f", "{\"_id\": \"\", \"text\": \"\"}\n")); }), {"\"_id\" that is not empty"}));
  CHECK(says(complaint([&] { read_jsonl(s.write("g", "{\"_id\": 1, \"text\": \"\"}\n{\"_id\": \"1\", \"text\": \"\"}")); }),
             {"/g:2: the id \"1\" was used before"}));
}
