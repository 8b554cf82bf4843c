#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/file.hpp"
#include "towpath/base/json.hpp"
#include "towpath/data/ahead.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/data/reader.hpp"
#include "towpath/io/mapping.hpp"
#include "towpath/io/npy.hpp"
#include "towpath/tensor/tensor.hpp"
#include "towpath/train/evaluate.hpp"
#include "towpath/train/progress.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace towpath {

struct EncodeFileOptions {
  Form form = Form::lines;         // of the input; form_of(path) guesses it
  EncodeOptions encode{};
  Index chunk = 4096;              // texts between two entries in the journal: what a killed run loses at most
  std::string identity{};          // what run this is; see encode_file
  bool resume = false;             // go on with an unfinished run, if there is one
  Index stop_after = 0;            // leave after so many chunks, as if interrupted (0: never)
};

// What encoding a file came to. Tokens and cut texts are those of all chunks, of earlier runs too.
struct EncodeFileTally : EncodeTally {
  Index texts = 0, empty = 0;      // in the input
  Index resumed = 0;               // texts that earlier runs had encoded
  Index fresh = 0;                 // tokens of this run
  double seconds = 0;              // that they took
  bool finished = false;           // false only after stop_after
};

namespace detail {

// PATH.part: the .npy file while it grows, of its full size from the start, so that a disk that is too small shows before the work.
class PartFile {
public:
  PartFile(const std::string& path, bool resume, std::string_view header, Index row_bytes, Index rows)
      : path_(path + ".part"), start_(static_cast<Index>(header.size())), row_(row_bytes) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | (resume ? 0 : O_CREAT), 0666);
    if (file_ < 0)
      fail("cannot write " + path_, std::strerror(errno),
           resume ? "Remove " + path + ".journal to start anew" : "Check that the folder exists and may be written to");
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      stop("another run is writing it", "Wait for its end, or choose another file");
    const Index size = start_ + row_ * rows;
    struct stat found {};
    if (::fstat(file_, &found) != 0) stop(std::strerror(errno), {});
    if (resume) {
      if (static_cast<Index>(found.st_size) != size)
        stop("it has " + std::to_string(found.st_size) + " bytes and not the " + std::to_string(size) + " of its journal",
             "Remove it and " + path + ".journal to start anew");
      return;
    }
    if (::ftruncate(file_, 0) != 0) stop(std::strerror(errno), {});
    int error = ::posix_fallocate(file_, 0, static_cast<off_t>(size));
    if (error == EOPNOTSUPP || error == EINVAL)  // not all file systems can
      error = ::ftruncate(file_, static_cast<off_t>(size)) == 0 ? 0 : errno;
    if (error) {
      ::unlink(path_.c_str());
      stop(std::strerror(error), "It needs " + std::to_string(size) + " bytes; free some space or choose another folder");
    }
    write(0, header.data(), header.size());
  }
  ~PartFile() { ::close(file_); }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  // `count` rows from `first` on, safely on the disk.
  void put(Index first, const void* rows, Index count) {
    write(start_ + first * row_, rows, static_cast<std::size_t>(count * row_));
    if (::fdatasync(file_) != 0) stop(std::strerror(errno), {});
  }
  void rename(const std::string& path) {
    if (::fsync(file_) != 0 || std::rename(path_.c_str(), path.c_str()) != 0) stop(std::strerror(errno), {});
  }

private:
  [[noreturn]] void stop(const std::string& why, const std::string& fix) { fail("cannot write " + path_, why, fix); }
  void write(Index at, const void* data, std::size_t size) {
    for (const char* from = static_cast<const char*>(data); size > 0;) {
      const ::ssize_t n = ::pwrite(file_, from, size, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) stop(std::strerror(errno), "What is done is kept: free some space, then resume");
      from += n;
      at += n;
      size -= static_cast<std::size_t>(n);
    }
  }

  std::string path_;
  Index start_, row_;
  int file_ = -1;
};

// FNV-1a, 64 bits, over many pieces.
struct Digest {
  std::uint64_t value = 0xcbf29ce484222325u;

