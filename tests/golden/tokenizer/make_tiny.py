#!/usr/bin/env python3
"""Makes tiny.json: small tokenizers of every supported kind, with the ids and texts that Hugging Face's `tokenizers`
library gives for a set of texts.   make_tiny.py > tiny.json      (pip install tokenizers)

One entry: {"name", "tokenizer": a tokenizer.json, "cases": [[text, ids, ids with special tokens, decoded, decoded without
special tokens], ...]}; a decoded text is null where the versions of the library differ. Vocabularies are trained here on the few sentences below.
"""
import json
import sys

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import AddedToken, Regex

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog sleeps.",
    "In 2023 there were 1234 foxes; 56 of them could jump 7 metres!",
    "the the the fox fox foxes jumped jumping sleeping, sleeping...",
    "C'est l'été : le café est fermé. Ça va très bien, merci.",
    "我们学习人工智能，人工智能学习我们。 一二三",
    "def main():\n    return [x for x in range(10)]\n\n\n",
]
TEXTS = [
    "", " ", "   ", "the fox", " the fox", "the  fox ", "The QUICK\tbrown\n\nfox!", "a", "fox123fox 45", "jumping,jumped",
    "don't they'll I'M", "été e\u0301te\u0301 ﬁ Ⅳ ½ Å", "我们 学习AI", "\u3000全角　空格", "x_y-z...!?«»", "🙂 ok 👩‍👩‍👧",
    "<s>the fox</s>", "a <s> b </s> c", "the<mask>fox <mask> x", "foxword wordfox word word, words", "▁the▁fox",
    "İstanbul ΣΑΣ ß", "\x00\x07\x85\u200b", "한국어 한글", "a\u00a0b\u2003c", "१२३ ٣٤", "0x0A <0x0A> é", "naïve Ａ１",
    "line one\r\nline two\r\n", "s̈̈̇̃ ḍ̇ q̣̇", "the word", "theword word_", "(fox) [dog] {x}", "\ufeffthe",
]
SPECIAL = [
    AddedToken("<s>", special=True),
    AddedToken("</s>", special=True),
    AddedToken("<mask>", special=True, lstrip=True),
    AddedToken("word", single_word=True, normalized=False),
    AddedToken("ÉTÉ", normalized=True),
    AddedToken("<r>", rstrip=True, normalized=False),
]


