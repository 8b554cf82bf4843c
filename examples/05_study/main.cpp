// examples/05_study: every method of the IAA paper on one collection, at one stage: learning rates chosen on dev, several seeds, then one
// report with effects and their tests, convergence, stability, cost and the reason.
//   05_study --out DIR                                                          the embedded small world
//   05_study --stage retrieval --model DIR --collection DIR --seeds 3 --out DIR
// A study that was killed goes on where it stopped when it is started again with the same options.
#include "../embedded.hpp"
#include "plan.hpp"
#include "report.hpp"

#include <towpath/train/checkpoint.hpp>
#include <towpath/train/progress.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace towpath;
using namespace study;

namespace {

void compute(const Task& t) {
  try {
    methods::with_shape_of(t.setting.model, [&]<class Shape>(Shape) {
      t.setting.stage == "retrieval" ? TOWPATH_ON(t.setting.device, run_retrieval<Shape>(t)) : TOWPATH_ON(t.setting.device, run_reranking<Shape>(t));
    });
  } catch (const Error& e) {
    // a run that diverges is a result, of a rate or of a seed
    if (std::string(e.what()).find("the loss is no longer a number") == std::string::npos) throw;
    program::write_json(t.folder + (t.analyse ? "/analysis.json" : "/run.json"), Json{{"method", t.method}, {"budget", t.budget}, {"rate", t.rate}, {"seed", t.seed}, {"failed", e.what()}});
  }
}

// Runs tasks in processes of their own, `jobs` at a time: what one holds in memory or does wrong is its own affair.
class Crew {
public:
  Crew(Index jobs, bool quiet, std::size_t known) : jobs_(jobs), quiet_(quiet), known_(known) {}

  void all(const std::vector<Task>& tasks) {
    std::vector<const Task*> open;
    for (const Task& t : tasks)
      if (!finished(t)) open.push_back(&t);
    left_ = open.size();
    for (const Task* t : open) {
      if (static_cast<Index>(running_.size()) >= jobs_) wait();
      start(*t);
    }
    while (!running_.empty()) wait();
  }

private:
  struct Child {
    const Task* task;
    Stopwatch watch;
  };
  void start(const Task& t) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) fail("cannot start a process for " + name(t), std::strerror(errno), "Start the study again with fewer --jobs");
    if (child == 0) {
      int code = 0;
      try {
        compute(t);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "\n%s: %s\n", name(t).c_str(), e.what());
        code = 1;
      }
      std::fflush(nullptr);
      ::_exit(code);
    }
    running_.emplace(child, Child{&t, {}});
  }
  void wait() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, 0);
    const auto at = running_.find(child);
    if (at == running_.end()) return;
    const Task& t = *at->second.task;
    const double seconds = at->second.watch.seconds();
    running_.erase(at);
    --left_;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      for (const auto& [other, _] : running_) ::kill(other, SIGTERM);
      fail("the run " + name(t) + " failed", WIFSIGNALED(status) ? std::string("it was ended by signal ") + std::to_string(WTERMSIG(status)) : "it said why above",
           "What was finished is kept: start the study again to go on");
    }
    spent_ += seconds;
    ++ended_;
    if (quiet_) return;
    const double rest = spent_ / static_cast<double>(ended_) * static_cast<double>(left_ + known_) / static_cast<double>(jobs_);
    std::fprintf(stderr, "%-34s %s  %s   %zu to go, about %s\n", name(t).c_str(), clock_time(seconds).c_str(), summary(t).c_str(), left_ + known_, clock_time(rest).c_str());
  }

  Index jobs_;
  bool quiet_;
  std::size_t known_;  // tasks that will come later
  std::map<pid_t, Child> running_;
  std::size_t left_ = 0;
  double spent_ = 0;
  Index ended_ = 0;
};

