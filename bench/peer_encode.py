"""Tokens per second of sentence-transformers beside 03_encode: same model, texts and threads, in alternation.
   python bench/peer_encode.py --program build/release/examples/03_encode --model all-MiniLM-L6-v2 --texts texts.txt --threads 2 --rounds 3"""
import argparse, json, os, statistics, subprocess, tempfile, time

import torch
from sentence_transformers import SentenceTransformer

a = argparse.ArgumentParser()
for name in ("program", "model", "texts"):
    a.add_argument("--" + name, required=True)
a.add_argument("--threads", type=int, default=2)
a.add_argument("--rounds", type=int, default=3)
o = a.parse_args()

torch.set_num_threads(o.threads)
texts = open(o.texts, encoding="utf-8").read().split("\n")
texts = texts[:-1] if texts[-1] == "" else texts
model = SentenceTransformer(o.model, device="cpu")
model.max_seq_length = 256
model.encode(texts[:64])
ours, theirs = [], []
with tempfile.TemporaryDirectory() as folder:
    for _ in range(o.rounds):
        start = time.time()
        model.encode(texts, batch_size=32, normalize_embeddings=True)
        theirs.append(time.time() - start)
        note = os.path.join(folder, "note.json")
        subprocess.run([o.program, "--model", o.model, "--in", o.texts, "--out", os.path.join(folder, "v.npy"), "--threads", str(o.threads), "--json", note],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result = json.load(open(note))
        ours.append(result["seconds"])
tokens = result["tokens"]
us, them = statistics.median(ours), statistics.median(theirs)
print(f"{tokens} tokens, {o.threads} threads, torch {torch.__version__}: towpath {tokens / us:.0f} tokens/s, sentence-transformers {tokens / them:.0f}, ratio {them / us:.2f}")