def bpe(name, normalizer=None, pre=None, decoder=None, post=None, bytes_alphabet=False, size=400, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    alphabet = pre_tokenizers.ByteLevel.alphabet() if bytes_alphabet else []
    first = ["<unk>"] if options.get("unk_token") else []
    if options.get("byte_fallback"):
        first += [f"<0x{b:02X}>" for b in range(256)]
    keys = ("continuing_subword_prefix", "end_of_word_suffix")
    trainer = trainers.BpeTrainer(vocab_size=size + len(first), special_tokens=first, initial_alphabet=alphabet,
                                  show_progress=False, **{k: options[k] for k in keys if k in options})
    tokenizer.train_from_iterator(CORPUS, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["content"] == "<unk>"]
    return finish(name, saved, decoder, post)


def unigram(name, normalizer=None, pre=None, decoder=None, byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    first = ["<unk>"] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    trainer = trainers.UnigramTrainer(vocab_size=120 + len(first), special_tokens=first, unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["model"]["byte_fallback"] = byte_fallback
    saved["model"]["vocab"] = [[text, round(score, 4)] for text, score in saved["model"]["vocab"]]
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["content"] == "<unk>"]
    return finish(name, saved, decoder, None)


def finish(name, saved, decoder, post):
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    if decoder:
        tokenizer.decoder = decoder
    tokenizer.add_tokens(SPECIAL)
    if post:
        begin, end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
        tokenizer.post_processor = post(begin, end)
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        framed = tokenizer.encode(text).ids
        decoded = [tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(framed)]
        if tokenizer.token_to_id("ÉTÉ") in ids:
            # Since 0.23 the library decodes such a token to its normalised text, and then does not know that it is
            # special; we decode it to the text it was added with, as older versions do.
            decoded = [None, None]
        cases.append([text, ids, framed, *decoded])
    return {"name": name, "tokenizer": json.loads(tokenizer.to_str()), "cases": cases}


def template(begin, end):
    return processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", begin), ("</s>", end)])


def sequence(begin, end):
    return processors.Sequence([processors.ByteLevel(), template(begin, end)])


def roberta(begin, end):
    return processors.RobertaProcessing(("</s>", end), ("<s>", begin))


def entries():
    byte_level = pre_tokenizers.ByteLevel
    sp_decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                    decoders.Strip(" ", 1, 0)])
    sp = dict(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    yield bpe("byte level", pre=byte_level(add_prefix_space=False), decoder=decoders.ByteLevel(), bytes_alphabet=True)
    yield bpe("byte level, prefix space, template", pre=byte_level(add_prefix_space=True), decoder=decoders.ByteLevel(),
              post=template, bytes_alphabet=True)
    yield bpe("byte level without expression, ignoring merges", pre=byte_level(add_prefix_space=False, use_regex=False),
              decoder=decoders.ByteLevel(), post=sequence, bytes_alphabet=True, ignore_merges=True)
    yield bpe("sentencepiece with prepend", normalizer=normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), decoder=sp_decoder, post=template, **sp)
    for scheme in ("always", "first", "never"):
        yield bpe(f"metaspace {scheme}", pre=pre_tokenizers.Metaspace(prepend_scheme=scheme),
                  decoder=decoders.Metaspace(prepend_scheme=scheme), post=roberta, **sp)
    yield bpe("metaspace without split", pre=pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
              decoder=decoders.Metaspace(prepend_scheme="first"), **sp)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield bpe(f"{form} and lower case", normalizer=normalizers.Sequence(
            [getattr(normalizers, form)(), normalizers.Lowercase()]), pre=pre_tokenizers.Whitespace(), unk_token="<unk>")
    yield bpe("strip and strip accents", normalizer=normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()]), pre=pre_tokenizers.WhitespaceSplit(),
        unk_token="<unk>", fuse_unk=True)
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            yield bpe(f"split {behavior} {invert}", unk_token="<unk>", pre=pre_tokenizers.Split(
                Regex(r"\p{L}\p{M}*|\d"), behavior, invert))
        yield bpe(f"split by a literal {behavior}", unk_token="<unk>", pre=pre_tokenizers.Split(" ", behavior))
        yield bpe(f"punctuation {behavior}", unk_token="<unk>", pre=pre_tokenizers.Punctuation(behavior))
    yield bpe("digits", unk_token="<unk>", pre=pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.CharDelimiterSplit("o")]))
    yield bpe("single digits", unk_token="<unk>", pre=pre_tokenizers.Digits(individual_digits=True))
    yield bpe("bert pre-tokenizer", unk_token="<unk>", pre=pre_tokenizers.BertPreTokenizer())
    yield bpe("word suffix", pre=pre_tokenizers.Whitespace(), decoder=decoders.BPEDecoder("</w>"),
              unk_token="<unk>", end_of_word_suffix="</w>")
    yield bpe("subword prefix", pre=pre_tokenizers.Whitespace(), decoder=decoders.WordPiece("##"),
              unk_token="<unk>", continuing_subword_prefix="##")
    yield bpe("no unknown token", pre=pre_tokenizers.Whitespace())
    yield unigram("unigram", pre=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())
    yield unigram("unigram with byte fallback", pre=pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
                  decoder=sp_decoder, byte_fallback=True, normalizer=normalizers.NFKC())


def main():
    made_by = json.dumps(f"make_tiny.py, tokenizers {tokenizers.__version__}")
    rows = [json.dumps(entry, ensure_ascii=False) for entry in entries()]
    sys.stdout.write('{"made_by": ' + made_by + ', "tokenizers": [\n' + ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    main()
