// examples/02_finetune: tunes a BERT retriever on a collection and says what it brought: zero-shot and tuned metrics, parameters trained,
// time, memory.
//   02_finetune                                                       the embedded default: a small world, about a minute
//   02_finetune --model DIR --collection DIR --method iaa-l           any HF BERT directory, any MS MARCO or BEIR collection
#include "../embedded.hpp"
#include "task.hpp"

#include <towpath/train/checkpoint.hpp>
#include <towpath/train/progress.hpp>


using namespace towpath;
using finetune::Report;
using finetune::Task;

static Json to_json(const Task& t, const Report& r, double seconds) {
  const auto metrics = [&](const std::vector<double>& v) {
    Json j = Json::object();
    for (std::size_t i = 0; i < v.size(); ++i) j[r.measures[i]] = v[i];
    return j;
  };
  return {{"model", t.model}, {"collection", t.collection}, {"split", t.split}, {"method", t.method}, {"budget", t.budget}, {"seed", t.seed}, {"epochs", t.epochs},
          {"train_queries", t.train_queries}, {"batch", t.batch}, {"negatives", t.negatives}, {"learning_rate", r.rate}, {"zero_shot", metrics(r.zero_shot)}, {"tuned", metrics(r.tuned)},
          {"parameters", {{"total", r.total}, {"trained", r.trained}, {"per_cent", 100.0 * static_cast<double>(r.trained) / static_cast<double>(r.total)}}},
          {"dev", {{"zero_shot", r.dev_zero_shot}, {"ndcg_10", r.dev}, {"best_epoch", r.best_epoch + 1}}}, {"steps", r.steps}, {"losses", r.losses},
          {"train", {{"seconds", r.train_seconds}, {"tokens", r.train_tokens}}}, {"encode", {{"seconds", r.encode_seconds}, {"tokens", r.encode_tokens}}},
          {"truncated", r.truncated}, {"seconds", seconds}, {"peak_memory_bytes", program::peak_memory()}};
}

