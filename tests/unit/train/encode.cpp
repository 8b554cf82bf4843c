#include "towpath/train/encode.hpp"

#include "small.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/file.h>
#include <sys/wait.h>

using namespace small;

namespace {

std::string bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}
bool there(const std::string& path) { return std::ifstream(path).good(); }
void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
void clear() {
  for (const char* ending : {"", ".part", ".journal"}) std::remove((std::string("v.npy") + ending).c_str());
}

// 45 texts of no to eight words; one is empty.
std::string text_of(int i) {
  std::string text;
  for (int k = 0; k < i % 9; ++k) text += word((i * 5 + k) % 40) + " ";
  return text;
}
struct Ground {
  Env env{{.threads = 1}};
  Model model{env};

  Ground() {
    write_files();
    set(model);
    std::string lines;
    for (int i = 1; i <= 45; ++i) lines += text_of(i) + "\n";
    write("texts.txt", lines);
    clear();
  }
  EncodeFileTally encode(const EncodeFileOptions& options, const std::string& in = "texts.txt") {
    return encode_file(model, env, WordPiece("vocab.txt"), in, "v.npy", options);
  }
  std::string complaint(const EncodeFileOptions& options, const std::string& in = "texts.txt") {
    try {
      encode(options, in);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};
EncodeFileOptions usual() { return {.encode = {.max_length = 8, .batch_tokens = 40}, .chunk = 10, .identity = "small"}; }
struct Fatal {    // a model that dies in the third chunk, whatever is open
  const Model& model;
  static constexpr Index hidden = Model::hidden;
  Index* left;
  Tensor<Env> encode(Env& env, const Ragged& tokens) const {
    if (--*left == 0) ::kill(::getpid(), SIGKILL);
    return model.encode(env, tokens);
  }
};
struct Meddler {    // changes the input while it is read
  const Model& model;
  static constexpr Index hidden = Model::hidden;
  const char* more;
  Tensor<Env> encode(Env& env, const Ragged& tokens) const {
    if (tokens.count() != 8) std::ofstream("texts.txt", std::ios::app) << more;    // not the probe
    return model.encode(env, tokens);
  }
};
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a file's vectors are those of its texts, in their order") {
  Ground g;
  const EncodeFileTally tally = g.encode(usual());
  CHECK(tally.finished);
  CHECK(tally.texts == 45);
  CHECK(tally.empty == 5);
  CHECK(tally.resumed == 0);
  CHECK(tally.fresh == tally.tokens);
  CHECK_FALSE(there("v.npy.part"));
  CHECK_FALSE(there("v.npy.journal"));

  const WordPiece words("vocab.txt");
  Pieces texts;
  for (int i = 1; i <= 45; ++i) texts.add(words.pieces(text_of(i)));
  EncodeTally in_memory;
  const auto all = encode_all(g.model, g.env, words, texts, {.max_length = 8}, &in_memory);
  const Npy file("v.npy");
  REQUIRE(file.shape() == std::vector<Index>{45, 16});
  const auto values = file.values<float>();
  for (Index i = 0; i < all.size(); ++i) CHECK(std::fabs(values[static_cast<std::size_t>(i)] - all.data()[i]) < 1e-5f);
  CHECK(tally.tokens == in_memory.tokens);
  CHECK(tally.truncated == in_memory.truncated);
}

TEST_CASE("threads, the depth of the queue and the form of the input leave every byte as it is") {
  Ground g;
  g.encode(usual());
  const std::string expected = bytes("v.npy");
  for (Index ahead : {0, 1, 50}) {
    EncodeFileOptions o = usual();
    o.encode.ahead = ahead;
    g.encode(o);
    CHECK(bytes("v.npy") == expected);
  }
  std::string tsv, jsonl;
  for (int i = 1; i <= 45; ++i) {
    tsv += "d" + std::to_string(i) + "\t" + text_of(i) + "\n";
    jsonl += "{\"_id\": " + std::to_string(i) + ", \"text\": \"" + text_of(i) + "\"}\n\n";
  }
  write("texts.tsv", tsv);
  write("texts.jsonl", jsonl);
  for (const char* path : {"texts.tsv", "texts.jsonl"}) {
    EncodeFileOptions o = usual();
    o.form = form_of(path);
    g.encode(o, path);
    CHECK(bytes("v.npy") == expected);
  }
  Env two({.threads = 2});
  Model other(two);
  set(other);
  encode_file(other, two, WordPiece("vocab.txt"), "texts.txt", "v.npy", usual());
  CHECK(bytes("v.npy") == expected);
}

TEST_CASE("a run that stops after any chunk goes on to the same bytes") {
  Ground g;
  const EncodeFileTally whole = g.encode(usual());
  const std::string expected = bytes("v.npy");
  for (Index stop : {1, 2, 4}) {
    clear();
    EncodeFileOptions first = usual();
    first.stop_after = stop;
    const EncodeFileTally part = g.encode(first);
    CHECK_FALSE(part.finished);
    CHECK_FALSE(there("v.npy"));
    EncodeFileOptions second = usual();
    second.resume = true;
    second.stop_after = 1;    // and once more, unless one chunk is all there is left
    g.encode(second);
    second.stop_after = 0;
    if (stop < 4) {
      const EncodeFileTally rest = g.encode(second);
      CHECK(rest.resumed == 10 * (stop + 1));
      CHECK(rest.tokens == whole.tokens);
      CHECK(rest.truncated == whole.truncated);
      CHECK(rest.fresh < whole.tokens);
      CHECK(rest.finished);
    }
    CHECK(bytes("v.npy") == expected);
    CHECK_FALSE(there("v.npy.journal"));
  }
}

TEST_CASE("what a killed run had written after its last entry is written again") {
  Ground g;
  g.encode(usual());
  const std::string expected = bytes("v.npy");
  clear();
  EncodeFileOptions o = usual();
  o.stop_after = 2;
  g.encode(o);
  std::string part = bytes("v.npy.part");
  REQUIRE(part.size() == expected.size());    // the whole size is reserved
  const std::size_t done = part.size() - 25 * 16 * sizeof(float);
  CHECK(part.substr(0, done) == expected.substr(0, done));
  for (std::size_t i = done; i < done + 300; ++i) part[i] = 'x';
  write("v.npy.part", part);
  o.stop_after = 0;
  o.resume = true;
  g.encode(o);
  CHECK(bytes("v.npy") == expected);
}

TEST_CASE("an unfinished run is neither overwritten nor continued by another") {
  Ground g;
  EncodeFileOptions o = usual();
  o.stop_after = 1;
  g.encode(o);
  o.stop_after = 0;
  CHECK(has(g.complaint(o), "there is an unfinished v.npy: v.npy.journal says how far"));
  o.resume = true;

  EncodeFileOptions other = o;
  other.chunk = 11;
  CHECK(has(g.complaint(other), "cannot resume v.npy: it was begun by another run: \"chunk\" was 10 and is 11 now. "
                                "Repeat that run's options, or remove v.npy.journal and v.npy.part to start anew"));
  other = o;
  other.encode.batch_tokens = 41;
  CHECK(has(g.complaint(other), "\"batch_tokens\" was 40 and is 41 now"));
  other = o;
  other.encode.max_length = 7;
  CHECK(has(g.complaint(other), "\"max_length\" was 8 and is 7 now"));
  other = o;
  other.identity = "large";
  CHECK(has(g.complaint(other), "\"identity\" was \"small\" and is \"large\" now"));

  const std::string before = bytes("texts.txt");
  std::string changed = before;
  changed.back() = '.';    // the last text, long after the place where the run stopped
  write("texts.txt", changed);
  CHECK(has(g.complaint(o), "\"digest of the texts\" was"));
  write("texts.txt", before);
  initialise(g.model, 12, Fill::everything);
  CHECK(has(g.complaint(o), "\"vectors of the first texts\" was"));
  set(g.model);

  const std::string part = bytes("v.npy.part"), journal = bytes("v.npy.journal");
  write("v.npy.part", part.substr(1));
  CHECK(has(g.complaint(o), "cannot write v.npy.part: it has "));
  std::remove("v.npy.part");
  CHECK(has(g.complaint(o), "Remove v.npy.journal to start anew"));
  write("v.npy.part", part);
  write("v.npy.journal", journal.substr(0, 40));
  CHECK(has(g.complaint(o), "cannot read v.npy.journal"));
  write("v.npy.journal", "{}");
  CHECK(has(g.complaint(o), "cannot resume"));
  write("v.npy.journal", journal);

  const int lock = ::open("v.npy.part", O_RDWR);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  CHECK(has(g.complaint(o), "cannot write v.npy.part: another run is writing it"));
  ::close(lock);
  CHECK(g.complaint(o) == "no error");    // and none of this spoiled the run
  CHECK(there("v.npy"));
}

TEST_CASE("a process that is killed outright loses a chunk at most") {
  Ground g;
  g.encode(usual());
  const std::string expected = bytes("v.npy");
  clear();
  std::fflush(nullptr);
  const ::pid_t child = ::fork();
  if (child == 0) {
    Index left = 6;    // the probe, and two or three batches a chunk
    const Fatal fatal{g.model, &left};
    EncodeFileOptions o = usual();
    o.chunk = 5;
    o.encode.ahead = 0;
    encode_file(fatal, g.env, WordPiece("vocab.txt"), "texts.txt", "v.npy", o);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK_FALSE(there("v.npy"));
  EncodeFileOptions o = usual();
  o.chunk = 5;
  o.resume = true;
  const EncodeFileTally rest = g.encode(o);
  CHECK(rest.resumed > 0);
  CHECK(rest.resumed < 45);
  const std::string resumed = bytes("v.npy");
  o.resume = false;
  g.encode(o);
  CHECK(resumed == bytes("v.npy"));
  CHECK(resumed.size() == expected.size());
}

TEST_CASE("input that cannot be used") {
  Ground g;
  write("none.txt", "");
  CHECK(has(g.complaint(usual(), "none.txt"), "none.txt has no text"));
  write("bad.tsv", "d1\tone\nd2 two\n");
  EncodeFileOptions tsv = usual();
  tsv.form = Form::tsv;
  CHECK(has(g.complaint(tsv, "bad.tsv"), "bad.tsv:2: found \"d2 two\""));
  CHECK_FALSE(there("v.npy.part"));    // seen before anything was begun
  CHECK(has(g.complaint(usual(), "nowhere.txt"), "cannot read nowhere.txt"));
  EncodeFileOptions zero = usual();
  zero.chunk = 0;
  CHECK(has(g.complaint(zero), "chunk = 0"));
  std::string many;
  for (int i = 0; i < 20000; ++i) many += text_of(1 + i % 8) + "\n";    // more than is read at once
  write("texts.txt", many);
  EncodeFileOptions o = usual();
  o.chunk = 1000;
  o.encode.ahead = 0;
  try {
    encode_file(Meddler{g.model, "more\n"}, g.env, WordPiece("vocab.txt"), "texts.txt", "v.npy", o);
    FAIL("an input that grew was taken for the same");
  } catch (const Error& e) {
    CHECK(has(e.what(), "texts.txt has changed while it was read"));
  }
  CHECK_FALSE(there("v.npy"));
}

TEST_CASE("progress counts all of the work, and what was done before") {
  Ground g;
  EncodeFileOptions o = usual();
  o.stop_after = 3;
  g.encode(o);
  o.stop_after = 0;
  o.resume = true;
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  o.encode.progress = file;
  g.encode(o);
  std::rewind(file);
  char text[400];
  const std::string s(text, std::fread(text, 1, sizeof text, file));
  std::fclose(file);
  CHECK(has(s, "encode 100 %"));
  CHECK(has(s, "tokens/s"));
}
