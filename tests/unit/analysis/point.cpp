#include "towpath/analysis/point.hpp"

#include "toy.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace towpath;

TEST_CASE("the trained parameters as one row, to read and to set") {
  using Model = toy::Toy<double, 2, 3>;
  Model model;
  model.fill();
  Point<Model> trained(model);
  CHECK(trained.size() == 12);
  REQUIRE(trained.parts().size() == 2);
  CHECK(trained.parts()[0].name == "low.weight");
  CHECK(trained.parts()[1].begin == 6);
  CHECK(trained.parts()[1].rows == 2);
  CHECK(trained.parts()[1].columns == 3);
  auto all = trained.weights();
  CHECK(all == model.numbers());
  const double first = all[0];
  for (double& x : all) x += 1;
  trained.set(1, all);  // the second matrix alone
  CHECK(model.low.data()[0] == first);
  CHECK(model.high.data()[5] == all[11]);
  trained.set(all);
  CHECK(model.numbers() == all);
  Model::Grads g;
  g.low.data()[2] = 5;
  g.high.data()[0] = 7;
  CHECK(trained.gradient(g) == std::vector<double>{0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 0, 0});
}
