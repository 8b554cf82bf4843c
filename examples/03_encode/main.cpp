// examples/03_encode: the texts of a file to vectors, one row each, as a .npy file that numpy and every index reads. From disk to disk,
// in memory that does not grow with the file; a run that was killed goes on where it stopped.
//   03_encode --model DIR --in texts.txt --out vectors.npy
//   03_encode --model DIR --in corpus.jsonl.gz --out vectors.npy --resume                          begins, or goes on
//   03_encode --model DIR --in texts.txt --out vectors.npy --adapter runs/adapter.safetensors      as 02_finetune saved it
#include "task.hpp"

#include <towpath/io/safetensors.hpp>

using namespace towpath;

static int run(int argc, char** argv) {
  encoding::Task task;
  std::string json;
  program::Options options{"Encodes the texts of a file with a BERT encoder and writes the vectors as .npy, row i for text i"};
  options.add("--model", task.model, "a Hugging Face BERT directory: config.json, model.safetensors, vocab.txt").required();
  options.add("--in", task.in, "a file of texts, plain or gzip").required();
  options.add("--format", task.format, "lines: a text on each; tsv: id TAB text; jsonl: objects with _id, title, text; auto: by the file's name, .tsv, .jsonl or lines")
      .one_of({"auto", "lines", "tsv", "jsonl"});
  options.add("--out", task.out, "the .npy file to write; until it is complete, OUT.part and OUT.journal stand beside it").required();
  options.add("--resume", task.resume, "go on with an unfinished run of the same options, if there is one; the file will be the same, byte by byte");
  options.add("--chunk", task.chunk, "texts that go to the disk together: what a killed run loses at most").positive();
  options.add("--batch-tokens", task.batch_tokens, "tokens that go through the model at once").positive();
  options.add("--adapter", task.adapter, "adapter.safetensors of 02_finetune; it says itself which method it is");
  options.add("--pooling", task.pooling, "mean, cls or max over the tokens of a text").one_of({"mean", "cls", "max"});
  options.add("--dot", task.dot, "leave vectors at their own length (default: length 1, for cosine)");
  options.add("--max-length", task.max_length, "tokens; longer texts are cut").between(3, 512);
  options.add("--weights", task.weights, "frozen weights in f32 or bf16: half the memory and, where the machine multiplies bf16, several times the speed").one_of({"f32", "bf16"});
  options.add("--device", task.device, "where the model is: cpu, or cuda for a GPU").one_of(program::devices);
  options.add("--threads", task.threads, "0: all cores");
  options.add("--quiet", task.quiet, "no progress bar");
  options.add("--json", json, "write what was measured to this file");
  options.parse(argc, argv);
  if (!task.adapter.empty()) {
    const Safetensors file(task.adapter);
    const auto note = [&](const char* key) {
      const auto it = file.metadata().find(key);
      if (it == file.metadata().end())
        fail(task.adapter + " does not say which method it is", std::string("its notes have no \"") + key + "\"", "Give the adapter.safetensors that 02_finetune wrote");
      return it->second;
    };
    task.method = note("method");
    task.budget = note("budget");
    if (std::find(methods::names.begin(), methods::names.end(), task.method) == methods::names.end())
      fail(task.adapter + " is of the method \"" + task.method + "\"", "this program was not compiled for it", "Add it to examples/methods.hpp and build again");
  }
  Json results;
  methods::with_shape_of(task.model, [&]<class Shape>(Shape) {
    using namespace encoding;
    results = TOWPATH_ON(task.device, encode_shape<Shape>(task));
  });
  if (!json.empty()) program::write_json(json, results);
  return 0;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
