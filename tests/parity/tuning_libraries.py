"""Makes tuning_<method>.safetensors for methods that peft or the adapters library has: the same ten steps as tuning.py's, on the
same backbone and batches, computed by that library's own modules.

    python tuning_libraries.py OUTDIR [METHOD…]      (torch, transformers, peft, adapters, safetensors; a minute on one core)

Torch 2.13.0, transformers 4.57.6, peft 0.21.2 and adapters 1.3.0 give the fixtures to the byte.

A method is a function that puts the library's modules into a model and says which of our tensors is which of its parameters:
{our name: (parameter, view of it)}.
"""
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import adapters
import peft
import torch
from adapters import configuration as hub

import tuning
from tuning import DECAY, HIDDEN, LAYERS, PREFIX, RANK, RATE, batches, build, draw, save

PROMPT, UNITS, COMPACT = 3, 6, 8

whole = lambda p: p
row = lambda p: p.view(-1)                                                 # [n, 1] and [1, n] are a row of n


def only(model, names):                                                    # the parameters of the backbone stay as they are
    model.requires_grad_(False)
    for p, _ in names.values():
        p.requires_grad_(True)
    return model, names


def in_hub(model, config, dtype):
    adapters.init(model)
    model.add_adapter("a", config=config)
    model.set_active_adapters("a")
    return model.to(dtype)


