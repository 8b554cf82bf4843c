#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#ifndef TOWPATH_ELSEWHERE
#include <rapidjson/reader.h>
#endif

namespace towpath {

namespace detail {
struct JsonBuilder;
}

// A JSON value (RFC 8259): null, a truth value, a number, a string, an array, or an object whose keys are kept sorted. Whole
// numbers of 64 bits, with a sign or without one, are exact; longer ones are reals, as numbers with a point or an exponent are.
//   const Json report = {{"mrr_10", 0.31}, {"sizes", {1, 2}}, {"note", "text"}};     // a list of pairs is an object
//   if (const Json* v = json.find("hidden_size"); v && v->read(n)) …                 // n: Index, double, bool, std::string …
//   for (std::size_t i = 0; i < json.size(); ++i) … json.key(i), json[i]             // key() in objects only
class Json {
public:
  enum class Kind : unsigned char { null, boolean, integer, natural, real, string, array, object };  // natural: from 2^63 on

  Json() = default;
  Json(std::nullptr_t) {}
  template <std::same_as<bool> T>  // a template, or pointers would be truth values
  Json(T v) : kind_(Kind::boolean), boolean_(v) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Json(T v) : kind_(Kind::integer), integer_(static_cast<std::int64_t>(v)) {
    if (std::cmp_greater(v, std::numeric_limits<std::int64_t>::max())) kind_ = Kind::natural, natural_ = static_cast<std::uint64_t>(v);
  }
  Json(double v) : kind_(Kind::real), real_(v) {}
  Json(std::string v) : kind_(Kind::string), text_(std::move(v)) {}
  Json(std::string_view v) : Json(std::string(v)) {}
  Json(const char* v) : Json(std::string(v)) {}
  template <class T>
  Json(const std::vector<T>& list) : kind_(Kind::array), items_(list.begin(), list.end()) {}
  Json(std::initializer_list<Json> list);

  static Json array() { return Json(Kind::array); }
  static Json object() { return Json(Kind::object); }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  // Sets `to` and says true if this is such a value and fits; otherwise `to` is left as it was. A real is no whole number, but
  // each number is a real.
  bool read(bool& to) const;
  bool read(double& to) const;
  bool read(std::string& to) const;
  bool read(std::string_view& to) const;  // valid as long as this value is
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  bool read(T& to) const {
    if (kind_ == Kind::integer && std::in_range<T>(integer_)) to = static_cast<T>(integer_);
    else if (kind_ == Kind::natural && std::in_range<T>(natural_)) to = static_cast<T>(natural_);
    else return false;
    return true;
  }
  template <class T>
  bool read(std::vector<T>& to) const {
    if (!is_array()) return false;
    std::vector<T> all(items_.size());
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!items_[i].read(all[i])) return false;
    to = std::move(all);
    return true;
  }

  // Of an array or an object, in the order of its keys; all other values have none.
  std::size_t size() const { return items_.size(); }
  const Json& operator[](std::size_t i) const { return items_[i]; }
  const std::string& key(std::size_t i) const { return keys_[i]; }
  void push_back(Json v);
  // Null pointer where this is no object or has no such key.
  const Json* find(std::string_view key) const;
  // The value under that key of an object, made where there is none yet; null becomes an object.
  Json& operator[](std::string_view key);
  Json& operator[](const char* key) { return (*this)[std::string_view(key)]; }

  // As text that reads back as the same value: reals in the fewest digits that do, what is no number (infinity, say) as null,
  // bytes that are not UTF-8 as U+FFFD. On one line, or with so many spaces per level.
  std::string dump(int indent = -1) const;

private:
  friend struct detail::JsonBuilder;
  explicit Json(Kind k) : kind_(k) {}
  void sort_keys();
  void dump(std::string& out, int indent, int level) const;
  static void quote(std::string& out, std::string_view text);

  Kind kind_ = Kind::null;
  union {
    bool boolean_;
    std::int64_t integer_ = 0;
    std::uint64_t natural_;
    double real_;
  };
  std::string text_;
  std::vector<Json> items_;
  std::vector<std::string> keys_;  // of an object, sorted, one for each item
};

namespace detail {
// Where the first byte is that belongs to no character of UTF-8; text.size(): nowhere.
std::size_t utf8_end(std::string_view text);
// Reads a text into `to`; says why it cannot, or nothing.
std::string read_json(std::string_view text, Json& to, std::size_t depth = 64);
}  // namespace detail

