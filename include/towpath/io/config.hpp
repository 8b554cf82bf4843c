#pragma once

#include "towpath/io/mapping.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/file.hpp"
#include "towpath/base/json.hpp"
#include "towpath/base/list.hpp"

#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

// What a checkpoint's config.json says of the model beside it; the fields have the names that transformers gives them. Where
// an old file leaves one out, the default is BertConfig's; the six sizes have none.
// Format: huggingface/transformers, models/bert/configuration_bert.py.
struct Config {
  Index hidden_size = 0, num_hidden_layers = 0, num_attention_heads = 0, intermediate_size = 0;
  Index vocab_size = 0, max_position_embeddings = 0, type_vocab_size = 2, pad_token_id = 0;
  double layer_norm_eps = 1e-12, hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1,
         initializer_range = 0.02;
  std::string hidden_act = "gelu", model_type = "bert", position_embedding_type = "absolute";
};

// One name per function: "gelu" is x Φ(x), "gelu_new" its approximation by tanh, which goes by several names.
constexpr std::string_view activation_named(std::string_view hidden_act) {
  if (hidden_act == "gelu_python") return "gelu";
  if (hidden_act == "gelu_pytorch_tanh" || hidden_act == "gelu_fast" || hidden_act == "gelu_accurate")
    return "gelu_new";
  if (hidden_act == "swish") return "silu";
  return hidden_act;
}

// Fails if the file cannot be read, is not JSON, lacks one of the six sizes or holds something else than a number in a field
// of numbers.
Config read_config(const std::string& path);

// As transformers writes it (keys sorted, two spaces), so that from_pretrained and our own reader take it.
void write_config(const std::string& path, const Config& c);

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE Config read_config(const std::string& path) {
  const auto file = Mapping::open(path);
  const std::string fix = "Give the config.json of a BERT checkpoint";
  const Json json = parse_json(file->text(), path, fix);
  if (!json.is_object()) fail("cannot read " + path, "it is not a JSON object", fix);
  // The value under a key; null pointer where there is none, or a null.
  const auto find = [&](const char* key) {
    const Json* v = json.find(key);
    return v && !v->is_null() ? v : nullptr;
  };
  const auto wrong = [&](const char* key, const Json& v, const char* wanted) {
    fail("cannot read " + path, std::string(key) + " is " + v.dump() + ", not " + wanted, fix);
  };
  const auto text = [&](const char* key, std::string& to) {
    if (const Json* v = find(key); v && !v->read(to)) wrong(key, *v, "a string");
  };
  const auto number = [&](const char* key, double& to) {
    if (const Json* v = find(key); v && !v->read(to)) wrong(key, *v, "a number");
  };
  Config c;
  text("model_type", c.model_type);
  const auto count = [&](const char* key, Index& to, bool required, Index least) {
    const Json* v = find(key);
    if (v && (!v->read(to) || to < least)) wrong(key, *v, least ? "a whole number above zero" : "a whole number");
    if (!v && required)
      fail("cannot read " + path, "a model of type \"" + c.model_type + "\" is described there without " + key, fix);
  };
  count("hidden_size", c.hidden_size, true, 1);
  count("num_hidden_layers", c.num_hidden_layers, true, 0);
  count("num_attention_heads", c.num_attention_heads, true, 1);
  count("intermediate_size", c.intermediate_size, true, 1);
  count("vocab_size", c.vocab_size, true, 1);
  count("max_position_embeddings", c.max_position_embeddings, true, 1);
  count("type_vocab_size", c.type_vocab_size, false, 0);
  count("pad_token_id", c.pad_token_id, false, 0);
  number("layer_norm_eps", c.layer_norm_eps);
  number("hidden_dropout_prob", c.hidden_dropout_prob);
  number("attention_probs_dropout_prob", c.attention_probs_dropout_prob);
  number("initializer_range", c.initializer_range);
  text("hidden_act", c.hidden_act);
  text("position_embedding_type", c.position_embedding_type);
  return c;
}

TOWPATH_ONCE void write_config(const std::string& path, const Config& c) {
  const Json json = {{"architectures", std::vector<std::string>{"BertModel"}},
                     {"attention_probs_dropout_prob", c.attention_probs_dropout_prob},
                     {"hidden_act", c.hidden_act},
                     {"hidden_dropout_prob", c.hidden_dropout_prob},
                     {"hidden_size", c.hidden_size},
                     {"initializer_range", c.initializer_range},
                     {"intermediate_size", c.intermediate_size},
                     {"layer_norm_eps", c.layer_norm_eps},
                     {"max_position_embeddings", c.max_position_embeddings},
                     {"model_type", c.model_type},
                     {"num_attention_heads", c.num_attention_heads},
                     {"num_hidden_layers", c.num_hidden_layers},
                     {"pad_token_id", c.pad_token_id},
                     {"position_embedding_type", c.position_embedding_type},
                     {"type_vocab_size", c.type_vocab_size},
                     {"vocab_size", c.vocab_size}};
  NewFile file(path);
  file.write(json.dump(2) + "\n");
  file.commit();
}

#endif  // TOWPATH_ELSEWHERE

