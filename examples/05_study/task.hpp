// One run of the study: what it is asked to do. No templates here, so that the main program and the parts that are compiled per shape share
// only this.
#pragma once

#include "../methods.hpp"
#include "../program.hpp"

#include <towpath/base/json.hpp>

#include <cstdio>
#include <string>

namespace study {

using towpath::Index;
using towpath::Json;

// What all runs of a study have in common.
struct Setting {
  std::string stage = "retrieval", model, collection, weights = "f32", first_stage = "bm25", device = "cpu";
  Index train_queries = 2048, dev_queries = 200, test_queries = 0;  // fixed samples (0: all)
  Index epochs = 1, evaluations = 8;                                // dev metrics in the course of a run
  Index batch = 16, negatives = 1;                                  // retrieval: hard ones per query; re-ranking: the rest of a group
  Index query_length = 32, passage_length = 128;
  Index dev_documents = 3000;                                       // retrieval, dev: documents that are searched (0: all)
  Index pool = 20;                                                  // re-ranking, dev: candidates per query
  Index depth = 100;                                                // test: results, or candidates re-ranked, per query
  double temperature = 0.05, warmup = 0.1, clip = 1, decay = 0.01;
  Index threads = 1;
};

// What one run adds to that.
struct Task {
  Setting setting;
  std::string method, budget;
  double rate = 0;
  std::uint64_t seed = 1;
  std::string folder;     // its own: run.json, trained.safetensors, test.json
  bool test = false;      // on the test split, too
  bool analyse = false;   // instead: discrepancy along the way, the surface and the largest eigenvalue at the end -> analysis.json
};

// Trains, unless FOLDER/run.json is there, and tests, if asked to and unless FOLDER/test.json is there.
namespace on_cpu {
template <class Shape>
void run_retrieval(const Task&);
template <class Shape>
void run_reranking(const Task&);
}  // namespace on_cpu
namespace on_gpu {
template <class Shape>
void run_retrieval(const Task&);
template <class Shape>
void run_reranking(const Task&);
}  // namespace on_gpu

}  // namespace study
