#include "towpath/io/names.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;

namespace {
struct Named {
  std::string name;
};
}  // namespace

TEST_CASE("names::bert: the prefix goes, old names of a norm's parameters become the new") {
  const auto t = [](const char* s) { return translate(names::bert, s).name; };
  CHECK(t("encoder.layer.3.attention.self.query.weight") == "encoder.layer.3.attention.self.query.weight");
  CHECK(t("bert.encoder.layer.3.output.dense.bias") == "encoder.layer.3.output.dense.bias");
  CHECK(t("bert.embeddings.LayerNorm.gamma") == "embeddings.LayerNorm.weight");
  CHECK(t("encoder.layer.0.output.LayerNorm.beta") == "encoder.layer.0.output.LayerNorm.bias");
  CHECK(t("LayerNorm.beta") == "LayerNorm.bias");
  CHECK(t("encoder.layer.0.scale.gamma") == "encoder.layer.0.scale.gamma");
  CHECK(t("bert.bert.x") == "bert.x");
  CHECK(t("bert.") == "bert.");
  CHECK(t("gamma") == "gamma");
  CHECK(t("") == "");
}

TEST_CASE("names::bert: what a model may leave unread") {
  for (const char* s :
       {"embeddings.position_ids", "bert.embeddings.position_ids", "pooler.dense.weight", "bert.pooler.dense.bias",
        "cls.predictions.transform.LayerNorm.gamma", "cls.seq_relationship.weight", "classifier.weight"}) {
    CAPTURE(s);
    CHECK(translate(names::bert, s).ignorable);
    CHECK_FALSE(translate(names::plain, s).ignorable);
    CHECK(translate(names::plain, s).name == s);
  }
  CHECK(translate(names::bert, "bert.pooler.dense.bias").name == "pooler.dense.bias");
  CHECK_FALSE(translate(names::bert, "embeddings.position_embeddings.weight").ignorable);
  CHECK_FALSE(translate(names::bert, "encoder.pooler.weight").ignorable);
}

TEST_CASE("a dictionary by canonical names; two that mean the same are refused") {
  const std::vector<Named> file = {{"bert.a.weight"}, {"pooler.dense.bias"}};
  const auto d = dictionary(names::bert, file, "f");
  CHECK(d.size() == 2);
  REQUIRE(d.find(std::string_view("a.weight")) != d.end());
  CHECK(d.find("a.weight")->second.entry == &file[0]);
  CHECK(d.find("pooler.dense.bias")->second.ignorable);
  const std::vector<Named> both = {{"LayerNorm.weight"}, {"bert.LayerNorm.gamma"}};
  std::string said;
  try {
    dictionary(names::bert, both, "f");
  } catch (const Error& e) { said = e.what(); }
  CHECK(said ==
        "cannot read f: \"LayerNorm.weight\" and \"bert.LayerNorm.gamma\" both mean \"LayerNorm.weight\". Remove one "
        "of them, or read the file "
        "with names::plain");
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("saturday", "sunday") == 3);
  CHECK(edit_distance("kitten", "sitting", 2) == 2);
  CHECK(edit_distance("kitten", "sitting", 3) == 3);
}

TEST_CASE("did you mean") {
  const std::vector<std::string> known = {"encoder.layer.0.output.dense.weight",
                                          "encoder.layer.0.output.LayerNorm.weight", "pooler.dense.weight"};
  CHECK(nearest("encoder.layer.0.output.densse.weight", known) == known[0]);
  CHECK(nearest("encoder.layer.0.output.layer_norm.weight", known) == known[1]);
  CHECK(nearest("pooler.dense", known) == "");
  CHECK(nearest("something else", known) == "");
  CHECK(nearest("x", std::vector<std::string>{}) == "");
}