# --- the methods ------------------------------------------------------------------------------------------------------
def ia3_peft(model, dtype):
    """peft's default for BERT, in which "output.dense" also means attention.output.dense."""
    peft.inject_adapter_in_model(peft.IA3Config(target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"]), model)
    model.to(dtype)
    names = {}
    for n, layer in enumerate(model.encoder.layer):
        for name, part in (("attention.self.key", layer.attention.self.key), ("attention.self.value", layer.attention.self.value),
                           ("attention.output.dense", layer.attention.output.dense), ("intermediate", layer.output.dense)):
            names[f"encoder.layer.{n}.{name}.ia3_l"] = (part.ia3_l["default"], row)
    return only(model, names)


def ia3_hub(model, dtype):
    in_hub(model, hub.IA3Config(), dtype)
    names = {}
    for n, layer in enumerate(model.encoder.layer):
        for name, part in (("attention.self.key", layer.attention.self.key), ("attention.self.value", layer.attention.self.value),
                           ("intermediate.dense", layer.intermediate.dense)):
            names[f"encoder.layer.{n}.{name}.ia3_l"] = (part.loras["a"].lora_B, row)
    return only(model, names)


def linear(names, ours, module):
    names[f"{ours}.weight"], names[f"{ours}.bias"] = (module.weight, whole), (module.bias, whole)


def bottlenecks(model, sites):
    names = {}
    for n, layer in enumerate(model.encoder.layer):
        for ours, part in sites(layer):
            a = part.adapters["a"]
            linear(names, f"encoder.layer.{n}.{ours}_down", a.adapter_down[0])
            linear(names, f"encoder.layer.{n}.{ours}_up", a.adapter_up)
    return names


def houlsby(model, dtype):
    in_hub(model, hub.DoubleSeqBnConfig(reduction_factor=HIDDEN // RANK), dtype)
    return only(model, bottlenecks(model, lambda layer: (("attention.output.adapter", layer.attention.output), ("output.adapter", layer.output))))


def pfeiffer(model, dtype):
    in_hub(model, hub.SeqBnConfig(reduction_factor=HIDDEN // RANK), dtype)
    return only(model, bottlenecks(model, lambda layer: (("output.around.adapter", layer.output),)))


def parallel(model, dtype, **options):                                     # the library's own scale is 4
    in_hub(model, hub.ParBnConfig(reduction_factor=HIDDEN // RANK, **options), dtype)
    return only(model, bottlenecks(model, lambda layer: (("intermediate.parallel", layer.output),)))


def rows_of(table, within=""):                                             # keys and values of all layers, side by side
    return {f"encoder.layer.{n}.attention.self.{within}prefix_{what}":
            (table, lambda p, at=2 * n + k: p.view(PREFIX, 2 * LAYERS, HIDDEN)[:, at])
            for n in range(LAYERS) for k, what in enumerate(("key", "value"))}


def flat_prefix(model, within=""):
    return rows_of(model.prefix_tuning.prefix_tunings["a"]["self_prefix"].control_trans, within)


def prefix(model, dtype):
    """The words are at the positions where they would be without it."""
    in_hub(model, hub.PrefixTuningConfig(flat=True, prefix_length=PREFIX), dtype)
    return only(model, flat_prefix(model))


def prefix_peft(model, dtype):
    """The words' positions begin at PREFIX, since transformers' BERT counts the past keys that peft makes of the prefix."""
    tuned = peft.get_peft_model(model, peft.PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=PREFIX)).to(dtype)
    return only(tuned, rows_of(tuned.prompt_encoder["default"].embedding.weight))


def mam(model, dtype):
    in_hub(model, hub.ConfigUnion(hub.PrefixTuningConfig(flat=True, prefix_length=PREFIX), hub.ParBnConfig(reduction_factor=HIDDEN // RANK)), dtype)
    return only(model, flat_prefix(model) | bottlenecks(model, lambda layer: (("intermediate.parallel", layer.output),)))


def compacter(model, dtype):
    """Each projection with a rule of its own: see include/towpath/nn/phm.hpp."""
    in_hub(model, hub.CompacterConfig(reduction_factor=HIDDEN // COMPACT, shared_phm_rule=False), dtype)
    names = {}
    for n, layer in enumerate(model.encoder.layer):
        for site, part in (("attention.output", layer.attention.output), ("output", layer.output)):
            a = part.adapters["a"]
            for ours, phm in (("adapter_down", a.adapter_down[0]), ("adapter_up", a.adapter_up)):
                at = f"encoder.layer.{n}.{site}.{ours}."
                names[at + "phm_rule"] = (phm.phm_rule, lambda p: p.view(-1, p.shape[-1]))
                names[at + "W_left"], names[at + "W_right"] = (phm.W_left, lambda p: p[:, :, 0]), (phm.W_right, lambda p: p[:, 0])
                names[at + "bias"] = (phm.b, whole)
    return only(model, names)


class PerLayer(torch.nn.Module):
    """peft's own network, one for each layer, where the adapters library's group has its prefix."""
    def __init__(self, encoders):
        super().__init__()
        self.encoders = torch.nn.ModuleList(encoders)

    def forward(self, batch):
        tables = [e(torch.arange(PREFIX)).view(PREFIX, 2, tuning.HEADS, -1).permute(1, 2, 0, 3) for e in self.encoders]   # [2, heads, rows, width]
        return [t.unsqueeze(1).expand(-1, batch, -1, -1, -1) for t in tables]


def prefix_mlp(model, dtype):
    in_hub(model, hub.PrefixTuningConfig(flat=True, prefix_length=PREFIX), dtype)
    config = peft.PrefixTuningConfig(num_virtual_tokens=PREFIX, token_dim=HIDDEN, num_layers=1, num_attention_heads=tuning.HEADS,
                                     num_transformer_submodules=1, encoder_hidden_size=UNITS, prefix_projection=True)
    encoders = [peft.PrefixEncoder(config).to(dtype) for _ in range(LAYERS)]
    model.prefix_tuning.prefix_tunings["a"]["self_prefix"] = PerLayer(encoders)
    names = {}
    for n, e in enumerate(encoders):
        at = f"encoder.layer.{n}.attention.self.prefix_"
        names[at + "embedding"] = (e.embedding.weight, whole)
        linear(names, at + "down", e.transform[0])
        linear(names, at + "up", e.transform[2])
    return only(model, names)


def norms(model, dtype):
    tuned = peft.inject_adapter_in_model(peft.LNTuningConfig(target_modules=["LayerNorm"]), model).to(dtype)
    names = {}
    for name, module in tuned.named_modules():
        if name.endswith("LayerNorm"):
            linear(names, name, module.ln_tuning_layers["default"])
    return only(tuned, names)


class OneByOne(torch.nn.Module):
    """The library's gates average over padding too, so that a text's result depends on its neighbours; here each is alone."""
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        rows = [self.model(input_ids=ids[None, :mask.sum()], attention_mask=mask[None, :mask.sum()]).last_hidden_state[0]
                for ids, mask in zip(input_ids, attention_mask)]
        return SimpleNamespace(last_hidden_state=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True))


def unipelt(model, dtype):
    in_hub(model, hub.UniPELTConfig(hub.PrefixTuningConfig(flat=True, prefix_length=PREFIX), hub.SeqBnConfig(reduction_factor=HIDDEN // RANK),
                                    hub.LoRAConfig(r=RANK, alpha=RANK)), dtype)
    names = flat_prefix(model, "gated.") | bottlenecks(model, lambda layer: (("output.around.gated.adapter", layer.output),))
    for n, layer in enumerate(model.encoder.layer):
        at, attention = f"encoder.layer.{n}.", layer.attention.self
        linear(names, at + "attention.self.gated.gate", attention.prefix_tuning.prefix_gates["a"])
        linear(names, at + "output.around.gated.gate", layer.output.adapters["a"].gate)
        for name in ("query", "value"):
            lora = getattr(attention, name).loras["a"]
            for what in "AB":
                names[f"{at}attention.self.{name}.gated.lora_{what}.weight"] = (getattr(lora, f"lora_{what}"), whole)
            linear(names, f"{at}attention.self.{name}.gated.gate", lora.gate)
    return only(OneByOne(model), names)


class WithoutPrompt(torch.nn.Module):
    """The states of the words alone."""
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, **inputs):
        out = self.model(**inputs)
        out.last_hidden_state = out.last_hidden_state[:, PROMPT:]
        return out


def prompt(model, dtype):
    tuned = peft.get_peft_model(model, peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=PROMPT)).to(dtype)
    return only(WithoutPrompt(tuned), {"embeddings.prompt_embeddings": (tuned.prompt_encoder["default"].embedding.weight, whole)})


METHODS = {"ia3-peft": ia3_peft, "ia3-hub": ia3_hub, "houlsby": houlsby, "pfeiffer": pfeiffer, "parallel": partial(parallel, scaling=1.0),
           "par-bn": parallel, "prefix": prefix, "prefix-peft": prefix_peft, "prefix-mlp": prefix_mlp, "mam": mam, "prompt": prompt,
           "compacter": compacter, "unipelt": unipelt, "norms": norms}


# --- training ---------------------------------------------------------------------------------------------------------
def train(method, weights, dtype, seed):
    model, names = METHODS[method](build(weights, dtype), dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, (p, view) in names.items():
            value = draw(generator, view(p).shape, 1.0 if name.endswith(("ia3_l", "LayerNorm.weight")) else 0.0, 0.5 if "phm_rule" in name or ".W_" in name else 0.1)
            view(p).copy_(value)
    plain = {id(p) for n, (p, _) in names.items() if n.endswith("bias") or "LayerNorm" in n}
    every = {id(p): p for p, _ in names.values()}
    adam = torch.optim.AdamW([{"params": [p for i, p in every.items() if i not in plain], "weight_decay": DECAY},
                              {"params": [p for i, p in every.items() if i in plain], "weight_decay": 0.0}],
                             lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    read = lambda of: {n: view(of(p)).detach().clone() for n, (p, view) in names.items()}
    initial, losses, gradients = read(whole), [], None
    for batch in batches():
        adam.zero_grad()
        loss = tuning.info_nce(model, batch)
        loss.backward()
        losses.append(loss.detach())
        gradients = gradients or read(lambda p: p.grad)
        adam.step()
    return initial, torch.stack(losses), gradients, read(whole)


def main(out, chosen):
    torch.set_num_threads(1)
    weights = tuning.backbone_weights()
    for method in chosen or METHODS:
        for seed in range(10, 60):                                         # the first at which no ReLU is dead
            initial, losses, gradients, final = train(method, weights, torch.float64, seed)
            if all((g != 0).all() for g in gradients.values()):
                break
        tensors = {"losses": losses}
        for kind, values in (("init", initial), ("grad", gradients), ("final", final)):
            tensors |= {f"{kind}.{name}": value for name, value in values.items()}
        save(tensors, out / f"tuning_{method}.safetensors")
        _, l32, g32, f32 = train(method, weights, torch.float32, seed)
        worst = lambda a, b: max(((a[n] - b[n]).norm() / b[n].norm()).item() for n in b)
        print(f"{method:12}seed {seed}{sum(w.numel() for w in initial.values()):6} weights   float32 strays by: losses {((l32 - losses) / losses).abs().max():.1e}"
              f"  gradients {worst(g32, gradients):.1e}  final {worst(f32, final):.1e}   zeros in gradients"
              f" {sum((g == 0).sum().item() for g in gradients.values())}   losses {losses[0]:.4f} -> {losses[-1]:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
