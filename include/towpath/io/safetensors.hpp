#pragma once

#include "towpath/io/mapping.hpp"

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/file.hpp"
#include "towpath/base/json.hpp"
#include "towpath/tensor/dtype.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

// One tensor of a file: row-major, little-endian. `data` points into a mapping and need not be aligned; a scalar has no
// dimensions, and a tensor with a zero among its dimensions has no bytes.
struct Entry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;

  Index size() const { return static_cast<Index>(bytes / size_of(dtype)); }
};

using Metadata = std::map<std::string, std::string>;

namespace detail {

// What of the file PATH (and of which tensor in it) a complaint is about.
struct InFile {
  const std::string& path;
  static constexpr const char* again = "The file is damaged or was not written by safetensors: fetch or write it again";

  [[noreturn]] void bad(const std::string& why) const { fail("cannot read " + path, why, again); }
  [[noreturn]] void bad_tensor(const std::string& tensor, const std::string& why,
                               const std::string& fix = again) const {
    fail("cannot read " + path, "tensor \"" + tensor + "\" " + why, fix);
  }
};

inline std::uint64_t whole(const InFile& in, const std::string& tensor, const Json& v, const char* what) {
  std::uint64_t n = 0;
  if (!v.read(n)) in.bad_tensor(tensor, "has " + v.dump() + " " + what + ", where a whole number from zero on must stand");
  return n;
}

// The bytes that a shape wants, or a complaint if no machine could count them.
inline std::size_t bytes_of(const InFile& in, const std::string& tensor, std::span<const Index> shape, Dtype dtype) {
  std::size_t n = size_of(dtype);
  for (Index d : shape)
    if (__builtin_mul_overflow(n, static_cast<std::size_t>(d), &n) ||
        n > std::size_t{std::numeric_limits<Index>::max()})
      in.bad_tensor(tensor, "has a shape whose product is too large to count");
  return n;
}

}  // namespace detail

// Weights by name, where the system mapped them: nothing is copied, and owner() keeps the bytes valid for those who point to
// them after this object is gone. The path is of a .safetensors file, or of the model.safetensors.index.json that lists the
// parts of a large one. Before anything is handed out, the whole header is checked: its length (at most 100,000,000 bytes, and
// within the file), JSON that begins with '{', is not nested deeply and has no key twice, known dtypes, shapes that can be
// counted, tensors that fill the data from its first byte to the end of the file without a gap or an overlap, and a map of
// strings as __metadata__. A file that breaks a rule is refused in a sentence.
// Format: huggingface/safetensors, README and safetensors/src/tensor.rs.
class Safetensors {
public:
  explicit Safetensors(std::string path);

  // In the order of their names.
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view name) const {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, before);
    return at != entries_.end() && at->name == name ? &*at : nullptr;
  }
  const Metadata& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

private:
  static bool before(const Entry& a, std::string_view name) { return a.name < name; }

  void read(std::shared_ptr<const Mapping> file);

  void read_metadata(const Json& value);

  Entry entry(const std::string& name, const Json& value, const std::byte* data, std::size_t size) const;

  void check_cover(const std::byte* data, std::size_t size) const;

  void read_parts();

  std::string path_;
  std::vector<Entry> entries_;
  Metadata metadata_;
  std::shared_ptr<const void> owner_;
};

// Writes tensors so that a mapped file can be used in place. The header lists them by name and is padded until the data begin
// at a multiple of 64. The format allows no holes, so order does the rest: first the tensors whose size divides by 64 (all of
// them then begin at such a multiple), then by 32, 16, … 1, each group by name; hence every tensor is at least aligned to its
// own elements. The bytes are a function of the arguments alone. The file appears whole or not at all.
// Fails on a name that occurs twice or is "__metadata__", and where size and shape disagree.
void write_safetensors(const std::string& path, std::span<const Entry> entries, const Metadata& metadata = {});

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE Safetensors::Safetensors(std::string path) : path_(std::move(path)) {
  if (path_.size() > 5 && path_.ends_with(".json")) read_parts();
  else read(Mapping::open(path_));
}

