"""Embeds 1,000 real texts with sentence-transformers: the oracle for tokeniser, encoder, pooling and normalisation.

    python encode.py MODEL DATA OUT [LENGTH]      MODEL: folder of all-MiniLM-L6-v2; DATA: the collections; LENGTH: 256

Writes to OUT: texts.txt (one text per line), token_ids.txt (what the model read, [CLS] and [SEP] included) and
embeddings.npy (float32, normalised). 500 definitions of openstax-glossary, 250 abstracts of scifact, 250 questions of
squad, evenly spaced through each file.
"""
import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

model_folder, data, out = map(Path, sys.argv[1:4])
torch.set_num_threads(1)


def tsv(path):
    return [line.split("\t", 1)[1] for line in path.read_text(encoding="utf-8").split("\n") if line]


def evenly(texts, count):
    return [texts[k * len(texts) // count] for k in range(count)]


lines = (data / "scifact/corpus.jsonl").read_text(encoding="utf-8").split("\n")
documents = [json.loads(line) for line in lines if line]
texts = (evenly(tsv(data / "openstax-glossary/collection.tsv"), 500)
         + evenly([d["title"] + " " + d["text"] for d in documents], 250)
         + evenly(tsv(data / "squad-dev-retrieval/queries.tsv"), 250))
texts = [re.sub(r"[\t\r\n]", " ", text) for text in texts]

model = SentenceTransformer(str(model_folder), device="cpu")
model.max_seq_length = int(sys.argv[4]) if len(sys.argv) > 4 else 256
embeddings = model.encode(texts, batch_size=16, normalize_embeddings=True)
ids = [model.tokenizer(text, truncation=True, max_length=model.max_seq_length)["input_ids"] for text in texts]

out.mkdir(parents=True, exist_ok=True)
(out / "texts.txt").write_text("".join(t + "\n" for t in texts), encoding="utf-8", newline="\n")
(out / "token_ids.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in ids), newline="\n")
np.save(out / "embeddings.npy", embeddings.astype(np.float32))
lengths = [len(row) for row in ids]
full = lengths.count(model.max_seq_length)
print(f"{len(texts)} texts, {sum(lengths)} tokens, longest {max(lengths)}, {full} cut or just full")
