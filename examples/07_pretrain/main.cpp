// examples/07_pretrain: masked language modelling on a collection's own texts, from a checkpoint's weights or from scratch; writes an ordinary
// checkpoint, a backbone that knows the texts' language and nothing of retrieval.
//   07_pretrain --model DIR --collection A,B --out NEW
#include "../embedded.hpp"
#include "task.hpp"

#include <towpath/base/check.hpp>
#include <towpath/train/progress.hpp>

#include <cstdio>

using namespace towpath;
using pretraining::Report;
using pretraining::Task;

static int run(int argc, char** argv) {
  Task t;
  std::string collections, json;
  program::Options options{"Trains every weight of a BERT encoder as a masked language model on the texts of collections.\n"
                           "Without --model and --collection it runs on the embedded small world.\n"};
  options.add("--model", t.model, "a Hugging Face BERT directory: the shape, the vocabulary and, without --scratch, the weights to begin with");
  options.add("--collection", collections, "MS MARCO or BEIR directories, with commas between");
  options.add("--out", t.out, "the folder of the new checkpoint").required();
  options.add("--scratch", t.scratch, "begin with drawn weights");
  options.add("--steps", t.steps, "optimiser steps").positive();
  options.add("--batch", t.batch, "texts per step").positive();
  options.add("--length", t.length, "tokens per text; of longer ones a stretch is drawn").between(3, 512);
  options.add("--masked", t.masked, "share of the tokens that are to be guessed").between(0.01, 0.9);
  options.add("--lr", t.rate, "learning rate").positive();
  options.add("--warmup", t.warmup, "share of the steps").between(0.0, 1.0);
  options.add("--decay", t.decay, "AdamW's weight decay").not_negative();
  options.add("--clip", t.clip, "largest gradient norm, 0 for any").not_negative();
  options.add("--seed", t.seed, "of order, masks and drawn weights");
  options.add("--device", t.device, "where the model is: cpu, or cuda for a GPU").one_of(program::devices);
  options.add("--threads", t.threads, "0: all cores; results do not depend on it");
  options.add("--resume", t.resume, "go on with the run that stopped in --out (repeat its options)");
  options.add("--stop-after", t.stop_after, "leave after so many steps, as if interrupted; for trying --resume").without_default();
  options.add("--json", json, "write what was measured to this file");
  options.add("--quiet", t.quiet, "no progress bar");
  options.parse(argc, argv);
  if (t.model.empty() != collections.empty()) {
    std::fprintf(stderr, "--model and --collection go together: give both, or neither for the embedded world\n");
    return 2;
  }
  if (t.model.empty()) t.model = collections = program::embedded_world();
  for (std::size_t at = 0; at <= collections.size();) {
    const std::size_t comma = std::min(collections.find(',', at), collections.size());
    if (comma > at) t.collections.push_back(collections.substr(at, comma - at));
    at = comma + 1;
  }
  Report r;
  methods::with_shape_of(t.model, [&]<class Shape>(Shape) {
    using namespace pretraining;
    r = TOWPATH_ON(t.device, pretrain<Shape>(t));
  });
  if (static_cast<Index>(r.losses.size()) < t.steps && t.stop_after > 0) {
    std::printf("stopped after %td of %td steps; go on with --resume\n", t.stop_after, t.steps);
    return 0;
  }
  std::printf("%zu steps over %td texts, %td tokens in %s: loss %.4f in the first twentieth, %.4f in the last; %.0f tokens/s\nwrote %s\n", r.losses.size(), r.texts, r.tokens,
              clock_time(r.seconds).c_str(), r.loss_before, r.loss_after, static_cast<double>(r.tokens) / r.seconds, t.out.c_str());
  if (!json.empty())
    program::write_json(json, {{"texts", r.texts}, {"tokens", r.tokens}, {"seconds", r.seconds}, {"loss_first", r.loss_before}, {"loss_last", r.loss_after}, {"losses", r.losses}});
  return 0;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