// JSON as a value: no comments, no key twice in one object, not deeper than `depth`, UTF-8, nothing after the end but white
// space. Fails with "cannot read WHAT", the reason and `fix`.
Json parse_json(std::string_view text, const std::string& what, const std::string& fix, std::size_t depth = 64);

#ifndef TOWPATH_ELSEWHERE

namespace detail {

// How many bytes the character at `at` has in UTF-8; 0: it is none.
TOWPATH_ONCE std::size_t utf8_length(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned first = byte(at), second = byte(at + 1);
  const std::size_t n = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (n < 2) return n;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second >= 0xA0, beyond = first == 0xF4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : n;
}
TOWPATH_ONCE std::size_t utf8_end(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t n = utf8_length(text, at);
    if (!n) break;
    at += n;
  }
  return at;
}

}  // namespace detail

TOWPATH_ONCE Json::Json(std::initializer_list<Json> list) : kind_(Kind::array), items_(list) {
  for (const Json& pair : items_)
    if (!pair.is_array() || pair.size() != 2 || pair[0].kind_ != Kind::string) return;
  if (items_.empty()) return;
  kind_ = Kind::object;
  for (Json& pair : items_) {
    keys_.push_back(std::move(pair.items_[0].text_));
    pair = Json(std::move(pair.items_[1]));
  }
  sort_keys();
}

TOWPATH_ONCE bool Json::read(bool& to) const {
  if (kind_ == Kind::boolean) to = boolean_;
  return kind_ == Kind::boolean;
}
TOWPATH_ONCE bool Json::read(double& to) const {
  if (kind_ == Kind::real) to = real_;
  else if (kind_ == Kind::integer) to = static_cast<double>(integer_);
  else if (kind_ == Kind::natural) to = static_cast<double>(natural_);
  else return false;
  return true;
}
TOWPATH_ONCE bool Json::read(std::string& to) const {
  if (kind_ == Kind::string) to = text_;
  return kind_ == Kind::string;
}
TOWPATH_ONCE bool Json::read(std::string_view& to) const {
  if (kind_ == Kind::string) to = text_;
  return kind_ == Kind::string;
}

TOWPATH_ONCE void Json::push_back(Json v) {
  if (is_null()) kind_ = Kind::array;
  if (!is_array()) fail("a value of JSON is no list", "an element was to be added to " + dump());
  items_.push_back(std::move(v));
}
TOWPATH_ONCE const Json* Json::find(std::string_view key) const {
  const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
  return at != keys_.end() && *at == key ? &items_[static_cast<std::size_t>(at - keys_.begin())] : nullptr;
}
TOWPATH_ONCE Json& Json::operator[](std::string_view key) {
  if (is_null()) kind_ = Kind::object;
  if (!is_object()) fail("a value of JSON is no object", "a key was to be added to " + dump());
  const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
  const auto i = at - keys_.begin();
  if (at == keys_.end() || *at != key) {
    keys_.insert(at, std::string(key));
    items_.insert(items_.begin() + i, Json());
  }
  return items_[static_cast<std::size_t>(i)];
}
TOWPATH_ONCE void Json::sort_keys() {
  std::vector<std::uint32_t> order(keys_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return keys_[a] < keys_[b]; });
  std::vector<std::string> keys(order.size());
  std::vector<Json> items(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    keys[i] = std::move(keys_[order[i]]);
    items[i] = std::move(items_[order[i]]);
  }
  keys_ = std::move(keys);
  items_ = std::move(items);
}

TOWPATH_ONCE void Json::quote(std::string& out, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t n = detail::utf8_length(text, at);
    if (n == 0) out += "\xEF\xBF\xBD";
    else if (n > 1) out.append(text, at, n);
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\r') out += "\\r";
    else if (static_cast<unsigned char>(c) < 0x20) ((out += "\\u00") += hex[c >> 4]) += hex[c & 15];
    else out += c;
    at += n ? n : 1;
  }
  out += '"';
}
TOWPATH_ONCE std::string Json::dump(int indent) const {
  std::string out;
  dump(out, indent, 0);
  return out;
}
TOWPATH_ONCE void Json::dump(std::string& out, int indent, int level) const {
  char digits[32];
  const auto end_line = [&](int at) {
    if (indent >= 0) out.append(1, '\n').append(static_cast<std::size_t>(indent * at), ' ');
  };
  switch (kind_) {
    case Kind::null: out += "null"; return;
    case Kind::boolean: out += boolean_ ? "true" : "false"; return;
    case Kind::integer: out += std::to_string(integer_); return;
    case Kind::natural: out += std::to_string(natural_); return;
    case Kind::string: return quote(out, text_);
    case Kind::real: {
      if (!std::isfinite(real_)) {
        out += "null";
        return;
      }
      const std::string_view s(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, real_).ptr - digits));
      out += s;
      if (s.find_first_of(".e") == s.npos) out += ".0";
      return;
    }
    case Kind::array:
    case Kind::object: break;
  }
  out += is_object() ? '{' : '[';
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (i) out += ',';
    end_line(level + 1);
    if (is_object()) {
      quote(out, keys_[i]);
      out += indent >= 0 ? ": " : ":";
    }
    items_[i].dump(out, indent, level + 1);
  }
  if (!items_.empty()) end_line(level);
  out += is_object() ? '}' : ']';
}