// The config that belongs to a compiled shape with so many layers.
template <class Shape>
Config config_of(Index layers = Shape::layers) {
  Config c;
  c.hidden_size = Shape::hidden;
  c.num_hidden_layers = layers;
  c.num_attention_heads = Shape::heads;
  c.intermediate_size = Shape::ffn;
  c.vocab_size = Shape::vocabulary;
  c.max_position_embeddings = Shape::positions;
  c.type_vocab_size = Shape::types;
  c.layer_norm_eps = Shape::norm_epsilon;
  c.hidden_act = std::string(Shape::Activation::name);
  return c;
}

namespace detail {

// "BertBase" for towpath::BertBase, from the compiler's own spelling.
template <class T>
constexpr std::string_view short_name() {
  std::string_view s = __PRETTY_FUNCTION__;
  s.remove_prefix(s.find("T = ") + 4);
  s = s.substr(0, s.find_first_of(";]<"));
  const auto colon = s.rfind(':');
  return colon == s.npos ? s : s.substr(colon + 1);
}

// What a user writes for it after `using Activation =`.
inline std::string activation_type(std::string_view hidden_act) {
  const auto a = activation_named(hidden_act);
  if (a == "gelu") return "Gelu";
  if (a == "gelu_new") return "GeluTanh";
  if (a == "relu") return "Relu";
  if (a == "silu") return "Silu";
  if (a == "tanh") return "Tanh";
  return "/* \"" + std::string(hidden_act) + "\": write a module for it */";
}

// The shortest text that reads back as x: 1e-12, not 0.000000000001.
inline std::string brief(double x) {
  char s[32];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(s, sizeof s, "%.*g", digits, x);
    double back = 0;
    if (std::sscanf(s, "%lf", &back) == 1 && back == x) break;
  }
  return s;
}

struct ShapeDifference {
  std::string fields;   // "hidden_size is 768 (MiniLM has 384), …"
  std::string members;  // what to write into a struct that inherits, for those fields that a struct can set
  bool curable = true;  // false: another struct would not help

  void add(const char* key, const std::string& found, const std::string& ours) {
    fields += (fields.empty() ? "" : ", ") + std::string(key) + " is " + found + " (compiled: " + ours + ")";
  }
};

template <class Shape>
ShapeDifference difference(const Config& c, Index layers) {
  ShapeDifference d;
  const auto number = [&](const char* key, const char* member, Index found, Index ours) {
    if (found == ours) return;
    d.add(key, std::to_string(found), std::to_string(ours));
    d.members += " static constexpr Index " + std::string(member) + " = " + std::to_string(found) + ";";
  };
  number("hidden_size", "hidden", c.hidden_size, Shape::hidden);
  number("num_hidden_layers", "layers", c.num_hidden_layers, layers);
  number("num_attention_heads", "heads", c.num_attention_heads, Shape::heads);
  number("intermediate_size", "ffn", c.intermediate_size, Shape::ffn);
  number("vocab_size", "vocabulary", c.vocab_size, Shape::vocabulary);
  number("max_position_embeddings", "positions", c.max_position_embeddings, Shape::positions);
  number("type_vocab_size", "types", c.type_vocab_size, Shape::types);
  // Files written from floats carry 9.999999960041972e-13 for 1e-12.
  if (std::abs(c.layer_norm_eps - Shape::norm_epsilon) > 1e-6 * Shape::norm_epsilon) {
    d.add("layer_norm_eps", brief(c.layer_norm_eps), brief(Shape::norm_epsilon));
    d.members += " static constexpr double norm_epsilon = " + brief(c.layer_norm_eps) + ";";
  }
  if (activation_named(c.hidden_act) != activation_named(Shape::Activation::name)) {
    d.add("hidden_act", c.hidden_act, std::string(Shape::Activation::name));
    d.members += " using Activation = " + activation_type(c.hidden_act) + ";";
  }
  const auto fixed = [&](const char* key, const std::string& found, const char* ours) {
    if (found == ours) return;
    d.add(key, found, ours);
    d.curable = false;
  };
  fixed("model_type", c.model_type, "bert");
  fixed("position_embedding_type", c.position_embedding_type, "absolute");
  return d;
}

}  // namespace detail

// Fails unless the checkpoint whose config was read from `path` fits the compiled shape and number of layers. One sentence
// names every field that differs, with both values, and says which shape to write instead: one of BuiltIn if it fits,
// otherwise the struct in full.
template <class Shape, class... BuiltIn>
void expect_shape(const Config& config, const std::string& path, Index layers = Shape::layers, List<BuiltIn...> = {}) {
  const auto d = detail::difference<Shape>(config, layers);
  if (d.fields.empty()) return;
  const std::string ours(detail::short_name<Shape>());
  std::string fix;
  [[maybe_unused]] const auto suggest = [&]<class B>(List<B>) {
    if (fix.empty() && detail::difference<B>(config, B::layers).fields.empty())
      fix = "Use " + std::string(detail::short_name<B>()) + " with Repeat<" + std::to_string(config.num_hidden_layers) +
            ", …>";
  };
  (suggest(List<BuiltIn>{}), ...);
  if (!d.curable) fix = "Give a BERT checkpoint with absolute positions: other families compute something else";
  else if (fix.empty())
    fix = "Write struct Mine : " + ours + " {" + d.members + " }; and use Mine with Repeat<" +
          std::to_string(config.num_hidden_layers) + ", …>";
  fail(path + " does not describe " + ours + " with " + std::to_string(layers) + " layers", d.fields, fix);
}

}  // namespace towpath
