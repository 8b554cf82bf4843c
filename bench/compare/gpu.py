"""towpath beside PyTorch on a GPU: the same batches through both, checked to be equal, then timed in turns. bench/gpu.sh calls this.

    python bench/compare/gpu.py --program build/gpu/bench/bench_compare_gpu --data DATA --minilm DIR --out OUT

MiniLM, BERT-base, BERT-large; batches of 64 and 256 pairs of a query and a passage with real lengths; encode, LoRA, IAA-L and full fine-tuning. PyTorch in
bf16 autocast with SDPA, padded as its users do, as it is and through torch.compile, the faster of the two counts. A GPU takes a step's FLOPs at the rate
that a large product reaches on it, and its weights' bytes at that of a large copy: neither side can be faster than these floors. OUT/gpu.json has
everything, OUT/gpu.md the table. --device cpu tries the script itself where there is no GPU.
"""
import argparse, json, os, statistics, sys
from pathlib import Path

import compare, inputs
from compare import Child, say

SHAPES = ("minilm", "bert-base", "bert-large")
METHODS = ("encode", "lora", "iaa-l", "full")
BATCHES = (64, 256)


def weights(shape):
    s = inputs.SHAPES[shape]
    return s["layers"] * (4 * s["hidden"] ** 2 + 2 * s["hidden"] * s["ffn"])


def floor(shape, method, lengths, rates):
    """Seconds for a batch that no program on this GPU can go below: FLOPs at the rate of bf16 products, or weights read once in each direction."""
    passes = {"encode": 1, "full": 3}.get(method, 2)
    return max(compare.flops(shape, method, lengths) * sum(lengths) / rates["bf16"], passes * 2 * weights(shape) / rates["bytes"])


class Side:
    def __init__(self, o, name):
        self.name = name
        if name.startswith("towpath"):
            self.child, self.type, self.rest = Child([o.program]), name.split()[1], []
        else:
            self.child, self.type, self.rest = Child([sys.executable, compare.HERE / "torch_peer.py"], {"TOWPATH_PEER_DEVICE": o.device}), "bf16", ["sdpa"]
            if name.endswith("compiled"):
                self.rest.append("compile")

    def open(self, o, case):
        shape, batch, method = case
        self.before = self.child.ask("memory")["device"]
        self.child.ask("open", shape, self.type, method, f"realistic-{batch}", 1 if o.device == "cuda" else 2, compare.RATES.get(method, compare.RATE),
                       o.out / "inputs" / shape, *self.rest)


def time_case(o, case, rates):
    shape, batch, method = case
    lengths = [n for side in inputs.sizes(o.out / "inputs", f"realistic-{batch}") for n in side]
    tokens, result = sum(lengths), {"tokens": sum(lengths), "seconds": {}, "memory": {}, "failed": {}}
    say("/".join(map(str, case)), f"({tokens} tokens)")
    sides = {}
    for name in o.sides:
        side = Side(o, name)
        try:
            side.open(o, case)
            if name.startswith("towpath"):
                peer = Side(o, "PyTorch")
                peer.type = side.type
                peer.open(o, case)
                result.setdefault("equality", {})[name] = compare.check(o, (shape, f"realistic-{batch}", method, 1), side.type, side.child, peer.child)
                peer.child.close()
            for _ in range(3):
                first = side.child.ask("run", 1)["seconds"]
            side.count = max(3, min(200, round(o.seconds / first)))
            sides[name] = side
        except RuntimeError as e:
            result["failed"][name] = str(e)
            say("  ", name, "did not work:", e)
            side.child.close()
    for _ in range(o.rounds):
        for name, side in sides.items():
            result["seconds"].setdefault(name, []).append(side.child.ask("run", side.count)["seconds"] / side.count)
    for name, side in sides.items():
        side.child.close()
    for name in sides:  # alone on the GPU, so that what is in use there is its own
        side = Side(o, name)
        side.open(o, case)
        side.child.ask("run", 3)
        result["memory"][name] = side.child.ask("memory")["device"] - side.before
        side.child.close()
    result["floor"] = floor(shape, method, lengths, rates) if rates else None
    say("  " + ", ".join(f"{n} {tokens / statistics.median(s):.0f}" for n, s in result["seconds"].items()) + " tokens/s")
    return result


