"""Makes tuning_backbone.safetensors and tuning_<method>.safetensors: ten training steps of a tiny BERT bi-encoder.

    python tuning.py OUTDIR        (torch, transformers, peft, safetensors; about a minute on one core)

Everything is computed in float64 and stored as float32, so a fixture holds no rounding noise of torch; what the script
prints is how far the same run in float32 strays from it. Initial weights are float32 values, therefore stored exactly.
"""
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

HIDDEN, LAYERS, HEADS, FFN, VOCABULARY, POSITIONS = 32, 2, 4, 64, 100, 48
RANK, ALPHA, PREFIX, STEPS, TEMPERATURE, RATE, DECAY = 4, 8, 5, 10, 0.05, 1e-3, 0.01


# --- the backbone and the batches -------------------------------------------------------------------------------------
def draw(generator, shape, mean=0.0, spread=1.0):
    """float32 values, so that both precisions start from the same ones."""
    return (mean + spread * torch.randn(shape, generator=generator, dtype=torch.float64)).float()


def backbone_weights():
    """Hugging Face names without a prefix. Nothing is zero: not the biases, not the norms, not the row of [PAD]."""
    generator = torch.Generator().manual_seed(1)
    skeleton = BertModel(config(), add_pooling_layer=False).state_dict()
    return {name: draw(generator, tensor.shape, 1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
            for name, tensor in skeleton.items()}


def config():
    return BertConfig(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=FFN,
                      vocab_size=VOCABULARY, max_position_embeddings=POSITIONS, type_vocab_size=2, hidden_act="gelu",
                      layer_norm_eps=1e-12, initializer_range=0.2, hidden_dropout_prob=0.0,
                      attention_probs_dropout_prob=0.0, attn_implementation="eager")


def build(weights, dtype):
    model = BertModel(config(), add_pooling_layer=False).to(dtype)
    model.load_state_dict(weights)
    return model.requires_grad_(False)


def batches():
    """Ten times 4 queries and 8 passages: 4 positives in the order of the queries, then 4 hard negatives. Ids from 1:
    torch gives no gradient to the row of id 0 (padding_idx)."""
    generator = torch.Generator().manual_seed(2)
    result = []
    for step in range(STEPS):
        lengths = lambda count, longest: torch.randint(1, longest + 1, (count,), generator=generator).tolist()
        query, passage = ([3, 1, 5, 2], [7, 1, 12, 4, 9, 2, 12, 5]) if step == 0 else (lengths(4, 6), lengths(8, 12))
        ids = lambda sizes: [torch.randint(1, VOCABULARY, (n,), generator=generator) for n in sizes]
        result.append((ids(query), ids(passage)))
    return result


# --- the bi-encoder ---------------------------------------------------------------------------------------------------
def encode(model, sequences):
    """Hidden states [n, longest, 32] and the mask of the real tokens [n, longest, 1]."""
    ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    lengths = torch.tensor([len(s) for s in sequences])
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    return model(input_ids=ids, attention_mask=mask.long()).last_hidden_state, mask[:, :, None]


def pooled(hidden, mask, how):
    if how == "cls": return hidden[:, 0]
    if how == "max": return hidden.masked_fill(~mask, -torch.inf).amax(1)
    return (hidden * mask).sum(1) / mask.sum(1)


def scores(model, batch):
    q, p = (F.normalize(pooled(*encode(model, side), "mean"), dim=1) for side in batch)
    return q @ p.T / TEMPERATURE


def info_nce(model, batch):
    s = scores(model, batch)
    return F.cross_entropy(s, torch.arange(len(s)))                        # query i belongs to passage i


# --- the methods: weight shapes by canonical name, and where they act -------------------------------------------------
def bottleneck_shapes(at):
    return {f"{at}_down.weight": (RANK, HIDDEN), f"{at}_down.bias": (RANK,),
            f"{at}_up.weight": (HIDDEN, RANK), f"{at}_up.bias": (HIDDEN,)}


def bottleneck(w, at):
    """B(x) = W_u relu(W_d x + b_d) + b_u, without a residual of its own."""
    down, up = (w[f"{at}_down.weight"], w[f"{at}_down.bias"]), (w[f"{at}_up.weight"], w[f"{at}_up.bias"])
    return lambda x: F.linear(torch.relu(F.linear(x, *down)), *up)


def from_peft(**options):                                                  # peft's own module, its parameters ours
    def act(model, w):
        from peft import LoraConfig, inject_adapter_in_model
        inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"], **options), model)
        model.to(next(iter(w.values())).dtype)
        theirs = {name.replace(".default", "").replace("vector.weight", "vector"): p
                  for name, p in model.named_parameters() if "lora_" in name}
        assert theirs.keys() == w.keys()
        for name, p in theirs.items():
            p.data.copy_(w[name].data.view_as(p))
        return {name: theirs[name].requires_grad_() for name in w}
    return act


def adapter(model, w):                                                     # LN(x + A(Sub(x))), A(z) = z + B(z)
    for n, layer in enumerate(model.encoder.layer):
        for part, at in ((layer.attention.output, "attention.output"), (layer.output, "output")):
            b = bottleneck(w, f"encoder.layer.{n}.{at}.adapter")
            part.dense.register_forward_hook(lambda m, args, z, b=b: z + b(z))


def iaa_s(model, w):                                                       # round each sub-layer, after its Add & Norm
    adapter(model, w)
    for n, layer in enumerate(model.encoder.layer):
        for part, at in ((layer.attention.output, "attention"), (layer.output, "output")):
            b = bottleneck(w, f"encoder.layer.{n}.{at}.aside")
            part.register_forward_hook(lambda m, args, y, b=b: y + b(args[1]))   # args[1]: what the residual carries


def iaa_l(model, w):                                                       # round each layer, which gives a tuple until transformers 5
    adapter(model, w)
    for n, layer in enumerate(model.encoder.layer):
        b = bottleneck(w, f"encoder.layer.{n}.aside")
        layer.register_forward_hook(lambda m, args, y, b=b: (y[0] + b(args[0]), *y[1:]) if isinstance(y, tuple) else y + b(args[0]))


def iaa_m(model, w):                                                       # one round the whole stack
    adapter(model, w)
    b = bottleneck(w, "encoder.aside")
    def around(module, args, out):
        out.last_hidden_state = out.last_hidden_state + b(args[0])
        return out
    model.encoder.register_forward_hook(around)


def per_layer(shapes):
    return {f"encoder.layer.{n}.{name}": shape for n in range(LAYERS) for name, shape in shapes.items()}


LORA = per_layer({f"attention.self.{p}.lora_{m}.weight": (RANK, HIDDEN) if m == "A" else (HIDDEN, RANK)
                  for p in ("query", "value") for m in "AB"})
INSIDE = bottleneck_shapes("attention.output.adapter") | bottleneck_shapes("output.adapter")
METHODS = {                                                                # name: (what acts, shapes of its weights)
    "lora": (from_peft(), LORA),
    "rslora": (from_peft(use_rslora=True), LORA),
    "dora": (from_peft(use_dora=True),
             LORA | per_layer({f"attention.self.{p}.lora_magnitude_vector": (HIDDEN,) for p in ("query", "value")})),
    "adapter": (adapter, per_layer(INSIDE)),
    "iaa-s": (iaa_s, per_layer(INSIDE | bottleneck_shapes("attention.aside") | bottleneck_shapes("output.aside"))),
    "iaa-l": (iaa_l, per_layer(INSIDE | bottleneck_shapes("aside"))),
    "iaa-m": (iaa_m, per_layer(INSIDE) | bottleneck_shapes("encoder.aside")),
    "bitfit": (None, lambda name: name.endswith(".bias")),                 # no module: backbone weights that train
    "full": (None, lambda name: True),
}

SEEDS = {"lora": 10, "rslora": 10, "dora": 10, "adapter": 15, "iaa-s": 19, "iaa-l": 29, "iaa-m": 15}
# ... the first from 10 on at which no ReLU is dead: every entry of every gradient of step 0 is non-zero


# --- training ---------------------------------------------------------------------------------------------------------
def train(method, weights, initial, dtype):
    """Losses (each before its update), gradients of step 0, weights after ten steps."""
    act, _ = METHODS[method]
    model = build(weights, dtype)
    trained = {name: w.to(dtype).clone().requires_grad_() for name, w in initial.items()}
    if act:
        trained = act(model, trained) or trained
    else:
        trained = {name: w.requires_grad_() for name, w in model.named_parameters() if name in initial}
    plain = lambda name: name.endswith("bias") or "LayerNorm" in name      # not decayed
    adam = torch.optim.AdamW([{"params": [w for n, w in trained.items() if not plain(n)], "weight_decay": DECAY},
                              {"params": [w for n, w in trained.items() if plain(n)], "weight_decay": 0.0}],
                             lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses, gradients = [], None
    for batch in batches():
        adam.zero_grad()
        loss = info_nce(model, batch)
        loss.backward()
        losses.append(loss.detach())
        gradients = gradients or {n: w.grad.clone() for n, w in trained.items()}
        adam.step()
    return torch.stack(losses), gradients, {n: w.detach() for n, w in trained.items()}


def initial_weights(method, weights):
    _, shapes = METHODS[method]
    if callable(shapes):
        return {name: w for name, w in weights.items() if shapes(name)}
    generator = torch.Generator().manual_seed(SEEDS[method])
    return {name: draw(generator, shape, 1.0 if "magnitude" in name else 0.0, 0.1) for name, shape in shapes.items()}   # up-projections too


def save(tensors, path):
    store = lambda t: (t if t.dtype == torch.int64 else t.detach().float()).contiguous().clone()
    save_file({name: store(t) for name, t in tensors.items()}, path,
              {"about": "tests/parity: torch in float64, stored as float32"})


def main(out):
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    weights = backbone_weights()
    shared = dict(weights)
    for k, batch in enumerate(batches()):
        for side, sequences in zip(("query", "passage"), batch):
            shared[f"batch{k}.{side}_ids"] = torch.cat(sequences)
            shared[f"batch{k}.{side}_offsets"] = torch.tensor([0] + [len(s) for s in sequences]).cumsum(0)
    model, batch = build(weights, torch.float64), batches()[0]
    hidden, mask = encode(model, batch[1])
    shared["expected.encoding"] = hidden[mask[:, :, 0]]
    for how in ("cls", "mean", "max"):
        shared[f"expected.{how}"] = pooled(hidden, mask, how)
    shared["expected.scores"] = scores(model, batch)
    save(shared, out / "tuning_backbone.safetensors")

    rough = build(weights, torch.float32)
    strayed = (encode(rough, batch[1])[0] - hidden)[mask[:, :, 0]].abs().max()
    print(f"encoding in float32: largest difference {strayed:.1e}")
    print("float32 against float64  losses        gradient      gradient      final weights    smallest largest entry")
    print("                         rel.          norm, rel.    entry/max     abs. (key.bias)  of a gradient tensor")
    for method in METHODS:
        initial = initial_weights(method, weights)
        losses, gradients, final = train(method, weights, initial, torch.float64)
        assert method not in SEEDS or all((g != 0).all() for g in gradients.values()), f"{method}: choose another seed"
        tensors = {"losses": losses}
        for kind, values in (("init", initial), ("grad", gradients), ("final", final)):
            tensors |= {f"{kind}.{name}": value for name, value in values.items()}
        save(tensors, out / f"tuning_{method}.safetensors")

        l32, g32, f32 = train(method, weights, initial, torch.float32)
        # The gradient of a key's bias is 0 (softmax ignores a shift), so in float32 Adam steps along rounding noise:
        # leave these tensors out when comparing gradients and final weights.
        live = [n for n in gradients if not n.endswith("key.bias")]
        norm = max(((g32[n] - gradients[n]).norm() / gradients[n].norm()).item() for n in live)
        entry = max(((g32[n] - gradients[n]).abs().max() / gradients[n].abs().max()).item() for n in live)
        moved = lambda names: max([(f32[n] - final[n]).abs().max().item() for n in names], default=0.0)
        count = sum(w.numel() for w in initial.values())
        print(f"{method:9}{count:6} weights  {((l32 - losses) / losses).abs().max():.1e}"
              f"       {norm:.1e}       {entry:.1e}       {moved(live):.1e} ({moved(gradients.keys() - set(live)):.0e})"
              f"  {min(gradients[n].abs().max().item() for n in live):.1e}   losses"
              f" {losses[0]:.4f} -> {losses[-1]:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
