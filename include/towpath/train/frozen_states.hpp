#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/json.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/tensor/dtype.hpp"
#include "towpath/tensor/tensor.hpp"
#include "towpath/train/encode.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace towpath {

struct FrozenStatesOptions {
  std::string file{};  // mapped, and there for the next run (empty: in memory)
  std::size_t most = 0;      // bytes of memory that may be taken (0: what the system has available)
  std::FILE* say = nullptr;  // where the size is said before anything is taken
};

namespace detail {

// What the system could give without swapping; all there is, if it does not say.
inline std::size_t available_memory() {
  std::size_t kilobytes = ~std::size_t{0} >> 10;
  if (std::FILE* f = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    unsigned long long n = 0;
    while (std::fgets(line, sizeof line, f))
      if (std::sscanf(line, "MemAvailable: %llu kB", &n) == 1) kilobytes = static_cast<std::size_t>(n);
    std::fclose(f);
  }
  return kilobytes << 10;
}

// Zeroed memory to be written here and there: of the system, or a file of its full size from the start. The file is PATH.partial as long as it is
// written and PATH when it was closed in order, so what lies under that name is whole; a run that was killed leaves none. It
// begins with `header`; one of another header or size is refused, for it belongs to something else.
class Ground {
public:
  Ground(std::size_t bytes, const std::string& path, const std::string& header)
      : path_(path), aside_(path + ".partial"), size_(bytes) {
    if (path.empty()) {
      data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (data_ == MAP_FAILED) stop("cannot take " + std::to_string(size_) + " bytes of memory", "Give a file instead");
      return;
    }
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    const bool old = file_ >= 0;
    if (!old && errno == ENOENT) file_ = ::open(aside_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) stop("cannot write " + path_, "Check that the folder exists and may be written to");
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
      stop("cannot write " + path_, "Another run may be using it: wait for its end, or choose another file");
    if (old) expect(header);
    else make(header);
    data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (data_ == MAP_FAILED) stop("cannot map " + path_, "Choose a plain file on a local disk");
    if (old && std::rename(path_.c_str(), aside_.c_str()) != 0)
      stop("cannot write " + path_, "Check that its folder may be written to");
  }
  ~Ground() {
    ::munmap(data_, size_);
    if (file_ < 0) return;
    if (::fsync(file_) == 0) std::rename(aside_.c_str(), path_.c_str());  // if not, the next run makes it anew
    ::close(file_);
  }
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }

private:
  [[noreturn]] void stop(const std::string& what, const std::string& fix) {
    const std::string why = std::strerror(errno);
    if (file_ >= 0) ::close(file_);
    fail(what, why, fix);
  }
  [[noreturn]] void refuse(const std::string& why) {
    ::close(file_);
    fail("cannot go on with the frozen states in " + path_, why,
         "Remove it to have them computed anew, or choose another file");
  }
  void make(const std::string& header) {
    if (::ftruncate(file_, 0) != 0) stop("cannot write " + path_, {});
    int error = ::posix_fallocate(file_, 0, static_cast<off_t>(size_));
    if (error == EOPNOTSUPP || error == EINVAL)  // not all file systems can
      error = ::ftruncate(file_, static_cast<off_t>(size_)) == 0 ? 0 : errno;
    if (!error && ::pwrite(file_, header.data(), header.size(), 0) != static_cast<::ssize_t>(header.size()))
      error = errno;
    if (!error) return;
    ::unlink(aside_.c_str());
    errno = error;
    stop("cannot write " + path_,
         "It needs " + std::to_string(size_) + " bytes: free some space or choose another folder");
  }
  void expect(const std::string& header) {
    struct stat found {};
    std::string there(header.size(), '\0');
    if (::fstat(file_, &found) != 0) stop("cannot read " + path_, {});
    const ::ssize_t n = ::pread(file_, there.data(), there.size(), 0);
    const std::string_view mark(header.data(), header.find(':'));
    if (n < static_cast<::ssize_t>(mark.size()) || std::string_view(there).substr(0, mark.size()) != mark)
      refuse("it holds something else");
    if (there != header) refuse("they are of other weights, other texts or other kernels");
    if (found.st_size != static_cast<off_t>(size_))
      refuse("it has " + std::to_string(found.st_size) + " bytes instead of " + std::to_string(size_));
  }

  std::string path_, aside_;
  std::size_t size_;
  int file_ = -1;
  void* data_ = nullptr;
};

}  // namespace detail