TOWPATH_ONCE void Safetensors::read(std::shared_ptr<const Mapping> file) {
  constexpr std::uint64_t longest = 100'000'000;
  const detail::InFile in{path_};
  if (file->size() < 8)
    in.bad("it has " + std::to_string(file->size()) + " bytes, fewer than the 8 that give the header's length");
  std::uint64_t length = 0;
  std::memcpy(&length, file->data(), 8);
  if (length > longest)
    in.bad("its header claims " + std::to_string(length) + " bytes, more than the 100000000 that are allowed");
  if (length > file->size() - 8)
    in.bad("its header claims " + std::to_string(length) + " bytes, but only " + std::to_string(file->size() - 8) +
           " follow");
  const std::string_view text = file->text().substr(8, length);
  if (text.empty() || text[0] != '{') in.bad("its header does not begin with '{'");

  // Depth: the header, a tensor, its shape; one more so that a list inside a shape is named as what it is.
  const Json header = parse_json(text, "the header of " + path_, detail::InFile::again, 4);
  const std::byte* data = file->data() + 8 + length;
  const std::size_t size = file->size() - 8 - length;
  for (std::size_t i = 0; i < header.size(); ++i)  // sorted by name, since Json objects are
    if (header.key(i) == "__metadata__") read_metadata(header[i]);
    else entries_.push_back(entry(header.key(i), header[i], data, size));
  check_cover(data, size);
  owner_ = std::move(file);
}

TOWPATH_ONCE void Safetensors::read_metadata(const Json& value) {
  const detail::InFile in{path_};
  if (!value.is_object()) in.bad("its __metadata__ is not a map of strings");
  for (std::size_t i = 0; i < value.size(); ++i)
    if (!value[i].read(metadata_[value.key(i)]))
      in.bad("its __metadata__ has something else than a string under \"" + value.key(i) + "\"");
}

TOWPATH_ONCE Entry Safetensors::entry(const std::string& name, const Json& value, const std::byte* data, std::size_t size) const {
  const detail::InFile in{path_};
  if (!value.is_object()) in.bad_tensor(name, "is not described by an object");
  const auto field = [&](const char* key) -> const Json& {
    const Json* v = value.find(key);
    if (!v) in.bad_tensor(name, std::string("has no ") + key);
    return *v;
  };
  const Json &dtype = field("dtype"), &shape = field("shape"), &offsets = field("data_offsets");

  Entry e;
  e.name = name;
  std::string_view type;
  if (!dtype.read(type)) in.bad_tensor(name, "has a dtype that is not a string");
  const auto known = dtype_named(type);
  if (!known) {
    std::string list;
    for (Dtype d : every_dtype) list += (list.empty() ? "" : ", ") + std::string(towpath::name(d));
    in.bad_tensor(name, "has the dtype " + std::string(type) + ", which is not read here",
                  "Convert it to one of " + list);
  }
  e.dtype = *known;

  if (!shape.is_array()) in.bad_tensor(name, "has a shape that is not a list");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::uint64_t n = detail::whole(in, name, shape[i], "in its shape");
    if (n > std::uint64_t{std::numeric_limits<Index>::max()})
      in.bad_tensor(name, "has a shape whose product is too large to count");
    e.shape.push_back(static_cast<Index>(n));
  }

  if (!offsets.is_array() || offsets.size() != 2)
    in.bad_tensor(name, "has data_offsets that are not a pair [begin, end]");
  const std::uint64_t begin = detail::whole(in, name, offsets[0], "in its data_offsets");
  const std::uint64_t end = detail::whole(in, name, offsets[1], "in its data_offsets");
  const auto span = "[" + std::to_string(begin) + ", " + std::to_string(end) + ")";
  if (begin > end) in.bad_tensor(name, "ends before it begins: its data_offsets are " + span);
  if (end > size)
    in.bad_tensor(name, "lies at " + span + ", but the file's data end at byte " + std::to_string(size));
  e.data = data + begin;
  e.bytes = static_cast<std::size_t>(end - begin);
  const std::size_t wanted = detail::bytes_of(in, name, e.shape, e.dtype);
  if (wanted != e.bytes)
    in.bad_tensor(
        name, "has " + std::to_string(e.bytes) + " bytes, but its shape and dtype ask for " + std::to_string(wanted));
  return e;
}

TOWPATH_ONCE void Safetensors::check_cover(const std::byte* data, std::size_t size) const {
  const detail::InFile in{path_};
  std::vector<const Entry*> order;
  order.reserve(entries_.size());
  for (const Entry& e : entries_) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    if (a->data != b->data) return a->data < b->data;
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->name < b->name;
  });
  std::size_t at = 0;
  const Entry* last = nullptr;
  for (const Entry* e : order) {
    const auto begin = static_cast<std::size_t>(e->data - data);
    if (begin < at)
      in.bad_tensor(e->name, "begins at byte " + std::to_string(begin) + " inside tensor \"" + last->name + "\"");
    if (begin > at)
      in.bad_tensor(e->name,
                    "begins at byte " + std::to_string(begin) + " and leaves a gap after byte " + std::to_string(at));
    at += e->bytes;
    last = e;
  }
  if (at != size)
    in.bad("its tensors end at byte " + std::to_string(at) + " of the data, but the file goes on to byte " +
           std::to_string(size));
}

