#!/usr/bin/env python3
"""Makes normalizers.json: what Hugging Face's `tokenizers` library makes of texts with the normalizers Precompiled,
BertNormalizer and Nmt.   make_normalizers.py > normalizers.json      (pip install tokenizers)

One entry: {"normalizer": as in a tokenizer.json, "cases": [[text, text after it], ...]}. The table of the Precompiled one is
compiled here, from a few replacements of our own that show what is special about it.
"""
import base64
import json
import struct
import sys

import tokenizers
from tokenizers import Tokenizer, models

REPLACEMENTS = {
    "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "", "\ufb01": "fi", "\u2163": "IV", "\u212b": "\u00c5",
    "e\u0301": "\u00e9", "A\u030a": "\u00c5", "\u00bd": "1\u20442", "\uff21": "A", "\u30ac\u3099": "x", "\u2581": "_", "\u00ad": "",
}
TEXTS = [
    "", "plain text", "a\tb\nc", "line\r\nline\n\rline\r", "e\u0301te\u0301 e\u0301\u0302", "A\u030a \u212b \u212b\u0301x", "\u212b\u0301\u0302",
    "\ufb01n \u2163 \u00bd \uff21", "a\u200db \u200b\u3000c", "\u30ac\u3099", "\u4e2d\u6587 ab\u5b57", "\u00c9t\u00e9 na\u00efve \u0130stanbul \u03a3\u0391\u03a3",
    "\x00\x01\x07\x0b\x0c\x1f\x7f\x85\x8f\x9f", "\u1680\u2028\u2029\u2581\ufeff\ufffd\u200e", "soft\u00adhyphen \u2060 \ue000 \u0378",
    "\U0001f44d\U0001f3fd a\U0001f3fd", "\u0939\u093f\u0928\u094d\u0926\u0940 a\u0903", "\u0600\u0661 \u0600a", "\u1112\u1161\u11ab \ud55c", "\U00020000\U0002f800x",
    " \u0301 \t\u0301 \n\u0301", "s\u0308\u0308\u0307\u0303", "\r\u0301\r\n\u0301",
]


def double_array(keys):
    """The units of a trie over `keys` (bytes -> value): children of a node lie at base XOR byte, a value at base XOR 0."""
    children = {}
    for key in keys:
        for i in range(len(key) + 1):
            children.setdefault(key[:i], set()).add(key[i] if i < len(key) else 0)
    used, units, queue, free = {0}, {0: [0, 0]}, [(b"", 0)], 256
    while queue:
        prefix, at = queue.pop(0)
        base = next(b for b in range(free, 1 << 20, 256) if all((b ^ c) not in used for c in children[prefix]))
        units[at][1] = base ^ at
        for c in sorted(children[prefix]):
            used.add(base ^ c)
            if c == 0:
                units[base] = [keys[prefix] | 1 << 31, None]
                units[at].append("leaf")
            else:
                units[base ^ c] = [c, 0]
                queue.append((prefix + bytes([c]), base ^ c))
        free = base + 256 if base + 256 < 1 << 20 else base
    out = []
    for i in range(max(units) + 1):
        unit = units.get(i)
        if unit is None:
            out.append(0)
        elif unit[1] is None:
            out.append(unit[0] & 0x7FFFFFFF)
        else:
            offset, leaf = unit[1], 1 << 8 if len(unit) > 2 else 0
            small = offset << 10 if offset < 1 << 21 else (offset >> 8) << 10 | 1 << 9
            out.append(small | leaf | unit[0])
    return out


def charsmap():
    texts, keys = b"", {}
    for source, target in sorted(REPLACEMENTS.items()):
        keys[source.encode()] = len(texts)
        texts += target.encode() + b"\0"
    units = double_array(keys)
    trie = struct.pack(f"<{len(units)}I", *units)
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


def bert(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True):
    return {"type": "BertNormalizer", "clean_text": clean_text, "handle_chinese_chars": handle_chinese_chars,
            "strip_accents": strip_accents, "lowercase": lowercase}


def main():
    forms = [{"type": "Precompiled", "precompiled_charsmap": charsmap()}, {"type": "Nmt"}, bert(), bert(lowercase=False),
             bert(clean_text=False, strip_accents=False), bert(handle_chinese_chars=False, strip_accents=True, lowercase=False)]
    entries = []
    for form in forms:
        saved = json.loads(Tokenizer(models.BPE()).to_str())
        saved["normalizer"] = form
        normalizer = Tokenizer.from_str(json.dumps(saved)).normalizer
        entries.append({"normalizer": form, "cases": [[text, normalizer.normalize_str(text)] for text in TEXTS]})
    json.dump({"tokenizers": tokenizers.__version__, "normalizers": entries}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