// Where the bottom of a model is frozen, the states that come out of it are the same in every epoch: FrozenStates computes them once for each
// text and hands them back from then on, and a step costs what lies above.
//   Bert<Shape, Segments<Repeat<4, TransformerLayer<Shape>>, Repeat<2, TransformerLayer<Shape, LoRA<8>>>>>
//   FrozenStates<Model> states(model, env, sampler.texts());                  // or {.file = "states.bin"}
//   train(model, env, adam, sampler, loss, options, evaluate, states);
// Losses and weights have the same bits as without it (a row of states does not depend on what else is in the batch), unless Stored
// is bf16: half the room for states rounded to 8 bits.
// The bottom is the embeddings and the lowest Segments in which nothing trains, of a Bert in a BiEncoder. What goes round the whole stack (IAA-M)
// or into the first layer leaves the embeddings alone, which are hardly worth keeping.
// tokens x width x size of Stored are set aside, all tokens of the texts that may occur; what never occurs is never computed and, in memory,
// takes none. A text is computed when it is first met, so the first epoch takes as long as ever, and so does what is new to a later one, such
// as negatives that are drawn from hundreds of candidates.
// A file outlives the run: it is taken up again by one with the same bottom, texts, lengths and kernels, and refused by any other.
// Errors: dropout, under which the states would be drawn anew each time; more bytes than there are.
template <class Model, class Stored = typename Model::Environment::Scalar>
class FrozenStates {
  using Env = typename Model::Environment;
  using Scalar = typename Env::Scalar;
  using Tower = typename Model::Tower;
  static_assert(Tower::has_bottom,
                "[towpath] FrozenStates: the embeddings of this model train, so none of its states is constant: leave "
                "them frozen");
  static_assert(std::is_same_v<Stored, Scalar> || std::is_same_v<Stored, bf16>,
                "[towpath] FrozenStates: states are stored as they are, or as bf16");

public:
  // Refers to nothing afterwards; the model's frozen weights are to stay what they are.
  FrozenStates(const Model& model, Env& env, const TrainingTexts& texts, const FrozenStatesOptions& options = {})
      : queries_(texts.queries.count()), ground_(start(model, env, texts, options)) {}

  std::size_t bytes() const { return where_.bytes; }
  // Tokens that went through the bottom so far.
  Index computed() const { return computed_; }

  // As model.forward and model.backward; the latter belongs to the last forward.
  template <class Pass>
  Scores<Env> forward(const Model& model, Env& env, const Batch& batch, typename Model::template Saved<Pass>& saved) {
    collect(model, env, batch);
    return model.template forward_from<Pass>(env, states_, batch, saved);
  }
  template <class Pass>
  void backward(const Model& model, Env& env, View<Env> dscores, const Batch& batch,
                typename Model::template Saved<Pass>& saved, typename Model::Grads& g) const {
    model.template backward_from<Pass>(env, dscores, states_, batch, saved, g);
  }

private:
  static constexpr Index width = Model::hidden;
  static constexpr std::size_t head = 4096;  // the header, a page
  struct Places {
    std::size_t marks = head, rows = 0, bytes = 0;  // bytes from the start: whether a text is there; the states
    std::vector<Index> offsets{0};                  // [texts + 1] first token of a text, queries before passages
  };

  static void require_no_dropout(const Env& env) {
    if (env.settings().dropout != 0)
      fail("frozen states cannot be kept with dropout",
           "dropout is drawn below the point where they are kept, so they would be others each time",
           "Set dropout to 0, or train without FrozenStates");
  }

  // Fills where_, says what it comes to, and takes it.
  std::unique_ptr<detail::Ground> start(const Model& model, Env& env, const TrainingTexts& texts,
                                        const FrozenStatesOptions& options) {
    require_no_dropout(env);
    const auto add = [&](const Pieces& of, Index most) {
      for (Index i = 0; i < of.count(); ++i)
        where_.offsets.push_back(where_.offsets.back() + std::min(of.length(i) + 2, most));
    };
    add(texts.queries, texts.query_length);
    add(texts.passages, texts.passage_length);
    const auto count = static_cast<Index>(where_.offsets.size()) - 1;
    where_.rows = where_.marks + (static_cast<std::size_t>(count) + 63) / 64 * 64;
    where_.bytes = where_.rows + static_cast<std::size_t>(where_.offsets.back() * width) * sizeof(Stored);
    const std::string size = "states of " + std::to_string(count) + " texts, " + std::to_string(where_.offsets.back()) +
                             " tokens, after the embeddings" +
                             (Tower::frozen_layers ? " and " + std::to_string(Tower::frozen_layers) + " of " +
                                                         std::to_string(Tower::layers) + " layers"
                                                   : "") +
                             ": at most " + std::to_string((where_.bytes + 999999) / 1000000) + " MB in " +
                             (options.file.empty() ? "memory" : options.file);
    if (options.say) std::fprintf(options.say, "%s\n", size.c_str());
    if (options.file.empty()) {
      const std::size_t most = options.most ? options.most : detail::available_memory();
      if (where_.bytes > most)
        fail("frozen " + size, "there are " + std::to_string(most / 1000000) + " MB",
             "Keep them in a file or in bf16, shorten the passages, or train without them");
      return std::make_unique<detail::Ground>(where_.bytes, options.file, std::string());
    }
    return std::make_unique<detail::Ground>(where_.bytes, options.file, header(model, env, texts));
  }

