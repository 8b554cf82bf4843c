#pragma once

#include "towpath/data/jsonl.hpp"
#include "towpath/data/texts.hpp"
#include "towpath/data/trec.hpp"
#include "towpath/data/tsv.hpp"

#include <algorithm>
#include <dirent.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

// A test collection in a folder: documents and queries as rows, judgements and runs by name.
//   const Collection c = open_collection("medquad-short");
//   const Qrels dev = c.qrels("dev");                      // dev.of[q]: judged document rows of query row q
//   const Run bm25 = c.run("bm25.dev");
struct Collection {
  std::string folder;
  Texts documents, queries;
  std::vector<std::string> splits, runs;    // what there is in qrels/ and runs/, sorted

  bool has(std::string_view split) const { return std::find(splits.begin(), splits.end(), split) != splits.end(); }

  // Errors: no such split (those that exist are named), and what read_qrels says; above all ids unknown to this collection.
  Qrels qrels(const std::string& split) const {
    for (const char* ending : {".txt", ".tsv"})
      if (const auto path = detail::plain_or_gz(folder + "/qrels/" + split + ending); !path.empty())
        return read_qrels(path, queries.ids, documents.ids);
    missing("split", split, splits, "qrels");
  }
  Run run(const std::string& name) const {
    if (const auto path = detail::plain_or_gz(folder + "/runs/" + name + ".trec"); !path.empty())
      return read_run(path, queries.ids, documents.ids);
    missing("run", name, runs, "runs");
  }

private:
  [[noreturn]] void missing(const char* kind, const std::string& name, const std::vector<std::string>& there, const char* in) const {
    std::string list;
    for (const auto& t : there) list += (list.empty() ? "" : ", ") + t;
    fail(folder + " has no " + kind + " \"" + name + "\"",
         list.empty() ? "there is nothing in " + folder + "/" + in : "there are: " + list);
  }
};

namespace detail {
// The files of a folder whose names end so (or so and .gz), without the ending, sorted, each once.
inline std::vector<std::string> stems(const std::string& folder, std::initializer_list<std::string_view> endings) {
  std::vector<std::string> names;
  DIR* d = ::opendir(folder.c_str());
  if (!d) return names;
  while (const dirent* entry = ::readdir(d)) {
    std::string_view name = entry->d_name;
    if (name.ends_with(".gz")) name.remove_suffix(3);
    for (std::string_view ending : endings)
      if (name.size() > ending.size() && name.ends_with(ending)) names.emplace_back(name.substr(0, name.size() - ending.size()));
  }
  ::closedir(d);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}
}  // namespace detail

// Reads the documents and queries of a folder, in one of two layouts (each file plain or with .gz behind its name):
//   MS MARCO  collection.tsv, queries.tsv        id TAB text
//   BEIR      corpus.jsonl, queries.jsonl        {"_id", "title", "text"}
// and lists qrels/SPLIT.txt or .tsv and runs/NAME.trec, which are read when asked for.
// Errors: neither layout, or documents without queries; what read_tsv and read_jsonl say.
inline Collection open_collection(std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  const auto file = [&](const char* name) { return detail::plain_or_gz(folder + "/" + name); };
  Collection c;
  c.folder = folder;
  const std::string tsv = file("collection.tsv"), jsonl = file("corpus.jsonl");
  if (tsv.empty() && jsonl.empty())
    fail("no collection in " + folder, "neither collection.tsv nor corpus.jsonl is there (nor one with .gz)",
         "Give the folder of an MS MARCO or BEIR collection");
  if (!tsv.empty() && !jsonl.empty())
    fail("two collections in " + folder, "both " + tsv + " and " + jsonl + " are there", "Keep one of them");
  const std::string queries = file(tsv.empty() ? "queries.jsonl" : "queries.tsv");
  if (queries.empty())
    fail("no queries in " + folder, std::string(tsv.empty() ? "queries.jsonl" : "queries.tsv") + " belongs beside the documents");
  c.documents = tsv.empty() ? read_jsonl(jsonl) : read_tsv(tsv);
  c.queries = tsv.empty() ? read_jsonl(queries) : read_tsv(queries);
  c.splits = detail::stems(folder + "/qrels", {".txt", ".tsv"});
  c.runs = detail::stems(folder + "/runs", {".trec"});
  return c;
}

inline Qrels qrels(const Collection& collection, const std::string& split) { return collection.qrels(split); }

}  // namespace towpath
