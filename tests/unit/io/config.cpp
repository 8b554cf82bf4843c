#include "towpath/io/config.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <string>

using namespace towpath;

namespace {

struct GeluErf {
  static constexpr std::string_view name = "gelu";
};
struct Base {
  static constexpr Index hidden = 768, layers = 12, heads = 12, ffn = 3072, vocabulary = 30522, positions = 512,
                         types = 2;
  static constexpr double norm_epsilon = 1e-12;
  using Activation = GeluErf;
};
struct Small : Base {
  static constexpr Index hidden = 384, layers = 6, ffn = 1536;
};

const std::string path = "config.test.json";

void put(const std::string& text) {
  NewFile f(path);
  f.write(text);
  f.commit();
}
std::string refusal(const std::string& text) {
  put(text);
  try {
    read_config(path);
  } catch (const Error& e) { return e.what(); }
  return "";
}
template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}

// sentence-transformers/all-MiniLM-L6-v2
const char* mini =
    R"({"_name_or_path": "nreimers/MiniLM-L6-H384-uncased", "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
  "gradient_checkpointing": false, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 384, "initializer_range": 0.02,
  "intermediate_size": 1536, "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12,
  "num_hidden_layers": 6, "pad_token_id": 0, "position_embedding_type": "absolute", "transformers_version": "4.8.2", "type_vocab_size": 2,
  "use_cache": true, "vocab_size": 30522})";
const std::string sizes =
    R"("hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 10)";

}  // namespace

TEST_CASE("a published config is read, and fits its shape") {
  put(mini);
  const Config c = read_config(path);
  CHECK(c.hidden_size == 384);
  CHECK(c.num_hidden_layers == 6);
  CHECK(c.num_attention_heads == 12);
  CHECK(c.intermediate_size == 1536);
  CHECK(c.vocab_size == 30522);
  CHECK(c.max_position_embeddings == 512);
  CHECK(c.type_vocab_size == 2);
  CHECK(c.pad_token_id == 0);
  CHECK(c.layer_norm_eps == 1e-12);
  CHECK(c.hidden_act == "gelu");
  CHECK(c.model_type == "bert");
  expect_shape<Small>(c, path);
  expect_shape<Base>(config_of<Base>(3), path, 3);
  std::remove(path.c_str());
}

TEST_CASE("fields that old files leave out have BertConfig's values") {
  put("{" + sizes + R"(, "max_position_embeddings": 64, "pad_token_id": null})");
  const Config c = read_config(path);
  CHECK(c.type_vocab_size == 2);
  CHECK(c.layer_norm_eps == 1e-12);
  CHECK(c.hidden_act == "gelu");
  CHECK(c.pad_token_id == 0);
  std::remove(path.c_str());
}

TEST_CASE("what is no config is refused in a sentence") {
  const std::string head = "cannot read config.test.json: ", fix = ". Give the config.json of a BERT checkpoint";
  CHECK(refusal("{" + sizes + "}") ==
        head + "a model of type \"bert\" is described there without max_position_embeddings" + fix);
  CHECK(refusal(R"({"model_type": "distilbert", "dim": 768})") ==
        head + "a model of type \"distilbert\" is described there without hidden_size" + fix);
  CHECK(refusal("[1]") == head + "it is not a JSON object" + fix);
  CHECK(refusal("") == head + "the text breaks off or goes wrong near byte 1" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": "512"})") ==
        head + "max_position_embeddings is \"512\", not a whole number above zero" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": 0})") ==
        head + "max_position_embeddings is 0, not a whole number above zero" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": 18446744073709551615})") ==
        head + "max_position_embeddings is 18446744073709551615, not a whole number above zero" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": 5, "pad_token_id": -1})") ==
        head + "pad_token_id is -1, not a whole number" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": 5, "layer_norm_eps": "1e-12"})") ==
        head + "layer_norm_eps is \"1e-12\", not a number" + fix);
  CHECK(refusal("{" + sizes + R"(, "max_position_embeddings": 5, "hidden_act": 3})") ==
        head + "hidden_act is 3, not a string" + fix);
  std::remove(path.c_str());
}

TEST_CASE("written and read back") {
  Config c = config_of<Small>();
  c.hidden_dropout_prob = 0.25;
  c.layer_norm_eps = 1e-5;
  c.pad_token_id = 1;
  write_config(path, c);
  const Config d = read_config(path);
  CHECK(d.hidden_dropout_prob == 0.25);
  CHECK(d.layer_norm_eps == 1e-5);
  CHECK(d.pad_token_id == 1);
  CHECK(said([&] { expect_shape<Small>(d, path); }) ==
        "config.test.json does not describe Small with 6 layers: layer_norm_eps is 1e-05 (compiled: 1e-12). "
        "Write struct Mine : Small { static constexpr double norm_epsilon = 1e-05; }; and use Mine with Repeat<6, …>");
  std::remove(path.c_str());
}

TEST_CASE("a shape that does not fit: every field, both values, and what to write") {
  Config c = config_of<Base>(4);
  c.hidden_size = 312;
  c.intermediate_size = 1200;
  c.hidden_act = "gelu_pytorch_tanh";
  CHECK(said([&] { expect_shape<Base>(c, "dir/config.json", 12); }) ==
        "dir/config.json does not describe Base with 12 layers: hidden_size is 312 (compiled: 768), num_hidden_layers "
        "is 4 (compiled: 12), "
        "intermediate_size is 1200 (compiled: 3072), hidden_act is gelu_pytorch_tanh (compiled: gelu). Write struct "
        "Mine : Base { static constexpr "
        "Index hidden = 312; static constexpr Index layers = 4; static constexpr Index ffn = 1200; using Activation = "
        "GeluTanh; }; and use Mine with "
        "Repeat<4, …>");
  CHECK(said([&] { expect_shape<Base>(config_of<Small>(), "c", 12, List<Base, Small>{}); }) ==
        "c does not describe Base with 12 layers: hidden_size is 384 (compiled: 768), num_hidden_layers is 6 "
        "(compiled: 12), intermediate_size is 1536 "
        "(compiled: 3072). Use Small with Repeat<6, …>");
}

TEST_CASE("another family is not cured by another shape") {
  Config c = config_of<Base>();
  c.model_type = "xlm-roberta";
  c.position_embedding_type = "relative_key";
  CHECK(said([&] { expect_shape<Base>(c, "c"); }) ==
        "c does not describe Base with 12 layers: model_type is xlm-roberta (compiled: bert), position_embedding_type "
        "is relative_key (compiled: "
        "absolute). Give a BERT checkpoint with absolute positions: other families compute something else");
}

TEST_CASE("an epsilon that went through a float, and other names of an activation, fit") {
  Config c = config_of<Base>();
  c.layer_norm_eps = static_cast<double>(1e-12f);
  c.hidden_act = "gelu_python";
  expect_shape<Base>(c, "c");
  CHECK(activation_named("gelu_new") == activation_named("gelu_fast"));
  CHECK(activation_named("gelu_new") != activation_named("gelu"));
}
