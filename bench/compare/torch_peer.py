"""PyTorch's side of compare.py: the same commands as compare.cpp, read from standard input, and the same answers.

    open SHAPE TYPE METHOD LENGTHS THREADS RATE FOLDER [sdpa|eager] [compile]

TYPE f32, or bf16 for torch.autocast. A step is what a user of transformers and peft writes: each side of the batch padded to its longest sequence (both
sides at once where they are equally long), attention mask, mean pooling, cosine, cross entropy of the scores over 0.05, fused AdamW. METHOD sorted
encodes by length in batches of 32, as sentence-transformers' encode() does. TOWPATH_PEER_DEVICE=cuda puts it on a GPU.
"""
import contextlib, json, os, sys, time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import BertModel
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
TEMPERATURE = 0.05
DEVICE = os.environ.get("TOWPATH_PEER_DEVICE", "cpu")


# --- methods ----------------------------------------------------------------------------------------------------------
class Bottleneck(nn.Module):
    """B(x) = W_u relu(W_d x + b_d) + b_u"""
    def __init__(self, weights, at):
        super().__init__()
        for part in ("down.weight", "down.bias", "up.weight", "up.bias"):
            self.register_parameter(part.replace(".", "_"), nn.Parameter(weights[f"{at}_{part}"]))

    def forward(self, x):
        return F.linear(torch.relu(F.linear(x, self.down_weight, self.down_bias)), self.up_weight, self.up_bias)


class Adapted(nn.Module):
    """A dense layer with a Houlsby adapter after it: z + B(z)."""
    def __init__(self, dense, bottleneck):
        super().__init__()
        self.dense, self.bottleneck = dense, bottleneck

    def forward(self, x):
        z = self.dense(x)
        return z + self.bottleneck(z)


def adapter(model, weights):
    for n, layer in enumerate(model.encoder.layer):
        for part, at in ((layer.attention.output, "attention.output"), (layer.output, "output")):
            part.dense = Adapted(part.dense, Bottleneck(weights, f"encoder.layer.{n}.{at}.adapter"))
    return model


def iaa_l(model, weights):
    adapter(model, weights)
    for n, layer in enumerate(model.encoder.layer):
        layer.aside = Bottleneck(weights, f"encoder.layer.{n}.aside")
        layer.register_forward_hook(lambda m, args, y: y + m.aside(args[0]))
    return model


def lora(model, weights):
    from peft import LoraConfig, get_peft_model
    rank = next(iter(weights.values())).shape[0]
    tuned = get_peft_model(model, LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=["query", "value"]))
    state = {f"base_model.model.{n.replace('lora_A.', 'lora_A.default.').replace('lora_B.', 'lora_B.default.')}": w for n, w in weights.items()}
    left = tuned.load_state_dict(state, strict=False)
    assert not left.unexpected_keys and not any("lora" in n for n in left.missing_keys), left
    return tuned