def table(all):
    rates = all["rates"]
    lines = [f"{all['versions'].get('device', 'no GPU')}, torch {all['versions']['torch']}, commit {all['commit']}."]
    if rates:
        lines[0] += f" Measured rates: {rates['bf16'] / 1e12:.0f} TFLOP/s in bf16, {rates['f32'] / 1e12:.1f} in float32, {rates['bytes'] / 1e12:.2f} TB/s."
    lines += ["", "| case | towpath bf16 | towpath f32 | PyTorch bf16 | compiled | bf16 / the better PyTorch | of the floor | MB towpath | MB PyTorch | ratio |",
              "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for case, r in all["cases"].items():
        speed = {n: r["tokens"] / statistics.median(s) for n, s in r["seconds"].items()}
        cell = lambda n: f"{speed[n]:,.0f}" if n in speed else "–"
        peer = max((speed[n] for n in ("PyTorch", "PyTorch compiled") if n in speed), default=None)
        mine, memory = speed.get("towpath bf16"), r["memory"]
        both = "towpath bf16" in memory and "PyTorch" in memory and memory["PyTorch"] > 0
        lines.append(f"| {case} ({r['tokens']:,} tokens) | {cell('towpath bf16')} | {cell('towpath f32')} | {cell('PyTorch')} | {cell('PyTorch compiled')} | "
                     + (f"**{mine / peer:.2f}**" if mine and peer else "–") + " | "
                     + (f"{100 * r['floor'] * mine / r['tokens']:.0f} %" if mine and r["floor"] else "–") + " | "
                     + (f"{memory['towpath bf16']:.0f} | {memory['PyTorch']:.0f} | {memory['towpath bf16'] / memory['PyTorch']:.2f} |" if both else "– | – | – |"))
    return "\n".join(lines) + "\n"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", type=Path, required=True)
    a.add_argument("--data", type=Path, required=True)
    a.add_argument("--minilm", type=Path, required=True)
    a.add_argument("--out", type=Path, required=True)
    a.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    a.add_argument("--shapes", default=",".join(SHAPES))
    a.add_argument("--batches", default=",".join(map(str, BATCHES)))
    a.add_argument("--methods", default=",".join(METHODS))
    a.add_argument("--sides", default="towpath bf16,towpath f32,PyTorch,PyTorch compiled")
    a.add_argument("--seconds", type=float, default=1.0, help="of one sample")
    a.add_argument("--rounds", type=int, default=5)
    o = a.parse_args()
    o.sides = o.sides.split(",")
    shapes, sizes = o.shapes.split(","), [int(b) for b in o.batches.split(",")]
    o.out.mkdir(parents=True, exist_ok=True)
    inputs.prepare(o.out / "inputs", o.data, o.minilm, 96, shapes if shapes[0] == "minilm" else ["minilm", *shapes], sizes)
    peer = Side(o, "PyTorch")
    commit = os.popen(f"git -C {compare.ROOT} rev-parse --short HEAD 2>/dev/null").read().strip() or "unknown"
    all = {"versions": peer.child.ask("version"), "rates": peer.child.ask("machine") if o.device == "cuda" else {}, "commit": commit, "cases": {}}
    peer.child.close()
    for shape in shapes:
        for batch in sizes:
            for method in o.methods.split(","):
                all["cases"][f"{shape}/{batch}/{method}"] = time_case(o, (shape, batch, method), all["rates"])
                for name, text in (("gpu.json", json.dumps(all, indent=1)), ("gpu.md", table(all))):
                    aside = o.out / (name + ".partial")
                    aside.write_text(text)
                    aside.rename(o.out / name)
    print(table(all))


if __name__ == "__main__":
    main()
