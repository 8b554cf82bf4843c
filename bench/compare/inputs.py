"""What both sides of compare.py load: weights, initial values of what trains, and batches of token ids.

    python inputs.py OUTDIR DATA MINILM [--pairs 96]

OUTDIR/minilm      all-MiniLM-L6-v2
OUTDIR/bert-base   BERT-base's shape with drawn weights (standard deviation 0.02): no real one is at hand, and speed does not depend on them
OUTDIR/realistic.safetensors, equal.safetensors   queries and passages: ids end to end, offsets
"""
import argparse, gzip, json, random, shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

RANK, BOTTLENECK = 8, 12                       # case.hpp has the same
SHAPES = {"minilm": dict(hidden=384, layers=6, heads=12, ffn=1536), "bert-base": dict(hidden=768, layers=12, heads=12, ffn=3072),
          "bert-large": dict(hidden=1024, layers=24, heads=16, ffn=4096)}
QUERY_MEAN, PASSAGE_MEAN, LONGEST_QUERY, LONGEST_PASSAGE, EQUAL = 9, 75, 32, 128, 128


# --- weights ----------------------------------------------------------------------------------------------------------
def drawn(folder, s):
    from transformers import BertConfig, BertModel
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(vocab_size=30522, hidden_size=s["hidden"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"], intermediate_size=s["ffn"])
    generator = torch.Generator().manual_seed(1)
    with torch.device("meta"):
        names = {n: tuple(t.shape) for n, t in BertModel(config, add_pooling_layer=False).named_parameters()}
    draw = lambda n, s: (1.0 if n.endswith("LayerNorm.weight") else 0.0) + 0.02 * torch.randn(s, generator=generator)
    save_file({n: draw(n, s) for n, s in names.items()}, folder / "model.safetensors", {"about": "drawn, not trained"})
    (folder / "config.json").write_text(json.dumps(config.to_dict() | {"architectures": ["BertModel"]}, indent=1))


def initial(shape, method):
    """Initial values under towpath's names. The halves that usually start at zero are small numbers here, so that all gradients say something."""
    h, generator = shape["hidden"], torch.Generator().manual_seed(2)
    names = {}
    for n in range(shape["layers"]):
        at = f"encoder.layer.{n}."
        if method == "lora":
            for p in ("query", "value"):
                names[f"{at}attention.self.{p}.lora_A.weight"] = (RANK, h)
                names[f"{at}attention.self.{p}.lora_B.weight"] = (h, RANK)
        else:
            for stem in ["attention.output.adapter", "output.adapter"] + (["aside"] if method == "iaa-l" else []):
                names |= {f"{at}{stem}_down.weight": (BOTTLENECK, h), f"{at}{stem}_down.bias": (BOTTLENECK,),
                          f"{at}{stem}_up.weight": (h, BOTTLENECK), f"{at}{stem}_up.bias": (h,)}
    return {n: 0.02 * torch.randn(s, generator=generator) for n, s in names.items()}


# --- texts ------------------------------------------------------------------------------------------------------------
def column(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t", 1)[1] for line in f]


def mix(short, long, mean, count, rng):
    """`count` sequences from two pools, so many of each that their mean is `mean`; the last of them are cut or left out to hit it."""
    average = lambda pool: sum(map(len, pool)) / len(pool)
    share = min(1, max(0, (mean - average(short)) / (average(long) - average(short))))
    taken = [rng.choice(long if i < round(share * count) else short) for i in range(count)]
    # Chance leaves the sum a little off: exchange single sequences until it fits.
    for _ in range(10000):
        off = sum(map(len, taken)) - mean * count
        if off == 0:
            break
        i = rng.randrange(count)
        other = rng.choice(long if i < round(share * count) else short)
        if abs(off + len(other) - len(taken[i])) < abs(off):
            taken[i] = other
    rng.shuffle(taken)
    return taken


def batches(out, data, tokenizer, pairs, more=()):
    """realistic: `pairs` of a query and a passage; equal; and realistic-N for each N of `more`."""
    rng = random.Random(3)
    def ids(texts, longest):
        texts = rng.sample(texts, min(len(texts), 1500))
        cut = lambda t: t if len(t) <= longest else t[:longest - 1] + t[-1:]
        return [cut(e.ids) for e in tokenizer.encode_batch(texts)]
    squad, terms = data / "squad-dev-retrieval", data / "openstax-glossary"
    short, asked = (ids(column(c / "queries.tsv"), LONGEST_QUERY) for c in (terms, squad))
    queries = mix(short, asked, QUERY_MEAN, pairs, rng)
    long = ids(column(squad / "collection.tsv"), LONGEST_PASSAGE)
    medical = ids(column(data / "medquad-short" / "collection.tsv"), LONGEST_PASSAGE)
    defined = ids(column(terms / "collection.tsv"), LONGEST_PASSAGE)

    def passages(pairs):
        mixed = mix(defined, long, PASSAGE_MEAN, pairs // 2, rng) + mix(medical, long, PASSAGE_MEAN, pairs - pairs // 2, rng)
        rng.shuffle(mixed)
        return mixed
    sets = {"realistic": (queries, passages(pairs))}
    whole = [t for t in long if len(t) == EQUAL]
    equal = rng.sample(whole, 16)
    sets["equal"] = (equal[:8], equal[8:])
    for n in more:
        sets[f"realistic-{n}"] = (mix(short, asked, QUERY_MEAN, n, rng), passages(n))
    for name, sides in sets.items():
        tensors = {}
        for side, sequences in zip(("queries", "passages"), sides):
            tensors[f"{side}.ids"] = torch.tensor([t for s in sequences for t in s])
            tensors[f"{side}.offsets"] = torch.tensor([0] + [len(s) for s in sequences]).cumsum(0)
        save_file(tensors, out / f"{name}.safetensors")


def prepare(out, data, minilm, pairs, shapes=("minilm", "bert-base"), more=()):
    """Makes what is missing; a folder made with other numbers is made again."""
    out.mkdir(parents=True, exist_ok=True)
    note, wanted = out / "inputs.json", {"pairs": pairs, "version": 2} | ({"shapes": list(shapes), "more": list(more)} if more else {})
    if note.exists() and json.loads(note.read_text()) == wanted:
        return
    (out / "minilm").mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(minilm / name, out / "minilm" / name)
    for name in shapes[1:]:
        drawn(out / name, SHAPES[name])
    for name, shape in ((n, SHAPES[n]) for n in shapes):
        for method in ("lora", "adapter", "iaa-l"):
            save_file(initial(shape, method), out / name / f"init_{method}.safetensors")
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    batches(out, data, tokenizer, pairs, more)
    note.write_text(json.dumps(wanted))


def sizes(out, lengths):
    """(lengths of the queries, lengths of the passages)"""
    t = load_file(out / f"{lengths}.safetensors")
    return tuple(t[f"{side}.offsets"].diff().tolist() for side in ("queries", "passages"))


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    for name in ("out", "data", "minilm"):
        a.add_argument(name, type=Path)
    a.add_argument("--pairs", type=int, default=96)
    o = a.parse_args()
    prepare(o.out, o.data, o.minilm, o.pairs)
    for lengths in ("realistic", "equal"):
        q, p = sizes(o.out, lengths)
        print(f"{lengths}: {len(q)} queries of mean {sum(q) / len(q):.1f}, at most {max(q)}; {len(p)} passages of mean {sum(p) / len(p):.1f}, at most {max(p)}; "
              f"{sum(q) + sum(p)} tokens, padded {len(q) * max(q) + len(p) * max(p)}")