  // What the states depend on: the texts as they are cut, and the bottom, known by what it makes of a few texts.
  std::string header(const Model& model, Env& env, const TrainingTexts& texts) const {
    const auto bytes = [](const auto& v) {
      return std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * sizeof v[0]);
    };
    detail::Digest of_texts, of_states;
    Ragged probe;
    for (const auto& [pieces, most] :
         {std::pair{&texts.queries, texts.query_length}, std::pair{&texts.passages, texts.passage_length}}) {
      for (const std::string_view part : {bytes(pieces->offsets), bytes(pieces->ids)}) of_texts.add(part);
      for (Index i = 0; i < std::min<Index>(4, pieces->count()); ++i)
        append(probe, texts.words.single((*pieces)[i], most));
    }
    const Tensor<Env> states = model.encoder.bottom(env, probe);
    const auto here = on_host(states);
    of_states.add({reinterpret_cast<const char*>(here.data()), static_cast<std::size_t>(states.size()) * sizeof(Scalar)});
    const Json j = {{"texts", queries_},
                    {"tokens", where_.offsets.back()},
                    {"width", width},
                    {"stored", std::string(name(dtype_of<Stored>))},
                    {"query_length", texts.query_length},
                    {"passage_length", texts.passage_length},
                    {"digest of the texts", of_texts.hex()},
                    {"states of the first", of_states.hex()}};
    std::string text = "{\"towpath frozen states\": " + j.dump() + "}\n";
    text.resize(head, ' ');
    return text;
  }
  static void append(Ragged& to, const Encoded& e) { to.add(e.ids, e.types); }

  // states_ = the bottom's states of the batch, from where they are kept as far as they are.
  void collect(const Model& model, Env& env, const Batch& batch) {
    require_no_dropout(env);
    if (batch.query_rows.size() != static_cast<std::size_t>(batch.queries.count()) ||
        batch.passage_rows.size() != static_cast<std::size_t>(batch.passages.count()))
      fail("this batch does not say which texts it holds", "frozen states are found by that",
           "Take batches from Triples or a Sampler");
    texts_.clear();
    fresh_.clear();
    missing_.clear();
    for (const auto& [side, rows, first] : {std::tuple{&batch.queries, &batch.query_rows, Index{0}},
                                            std::tuple{&batch.passages, &batch.passage_rows, queries_}})
      for (Index s = 0; s < side->count(); ++s) {
        const Index text = first + (*rows)[static_cast<std::size_t>(s)];
        if (text >= static_cast<Index>(where_.offsets.size()) - 1 || length(text) != side->length(s))
          fail("this batch is of other texts", "the frozen states are those of the texts that were given at first",
               "Use the batches of that sampler");
        texts_.push_back(text);
        if (mark(text) != std::byte{0}) continue;
        fresh_.push_back(text);
        missing_.add(side->sequence(s),
                     {side->types.data() + side->begin(s), static_cast<std::size_t>(side->length(s))});
      }
    if (!fresh_.empty()) {
      const Tensor<Env> states = model.encoder.bottom(env, missing_);
      const auto here = on_host(states);
      env.rows(missing_.count(), 1, [&](Index s, Index) {
        copy(here.data() + missing_.begin(s) * width, stored(fresh_[static_cast<std::size_t>(s)]),
             missing_.length(s));
      });
      for (Index text : fresh_) mark(text) = std::byte{1};
      computed_ += missing_.tokens();
    }
    states_ = env.template take<Env>(batch.queries.tokens() + batch.passages.tokens(), width);
    starts_.clear();
    for (Index at = 0; Index text : texts_) starts_.push_back(at), at += length(text);
    Scalar* to_rows = states_.data();
    if constexpr (!std::is_same_v<typename Env::Space, Host>) {
      staged_.resize(static_cast<std::size_t>(states_.size()));
      to_rows = staged_.data();
    }
    env.rows(static_cast<Index>(texts_.size()), 4, [&](Index from, Index to) {
      for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i)
        copy(stored(texts_[i]), to_rows + starts_[i] * width, length(texts_[i]));
    });
    if (to_rows != states_.data()) Env::Space::copy(states_.data(), to_rows, static_cast<std::size_t>(states_.size()) * sizeof(Scalar));
  }
  Index length(Index text) const {
    return where_.offsets[static_cast<std::size_t>(text) + 1] - where_.offsets[static_cast<std::size_t>(text)];
  }
  std::byte& mark(Index text) { return ground_->data()[where_.marks + static_cast<std::size_t>(text)]; }
  Stored* stored(Index text) {
    return reinterpret_cast<Stored*>(ground_->data() + where_.rows) +
           where_.offsets[static_cast<std::size_t>(text)] * width;
  }
  template <class From, class To>
  static void copy(const From* from, To* to, Index rows) {
    if constexpr (std::is_same_v<From, To>) std::memcpy(to, from, static_cast<std::size_t>(rows * width) * sizeof(To));
    else
      for (Index i = 0; i < rows * width; ++i) to[i] = To(static_cast<float>(from[i]));
  }

  Index queries_ = 0, computed_ = 0;
  Places where_;
  std::unique_ptr<detail::Ground> ground_;
  Tensor<Env> states_;                 // [T, H] of the last batch
  std::vector<Scalar> staged_;         // the same on its way to a device
  std::vector<Index> texts_, starts_;  // of the batch: which text, and its first row
  std::vector<Index> fresh_;           // those of them that are not kept yet
  Ragged missing_;
};

}  // namespace towpath
