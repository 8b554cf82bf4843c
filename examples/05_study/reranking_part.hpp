// The runs at the second stage for one shape: every method at every budget is a type, chosen here by name.
#pragma once

#include "run.hpp"

namespace study::TOWPATH_WHERE {

// Re-ranking: a cross-encoder with cross-entropy over groups, of first-stage candidates: the best `pool` on dev, the best `depth` on test.
template <class Encoder>
class Rescoring {
public:
  using Arch = CrossEncoder<Encoder, ClsPooling>;
  using Model = typename Arch::template On<Env>;
  static constexpr bool ranks_untrained = false;  // a head that was only drawn

  Rescoring(const Setting& s, const Data& data, const WordPiece& words, std::uint64_t seed)
      : setting_(s), data_(data), words_(words), source_(data.c, data.train, data.c.run(data.train_run), words,
                                                         {.batch = s.batch,
                                                          .query_length = s.query_length,
                                                          .passage_length = s.passage_length,
                                                          .negatives = s.negatives,
                                                          .seed = seed,
                                                          .threads = s.threads}) {}

  AsPairs<Sampler> sampler() const { return AsPairs(source_, pairs()); }
  GroupCrossEntropy loss() const { return {}; }

  double dev(const Model& model, Env& env) {
    if (!dev_) dev_.emplace(data_.c, first_stage(data_.dev_run, data_.dev), words_, options(setting_.pool));
    return dev_->evaluate((*dev_)(model, env), data_.dev, measures()).mean(measures()[0]);
  }
  // What trains nothing is the first stage as it is.
  std::pair<Run, Evaluation> test(const Model* model, Env& env) const {
    Run run = first_stage(data_.test_run, data_.test);
    Reranking all(data_.c, run, words_, options(setting_.depth));
    if (model) run = all(*model, env);
    Evaluation e = all.evaluate(run, data_.test, measures());
    return {std::move(run), std::move(e)};
  }

private:
  PairOptions pairs() const { return {.max_length = setting_.query_length + setting_.passage_length, .query_pieces = setting_.query_length}; }
  RerankOptions options(Index depth) const { return {.depth = depth, .pairs = pairs(), .threads = setting_.threads}; }
  Run first_stage(const std::string& name, const Qrels& qrels) const {
    Run run = data_.c.run(name);
    for (std::size_t q = 0; q < run.of.size(); ++q)
      if (q >= qrels.of.size() || qrels.of[q].empty()) run.of[q].clear();
    return run;
  }

  const Setting& setting_;
  const Data& data_;
  WordPiece words_;
  Sampler source_;
  std::optional<Reranking> dev_;
};

template <class Shape>
void run_reranking(const Task& t) {
  methods::with_method<Shape>(t.method, t.budget, [&]<class Encoder>(double) { run<Rescoring<Encoder>>(t); });
}

}  // namespace study::TOWPATH_WHERE

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template void study::TOWPATH_WHERE::run_reranking<Shape>(const study::Task&);
