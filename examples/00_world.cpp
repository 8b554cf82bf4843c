// examples/00_world.cpp: makes the examples' embedded default: a small collection in which synonyms matter, and a two-layer BERT that is
// pre-trained here, by masked language modelling, on sentences of the same world. What it writes is an ordinary model and collection:
//   00_world --out world                   model.safetensors, config.json, vocab.txt, collection.tsv, queries.tsv, qrels/
#include "program.hpp"
#include "world.hpp"

#include <towpath/towpath.hpp>

using namespace towpath;
using world::World;

using Layers = Repeat<World::layers, TransformerLayer<World, FullTuning>>;
using Pretraining = MaskedLanguageModel<Bert<World, Layers, FullTuning>>;

// The trained backbone without its head, in bf16: half the bytes, and nothing that fine-tuning would notice.
static void write_backbone(const std::string& path, const Pretraining::On<Cpu<float>>& model) {
  std::vector<std::vector<bf16>> kept;
  std::vector<Entry> entries;
  for (const auto& leaf : leaves(model.encoder)) {
    std::vector<bf16> values;
    for (Index i = 0; i < leaf.size(); ++i) values.emplace_back(leaf.view().data[i]);
    kept.push_back(std::move(values));
    entries.push_back({leaf.name, Dtype::bf16, leaf.dimensions() == 1 ? std::vector<Index>{leaf.columns()} : std::vector<Index>{leaf.rows(), leaf.columns()},
                       reinterpret_cast<const std::byte*>(kept.back().data()), kept.back().size() * sizeof(bf16)});
  }
  write_safetensors(path, entries, {{"made_by", "examples/00_world"}});
}

static int run(int argc, char** argv) {
  std::string out = "world", json;
  Index steps = 2000, batch = 64, threads = 0;
  std::uint64_t seed = 7;
  program::Options options{"Makes the small world: a collection and a backbone pre-trained on its text"};
  options.add("--out", out, "folder to write");
  options.add("--steps", steps, "optimiser steps of pre-training").positive();
  options.add("--batch", batch, "sentences per step").positive();
  options.add("--seed", seed, "of the world, the weights and the masks");
  options.add("--threads", threads, "0: all cores");
  options.add("--json", json, "write what was measured to this file");
  options.parse(argc, argv);

  const world::Generator generator(seed);
  make_folder(out + "/qrels");
  {
    NewFile vocabulary(out + "/vocab.txt");
    vocabulary.write(generator.vocabulary());
    vocabulary.commit();
  }
  world::write_collection(out, generator.collection());
  write_config(out + "/config.json", config_of<World>());
  const WordPiece words(out + "/vocab.txt");

  Cpu<float> env({.threads = threads, .seed = seed});
  Pretraining::On<Cpu<float>> model;
  initialise(model, seed, Fill::everything);
  Pretraining::On<Cpu<float>>::Saved<Learn<false>> saved;
  Pretraining::On<Cpu<float>>::Grads grads;
  AdamW adam(model, Adam{.rate = 1e-3, .decay = 0.01});
  const LinearSchedule schedule{steps, 0.1};
  Progress progress("pre-train", steps, stderr);
  const Stopwatch watch;
  double shown = 0;
  Index tokens = 0;
  for (Index step = 0; step < steps; ++step) {
    Ragged sentences;
    for (Index i = 0; i < batch; ++i) append(sentences, words, generator.sentence(static_cast<std::uint64_t>(step * batch + i)), World::positions);
    tokens += sentences.tokens();
    Random random(seed, stream_of("masks") + static_cast<std::uint64_t>(step));
    const Masked masked = mask_tokens(std::move(sentences), random, words.id("[MASK]"), 5, static_cast<std::int32_t>(World::vocabulary));
    zero(grads);
    const Tensor<Cpu<float>> logits = model.forward(env, masked.tokens, masked.rows, saved);
    Tensor<Cpu<float>> dlogits;
    const double loss = op::cross_entropy<Cpu<float>>(env, logits, masked.labels, {}, 1.0, dlogits);
    model.backward(env, dlogits, masked.tokens, masked.rows, saved, grads);
    adam.update(env, model, grads, schedule(step), clip_factor(gradient_norm<Pretraining::On<Cpu<float>>>(env, grads), 1.0));
    shown = step == 0 ? loss : 0.98 * shown + 0.02 * loss;
    char note[64];
    std::snprintf(note, sizeof note, "loss %.4f  %.0f tokens/s", shown, static_cast<double>(tokens) / watch.seconds());
    progress.at(step + 1, note);
  }
  progress.finish();
  write_backbone(out + "/model.safetensors", model);
  std::printf("pre-trained %td steps of %td sentences in %s: loss %.4f, %.0f tokens/s\nwrote %s\n", steps, batch, clock_time(watch.seconds()).c_str(), shown,
              static_cast<double>(tokens) / watch.seconds(), out.c_str());
  if (!json.empty()) program::write_json(json, {{"steps", steps}, {"loss", shown}, {"seconds", watch.seconds()}, {"tokens", tokens}});
  return 0;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