// One study at a time works in a folder. Its runs hold this, too: where the study was killed they may still be going.
void lock(const std::string& out) {
  const std::string path = out + "/lock";
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (file < 0) fail("cannot write " + path, std::strerror(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0)
    fail("a study, or a run of one that was stopped, is at work in " + out, {}, "Wait for it, or end it (fuser " + path + " names its processes)");
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    if (comma > at) words.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return words;
}

int run(int argc, char** argv) {
  Setting s;
  std::string methods = "full,bitfit,prefix,lora,adapter,mam,iaa-s,iaa-l,iaa-m", budgets = "0.5,6.7", out, rates;
  Index seeds = 3, jobs = 1;
  bool only_report = false, quiet = false, analyse = false;
  program::Options options{"Compares parameter-efficient methods with full fine-tuning on one collection and writes a report.\n"
                           "Without --model and --collection it runs on an embedded small world.\n"};
  options.add("--stage", s.stage, "retrieval (bi-encoder) or reranking (cross-encoder on the first-stage run)").one_of({"retrieval", "reranking"});
  options.add("--model", s.model, "a Hugging Face BERT directory");
  options.add("--collection", s.collection, "an MS MARCO (tsv) or BEIR (jsonl) directory");
  options.add("--first-stage", s.first_stage, "runs/NAME.SPLIT.trec of the collection: what is re-ranked, and where hard negatives come from");
  options.add("--methods", methods, "which, with commas between");
  options.add("--budgets", budgets, "sizes in per cent of the backbone: 0.5, 6.7");
  options.add("--seeds", seeds, "runs of each setting").positive();
  options.add("--rates", rates, "learning rates to choose from on dev, with commas between (default: a short grid for each method, which goes on where the best is at its edge)").without_default();
  options.add("--out", out, "the folder of the study").required();
  options.add("--train-queries", s.train_queries, "train on a fixed sample of so many queries (0: all)").not_negative();
  options.add("--dev-queries", s.dev_queries, "the same for dev").not_negative();
  options.add("--test-queries", s.test_queries, "the same for test").not_negative();
  options.add("--epochs", s.epochs, "passes over the training queries").positive();
  options.add("--evaluations", s.evaluations, "dev metrics in the course of a run").positive();
  options.add("--batch", s.batch, "queries per step").positive();
  options.add("--negatives", s.negatives, "hard negatives per query, from the first stage").not_negative();
  options.add("--query-length", s.query_length, "tokens").between(3, 512);
  options.add("--passage-length", s.passage_length, "tokens").between(3, 512);
  options.add("--dev-documents", s.dev_documents, "retrieval: dev searches the judged documents and a fixed sample of others, so many in all (0: the whole collection)").not_negative();
  options.add("--pool", s.pool, "re-ranking: candidates per query on dev, from the first-stage run").positive();
  options.add("--depth", s.depth, "test: results, or candidates that are re-ranked, per query").positive();
  options.add("--temperature", s.temperature, "of InfoNCE").positive();
  options.add("--warmup", s.warmup, "share of the steps").between(0.0, 1.0);
  options.add("--clip", s.clip, "largest gradient norm, 0 for any").not_negative();
  options.add("--decay", s.decay, "AdamW's weight decay").not_negative();
  options.add("--weights", s.weights, "frozen weights in f32 or bf16: several times the speed where the machine multiplies bf16; what trains stays in float").one_of({"f32", "bf16"});
  options.add("--device", s.device, "where the model is: cpu, or cuda for a GPU").one_of(program::devices);
  options.add("--threads", s.threads, "of one run").positive();
  options.add("--jobs", jobs, "runs at a time").positive();
  options.add("--analyse", analyse, "also measure discrepancy, loss surface and sharpness of each method (seed 1)");
  options.add("--report", only_report, "run nothing, write the report of what is there");
  options.add("--quiet", quiet, "say nothing on the way");
  options.parse(argc, argv);
  if (s.model.empty() != s.collection.empty()) {
    std::fprintf(stderr, "--model and --collection go together: give both, or neither for the embedded world\n");
    return 2;
  }
  if (s.model.empty()) s.model = s.collection = program::embedded_world();

  Plan plan{s, out, seeds, analyse, {}};
  const std::vector<std::string> wanted_rates = words_of(rates);
  for (const std::string& method : words_of(methods)) {
    if (std::find(methods::names.begin(), methods::names.end(), method) == methods::names.end()) fail("there is no method \"" + method + "\"", {}, "See --help of 02_finetune for those there are");
    for (const std::string& budget : methods::without_budget(method) ? std::vector<std::string>{"none"} : words_of(budgets)) {
      if (std::find(methods::budgets.begin(), methods::budgets.end(), budget) == methods::budgets.end()) fail("there is no budget \"" + budget + "\"", "there are 0.5 and 6.7");
      plan.lines.push_back({method, budget, wanted_rates.empty() || method == "none" ? usual_rates(method) : numbers_of(wanted_rates)});
    }
  }
  if (plan.lines.empty()) fail("no methods", {}, "Name some with --methods");
  make_folder(out + "/runs");
  agree(out, s);

  if (!only_report) {
    lock(out);
    const std::size_t later = plan.lines.size() * static_cast<std::size_t>(seeds);
    Crew(jobs, quiet, later).all(plan.grid());
    for (int more = 0; more < 2 && rates.empty() && plan.extend(); ++more) Crew(jobs, quiet, later).all(plan.grid());
    Crew(jobs, quiet, 0).all(plan.chosen());
  } else {
    plan.take_up();
  }
  write_report(plan);
  std::printf("%s/report.md\n%s/report.html\n", out.c_str(), out.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
