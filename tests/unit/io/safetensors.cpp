#include "towpath/io/safetensors.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;

namespace {

std::string numbers(std::size_t bytes) {
  std::string s(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) s[i] = static_cast<char>(i * 7 + 1);
  return s;
}

void put(const std::string& path, const std::string& bytes) {
  NewFile f(path);
  f.write(bytes);
  f.commit();
}

std::string packed(const std::string& header, std::size_t data, std::uint64_t claimed = ~std::uint64_t{0}) {
  const std::uint64_t n = claimed == ~std::uint64_t{0} ? header.size() : claimed;
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + numbers(data);
}

const std::string path = "bad.safetensors";

// Why the file was refused, without the beginning and the end that all share; the whole sentence if it has others.
std::string refusal(const std::string& bytes) {
  put(path, bytes);
  std::string said;
  try {
    Safetensors file(path);
  } catch (const Error& e) {
    said = e.what();
    const std::string head = "cannot read " + path + ": ", tail = std::string(". ") + detail::InFile::again;
    if (said.starts_with(head) && said.ends_with(tail))
      said = said.substr(head.size(), said.size() - head.size() - tail.size());
  }
  std::remove(path.c_str());
  return said;
}
std::string refusal(const std::string& header, std::size_t data) { return refusal(packed(header, data)); }

std::string one(const char* dtype, const char* shape, const char* offsets) {
  return std::string(R"({"x":{"dtype":)") + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("the whole sentence: what, why, what to do") {
  put(path, packed(one("\"F32\"", "[2]", "[0,4]"), 4));
  try {
    Safetensors file(path);
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.complaint().what == "cannot read bad.safetensors");
    CHECK(e.complaint().why == "tensor \"x\" has 4 bytes, but its shape and dtype ask for 8");
    CHECK(e.complaint().fix == "The file is damaged or was not written by safetensors: fetch or write it again");
  }
  std::remove(path.c_str());
}

TEST_CASE("header: length, beginning, JSON") {
  CHECK(refusal("") == "it has 0 bytes, fewer than the 8 that give the header's length");
  CHECK(refusal("1234567") == "it has 7 bytes, fewer than the 8 that give the header's length");
  CHECK(refusal(packed("{}", 0, 100'000'001)) ==
        "its header claims 100000001 bytes, more than the 100000000 that are allowed");
  CHECK(refusal(packed("{}", 0, ~std::uint64_t{0} - 7)) ==
        "its header claims 18446744073709551608 bytes, more than the 100000000 that are allowed");
  CHECK(refusal(packed("{}", 0, 3)) == "its header claims 3 bytes, but only 2 follow");
  CHECK(refusal(packed("", 0)) == "its header does not begin with '{'");
  CHECK(refusal(" {}", 0) == "its header does not begin with '{'");
  CHECK(refusal("[]", 0) == "its header does not begin with '{'");
  const std::string broken = "cannot read the header of bad.safetensors: ";
  CHECK(refusal("{\"x\":", 0).starts_with(broken + "the text breaks off or goes wrong near byte"));
  CHECK(refusal("{} x", 0).starts_with(broken + "the text breaks off or goes wrong near byte"));
  CHECK(refusal("{\"\xff\":1}", 0).starts_with(broken + "the text breaks off or goes wrong near byte"));
  CHECK(refusal("{\"x\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}", 0)
            .starts_with(broken + "it is nested more than 4 deep"));
  CHECK(refusal("{\"x\":" + std::string(100'000, '{'), 0).starts_with(broken));
  const std::string x = R"("x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(refusal("{" + x + "," + x + "}", 1).starts_with(broken + "the key \"x\" occurs twice"));
  CHECK(refusal(R"({"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1)
            .starts_with(broken + "the key \"dtype\" occurs twice"));
  CHECK(refusal(R"({"__metadata__":{"a":"1","a":"2"}})", 0).starts_with(broken + "the key \"a\" occurs twice"));
}

TEST_CASE("a tensor's description") {
  CHECK(refusal(R"({"x":3})", 0) == "tensor \"x\" is not described by an object");
  CHECK(refusal(R"({"x":{"shape":[1],"data_offsets":[0,1]}})", 1) == "tensor \"x\" has no dtype");
  CHECK(refusal(R"({"x":{"dtype":"U8","data_offsets":[0,1]}})", 1) == "tensor \"x\" has no shape");
  CHECK(refusal(R"({"x":{"dtype":"U8","shape":[1]}})", 1) == "tensor \"x\" has no data_offsets");
  CHECK(refusal(one("7", "[1]", "[0,1]"), 1) == "tensor \"x\" has a dtype that is not a string");
  CHECK(refusal(one("\"F8_E4M3\"", "[1]", "[0,1]"), 1) ==
        "cannot read bad.safetensors: tensor \"x\" has the dtype F8_E4M3, which is not read here. Convert it to one of "
        "F64, F32, F16, BF16, I64, I32, "
        "I16, I8, U64, U32, U16, U8, BOOL");
  CHECK(refusal(one("\"U8\"", "1", "[0,1]"), 1) == "tensor \"x\" has a shape that is not a list");
  CHECK(refusal(one("\"U8\"", "[-1]", "[0,1]"), 1) ==
        "tensor \"x\" has -1 in its shape, where a whole number from zero on must stand");
  CHECK(refusal(one("\"U8\"", "[1.0]", "[0,1]"), 1) ==
        "tensor \"x\" has 1.0 in its shape, where a whole number from zero on must stand");
  CHECK(refusal(one("\"U8\"", "[[1]]", "[0,1]"), 1) ==
        "tensor \"x\" has [1] in its shape, where a whole number from zero on must stand");
  CHECK(refusal(one("\"U8\"", "[9223372036854775808]", "[0,1]"), 1) ==
        "tensor \"x\" has a shape whose product is too large to count");
  CHECK(refusal(one("\"U8\"", "[4294967296,4294967296]", "[0,1]"), 1) ==
        "tensor \"x\" has a shape whose product is too large to count");
  CHECK(refusal(one("\"F32\"", "[4611686018427387905]", "[0,4]"), 4) ==
        "tensor \"x\" has a shape whose product is too large to count");
  CHECK(refusal(one("\"F32\"", "[2305843009213693952]", "[0,4]"), 4) ==
        "tensor \"x\" has a shape whose product is too large to count");
  CHECK(refusal(one("\"F32\"", "[3]", "[0,8]"), 8) == "tensor \"x\" has 8 bytes, but its shape and dtype ask for 12");
}

TEST_CASE("where a tensor lies") {
  CHECK(refusal(one("\"U8\"", "[1]", "[0]"), 1) == "tensor \"x\" has data_offsets that are not a pair [begin, end]");
  CHECK(refusal(one("\"U8\"", "[1]", "[0,1,2]"), 1) ==
        "tensor \"x\" has data_offsets that are not a pair [begin, end]");
  CHECK(refusal(one("\"U8\"", "[1]", "[-1,0]"), 1) ==
        "tensor \"x\" has -1 in its data_offsets, where a whole number from zero on must stand");
  CHECK(refusal(one("\"U8\"", "[1]", "[\"0\",1]"), 1) ==
        "tensor \"x\" has \"0\" in its data_offsets, where a whole number from zero on must stand");
  CHECK(refusal(one("\"U8\"", "[1]", "[2,1]"), 2) == "tensor \"x\" ends before it begins: its data_offsets are [2, 1)");
  CHECK(refusal(one("\"U8\"", "[2]", "[0,2]"), 1) == "tensor \"x\" lies at [0, 2), but the file's data end at byte 1");
  CHECK(refusal(one("\"U8\"", "[1]", "[18446744073709551614,18446744073709551615]"), 1) ==
        "tensor \"x\" lies at [18446744073709551614, 18446744073709551615), but the file's data end at byte 1");
  const auto two = [](const char* x, const char* y) {
    return std::string(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":)") + x +
           R"(},"y":{"dtype":"U8","shape":[4],"data_offsets":)" + y + "}}";
  };
  CHECK(refusal(two("[0,4]", "[4,8]"), 8).empty());
  CHECK(refusal(two("[4,8]", "[0,4]"), 8).empty());
  CHECK(refusal(two("[0,4]", "[2,6]"), 8) == "tensor \"y\" begins at byte 2 inside tensor \"x\"");
  CHECK(refusal(two("[0,4]", "[0,4]"), 8) == "tensor \"y\" begins at byte 0 inside tensor \"x\"");
  CHECK(refusal(two("[0,4]", "[5,9]"), 9) == "tensor \"y\" begins at byte 5 and leaves a gap after byte 4");
  CHECK(refusal(two("[1,5]", "[5,9]"), 9) == "tensor \"x\" begins at byte 1 and leaves a gap after byte 0");
  CHECK(refusal(two("[0,4]", "[4,8]"), 9) == "its tensors end at byte 8 of the data, but the file goes on to byte 9");
  CHECK(refusal("{}", 1) == "its tensors end at byte 0 of the data, but the file goes on to byte 1");
}

TEST_CASE("metadata is a map of strings") {
  CHECK(refusal(R"({"__metadata__":["a"]})", 0) == "its __metadata__ is not a map of strings");
  CHECK(refusal(R"({"__metadata__":null})", 0) == "its __metadata__ is not a map of strings");
  CHECK(refusal(R"({"__metadata__":{"a":1}})", 0) == "its __metadata__ has something else than a string under \"a\"");
  CHECK(refusal(R"({"__metadata__":{"a":{"b":"c"}}})", 0) ==
        "its __metadata__ has something else than a string under \"a\"");
  CHECK(refusal(R"({"__metadata__":{}})", 0).empty());
}

TEST_CASE("a scalar, empty tensors and no tensors are legal") {
  put(path,
      packed(
          R"({"none":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},"none too":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
          R"("s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )",
          4));
  const Safetensors file(path);
  REQUIRE(file.find("s"));
  CHECK(file.find("s")->shape.empty());
  CHECK(file.find("s")->size() == 1);
  REQUIRE(file.find("none"));
  CHECK(file.find("none")->size() == 0);
  CHECK(file.find("none")->shape == std::vector<Index>{0, 3});
  CHECK(file.entries().size() == 3);
  CHECK_FALSE(file.find("S"));
  CHECK(refusal("{}", 0).empty());
  std::remove(path.c_str());
}

TEST_CASE("written and read back: everything, aligned, the same bytes each time") {
  const std::string data = numbers(4096);
  const auto* bytes = reinterpret_cast<const std::byte*>(data.data());
  const std::vector<Entry> entries = {{"z.weight", Dtype::f32, {16, 4}, bytes, 256},
                                      {"a.bias", Dtype::f32, {3}, bytes + 1, 12},
                                      {"odd", Dtype::u8, {7}, bytes + 300, 7},
                                      {"m.weight", Dtype::bf16, {8, 8}, bytes + 64, 128},
                                      {"empty", Dtype::f64, {0, 5}, nullptr, 0},
                                      {"scalar", Dtype::i64, {}, bytes + 40, 8},
                                      {"h", Dtype::f16, {3, 3}, bytes + 500, 18},
                                      {"b", Dtype::boolean, {2}, bytes, 2},
                                      {"a \"quoted\" \xc3\xa9", Dtype::f64, {2}, bytes + 900, 16}};
  const Metadata metadata = {{"format", "pt"}, {"note", "line\nbreak"}};
  const std::string good = "good.safetensors";
  write_safetensors(good, entries, metadata);
  const std::string first(Mapping::open(good)->text());
  auto turned = entries;
  std::reverse(turned.begin(), turned.end());
  write_safetensors(good, turned, metadata);
  CHECK(first == Mapping::open(good)->text());

  std::shared_ptr<const void> owner;
  std::vector<Entry> kept;
  {
    const Safetensors file(good);
    CHECK(file.metadata() == metadata);
    CHECK(file.entries().size() == entries.size());
    for (const Entry& e : entries) {
      const Entry* f = file.find(e.name);
      REQUIRE(f);
      CHECK(f->dtype == e.dtype);
      CHECK(f->shape == e.shape);
      REQUIRE(f->bytes == e.bytes);
      CHECK((e.bytes == 0 || std::memcmp(f->data, e.data, e.bytes) == 0));
      const auto place = reinterpret_cast<std::uintptr_t>(f->data);
      CHECK(place % size_of(e.dtype) == 0);
      if (e.bytes % 64 == 0) CHECK(place % 64 == 0);
      if (e.bytes % 8 == 0) CHECK(place % 8 == 0);
    }
    for (std::size_t i = 1; i < file.entries().size(); ++i) CHECK(file.entries()[i - 1].name < file.entries()[i].name);
    owner = file.owner();
    kept = file.entries();
  }
  std::remove(good.c_str());
  for (const Entry& e : kept)  // the mapping outlives the object and even the file's name
    if (e.name == "z.weight") CHECK(std::memcmp(e.data, data.data(), 256) == 0);

  write_safetensors(good, {});
  CHECK(Safetensors(good).entries().empty());
  std::remove(good.c_str());
}

TEST_CASE("what cannot be written is refused before a file appears") {
  const std::string data = numbers(64);
  const auto* bytes = reinterpret_cast<const std::byte*>(data.data());
  const auto said = [&](std::vector<Entry> entries, const Metadata& metadata = {}) {
    try {
      write_safetensors("never.safetensors", entries, metadata);
    } catch (const Error& e) {
      std::FILE* f = std::fopen("never.safetensors", "rb");
      CHECK_FALSE(f);
      return std::string(e.what());
    }
    std::remove("never.safetensors");
    return std::string();
  };
  const Entry x{"x", Dtype::f32, {2}, bytes, 8};
  CHECK(said({x, x}) ==
        "cannot write never.safetensors: tensor \"x\" is given twice. Give each tensor a name of its own");
  CHECK(said({{"__metadata__", Dtype::f32, {2}, bytes, 8}}) ==
        "cannot write never.safetensors: tensor \"__metadata__\" has the name that the format keeps for notes. Give it "
        "another name");
  CHECK(said({{"x", Dtype::f32, {3}, bytes, 8}}) ==
        "cannot write never.safetensors: tensor \"x\" has 8 bytes, but its shape and dtype ask for 12. Correct its "
        "shape or dtype");
  CHECK(said({{"x", Dtype::f32, {-2}, bytes, 8}}) ==
        "cannot write never.safetensors: tensor \"x\" has an impossible shape. Correct its shape");
  CHECK(said({{"\xff", Dtype::f32, {2}, bytes, 8}}).ends_with("is not UTF-8. Use UTF-8"));
  CHECK(said({x}, {{"a", "\xc3"}}).ends_with("is not UTF-8. Use UTF-8"));
}

TEST_CASE("the parts of a large model are one file to the reader") {
  const std::string data = numbers(64);
  const auto* bytes = reinterpret_cast<const std::byte*>(data.data());
  const std::vector<Entry> a = {{"a", Dtype::f32, {2}, bytes, 8}},
                           b = {{"b", Dtype::f32, {4}, bytes + 8, 16}, {"c", Dtype::u8, {1}, bytes, 1}};
  write_safetensors("model-1.safetensors", a, {{"format", "pt"}});
  write_safetensors("model-2.safetensors", b, {{"format", "pt"}});
  const std::string index = "model.safetensors.index.json";
  put(index,
      R"({"metadata":{"total_size":25},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors"}})");
  {
    const Safetensors file(index);
    CHECK(file.entries().size() == 3);
    REQUIRE(file.find("b"));
    CHECK(std::memcmp(file.find("b")->data, data.data() + 8, 16) == 0);
    CHECK(file.metadata() == Metadata{{"format", "pt"}});
    CHECK(file.owner());
  }
  const auto said = [&](const std::string& text) {
    put(index, text);
    try {
      Safetensors file(index);
    } catch (const Error& e) { return std::string(e.what()); }
    return std::string();
  };
  const std::string head = "cannot read " + index + ": ",
                    fix = ". Give the model.safetensors.index.json that came with the parts, or a .safetensors file";
  CHECK(said(R"({"weights":{}})") == head + "it has no map named \"weight_map\"" + fix);
  CHECK(said(R"({"weight_map":{"a":"../model-1.safetensors"}})") ==
        head + "tensor \"a\" is not said to lie in a .safetensors file of the same folder" + fix);
  CHECK(said(R"({"weight_map":{"a":3}})") ==
        head + "tensor \"a\" is not said to lie in a .safetensors file of the same folder" + fix);
  CHECK(said(R"({"weight_map":{"a":"model-2.safetensors"}})") ==
        head + "tensor \"a\" is not in model-2.safetensors, where it should lie. Fetch the parts again");
  CHECK(said(R"({"weight_map":{"a":"model-3.safetensors"}})").starts_with("cannot open model-3.safetensors"));
  for (const char* p : {"model-1.safetensors", "model-2.safetensors"}) std::remove(p);
  std::remove(index.c_str());
}
