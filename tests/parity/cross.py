"""Makes cross.safetensors: a tiny BertForSequenceClassification of transformers beside cross.cpp, on pairs that its own tokenizer made.

    python cross.py OUTDIR        (torch, transformers, safetensors)

Computed in float64 and stored as float32, as tuning.py does it. The pairs are four groups of words, cut by only_second; loss = cross-entropy
within each group, and binary cross-entropy of every pair; gradients of both with respect to every parameter.
"""
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from tuning import config, draw, save

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [chr(97 + i) for i in range(26)]
GROUPS = [("a b", ["a c b", "d e f g h i j k l m n o", "x"]), ("q", ["q q", "r s t u v w x y z a b c d"]), ("h i j k l m", ["h", "i j", "k l m n o p q r", "z z"])]
LONGEST = 14


def main(out):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(4)
    settings = config()
    settings.num_labels = 1
    model = BertForSequenceClassification(settings).double()
    weights = {name: draw(generator, w.shape, 1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2) for name, w in model.state_dict().items()}
    model.load_state_dict(weights)
    model.eval()

    raw = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]")
    queries, passages = zip(*[(q, p) for q, many in GROUPS for p in many])
    batch = tokenizer(list(queries), list(passages), truncation="only_second", max_length=LONGEST, padding=True, return_tensors="pt",
                      return_token_type_ids=True)
    real = batch["attention_mask"].bool()
    groups = torch.tensor([0] + [len(many) for _, many in GROUPS]).cumsum(0)
    tensors = {"ids": batch["input_ids"][real], "types": batch["token_type_ids"][real],
               "offsets": torch.tensor([0] + real.sum(1).tolist()).cumsum(0), "groups": groups}
    tensors |= {f"model.{name}": w for name, w in weights.items()}

    def lce(s):
        return torch.stack([F.cross_entropy(s[a:b][None], torch.tensor([0])) for a, b in zip(groups, groups[1:])]).mean()

    def bce(s):
        wanted = torch.zeros(len(s), dtype=s.dtype)
        wanted[groups[:-1]] = 1
        return F.binary_cross_entropy_with_logits(s, wanted)

    for name, loss in (("lce", lce), ("bce", bce)):
        model.zero_grad()
        scores = model(**batch).logits[:, 0]
        value = loss(scores)
        value.backward()
        tensors |= {"scores": scores, f"{name}.loss": value[None]} | {f"{name}.{n}": p.grad for n, p in model.named_parameters()}
        print(name, value.item())
    save(tensors, out / "cross.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
