"""Makes ops.safetensors: single operations by torch in float64, stored as float32 (inputs are exact).

    python ops.py OUTDIR        (torch, safetensors)

Names are <operation>.<tensor>; `dy` is the gradient handed in, `dx` (dweight, dbias) what comes back.
"""
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

generator = torch.Generator().manual_seed(3)
out = {}


def draw(*shape, spread=1.0):
    return (spread * torch.randn(shape, generator=generator, dtype=torch.float64)).float().double()


def record(operation, y, dy, **inputs):
    """Stores the inputs, y, dy, and the gradient of sum(dy * y) for every input that asked for one."""
    wanted = [n for n, t in inputs.items() if t.requires_grad]
    gradients = torch.autograd.grad(y, [inputs[n] for n in wanted], dy)
    out.update({f"{operation}.{n}": t for n, t in inputs.items()} | {f"{operation}.y": y, f"{operation}.dy": dy}
               | {f"{operation}.d{n}": g for n, g in zip(wanted, gradients)})


# gelu: both tails, zero, and the steep middle
x = torch.cat([torch.linspace(-12, 12, 97, dtype=torch.float64), torch.tensor([-0.0, 1e-6, -1e-6])]).float().double()
dy = draw(len(x))
for name in ("none", "tanh"):
    z = x.clone().requires_grad_()
    record({"none": "gelu_erf", "tanh": "gelu_tanh"}[name], F.gelu(z, approximate=name), dy, x=z)

# layer norm, eps 1e-12: usual rows, a large mean, a constant row (y = bias), a row of zeros, a nearly constant row.
# 19 columns: no multiple of a vector's width. In the two constant rows dx = (c - mean c) / sqrt(eps), c = dy weight, of
# the order of 1e6, provided that the mean of equal numbers comes out exactly. torch in float32 strays (relative to the
# row's largest dx) by 1e-7 on rows 0, 2, 3, 4, but by 3e-6 on row 1 and 2e-5 on row 5: those two are ill-conditioned.
x = draw(6, 19)
x[1] = (10 + 0.1 * x[1]).float().double()
x[3], x[4] = 0.5, 0.0
x[5] = (1 + 1e-3 * x[5]).float().double()
weight, bias = (1 + draw(19, spread=0.2)).float().double(), draw(19)
x, weight, bias = (t.requires_grad_() for t in (x, weight, bias))
record("layer_norm", F.layer_norm(x, (19,), weight, bias, 1e-12), draw(6, 19), x=x, weight=weight, bias=bias)

# softmax cross entropy, mean over the rows: usual scores, a cosine / 0.05, and a row far from its target
x = draw(5, 9, spread=3.0)
x[2] *= 20 / x[2].abs().max()
x[3] = x[3] * 30
x = x.float().double().requires_grad_()
target = torch.tensor([0, 3, 8, int(x[3].argmin()), 1])
record("cross_entropy", F.cross_entropy(x, target), torch.tensor(1.0, dtype=torch.float64), x=x)
out["cross_entropy.target"] = target
out["cross_entropy.rows"] = F.cross_entropy(x, target, reduction="none")
out["cross_entropy.softmax"] = x.softmax(1)

# pooling of a ragged batch: sequences of 3, 1, 7 and 2 tokens end to end; no ties within a column
offsets = torch.tensor([0, 3, 4, 11, 13])
dy = draw(4, 10)
tokens = draw(13, 10)
for how, pool in (("mean", lambda s: s.mean(0)), ("max", lambda s: s.amax(0)), ("cls", lambda s: s[0])):
    x = tokens.clone().requires_grad_()
    record(f"pool_{how}", torch.stack([pool(x[a:b]) for a, b in zip(offsets, offsets[1:])]), dy, x=x)
    out[f"pool_{how}.offsets"] = offsets

# rows to length one, with a short and a long row
x = draw(4, 10)
x[1], x[2] = x[1] * 1e-3, x[2] * 1e3
x = x.float().double().requires_grad_()
record("normalise", F.normalize(x, dim=1), draw(4, 10), x=x)

path = Path(sys.argv[1])
path.mkdir(parents=True, exist_ok=True)
store = lambda t: (t if t.dtype == torch.int64 else t.detach().float()).contiguous().clone()
save_file({name: store(t) for name, t in out.items()}, path / "ops.safetensors",
          {"about": "tests/parity: torch in float64, stored as float32"})
