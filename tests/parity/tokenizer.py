"""What Hugging Face's fast tokenizer makes of every text here; tests/parity/tokenizer.cpp asks ours the same.

    python tokenizer.py golden tokenizer_golden.inc        the nasty list, as C++ literals (committed)
    TOWPATH_DATA=… python tokenizer.py all expected.bin    every text of every collection, pairs from the BM25 runs, and noise
    TOWPATH_TOKENIZER_EXPECTED=expected.bin ./the_test

Needs: pip install tokenizers (made with 0.23.3), TOWPATH_DATA/vocab-bert-base-uncased.
"""
import gzip, json, os, random, struct, sys, unicodedata
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

data = os.environ["TOWPATH_DATA"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SMALL = SPECIALS + """a b c d e h i l o r s t u w x z ##a ##b ##c ##d ##e ##h ##i ##l ##o ##r ##s ##t ##u ##w ##z hello world ##ing ##ed
un ##aff ##able embed ##ding ! , . # [ ] ' - $ ~ 東 京 中 国 α ##σ σ ##ς ᄒ ##ᅡ ##ᆫ İ I ##I H ##H é ##é ́ i̇ ß — “ ” … 😀 ¿""".split() + ["##\u302e", "##\U0001d165"]

NASTY = [
    "", " ", "\t\n\r", "Hello, World!", "unaffable embedding", "don't", "a-b--c", "$5.00~", "##ing #a",
    "東京", "a東京b", "中国ab", "\uf900x", "\U0002b820\U0002b91f a", "\U0002b920b", "\U0002f800", "かな カナ",
    "café CAFÉ cafe\u0301", "e\u0323\u0301 e\u0301\u0323", "\u0301a", "a\u0301 \u0301", "ÅÄÖ åäö ñ ç ß ẞ", "ΑΣ ΟΔΥΣΣΕΥΣ Σ", "ς",
    "İ İstanbul ISTANBUL ıI", "ﬁ ﬂ Ⅳ ™ K Å", "한국어 한", "\u1112\u1161\u11ab", "😀 a😀b 👨\u200d👩\u200d👧 ❤\ufe0f", "\u200ba\u200bb\ufeff",
    "a\u0000b\u0001c\u007fd\u0085e\u0091f", "a\u00adb", "a\u2028b\u2029c", "a\u00a0b\u3000c\u1680d\u202fe", "a\u180eb", "a\ufffdb",
    "[CLS]", "a[CLS]b", "[SEP][SEP] [MASK]. [PAD] [UNK]", "[cls] [Mask]", "[[CLS]]", "[CL\u0301S]", "[CLS", "[[[MASK", "[MASK]ing [MASK]",
    "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 101, "zq", "hellozq hello", "x" * 99 + "東" + "x" * 101,
    "—“quoted”… ¿qué? «x» ‹y› 、。！", "a\u2e42b\u2e43c\u2e52", "\u1734a\u166db\U000111c9c", "\u08e2a \U000110bd \U000110cd", "\u302e\u302f\u0301a \U0001d165\U0001d16d",
    "\ue000a\uf8ffb\U000f0000c", "\u0378a\U000e0080b", "\U0001e900\U0001e944", "\U00010d50\U00010d24 Ა ა \ua7cb\ua7dc", "\U00011938\U00011935\U00011930",
    "हिन्दी தமிழ் ไทย العربيّة עִבְרִית", "ʼn ŉ ǰ ΐ", "\ufb1d \u0958 \u2126", "10^-5 p<0.05 α=1 `x` |y| =", "http://x.org/a_b?c=d&e", "\u00b2\u00bd\u2460", "a\u034fb\u0345c \u0390",
    "a\u302e\U0001d165 a\U0001d165\u302e a\u302e\u0301\U0001d165 a\u302e\x01\U0001d165 a\u302e\ufffd\U0001d165b",
]


def build(vocab, lowercase=True, strip=None, specials=True, chinese=True):
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if specials:
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    cls, sep = vocab.index("[CLS]"), vocab.index("[SEP]")
    t.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", cls), ("[SEP]", sep)])
    return t


def base_vocab():
    return [l.rstrip() for l in open(f"{data}/vocab-bert-base-uncased/vocab.txt", encoding="utf-8")]


def official():
    return Tokenizer.from_file(f"{data}/vocab-bert-base-uncased/tokenizer.json")


# lowercase, strip (2: unsaid), specials, chinese
OPTIONS = [(1, 2, 1, 1), (0, 2, 1, 1), (1, 0, 0, 1), (0, 1, 1, 0)]


def tokenizers(vocab):
    return [build(vocab, bool(l), None if s == 2 else bool(s), bool(p), bool(c)) for l, s, p, c in OPTIONS]


def golden(path):
    small, base = tokenizers(SMALL), tokenizers(base_vocab())
    base[0] = official()
    quote = lambda b: '"' + "".join(chr(x) if 32 <= x < 127 and chr(x) not in '"\\?' else "\\%03o" % x for x in b) + '"'
    with open(path, "w") as f:
        f.write("// Made by tokenizer.py golden: do not edit. {text, bytes, option set, ids with small, ids with bert-base-uncased}, without specials.\n")
        f.write("inline const char* const small_vocabulary =\n")
        for v in SMALL:
            f.write("    %s\n" % quote((v + "\n").encode()))
        f.write("    ;\n\ninline const Golden golden[] = {\n")
        for o in range(len(OPTIONS)):
            for s in NASTY:
                if o and build(SMALL).encode(s).ids == small[o].encode(s).ids and official().encode(s).ids == base[o].encode(s).ids:
                    continue
                a, b = (t.encode(s, add_special_tokens=False).ids for t in (small[o], base[o]))
                f.write("    {%s, %d, %d, {%s}, {%s}},\n" % (quote(s.encode()), len(s.encode()), o, ", ".join(map(str, a)), ", ".join(map(str, b))))
        f.write("};\n")


def collections():
    """(name, documents, queries, [(qid, docid)])"""
    for name in ("openstax-glossary", "medquad-short", "squad-dev-retrieval", "scifact"):
        at = f"{data}/{name}"
        if name == "scifact":
            rows = [json.loads(l) for l in open(f"{at}/corpus.jsonl", encoding="utf-8")]
            docs = {r["_id"]: (r["title"] + " " + r["text"] if r.get("title") else r["text"]) for r in rows}
            queries = {r["_id"]: r["text"] for r in map(json.loads, open(f"{at}/queries.jsonl", encoding="utf-8"))}
        else:
            # newline="\n": nothing but a line feed ends a line
            tsv = lambda f: dict(l.rstrip("\n").split("\t", 1) for l in open(f"{at}/{f}", encoding="utf-8", newline="\n"))
            docs, queries = tsv("collection.tsv"), tsv("queries.tsv")
        pairs, taken = [], {}
        for run in sorted(os.listdir(f"{at}/runs")):
            for l in gzip.open(f"{at}/runs/{run}", "rt"):
                q, _, d, *_ = l.split()
                taken[q] = taken.get(q, 0) + 1
                if taken[q] in (1, 2, 30):    # near, nearer and far
                    pairs.append((q, d))
        yield name, docs, queries, pairs


def noise(rng, blocks):
    """Characters from a few neighbourhoods of Unicode, some plain words between."""
    out = []
    for _ in range(rng.randrange(1, 12)):
        kind = rng.random()
        if kind < 0.3:
            out.append(rng.choice(["hello", " ", "World", "[SEP]", "[MASK]", "  ", ".", "ing", "RNA", "é"]))
        else:
            b = rng.choice(blocks)
            out.append("".join(rng.choice(b) for _ in range(rng.randrange(1, 7))))
    return "".join(out)


def everything(path):
    out = open(path, "wb")
    count = 0

    def put(options, limit, rule, a, b, e):
        nonlocal count
        count += 1
        a, b = a if isinstance(a, bytes) else a.encode(), b.encode()
        n = -1 if e is None else len(e.ids)
        out.write(struct.pack("<8i", *OPTIONS[options], limit, rule, len(a), len(b)) + a + b + struct.pack("<i", n))
        if e is not None:
            out.write(struct.pack("<%di" % n, *e.ids) + bytes(e.type_ids))

    t = official()
    for name, docs, queries, pairs in collections():
        texts = list(docs.values()) + list(queries.values())
        for limit in (64, 128, 512):
            t.enable_truncation(limit)
            for text, e in zip(texts, t.encode_batch(texts)):
                put(0, limit, 0, text, "", e)
        both = [(queries[q], docs[d]) for q, d in pairs]
        for limit in (64, 128):
            for number, rule in ((1, "longest_first"), (2, "only_second")):
                t.enable_truncation(limit, strategy=rule)
                try:
                    made = t.encode_batch(both)
                except Exception:
                    made = []
                    for p in both:
                        try:
                            made.append(t.encode(*p))
                        except Exception:
                            made.append(None)
                for (a, b), e in zip(both, made):
                    put(0, limit, number, a, b, e)
        print(name, "texts", len(texts), "pairs", len(both), flush=True)

    rng = random.Random(7)
    chars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    assigned = [c for c in chars if unicodedata.category(c) != "Cn" and not 0x4E00 <= ord(c) < 0x9FFF and not 0xAC00 <= ord(c) < 0xD7A4]
    blocks = [assigned[i:i + 64] for i in range(0, len(assigned), 64)][:500]
    blocks += [[c for c in assigned if unicodedata.combining(c)]] * 60 + [["\u302e", "\u302f", "\u0301", "\U0001d165", "\U0001d16d", "\u1b44", "\u0323"]] * 20
    sets = tokenizers(base_vocab())
    sets[0] = t
    t.no_truncation()
    lines = NASTY + [noise(rng, blocks) for _ in range(50000)] + ["a" + c + "b " + c + " " + c + "\u0301" for c in chars]
    for o, tok in enumerate(sets):
        some = lines if o < 2 else lines[:20000]
        for text, e in zip(some, tok.encode_batch(some)):
            put(o, 0, 0, text, "", e)
        few = [(a, b) for a, b in zip(lines[:2000], lines[2000:4000])]
        for limit in (3, 4, 5, 8, 16, 17):
            tok.enable_truncation(limit)
            for (a, b), e in zip(few, tok.encode_batch(few)):
                put(o, limit, 1, a, b, e)
        tok.no_truncation()
    # Ill-formed UTF-8: what Python reads with errors="replace".
    broken = []
    for text in lines[len(NASTY):len(NASTY) + 20000]:
        b = bytearray(text.encode())
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(b) + 1)
            b[at:at + rng.randrange(3)] = rng.choice([b"", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xbd", b"\x80", b"\xf0\x9f", b"\xc3"])
        broken.append(bytes(b))
    for text, e in zip(broken, t.encode_batch([b.decode(errors="replace") for b in broken])):
        put(0, 0, 0, text, "", e)
    print("records", count)


if __name__ == "__main__":
    {"golden": golden, "all": everything}[sys.argv[1]](sys.argv[2])