namespace detail {

// Builds the value from RapidJSON's events, so that depth is a number that can be bounded and a key seen twice is noticed.
struct JsonBuilder {
  std::size_t depth;
  Json root{};
  std::vector<Json*> open{};  // the objects and arrays around the current position, outermost first
  std::string why{};

  // An element never moves while something inside it is open, since its container grows only after that was closed.
  bool put(Json v) {
    if (open.empty()) root = std::move(v);
    else open.back()->items_.push_back(std::move(v));
    return true;
  }
  bool enter(Json::Kind kind) {
    if (open.size() == depth) {
      why = "it is nested more than " + std::to_string(depth) + " deep";
      return false;
    }
    Json* around = open.empty() ? nullptr : open.back();
    put(Json(kind));
    open.push_back(around ? &around->items_.back() : &root);
    return true;
  }
  bool leave() { return open.pop_back(), true; }

  bool Null() { return put(nullptr); }
  bool Bool(bool v) { return put(v); }
  bool RawNumber(const char* at, unsigned size, bool) {
    const char* end = at + size;
    std::int64_t i = 0;
    std::uint64_t u = 0;
    double d = 0;
    if (const auto r = std::from_chars(at, end, i); r.ptr == end && r.ec == std::errc()) return put(i);
    if (const auto r = std::from_chars(at, end, u); r.ptr == end && r.ec == std::errc()) return put(u);
    if (std::from_chars(at, end, d).ec == std::errc()) return put(d);
    d = std::strtod(std::string(at, end).c_str(), nullptr);  // too large or too small: only the latter is a number
    return std::isfinite(d) && put(d);
  }
  bool String(const char* text, unsigned size, bool) { return put(std::string(text, size)); }
  bool Key(const char* text, unsigned size, bool) { return open.back()->keys_.emplace_back(text, size), true; }
  bool StartObject() { return enter(Json::Kind::object); }
  bool StartArray() { return enter(Json::Kind::array); }
  bool EndArray(unsigned) { return leave(); }
  bool EndObject(unsigned) {
    open.back()->sort_keys();
    const auto& keys = open.back()->keys_;
    if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end()) {
      why = "the key \"" + *twice + "\" occurs twice";
      return false;
    }
    return leave();
  }
  // numbers come as text, to RawNumber
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
};

TOWPATH_ONCE std::string read_json(std::string_view text, Json& to, std::size_t depth) {
  const std::size_t mark = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  text.remove_prefix(mark);
  const auto wrong_at = [&](std::size_t i) { return "the text breaks off or goes wrong near byte " + std::to_string(mark + i + 1); };
  JsonBuilder builder{depth};
  rapidjson::Reader reader;
  rapidjson::MemoryStream stream(text.data() ? text.data() : "", text.size());
  // Deep nesting ends in enter() before it could exhaust the stack.
  const bool fine = !reader.Parse<rapidjson::kParseNumbersAsStringsFlag>(stream, builder).IsError();
  if (!builder.why.empty()) return builder.why;
  if (!fine) return wrong_at(reader.GetErrorOffset());
  if (stream.Tell() != text.size()) return wrong_at(stream.Tell());  // a zero byte looks like the end to the reader
  if (const std::size_t end = utf8_end(text); end != text.size()) return wrong_at(end);
  to = std::move(builder.root);
  return {};
}

}  // namespace detail

TOWPATH_ONCE Json parse_json(std::string_view text, const std::string& what, const std::string& fix, std::size_t depth) {
  Json json;
  if (std::string why = detail::read_json(text, json, depth); !why.empty()) fail("cannot read " + what, std::move(why), fix);
  return json;
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