  void add(std::string_view bytes) {
    for (char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  std::string hex() const {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
  }
};

// What a text counts for in the estimate of time: its bytes as far as they are read, about, and something for [CLS] and [SEP].
inline Index work(std::string_view text, Index max_length) { return std::min(static_cast<Index>(text.size()), 5 * max_length) + 8; }

// A first look at the input: every line is read before the work begins, so a bad one does not show hours later.
struct Survey {
  Index texts = 0, empty = 0, work = 0;
  Digest digest{};
  std::vector<std::string> first{};    // some, to tell models apart by

  Survey(const std::string& path, const EncodeFileOptions& options) {
    TextReader reader(path, options.form);
    for (std::string_view text; reader.next(text);) {
      ++texts;
      empty += text.find_first_not_of(" \t") == std::string_view::npos;
      work += detail::work(text, options.encode.max_length);
      digest.add(text);
      digest.add("\n");
      if (first.size() < 8) first.emplace_back(text);
    }
  }
};

// The batches of a file, chunk by chunk: made on the thread of an Ahead.
class FileBatches {
public:
  struct Item {
    LongestFirst::Part part;
    Index work = 0;
    Index chunk = 0;    // with the last batch of a chunk its number of texts, otherwise 0
  };

  FileBatches(const WordPiece& words, const std::string& path, const EncodeFileOptions& options, Index skip)
      : words_(&words), options_(&options), reader_(path, options.form) {
    for (std::string_view text; reader_.count() < skip && reader_.next(text);) take(text);
  }
  std::optional<Item> next() {
    if (!batches_) {
      texts_ = {};
      work_.clear();
      for (std::string_view text; texts_.count() < options_->chunk && reader_.next(text);) {
        take(text);
        texts_.add(words_->pieces(text));
        work_.push_back(work(text, options_->encode.max_length));
      }
      if (texts_.count() == 0) return std::nullopt;
      batches_.emplace(*words_, texts_, options_->encode.max_length, options_->encode.batch_tokens);
      waiting_ = batches_->next();
    }
    Item item{std::move(*waiting_)};
    for (Index r : item.part.rows) item.work += work_[static_cast<std::size_t>(r)];
    waiting_ = batches_->next();
    if (!waiting_) {
      item.chunk = texts_.count();
      batches_.reset();
    }
    return item;
  }
  const Digest& digest() const { return digest_; }    // of what was read

private:
  void take(std::string_view text) {
    digest_.add(text);
    digest_.add("\n");
  }

  const WordPiece* words_;
  const EncodeFileOptions* options_;
  TextReader reader_;
  Pieces texts_;
  std::optional<LongestFirst> batches_;
  std::optional<LongestFirst::Part> waiting_;
  std::vector<Index> work_;    // [texts of the chunk]
  Digest digest_;
};

// What has to be equal for a run to go on with another's file, and how far that one came.
struct Journal {
  Json same = Json::object();
  Index texts = 0, tokens = 0, truncated = 0, work = 0;    // done

  void save(const std::string& path) const {
    NewFile file(path);
    const Json all = {{"run", same}, {"done", {{"texts", texts}, {"tokens", tokens}, {"truncated", truncated}, {"work", work}}}};
    file.write(all.dump(2) + "\n");
    file.commit();
  }
  void load(const std::string& path, const std::string& out) {
    const std::string anew = "Remove " + path + " and " + out + ".part to start anew";
    const Json all = parse_json(Mapping::open(path)->text(), path, anew);
    const Json *run = all.find("run"), *done = all.find("done");
    const auto get = [&](const char* key, Index& to) {
      const Json* v = done ? done->find(key) : nullptr;
      if (!v || !v->read(to)) fail("cannot resume from " + path, std::string("it does not say how many ") + key + " are done", anew);
    };
    for (std::size_t i = 0; i < same.size(); ++i) {
      const Json* other = run ? run->find(same.key(i)) : nullptr;
      const std::string there = other ? other->dump() : "nothing", here = same[i].dump();
      if (there != here)
        fail("cannot resume " + out, "it was begun by another run: \"" + same.key(i) + "\" was " + there + " and is " + here + " now",
             "Repeat that run's options, or remove " + path + " and " + out + ".part to start anew");
    }
    get("texts", texts), get("tokens", tokens), get("truncated", truncated), get("work", work);
  }
};

}  // namespace detail

// Encodes the texts of a file into OUT, a .npy file [texts, H] whose row i is text i, in memory that does not grow with their number.
//   encode_file(model, env, words, "corpus.jsonl.gz", "corpus.npy", {.form = Form::jsonl, .resume = true});
// The texts are read twice. First they are counted, and every line is looked at; then they go through the model in chunks of
// options.chunk texts, longest first within a chunk, tokenised beside the computing.
// OUT is written as OUT.part and renamed when it is complete. After every chunk the part file is brought to the disk, and
// OUT.journal says how far it is. A run that was killed goes on from there with `resume`, and OUT has the same bytes as if nothing had
// happened, for a chunk never depends on another. For that the run has to be the same: `identity`, input, lengths, batches, chunks
// and the model, of which the vectors of the first texts are compared bit by bit: other weights show there, and a machine that
// rounds otherwise.
// Errors: an input without a text, or with a line of another form, or that changes meanwhile; an unfinished run when `resume` is
// false; a different one when it is true; a disk that is full (before the work, where the file system can tell).
template <class Model, class Env>
EncodeFileTally encode_file(const Model& model, Env& env, const WordPiece& words, const std::string& in, const std::string& out,
                            const EncodeFileOptions& options = {}) {
  using Scalar = typename Env::Scalar;
  if (options.chunk < 1) fail("chunk = " + std::to_string(options.chunk), "a chunk holds one text or more");
  const detail::Survey input(in, options);
  if (input.texts == 0) fail(in + " has no text", "there is nothing to encode", "Give a file with one text on each line");

  Pieces probe;
  for (const std::string& text : input.first) probe.add(words.pieces(text));
  EncodeOptions quiet = options.encode;
  quiet.progress = nullptr;
  const Tensor<Env> first = encode_all(model, env, words, probe, quiet);
  const auto fingers = on_host(first);
  detail::Digest print;
  print.add({reinterpret_cast<const char*>(fingers.data()), static_cast<std::size_t>(first.size()) * sizeof(Scalar)});

  const std::string journal_path = out + ".journal";
  detail::Journal journal;
  journal.same = {{"identity", options.identity},
                  {"texts", input.texts},
                  {"digest of the texts", input.digest.hex()},
                  {"width", Model::hidden},
                  {"max_length", options.encode.max_length},
                  {"batch_tokens", options.encode.batch_tokens},
                  {"chunk", options.chunk},
                  {"vectors of the first texts", print.hex()}};
  const bool begun = ::access(journal_path.c_str(), F_OK) == 0;
  if (begun && !options.resume)
    fail("there is an unfinished " + out, journal_path + " says how far an earlier run came",
         "Resume it, or remove " + journal_path + " to start anew");
  if (begun) journal.load(journal_path, out);

  EncodeFileTally tally;
  tally.texts = input.texts;
  tally.empty = input.empty;
  tally.resumed = journal.texts;
  constexpr Index row = Model::hidden * static_cast<Index>(sizeof(Scalar));
  const Index shape[] = {input.texts, Model::hidden};
  detail::PartFile part(out, begun, detail::npy_header(out, dtype_of<Scalar>, shape), row, input.texts);
  if (!begun) journal.save(journal_path);

  const auto totals = [&] {
    tally.tokens = journal.tokens;
    tally.truncated = journal.truncated;
    return tally;
  };
  const Stopwatch watch;
  {
    Progress progress("encode", input.work, options.encode.progress, journal.work);
    std::vector<Scalar> vectors(static_cast<std::size_t>(std::min(options.chunk, input.texts) * Model::hidden));
    detail::FileBatches batches(words, in, options, journal.texts);
    Ahead made([&] { return batches.next(); }, options.encode.ahead);
    Index chunks = 0, tokens = 0, truncated = 0, work = 0;    // the latter three: of the chunk so far
    bool grown = false;
    while (const auto item = made.next()) {
      grown = journal.texts == input.texts || journal.texts + item->chunk > input.texts;
      if (grown) break;
      const Ragged& texts = item->part.tokens;
      const Tensor<Env> encoded = encode_side(model, env, texts, options.encode.side);
      const auto here = on_host(encoded);
      for (std::size_t i = 0; i < item->part.rows.size(); ++i)
        std::memcpy(vectors.data() + item->part.rows[i] * Model::hidden, here.data() + static_cast<Index>(i) * Model::hidden, static_cast<std::size_t>(row));
      tokens += texts.tokens();
      truncated += item->part.truncated;
      work += item->work;
      tally.fresh += texts.tokens();
      tally.seconds = watch.seconds();
      if (item->chunk > 0) {
        part.put(journal.texts, vectors.data(), item->chunk);
        journal.texts += item->chunk;
        journal.tokens += std::exchange(tokens, 0);
        journal.truncated += std::exchange(truncated, 0);
        journal.work += std::exchange(work, 0);
        journal.save(journal_path);
        if (options.stop_after > 0 && ++chunks == options.stop_after && journal.texts < input.texts) return totals();
      }
      progress.at(journal.work + work, std::to_string(static_cast<Index>(static_cast<double>(tally.fresh) / tally.seconds)) + " tokens/s");
    }
    if (grown || journal.texts != input.texts || batches.digest().value != input.digest.value)
      fail(in + " has changed while it was read", "its texts are no longer those that were counted",
           "Remove " + journal_path + " and " + out + ".part, then run again");
  }
  part.rename(out);
  std::remove(journal_path.c_str());
  tally.seconds = watch.seconds();
  tally.finished = true;
  return totals();
}

}  // namespace towpath
