#include "towpath/data/tsv.hpp"

#include "scratch.hpp"

using towpath::read_tsv;

TEST_CASE("id TAB text") {
  Scratch s;
  for (const char* name : {"c.tsv", "c.tsv.gz"}) {
    const auto t = read_tsv(s.write(name, "d1\tone two\r\nd2\t\nd3\ta\tb\n"));
    CHECK(t.count() == 3);
    CHECK(t.empty == 1);
    CHECK(t[0] == "one two");
    CHECK(t[2] == "a\tb");
    CHECK(t.find("d2") == 1);
  }
}

TEST_CASE("lines of another form") {
  Scratch s;
  CHECK(says(complaint([&] { read_tsv(s.write("a.tsv", "d1\tx\nd2 y\n")); }), {"a.tsv:2: found \"d2 y\": expected id TAB text"}));
  CHECK(says(complaint([&] { read_tsv(s.write("b.tsv", "\tx\n")); }), {"b.tsv:1: found \"\tx\": expected id TAB text"}));
  CHECK(says(complaint([&] { read_tsv(s.write("c.tsv", "d1\tx\n\n")); }), {"c.tsv:2: found \"\": expected"}));
  CHECK(says(complaint([&] { read_tsv(s.write("d.tsv", "d1\tx\nd2\ty\nd1\tz\n")); }),
             {"d.tsv:3: the id \"d1\" was used before: ids name one text each. Remove one of the two lines"}));
}
