// The runs at the first stage for one shape: every method at every budget is a type, chosen here by name.
#pragma once

#include "run.hpp"

namespace study::TOWPATH_WHERE {

// Retrieval: a bi-encoder with InfoNCE over in-batch and hard negatives; dev searches a sample of the documents, test all of them.
template <class Encoder>
class Retrieving {
public:
  using Arch = BiEncoder<Encoder, MeanPooling, Cosine>;
  using Model = typename Arch::template On<Env>;
  static constexpr bool ranks_untrained = true;

  Retrieving(const Setting& s, const Data& data, const WordPiece& words, std::uint64_t seed) : setting_(s), data_(data), words_(words), seed_(seed) {}

  Sampler sampler() const {
    const SamplerOptions o{.batch = setting_.batch,
                           .query_length = setting_.query_length,
                           .passage_length = setting_.passage_length,
                           .negatives = data_.train_run.empty() ? 0 : setting_.negatives,
                           .seed = seed_,
                           .threads = setting_.threads};
    return data_.train_run.empty() ? Sampler(data_.c, data_.train, words_, o) : Sampler(data_.c, data_.train, data_.c.run(data_.train_run), words_, o);
  }
  InfoNce loss() const { return {.temperature = setting_.temperature}; }

  double dev(const Model& model, Env& env) {
    if (!dev_) dev_.emplace(data_.c, words_, options(program::sampled(data_.dev, data_.c, setting_.dev_documents)));
    dev_->index(model, env);
    return dev_->evaluate(dev_->search(model, env, data_.dev), data_.dev, measures()).mean(measures()[0]);
  }
  // What trains nothing is the backbone as it is.
  std::pair<Run, Evaluation> test(const Model* model, Env& env) const {
    Retrieval<Env> whole(data_.c, words_, options({}));
    whole.index(*model, env);
    Run run = whole.search(*model, env, data_.test);
    Evaluation e = whole.evaluate(run, data_.test, measures());
    return {std::move(run), std::move(e)};
  }

private:
  RetrievalOptions options(std::vector<Index> documents) const {
    return {.query_length = setting_.query_length, .document_length = setting_.passage_length, .depth = setting_.depth, .threads = setting_.threads, .documents = std::move(documents)};
  }

  const Setting& setting_;
  const Data& data_;
  WordPiece words_;
  std::uint64_t seed_;
  std::optional<Retrieval<Env>> dev_;
};

template <class Shape>
void run_retrieval(const Task& t) {
  methods::with_method<Shape>(t.method, t.budget, [&]<class Encoder>(double) { run<Retrieving<Encoder>>(t); });
}

}  // namespace study::TOWPATH_WHERE

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template void study::TOWPATH_WHERE::run_retrieval<Shape>(const study::Task&);
