// Masked language modelling (Devlin et al. 2019) of every weight of a backbone, for one shape.
#pragma once

#include "../device.hpp"
#include "task.hpp"

#include <cstdio>
#include <numeric>

namespace pretraining::TOWPATH_WHERE {

using namespace towpath;

// The texts of all collections, documents and queries, in one order that the seed gives.
class Corpus {
public:
  Corpus(const Task& t, const WordPiece& words) {
    Threads threads(t.threads);
    for (const std::string& folder : t.collections) {
      const Collection c = open_collection(folder);
      for (const Texts* texts : {&c.documents, &c.queries}) {
        Pieces pieces;
        tokenise(pieces, words, texts->count(), [&](Index i) { return (*texts)[i]; }, threads);
        for (Index i = 0; i < pieces.count(); ++i)
          if (!pieces[i].empty()) pieces_.add(pieces[i]);
      }
    }
    if (pieces_.count() == 0) fail("there is no text to train on", "every document and query is empty", "Give other collections");
  }
  Index count() const { return pieces_.count(); }

  // Batch `number`: `size` texts, each text once before any comes again. Of a long text a stretch is taken, drawn evenly.
  Ragged batch(const Task& t, const WordPiece& words, Index number, Index size) const {
    Ragged tokens;
    for (Index i = number * size; i < (number + 1) * size; ++i) {
      const Index round = i / count();
      Random random(t.seed ^ stream_of("stretches"), static_cast<std::uint64_t>(i));
      const auto text = pieces_[shuffled(t.seed, round, i % count())];
      const Index n = static_cast<Index>(text.size()), room = t.length - 2;
      const auto from = n > room ? random.below(static_cast<std::uint64_t>(n - room + 1)) : 0;
      std::vector<std::int32_t> ids{words.cls()};
      ids.insert(ids.end(), text.begin() + static_cast<std::ptrdiff_t>(from), text.begin() + static_cast<std::ptrdiff_t>(from) + std::min(n, room));
      ids.push_back(words.sep());
      tokens.add(ids);
    }
    return tokens;
  }

private:
  Index shuffled(std::uint64_t seed, Index round, Index i) const {
    if (round != round_) {
      order_.resize(static_cast<std::size_t>(count()));
      std::iota(order_.begin(), order_.end(), Index{0});
      Random random(seed ^ stream_of("order of texts"), static_cast<std::uint64_t>(round));
      for (std::size_t k = order_.size(); k > 1; --k) std::swap(order_[k - 1], order_[random.below(k)]);
      round_ = round;
    }
    return order_[static_cast<std::size_t>(i)];
  }
  Pieces pieces_;
  mutable std::vector<Index> order_;
  mutable Index round_ = -1;
};

template <class Shape>
Report pretrain(const Task& t) {
  using Layers = Repeat<Shape::layers, TransformerLayer<Shape, FullTuning>>;
  using Arch = MaskedLanguageModel<Bert<Shape, Layers, FullTuning>>;
  using Env = program::TOWPATH_WHERE::Device;
  using Model = typename Arch::template On<Env>;
  const WordPiece words(t.model);
  const std::int32_t mask = words.id("[MASK]");
  if (mask < 0 || mask == words.id("[UNK]")) fail(t.model + "/vocab.txt has no [MASK]", "masked language modelling hides words behind it", "Give a vocabulary that has it");
  Task task = t;
  task.length = std::min(t.length, Shape::positions);
  const Corpus corpus(task, words);

  Env env({.threads = t.threads, .seed = t.seed});
  Model model;
  initialise(model, t.seed, Fill::everything);
  if (!t.scratch) load(model.encoder, Safetensors(t.model + "/model.safetensors"));
  typename Model::template Saved<Learn<false>> saved;
  typename Model::Grads grads;
  AdamW<Model> adam(model, Adam{.rate = t.rate, .decay = t.decay});
  const LinearSchedule schedule{t.steps, t.warmup};

  make_folder(t.out);
  const std::string state_file = t.out + "/state.safetensors";
  char identity[256];
  std::snprintf(identity, sizeof identity, "%s steps %td batch %td length %td lr %g warmup %g decay %g clip %g masked %g seed %llu texts %td", t.scratch ? "scratch" : t.model.c_str(), t.steps, t.batch,
                task.length, t.rate, t.warmup, t.decay, t.clip, t.masked, static_cast<unsigned long long>(t.seed), corpus.count());
  TrainState state;
  std::vector<Tensor<Env>> none;
  if (t.resume) state = load_training(state_file, identity, model, adam, none);
  Progress progress("pre-train", t.steps, t.quiet ? nullptr : stderr, state.batch);
  Stopwatch watch, since_saved;
  const double seconds_before = state.seconds;
  const Index tokens_before = state.tokens;
  double shown = state.losses.empty() ? 0 : state.losses.back();
  const auto save = [&] {
    state.step = adam.steps();
    state.seconds = seconds_before + watch.seconds();
    save_training(state_file, identity, model, adam, none, state);
  };
  while (state.batch < t.steps) {
    Ragged texts = corpus.batch(task, words, state.batch, t.batch);
    state.tokens += texts.tokens();
    Random random(t.seed, stream_of("masks") + static_cast<std::uint64_t>(state.batch));
    const Masked masked = mask_tokens(std::move(texts), random, mask, 0, static_cast<std::int32_t>(words.vocabulary()), t.masked);
    if (!masked.rows.empty()) {
      zero(grads);
      const Tensor<Env> logits = model.forward(env, masked.tokens, masked.rows, saved);
      Tensor<Env> dlogits;
      const double loss = op::cross_entropy<Env>(env, logits, masked.labels, {}, 1.0, dlogits);
      if (!std::isfinite(loss)) fail("the loss is no longer a number", "in step " + std::to_string(state.batch + 1), "Lower the learning rate, or lengthen the warm-up");
      model.backward(env, dlogits, masked.tokens, masked.rows, saved, grads);
      const double norm = gradient_norm<Model>(env, grads);
      adam.update(env, model, grads, schedule(state.batch), clip_factor(norm, t.clip));
      state.losses.push_back(loss);
      state.norms.push_back(norm);
      shown = state.losses.size() == 1 ? loss : 0.98 * shown + 0.02 * loss;
    }
    ++state.batch;
    char note[64];
    std::snprintf(note, sizeof note, "loss %.4f  %.0f tokens/s", shown, static_cast<double>(state.tokens - tokens_before) / watch.seconds());
    progress.at(state.batch, note);
    if (t.stop_after > 0 && state.batch >= t.stop_after) return save(), Report{.texts = corpus.count(), .tokens = state.tokens, .seconds = state.seconds, .losses = state.losses};
    if (since_saved.seconds() > 120) save(), since_saved = Stopwatch();
  }
  progress.finish();

  towpath::save(model.encoder, t.out + "/model.safetensors", {{"made_by", "examples/07_pretrain"}});
  for (const char* name : {"config.json", "vocab.txt"}) {
    NewFile copy(t.out + "/" + name);
    copy.write(Mapping::open(t.model + "/" + name)->text());
    copy.commit();
  }
  std::remove(state_file.c_str());
  Report r{.texts = corpus.count(), .tokens = state.tokens, .seconds = seconds_before + watch.seconds(), .losses = state.losses};
  const std::size_t some = std::max<std::size_t>(1, r.losses.size() / 20);
  const auto mean = [&](auto from) { return std::accumulate(from, from + static_cast<std::ptrdiff_t>(some), 0.0) / static_cast<double>(some); };
  if (!r.losses.empty()) r.loss_before = mean(r.losses.begin()), r.loss_after = mean(r.losses.end() - static_cast<std::ptrdiff_t>(some));
  return r;
}

}  // namespace pretraining::TOWPATH_WHERE

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template pretraining::Report pretraining::TOWPATH_WHERE::pretrain<Shape>(const pretraining::Task&);
