#pragma once

#include "towpath/base/check.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

using Json = nlohmann::json;

namespace detail {

// Builds the value event by event, so that depth is a number that can be bounded and a key seen twice is noticed.
struct JsonBuilder {
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  std::size_t depth;
  Json root{};
  std::vector<Json*> open{};  // the objects and arrays around the current position, outermost first
  std::string key_{}, why{};

  bool put(Json v, bool container = false) {
    Json* at = &root;
    if (open.empty()) root = std::move(v);
    else if (open.back()->is_array()) {
      open.back()->push_back(std::move(v));
      at = &open.back()->back();
    } else {
      at = &(*open.back())[key_];
      *at = std::move(v);
    }
    if (!container) return true;
    if (open.size() == depth) {
      why = "it is nested more than " + std::to_string(depth) + " deep";
      return false;
    }
    open.push_back(at);
    return true;
  }
  bool null() { return put(nullptr); }
  bool boolean(bool v) { return put(v); }
  bool number_integer(number_integer_t v) { return put(v); }
  bool number_unsigned(number_unsigned_t v) { return put(v); }
  bool number_float(number_float_t v, const string_t&) { return put(v); }
  bool string(string_t& v) { return put(std::move(v)); }
  bool binary(binary_t&) { return false; }
  bool start_object(std::size_t) { return put(Json::object(), true); }
  bool start_array(std::size_t) { return put(Json::array(), true); }
  bool end_object() { return open.pop_back(), true; }
  bool end_array() { return open.pop_back(), true; }
  bool key(string_t& v) {
    if (open.back()->contains(v)) {
      why = "the key \"" + v + "\" occurs twice";
      return false;
    }
    key_ = std::move(v);
    return true;
  }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    why = "the text breaks off or goes wrong near byte " + std::to_string(position);
    return false;
  }
};

}  // namespace detail

// JSON (RFC 8259) as a value: no comments, no key twice in one object, not deeper than `depth`, nothing after the end but
// white space. Fails with "cannot read WHAT", the reason and `fix`.
inline Json parse_json(std::string_view text, const std::string& what, const std::string& fix, std::size_t depth = 64) {
  detail::JsonBuilder builder{depth};
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) fail("cannot read " + what, builder.why, fix);
  return std::move(builder.root);
}

}  // namespace towpath
