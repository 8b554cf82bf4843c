// examples/03_encode: text lines to vectors, one row each, as a .npy file that numpy and every index reads.
//   03_encode --model DIR --in texts.txt --out vectors.npy
//   03_encode --model DIR --in texts.txt --out vectors.npy --adapter runs/adapter.safetensors      as 02_finetune saved it
#include "task.hpp"

#include <towpath/io/safetensors.hpp>

using namespace towpath;

static int run(int argc, char** argv) {
  encoding::Task task;
  std::string json;
  CLI::App app{"Encodes text lines with a BERT encoder and writes the vectors as .npy"};
  app.add_option("--model", task.model, "a Hugging Face BERT directory: config.json, model.safetensors, vocab.txt")->required();
  app.add_option("--in", task.in, "a text file, one text per line (may be gzip)")->required();
  app.add_option("--out", task.out, "the .npy file to write")->required();
  app.add_option("--adapter", task.adapter, "adapter.safetensors of 02_finetune; it says itself which method it is");
  app.add_option("--pooling", task.pooling, "mean, cls or max over the tokens of a text")->capture_default_str()->check(CLI::IsMember({"mean", "cls", "max"}));
  app.add_flag("--dot", task.dot, "leave vectors at their own length (default: length 1, for cosine)");
  app.add_option("--max-length", task.max_length, "tokens; longer texts are cut")->capture_default_str()->check(CLI::Range(3, 512));
  app.add_option("--threads", task.threads, "0: all cores")->capture_default_str();
  app.add_option("--json", json, "write what was measured to this file");
  CLI11_PARSE(app, argc, argv);
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
  methods::with_shape_of(task.model, [&]<class Shape>(Shape) { results = encoding::encode_shape<Shape>(task); });
  if (!json.empty()) program::write_json(json, results);
  return 0;
}

int main(int argc, char** argv) { return program::guarded(run, argc, argv); }
