#!/usr/bin/env python3
"""Writes unicode_tables.cc from Python's unicodedata:  make_unicode_tables.py > unicode_tables.cc

Four tables, each sorted by code point: full canonical and compatibility decompositions (Hangul is done by rule in
unicode.cc), canonical combining classes as ranges, primary compositions, and one-to-one lower-case mappings.
"""
import sys
import unicodedata

HANGUL = range(0xAC00, 0xAC00 + 11172)
CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c not in HANGUL]


def decompositions(form):
    return {c: unicodedata.normalize(form, chr(c)) for c in CODES if unicodedata.normalize(form, chr(c)) != chr(c)}


def compositions():
    pairs = []
    for c in CODES:
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(c):
                pairs.append((first, second, c))
    return sorted(pairs)


def combining_ranges():
    ranges = []
    for c in CODES:
        value = unicodedata.combining(chr(c))
        if not value:
            continue
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == value:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, value])
    return ranges


def table(kind, name, rows):
    cells = ["{" + ", ".join(f"0x{x:x}" if x > 9 else str(x) for x in row) + "}" for row in rows]
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 118:
            lines.append(line)
            line = "   "
        line += f" {cell},"
    lines.append(line)
    return f"const {kind} {name}[] = {{\n" + "\n".join(lines) + f"\n}};\nconst size_t {name}Count = std::size({name});\n"


def main():
    pool, pool_at = "", {}

    def place(text):
        nonlocal pool
        if text not in pool_at:
            found = pool.find(text)
            if found < 0:
                found = len(pool)
                pool += text
            pool_at[text] = found
        return pool_at[text]

    canonical = decompositions("NFD")
    compatibility = {c: t for c, t in decompositions("NFKD").items() if canonical.get(c) != t}
    lower = [(c, ord(chr(c).lower())) for c in CODES if len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
    parts = [
        f"// Written by make_unicode_tables.py from Unicode {unicodedata.unidata_version}; not edited by hand.\n"
        "// clang-format off\n"
        '#include "model_backend/tokenizer/unicode_tables.h"\n\n#include <iterator>\n\nnamespace assay::unicode {\n',
        table("Decomposition", "kCanonical", [(c, place(t), len(t)) for c, t in sorted(canonical.items())]),
        table("Decomposition", "kCompatibility", [(c, place(t), len(t)) for c, t in sorted(compatibility.items())]),
        table("CombiningRange", "kCombining", combining_ranges()),
        table("Composition", "kCompositions", compositions()),
        table("LowerCase", "kLowerCase", lower),
    ]
    cells = [f"0x{ord(x):x}" for x in pool]
    rows = [", ".join(cells[i:i + 14]) for i in range(0, len(cells), 14)]
    parts.append("const char32_t kDecompositionPool[] = {\n    " + ",\n    ".join(rows) + "\n};\n")
    sys.stdout.write("\n".join(parts) + "\n}  // namespace assay::unicode\n")


if __name__ == "__main__":
    main()
