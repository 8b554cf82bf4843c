#include "towpath/io/npy.hpp"

#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;

namespace {

const std::string path = "npy.test.npy";

std::string refusal(const std::string& bytes) {
  NewFile f(path);
  f.write(bytes);
  f.commit();
  std::string said;
  try {
    Npy file(path);
  } catch (const Error& e) {
    said = e.what();
    const std::string head = "cannot read " + path + ": ",
                      tail = ". Write it with numpy.save, little-endian and in C order";
    if (said.starts_with(head) && said.ends_with(tail))
      said = said.substr(head.size(), said.size() - head.size() - tail.size());
  }
  std::remove(path.c_str());
  return said;
}

std::string npy(const std::string& header, std::size_t bytes) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         std::string(bytes, 'x');
}

template <class T>
void round_trip(std::vector<Index> shape, std::vector<T> values) {
  write_npy(path, values.data(), shape);
  const Npy file(path);
  CHECK(file.dtype() == dtype_of<T>);
  CHECK(file.shape() == shape);
  CHECK(file.values<T>() == values);
  CHECK((file.data() - file.owner()->data()) % 64 == 0);
  std::remove(path.c_str());
}

}  // namespace

TEST_CASE("written and read back") {
  round_trip<float>({2, 3}, {1, 2, 3, 4, 5, -6.5f});
  round_trip<double>({4}, {1, 2, 3, 1e-300});
  round_trip<std::int64_t>({1, 2}, {-1, std::int64_t{1} << 60});
  round_trip<std::int32_t>({2, 1, 2}, {1, 2, 3, 4});
  round_trip<std::uint8_t>({0, 7}, {});
  round_trip<float>({}, {3});
}

// numpy 2.4.6: np.save(f, np.arange(6, dtype=np.float32).reshape(2, 3))
TEST_CASE("the bytes are numpy's") {
  const std::vector<float> v = {0, 1, 2, 3, 4, 5};
  write_npy(path, v.data(), {2, 3});
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  const std::string numpy =
      std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + std::string(117 - header.size(), ' ') + "\n";
  const auto file = Mapping::open(path);
  CHECK(file->text().substr(0, numpy.size()) == numpy);
  CHECK(file->size() == numpy.size() + 24);
  std::remove(path.c_str());
}

TEST_CASE("bit by bit, and only as many as promised") {
  {
    NewNpy<double> file(path, {3, 2});
    for (double x = 0; x < 6; x += 2) {
      const double row[2] = {x, x + 1};
      file.add(row, 2);
    }
    file.commit();
  }
  CHECK(Npy(path).values<double>() == std::vector<double>{0, 1, 2, 3, 4, 5});
  std::remove(path.c_str());
  std::string said;
  try {
    NewNpy<double> file(path, {3, 2});
    const double row[2] = {1, 2};
    file.add(row, 2);
    file.commit();
  } catch (const Error& e) { said = e.what(); }
  CHECK(said == "cannot write npy.test.npy: 2 numbers came for a shape of 6. Write as many as the shape says");
  for (const std::string& left : {path, path + ".partial"}) CHECK(::access(left.c_str(), F_OK) != 0);
  const auto refused = [](auto make) {
    try {
      make();
    } catch (const Error& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK(refused([] { NewNpy<float> f(path, {-1}); }) ==
        "cannot write npy.test.npy: its shape is impossible. Correct the shape");
  CHECK(refused([] { NewNpy<bf16> f(path, {1}); }) ==
        "cannot write npy.test.npy: numpy has no bf16. Convert to float first");
}

TEST_CASE("another type is not converted unasked") {
  const float v[] = {1};
  write_npy(path, v, {1});
  std::string said;
  try {
    Npy(path).values<double>();
  } catch (const Error& e) { said = e.what(); }
  CHECK(
      said ==
      "cannot read npy.test.npy: it holds F32, not F64. Ask for the type that it holds, or read it through convert()");
  std::remove(path.c_str());
}

TEST_CASE("keys in any order, version 2.0, double quotes") {
  CHECK(refusal(npy("{'shape': (3,), 'fortran_order': False, 'descr': '<f4'}", 12)).empty());
  CHECK(refusal(npy("{\"shape\": (3, ), \"fortran_order\": False, \"descr\": \"|u1\"}", 3)).empty());
  const std::string h = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n";
  CHECK(refusal(std::string("\x93NUMPY\x02\x00", 8) + static_cast<char>(h.size()) + std::string(3, '\0') + h + "1234")
            .empty());
}

TEST_CASE("a malformed file, rule by rule") {
  const std::string rest = "'fortran_order': False, 'shape': (3,), }";
  CHECK(refusal("") == "it does not begin as a .npy file does");
  CHECK(refusal("PK\x03\x04 and so on") == "it does not begin as a .npy file does");
  CHECK(refusal(std::string("\x93NUMPY\x03\x00\x00\x00\x00\x00", 12)) == "its version is 3.0, not 1.0 or 2.0");
  CHECK(refusal(std::string("\x93NUMPY\x01\x00\x76\x00{", 11)) == "it breaks off in its header");
  CHECK(refusal(std::string("\x93NUMPY\x02\x00\x76\x00", 10)) == "it breaks off in its header");
  CHECK(refusal(npy("{" + rest, 12)) == "its header has no descr");
  CHECK(refusal(npy("{'descr'", 12)) == "its header has no descr");
  CHECK(refusal(npy("{'descr':", 0)) == "its header has no descr");
  CHECK(refusal(npy("{'descr': '<f4', 'shape': (3,)}", 12)) == "its header has no fortran_order");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False}", 12)) == "its header has no shape");
  CHECK(refusal(npy("{'descr': [('a', '<f4')], " + rest, 12)) == "its numbers are records, not of one type");
  CHECK(refusal(npy("{'descr': '>f4', " + rest, 12)) == "its numbers are of type '>f4', which is not read here");
  CHECK(refusal(npy("{'descr': '|O', " + rest, 12)) == "its numbers are of type '|O', which is not read here");
  CHECK(refusal(npy("{'descr': '', " + rest, 12)) == "its numbers are of type '', which is not read here");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}", 12)) == "it is in Fortran order");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", 12)) == "its shape is not a tuple");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,", 12)) == "its shape does not end");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", 12)) ==
        "its shape holds something else than whole numbers");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 12)) ==
        "its shape is too large to count");
  CHECK(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 9999999999999)}", 12)) ==
        "its shape is too large to count");
  CHECK(refusal(npy("{'descr': '<f4', " + rest, 11)) == "its shape asks for 12 bytes, but 11 follow the header");
  CHECK(refusal(npy("{'descr': '<f4', " + rest, 13)) == "its shape asks for 12 bytes, but 13 follow the header");
}