# --- a case -----------------------------------------------------------------------------------------------------------
class Case:
    def __init__(self, shape, dtype, method, lengths, threads, rate, folder, attention="sdpa", how=""):
        torch.set_num_threads(int(threads))
        folder = Path(folder)
        texts = load_file(folder.parent / f"{lengths}.safetensors")
        sides = []
        for side in ("queries", "passages"):
            offsets = texts[f"{side}.offsets"].tolist()
            sides.append([texts[f"{side}.ids"][a:b] for a, b in zip(offsets, offsets[1:])])
        self.queries = len(sides[0])
        longest = [max(map(len, s)) for s in sides]
        if longest[0] == longest[1]:
            sides = [sides[0] + sides[1]]
        if method == "sorted":
            flat = [s for side in sides for s in side]
            self.order = sorted(range(len(flat)), key=lambda i: -len(flat[i]))
            sides = [[flat[i] for i in self.order[k:k + 32]] for k in range(0, len(flat), 32)]
        self.sides = [self.pad(s) for s in sides]
        self.method, self.bf16 = method, dtype == "bf16"
        model = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation=attention, dtype=torch.float32)
        model.requires_grad_(method == "full").eval()                      # eval: no dropout
        if method in ("lora", "adapter", "iaa-l"):
            model = {"lora": lora, "adapter": adapter, "iaa-l": iaa_l}[method](model, load_file(folder / f"init_{method}.safetensors"))
        model.to(DEVICE)
        self.model, self.adam = model, None
        self.forward = torch.compile(model, dynamic=False) if how == "compile" else model
        trained = [(n, w) for n, w in model.named_parameters() if w.requires_grad]
        if trained:
            plain = lambda n: n.endswith("bias") or "LayerNorm" in n          # not decayed
            self.adam = torch.optim.AdamW([{"params": [w for n, w in trained if not plain(n)], "weight_decay": 0.01},
                                           {"params": [w for n, w in trained if plain(n)], "weight_decay": 0.0}],
                                          lr=float(rate), fused=True)
        self.trained = sum(w.numel() for _, w in trained)

    @staticmethod
    def pad(sequences):
        ids = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        mask = (torch.arange(ids.shape[1]) < torch.tensor([len(s) for s in sequences])[:, None]).long()
        return ids.to(DEVICE), mask.to(DEVICE)

    def autocast(self):
        return torch.autocast(DEVICE, torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def encode(self):
        with self.autocast():
            pooled = []
            for ids, mask in self.sides:
                hidden = self.forward(input_ids=ids, attention_mask=mask).last_hidden_state
                weight = mask[:, :, None].to(hidden.dtype)
                pooled.append((hidden * weight).sum(1) / weight.sum(1))
            return F.normalize(torch.cat(pooled).float(), dim=1)

    def run(self):
        if self.adam is None:
            with torch.inference_mode():
                self.encode()
            return 0.0
        self.adam.zero_grad(set_to_none=True)
        e = self.encode()
        scores = e[:self.queries] @ e[self.queries:].T / TEMPERATURE
        loss = F.cross_entropy(scores, torch.arange(self.queries, device=DEVICE))
        loss.backward()
        self.adam.step()
        return loss.item()

    def embed(self, path):
        with torch.inference_mode():
            e = self.encode().cpu().numpy()
        if self.method == "sorted":
            e = e[np.argsort(self.order)]
        np.save(path, e)


def machine():
    """A GPU's rates as the best of several products and copies: FLOP/s in bf16 and float32 (no TF32), bytes/s."""
    def best(seconds_of, work):
        seconds_of()
        return work / min(seconds_of() for _ in range(5))

    def timed(f, times):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(times):
            f()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3 / times
    rates = {}
    for name, dtype, n in (("bf16", torch.bfloat16, 8192), ("f32", torch.float32, 8192)):
        a, b = (torch.randn(n, n, device=DEVICE, dtype=dtype) for _ in range(2))
        rates[name] = best(lambda: timed(lambda: a @ b, 10), 2 * n ** 3)
    x = torch.empty(1 << 30, device=DEVICE, dtype=torch.uint8)
    y = torch.empty_like(x)
    rates["bytes"] = best(lambda: timed(lambda: y.copy_(x), 10), 2 * x.numel())
    return rates


# --- commands ---------------------------------------------------------------------------------------------------------
def megabytes(field):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith(field + ":"))


class Session:
    def __init__(self):
        self.case, self.peak = None, 0.0

    def answer(self, what, *rest):
        if what == "version":
            return {"torch": torch.__version__, "bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported()} | (
                {"device": torch.cuda.get_device_name()} if DEVICE == "cuda" else {})
        if what == "machine":
            return machine()
        if what == "open":
            self.case = None
            self.case = Case(*rest)
            return {"opened": " ".join(rest), "trained": self.case.trained}
        if what == "close":
            self.case = None
            return {"closed": 1}
        if what == "memory":
            since = megabytes("VmHWM")
            device = (lambda free, all: (all - free) / 1e6)(*torch.cuda.mem_get_info()) if DEVICE == "cuda" else 0.0
            return {"peak": max(self.peak, since), "since": since, "now": megabytes("VmRSS"), "device": device}
        if what == "forget":
            self.peak = max(self.peak, megabytes("VmHWM"))
            Path("/proc/self/clear_refs").write_text("5")
            return {"forgot": self.peak}
        if what == "run":
            start = time.perf_counter()
            losses = [self.case.run() for _ in range(int(rest[0]))]
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            return {"seconds": time.perf_counter() - start, "losses": losses}
        if what == "embed":
            self.case.embed(rest[0])
            return {"wrote": rest[0]}
        raise ValueError(f"there is no command {what}")


if __name__ == "__main__":
    out, session = os.dup(1), Session()
    os.dup2(2, 1)                                                          # what libraries print does not get between the answers
    for line in sys.stdin:
        try:
            reply = session.answer(*line.split())
        except Exception as e:
            reply = {"error": f"{type(e).__name__}: {e}"}
        os.write(out, (json.dumps(reply) + "\n").encode())
