#include "towpath/data/texts.hpp"

#include <doctest/doctest.h>

TEST_CASE("ids are numbered in the order they come") {
  towpath::Ids ids;
  CHECK(ids.find("a") == -1);
  CHECK(ids.add("b") == std::pair<towpath::Index, bool>{0, true});
  CHECK(ids.add("") == std::pair<towpath::Index, bool>{1, true});
  CHECK(ids.add("b") == std::pair<towpath::Index, bool>{0, false});
  for (int i = 0; i < 10000; ++i) CHECK(ids.add("id" + std::to_string(i)).first == i + 2);
  for (int i = 0; i < 10000; ++i) CHECK(ids.find("id" + std::to_string(i)) == i + 2);
  CHECK(ids.find("") == 1);
  CHECK(ids.find("id") == -1);
  CHECK(ids[9] == "id7");
  CHECK(ids.count() == 10002);
}

TEST_CASE("texts keep the first of an id and count the empty ones") {
  towpath::Texts texts;
  CHECK(texts.add("d1", "one"));
  CHECK(texts.add("d2", " \t"));
  CHECK_FALSE(texts.add("d1", "other"));
  CHECK(texts.add("d3", ""));
  CHECK(texts.count() == 3);
  CHECK(texts.empty == 2);
  CHECK(texts[0] == "one");
  CHECK(texts[texts.find("d3")] == "");
  CHECK(texts.id(1) == "d2");
}