static int run(int argc, char** argv) {
  Task task;
  std::string json;
  program::Options options{"Tunes a BERT retriever, parameter-efficiently or in full, chooses the best epoch on dev and reports what it brought on a split.\n"
               "Without --model and --collection it runs on an embedded small world.\n"};
  options.add("--model", task.model, "a Hugging Face BERT directory: config.json, model.safetensors, vocab.txt");
  options.add("--collection", task.collection, "an MS MARCO (tsv) or BEIR (jsonl) directory");
  options.add("--split", task.split, "the split to report on");
  options.add("--method", task.method, "what trains").one_of(methods::names);
  options.add("--budget", task.budget, "size of the modules, per cent of the backbone (none: for none, full, bitfit and lora-top)").one_of(methods::budgets);
  options.add("--epochs", task.epochs, "passes over the training queries").positive();
  options.add("--batch", task.batch, "queries per step").positive();
  options.add("--batch-tokens", task.batch_tokens, "tokens per step at most, with fewer queries where texts are long (0: any number)").not_negative();
  options.add("--by-length", task.by_length, "texts of one step are about equally long");
  options.add("--accumulate", task.accumulate, "batches whose gradients are summed before a step").positive();
  options.add("--train-queries", task.train_queries, "train on a fixed sample of so many queries (0: all)").not_negative();
  options.add("--negatives", task.negatives, "hard negatives per query, from runs/bm25.train").not_negative();
  options.add("--lr", task.rate, "learning rate (default: the method's)").positive().without_default();
  options.add("--temperature", task.temperature, "of InfoNCE").positive();
  options.add("--warmup", task.warmup, "share of the steps").between(0.0, 1.0);
  options.add("--decay", task.decay, "AdamW's weight decay").not_negative();
  options.add("--clip", task.clip, "largest gradient norm, 0 for any").not_negative();
  options.add("--dropout", task.dropout, "of hidden states and attention").between(0.0, 0.9);
  options.add("--query-length", task.query_length, "tokens; longer queries are cut").between(3, 512);
  options.add("--passage-length", task.passage_length, "tokens; longer documents are cut").between(3, 512);
  options.add("--depth", task.depth, "results per query").positive();
  options.add("--seed", task.seed, "of initial values, order and dropout");
  options.add("--weights", task.weights, "frozen weights in f32 or bf16: half the memory and, where the machine multiplies bf16, several times the speed").one_of({"f32", "bf16"});
  options.add("--device", task.device, "where the model is: cpu, or cuda for a GPU").one_of(program::devices);
  options.add("--threads", task.threads, "0: all cores; results do not depend on it");
  options.add("--team", task.team, "processes that train one model together, each with its share of a step's batches: mpi under mpirun -np N (with --threads), or none").one_of(program::teams);
  options.add("--cache-frozen", task.cache, "with lora-top: compute what comes out of the frozen layers once per text: in memory, in a file of this name, or off");
  options.add("--save", task.save, "a folder for adapter.safetensors and the state of training");
  options.add("--resume", task.resume, "go on with the run that --save FOLDER began (repeat its options)");
  options.add("--stop-after", task.stop_after, "leave after so many steps, as if interrupted; for trying --resume").without_default();
  options.add("--run", task.run, "write the ranking of the split as a TREC run");
  options.add("--json", json, "write the results to this file");
  options.add("--quiet", task.quiet, "no progress bars");
  options.parse(argc, argv);
  const bool plain = methods::without_budget(task.method);
  if (!plain && task.budget == "none") {
    std::fprintf(stderr, "--budget none goes with the methods none, full, bitfit and lora-top; for %s choose 0.5 or 6.7\n", task.method.c_str());
    return 2;
  }
  if (task.cache != "off" && task.method != "lora-top") {
    std::fprintf(stderr, "--cache-frozen goes with --method lora-top: with %s no layer is frozen below all that trains\n", task.method.c_str());
    return 2;
  }
  if (task.model.empty() != task.collection.empty()) {
    std::fprintf(stderr, "--model and --collection go together: give both, or neither for the embedded world\n");
    return 2;
  }
  const auto team = program::team_of(task.team, argc, argv);
  task.members = team.get();
  const Stopwatch watch;
  if (task.model.empty()) {
    if (task.first()) program::embedded_world();
    if (team) team->shared(0);  // it is there
    task.model = task.collection = program::embedded_world_folder();
    if (!options.given("--budget")) task.budget = "6.7";
    if (!options.given("--epochs")) task.epochs = 8;  // of 25 steps each
  }
  if (plain) task.budget = "none";

  Report r;
  methods::with_shape_of(task.model, [&]<class Shape>(Shape) {
    using namespace finetune;
    r = TOWPATH_ON(task.device, tune_shape<Shape>(task));
  });
  if (!task.first()) return 0;
  std::printf("\n%s%s on %s, split %s\n\n", task.method.c_str(), plain ? "" : (" at " + task.budget + " %").c_str(), task.collection.c_str(), task.split.c_str());
  std::printf("  %-12s %10s %10s %10s\n", "", "zero-shot", r.tuned.empty() ? "" : "tuned", r.tuned.empty() ? "" : "gain");
  for (std::size_t i = 0; i < r.measures.size(); ++i) {
    if (r.tuned.empty()) std::printf("  %-12s %10.4f\n", r.measures[i].c_str(), r.zero_shot[i]);
    else std::printf("  %-12s %10.4f %10.4f %+10.4f\n", r.measures[i].c_str(), r.zero_shot[i], r.tuned[i], r.tuned[i] - r.zero_shot[i]);
  }
  std::printf("\n  trained      %td of %td parameters (%.2f %%)", r.trained, r.total, 100.0 * static_cast<double>(r.trained) / static_cast<double>(r.total));
  if (r.steps) {
    std::printf(", %td steps, lr %g, best epoch %td\n  training     %s, %.0f tokens/s\n", r.steps, r.rate, r.best_epoch + 1, clock_time(r.train_seconds).c_str(),
                static_cast<double>(r.train_tokens) / r.train_seconds);
  } else {
    std::printf("\n");
  }
  std::printf("  encoding     %.0f tokens/s\n  in all       %s, peak memory %ld MB\n", static_cast<double>(r.encode_tokens) / r.encode_seconds, clock_time(watch.seconds()).c_str(),
              program::peak_memory() / 1000000);
  if (!json.empty()) program::write_json(json, to_json(task, r, watch.seconds()));
  return 0;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
