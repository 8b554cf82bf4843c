#include "towpath/model/shapes.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

static_assert(BertBase::hidden == 768 && BertBase::layers == 12 && BertBase::ffn == 3072 && BertBase::vocabulary == 30522);
static_assert(BertLarge::hidden == 1024 && BertLarge::layers == 24 && BertLarge::heads == 16 && BertLarge::positions == 512);
static_assert(MiniLM::hidden == 384 && MiniLM::layers == 6 && MiniLM::heads == 12 && MiniLM::ffn == 1536);
static_assert(shapes::Mini::hidden == 256 && shapes::Tiny::hidden == 128 && shapes::Tiny::layers == 2);
static_assert(BertShapes::size == 5);

namespace {
struct Tall : MiniLM {
  static constexpr std::string_view name = "Tall";
  static constexpr Index layers = 24;
};
}  // namespace
static_assert(Tall::hidden == 384 && Tall::layers == 24 && MiniLM::layers == 6);

TEST_CASE("with_shape calls the function with the shape of that name") {
  for (std::string_view name : BertShapes::names) {
    int calls = 0;
    with_shape(name, [&](auto shape) {
      ++calls;
      CHECK(decltype(shape)::name == name);
    });
    CHECK(calls == 1);
  }
  Index hidden = 0;
  with_shape("MiniLM", [&](auto shape) { hidden = decltype(shape)::hidden; });
  CHECK(hidden == 384);
}

TEST_CASE("with_shape takes a list of one's own") {
  Index layers = 0;
  with_shape<ShapeList<Tall, BertBase>>("Tall", [&](auto shape) { layers = decltype(shape)::layers; });
  CHECK(layers == 24);
}

TEST_CASE("a shape that was not compiled in is refused with those that were") {
  std::string said;
  try {
    with_shape("bert-large", [](auto) { FAIL("called"); });
  } catch (const Error& e) {
    said = e.what();
  }
  CHECK(said == "no shape is called \"bert-large\": compiled in: Tiny, Mini, MiniLM, BertBase, BertLarge. Choose one of these, or add yours to the list");
}

TEST_CASE("find goes by any property, the first that fits") {
  Index found = 0;
  CHECK(BertShapes::find([](auto s) { return decltype(s)::hidden >= 256; }, [&](auto s) { found = decltype(s)::hidden; }));
  CHECK(found == 256);
  CHECK(!BertShapes::find([](auto s) { return decltype(s)::hidden > 5000; }, [](auto) { FAIL("called"); }));
}
