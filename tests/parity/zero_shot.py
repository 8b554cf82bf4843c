"""nDCG@10 of an untuned sentence-transformers model on the test splits, by exact search.

    python zero_shot.py MODEL DATA COLLECTION [LENGTH]     COLLECTION: a folder of DATA; LENGTH in tokens: 256

nDCG as trec_eval: gain = judgement, discount log2(rank + 1), ideal over all judged documents, ties in the score
(float32) broken by descending document name, mean over the judged queries. pytrec_eval, where installed, has to agree.
"""
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)
folder = Path(sys.argv[2]) / sys.argv[3]


def lines(path):
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


if (folder / "corpus.jsonl").exists():                                     # BEIR
    rows = [json.loads(line) for line in lines(folder / "corpus.jsonl")]
    documents = {r["_id"]: (r["title"] + " " + r["text"]).strip() for r in rows}
    queries = {r["_id"]: r["text"] for r in map(json.loads, lines(folder / "queries.jsonl"))}
    judged = [line.split("\t") for line in lines(folder / "qrels/test.tsv")[1:]]
else:                                                                      # MS MARCO
    documents = dict(line.split("\t", 1) for line in lines(folder / "collection.tsv"))
    queries = dict(line.split("\t", 1) for line in lines(folder / "queries.tsv"))
    judged = [(q, d, r) for q, _, d, r in map(str.split, lines(folder / "qrels/test.txt"))]
qrels = defaultdict(dict)
for query, document, relevance in judged:
    qrels[query][document] = int(relevance)

model = SentenceTransformer(sys.argv[1], device="cpu")
model.max_seq_length = int(sys.argv[4]) if len(sys.argv) > 4 else 256
encode = lambda texts: model.encode(texts, batch_size=16, normalize_embeddings=True, convert_to_tensor=True)
names = list(documents)
scores = encode([queries[q] for q in qrels]) @ encode(list(documents.values())).T

run = {}
for query, row in zip(qrels, scores):
    best = row.topk(min(1000, len(names)))
    run[query] = {names[i]: s for i, s in zip(best.indices.tolist(), best.values.tolist())}


def ndcg(query, cut=10):
    order = sorted(run[query].items(), key=lambda item: (item[1], item[0].encode()), reverse=True)[:cut]
    dcg = lambda gains: sum(max(g, 0) / math.log2(i + 2) for i, g in enumerate(gains))
    return (dcg(qrels[query].get(name, 0) for name, _ in order)
            / dcg(sorted(qrels[query].values(), reverse=True)[:cut]))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


print(f"{folder.name}, length {model.max_seq_length}: {len(qrels)} queries, {len(names)} documents,"
      f" nDCG@10 {mean(map(ndcg, qrels)):.5f}")
try:
    import pytrec_eval
    found = pytrec_eval.RelevanceEvaluator(dict(qrels), {"ndcg_cut.10", "recall.100", "recip_rank"}).evaluate(run).values()
    print("pytrec_eval", {m: round(mean(v[m] for v in found), 5) for m in ("ndcg_cut_10", "recall_100", "recip_rank")})
except ImportError:
    pass