TOWPATH_ONCE void Safetensors::read_parts() {
  const auto index = Mapping::open(path_);
  const std::string fix = "Give the model.safetensors.index.json that came with the parts, or a .safetensors file";
  const Json json = parse_json(index->text(), path_, fix);
  const std::string folder = path_.substr(0, path_.rfind('/') + 1);
  const Json* map = json.find("weight_map");
  if (!map || !map->is_object()) fail("cannot read " + path_, "it has no map named \"weight_map\"", fix);
  std::map<std::string, Safetensors> parts;
  for (std::size_t i = 0; i < map->size(); ++i) {
    const std::string& name = map->key(i);
    // A part lies beside its index: a name with a folder in it would let a download point anywhere.
    std::string file;
    if (!(*map)[i].read(file) || file.find('/') != std::string::npos || !file.ends_with(".safetensors"))
      fail("cannot read " + path_,
           "tensor \"" + name + "\" is not said to lie in a .safetensors file of the same folder", fix);
    auto at = parts.find(file);
    if (at == parts.end()) at = parts.emplace(file, Safetensors(folder + file)).first;
    const Entry* e = at->second.find(name);
    if (!e)
      fail("cannot read " + path_, "tensor \"" + name + "\" is not in " + folder + file + ", where it should lie",
           "Fetch the parts again");
    entries_.push_back(*e);
  }
  auto held = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  for (const auto& [file, part] : parts) {
    metadata_.insert(part.metadata().begin(), part.metadata().end());
    held->push_back(part.owner());
  }
  owner_ = std::move(held);
}

TOWPATH_ONCE void write_safetensors(const std::string& path, std::span<const Entry> entries, const Metadata& metadata) {
  std::vector<const Entry*> order;
  order.reserve(entries.size());
  for (const Entry& e : entries) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->name < b->name; });
  const auto refuse = [&](const Entry& e, const std::string& why, const char* fix) {
    fail("cannot write " + path, "tensor \"" + e.name + "\" " + why, fix);
  };
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Entry& e = *order[i];
    if (e.name == "__metadata__") refuse(e, "has the name that the format keeps for notes", "Give it another name");
    if (i && order[i - 1]->name == e.name) refuse(e, "is given twice", "Give each tensor a name of its own");
    std::size_t wanted = size_of(e.dtype);
    for (Index d : e.shape)
      if (d < 0 || __builtin_mul_overflow(wanted, static_cast<std::size_t>(d), &wanted))
        refuse(e, "has an impossible shape", "Correct its shape");
    if (wanted != e.bytes)
      refuse(e, "has " + std::to_string(e.bytes) + " bytes, but its shape and dtype ask for " + std::to_string(wanted),
             "Correct its shape or dtype");
  }
  const auto alignment = [](const Entry* e) { return std::min(std::countr_zero(e->bytes | 64u), 6); };
  std::vector<const Entry*> placed = order;
  std::stable_sort(placed.begin(), placed.end(),
                   [&](const Entry* a, const Entry* b) { return alignment(a) > alignment(b); });

  Json header = Json::object();
  for (const auto& [key, value] : metadata) header["__metadata__"][key] = value;
  std::size_t at = 0;
  for (const Entry* e : placed) {
    header[e->name] = {{"dtype", name(e->dtype)}, {"shape", e->shape}, {"data_offsets", {at, at + e->bytes}}};
    at += e->bytes;
  }
  // What is not UTF-8 cannot stand in JSON; a replaced letter would be a name that nobody finds again.
  const auto strict = [&](const std::string& s) {
    if (detail::utf8_end(s) != s.size()) fail("cannot write " + path, "the name or note " + Json(s).dump() + " is not UTF-8", "Use UTF-8");
  };
  for (const Entry* e : order) strict(e->name);
  for (const auto& [key, value] : metadata) strict(key), strict(value);
  std::string text = header.dump();
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  if (text.size() > 100'000'000)
    fail("cannot write " + path, "its header would exceed the 100000000 bytes that are allowed",
         "Write fewer tensors or shorter notes");

  NewFile file(path);
  const std::uint64_t length = text.size();
  file.write(&length, sizeof length);
  file.write(text);
  for (const Entry* e : placed) file.write(e->data, e->bytes);
  file.commit();
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
