#!/usr/bin/env python3
"""Compares `committee-audit tokenize` with Hugging Face `tokenizers` on random Unicode texts.

usage: compare.py [--program build/committee-audit] [--count 100000] [--seed 1] [--variants] TOKENIZER...

TOKENIZER is a folder with a tokenizer.json. With --variants, the first one's vocabulary is also run with other
normalisers, pre-tokenisers, added tokens and post-processors. Needs the PyPI package `tokenizers`. Prints the number of
differences and the first of them; exit code 1 if there is any.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import Tokenizer

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

ASSIGNED = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
BY_CATEGORY = {}
for code_point in ASSIGNED:
    BY_CATEGORY.setdefault(unicodedata.category(chr(code_point)), []).append(code_point)
MARKS = BY_CATEGORY["Mn"] + BY_CATEGORY["Mc"] + BY_CATEGORY["Me"]
DECOMPOSING = [c for c in ASSIGNED if unicodedata.decomposition(chr(c))]
SPACES = [0x20] * 8 + [9, 10, 11, 12, 13, 0x1C, 0x1F, 0x85, 0xA0, 0x1680, 0x180E, 0x2003, 0x200B, 0x2028, 0x2029,
                       0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF]
JOINERS = [0x200C, 0x200D, 0xFE0E, 0xFE0F, 0x20E3, 0x1F3FB, 0x1F3FF, 0xE0067, 0xE007F, 0x34F]
JAMO = list(range(0x1100, 0x1200)) + list(range(0xA960, 0xA97D)) + list(range(0xD7B0, 0xD7FC)) + [0xAC00, 0xAC01]
WORDS = ("the of a in and is are Hello World I'm you're we'LL THEY'D don't 's 't 'S 'T x=1; int main() { return 0; } "
         "3.14159 1,000,000 2024 https://example.org/?q=a&b #tag @name e.g. U.S. na\u00efve caf\u00e9 \u01c5 \u00df "
         "\u017f \u212a '\u017f '\u212a \u0130 \u4f60\u597d \u4e16\u754c \u3053\u3093\u306b\u3061\u306f \uac00\ub098\ub2e4 "
         "\u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947").split(" ")


def any_code_point(source):
    while True:
        c = source.randrange(0x110000)
        if not 0xD800 <= c < 0xE000:
            return c


def stretch(source, specials):
    """A few characters of one kind."""
    kind = source.randrange(14)
    many = source.choice((1, 1, 2, 3, 5, 8))
    pick = source.choices
    if kind == 0:
        return "".join(chr(any_code_point(source)) for _ in range(many))
    if kind == 1:
        return "".join(map(chr, pick(ASSIGNED, k=many)))
    if kind == 2:
        return "".join(map(chr, pick(MARKS, k=many)))
    if kind == 3:
        return chr(source.choice(BY_CATEGORY["Ll"])) + "".join(map(chr, pick(MARKS, k=many)))
    if kind == 4:
        return "".join(map(chr, pick(SPACES, k=many)))
    if kind == 5:
        return "".join(chr(source.choice(ASSIGNED)) + chr(source.choice(JOINERS)) for _ in range(many))
    if kind == 6:
        return "".join(map(chr, pick(JAMO, k=many)))
    if kind == 7:
        return "".join(map(chr, pick(DECOMPOSING, k=many)))
    if kind == 8:
        numbers = BY_CATEGORY["Nd"] + BY_CATEGORY["Nl"] + BY_CATEGORY["No"]
        return "".join(map(chr, pick(numbers, k=many))) + "".join(pick("0123456789", k=many))
    if kind == 9:
        category = source.choice(list(BY_CATEGORY))
        return "".join(map(chr, pick(BY_CATEGORY[category], k=many)))
    if kind == 10:
        return chr(source.choice(ASSIGNED)) * source.choice((2, 3, 4, 7, 16, 33, 120))
    if kind == 11:
        return source.choice((" ", "")) + source.choice(specials) + source.choice((" ", ""))
    if kind == 12:
        return "".join(chr(source.randrange(128)) for _ in range(many))
    return source.choice((" ", " ", "", "\n")) + source.choice(WORDS)


def random_text(source, specials):
    return "".join(stretch(source, specials) for _ in range(source.choice((1, 2, 3, 5, 9, 20))))


def differences(program, folder, texts, special_tokens):
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        file.flush()
        command = [program, "tokenize", str(folder), "--file", file.name]
        if not special_tokens:
            command.append("--no-special-tokens")
        run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"{folder}: {run.stderr}")
    lines = run.stdout.splitlines()
    if len(lines) != len(texts):
        raise SystemExit(f"{folder}: {len(lines)} lines for {len(texts)} texts")
    found = []
    for begin in range(0, len(texts), 5000):
        batch = reference.encode_batch(texts[begin:begin + 5000], add_special_tokens=special_tokens)
        for text, encoding, line in zip(texts[begin:], batch, lines[begin:]):
            got = json.loads(line)
            if got != encoding.ids:
                found.append((text, encoding.ids, got))
    return found


def report(name, texts, found):
    print(f"{name}: {len(found)} of {len(texts)} texts differ", flush=True)
    for text, want, got in sorted(found, key=lambda f: len(f[0]))[:5]:
        print(f"  {text!r} {' '.join('%x' % ord(c) for c in text)}\n    expected {want}\n    got      {got}")
    return bool(found)


def added(token_id, content, **flags):
    entry = {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": False}
    return {**entry, **flags}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
LETTERS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (LETTERS + "|" + LETTERS.replace("]*[", "]+[").replace("]+(?i", "]*(?i") +
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def variants(base):
    """(name, changes to the tokenizer.json) for every part that is supported."""
    size = max(max(base["model"]["vocab"].values()), max(t["id"] for t in base["added_tokens"])) + 1
    behaviors = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase"):
        yield kind, {"normalizer": {"type": kind}}
    yield "strip", {"added_tokens": [], "normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}}
    yield "strip-left", {"added_tokens": [], "normalizer": {"type": "Strip", "strip_left": True, "strip_right": False}}
    yield "normalizers", {"added_tokens": [], "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": r"\s+|\p{M}"}, "content": "_ "},
        {"type": "Replace", "pattern": {"String": "e"}, "content": "ee"}, {"type": "Prepend", "prepend": ">"}]}}
    for behavior in behaviors:
        for invert in (False, True):
            yield f"split-{behavior}-{invert}", {
                "pre_tokenizer": sequence(split({"Regex": r"\p{L}\p{M}*|\s"}, behavior, invert), BYTES)}
    yield "split-string", {"pre_tokenizer": sequence(split({"String": " "}, "MergedWithNext"), BYTES)}
    yield "split-nothing", {"pre_tokenizer": sequence(split({"String": ""}), BYTES)}
    yield "split-empty-matches", {"pre_tokenizer": sequence(split({"Regex": r"\d*"}, "MergedWithPrevious"), BYTES)}
    yield "o200k", {"pre_tokenizer": sequence(split({"Regex": O200K}), BYTES)}
    for name, pattern in {
        "words": r"\b\w+\b|\W", "class-words": r"[\w]+|[^\w]+", "lines": r"^.*$", "possessive": r"\p{N}{1,3}+|\s?+\S++",
        "sets": r"[\p{L}&&[^a-z\p{Han}]]+|[[:space:]\d]+|\P{L}|[^\P{N}]", "look": r"(?<=\p{Ll})(?=\p{Lu})|(?<!\s)\s(?!\s)",
        "hex": r"[\x41-\x{5a}\u0061-\u007a]{2,4}?|\h+", "scripts": r"[\p{Han}\p{Hiragana}\p{Katakana}]+|\p{Hangul}+|\p{Latin}+"
        r"|\p{Cyrillic}+|\p{Arabic}+|\p{Greek}+|\p{Thai}+|\p{Hebrew}+|\p{Devanagari}+", "end": r"\s+$",
        "fold": r"(?i)[k-t]+|'S", "dot": r"(?m:..)|.",
        "categories": "|".join(r"\p{%s}+" % c for c in (
            "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
            "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn")),
    }.items():
        yield f"regex-{name}", {"pre_tokenizer": sequence(split({"Regex": pattern}), BYTES)}
    for name, part in {
        "digits": {"type": "Digits", "individual_digits": False}, "single-digits": {"type": "Digits", "individual_digits": True},
        "punctuation": {"type": "Punctuation", "behavior": "Contiguous"}, "whitespace": {"type": "Whitespace"},
        "whitespace-split": {"type": "WhitespaceSplit"}, "delimiter": {"type": "CharDelimiterSplit", "delimiter": "e"},
    }.items():
        yield name, {"pre_tokenizer": sequence(part, BYTES)}
    yield "prefix-space", {"pre_tokenizer": {**BYTES, "add_prefix_space": True, "use_regex": True}}
    yield "split-prefix-space", {"pre_tokenizer": sequence(
        split({"Regex": r"\p{N}"}), {**BYTES, "add_prefix_space": True, "use_regex": True})}
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace-{scheme}-{cut}", {"normalizer": None, "pre_tokenizer": {
                "type": "Metaspace", "replacement": "\u0120", "prepend_scheme": scheme, "split": cut}}
    yield "no-pre-tokenizer", {"normalizer": None, "pre_tokenizer": None}
    yield "ignore-merges", {"model": {**base["model"], "ignore_merges": True}}
    contents = [("<a>", {"lstrip": True}), ("<ab>", {"rstrip": True}), ("word", {"single_word": True}),
                ("The", {"normalized": True}), ("<A>", {"normalized": True, "lstrip": True, "rstrip": True}),
                ("  ", {"normalized": True}), ("\uac00", {"normalized": True, "single_word": True})]
    new = iter(range(size, size + len(contents)))
    tokens = [added(base["model"]["vocab"].get(c) or next(new), c, **flags) for c, flags in contents]
    normalizer = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}
    yield "added-normalized", {"added_tokens": sorted(tokens, key=lambda t: t["id"]), "normalizer": normalizer}
    template = {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [
        {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [5, 6], "tokens": ["x", "y"]},
                           "</s>": {"id": "</s>", "ids": [7], "tokens": ["z"]}}}
    roberta = {"type": "RobertaProcessing", "sep": ["z", 9], "cls": ["x", 8], "trim_offsets": True, "add_prefix_space": False}
    yield "template", {"post_processor": template}
    yield "roberta", {"post_processor": roberta}
    yield "processors", {"post_processor": {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template]}}
    few = {k: v for k, v in base["model"]["vocab"].items() if len(k) == 1 and ord(k) < 0x110} | {"?": size}
    for fuse in (False, True):
        yield f"unknown-{fuse}", {"added_tokens": [], "model": {
            **base["model"], "vocab": few, "merges": [], "unk_token": "?", "fuse_unk": fuse}}
    yield "dropped", {"added_tokens": [], "model": {**base["model"], "vocab": few, "merges": []}}
    bytewise = dict(few)
    for byte in range(256):
        bytewise["<0x%02X>" % byte] = size + 1 + byte
    yield "byte-fallback", {"added_tokens": [], "pre_tokenizer": None, "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "model": {**base["model"], "vocab": bytewise, "merges": [], "unk_token": "?", "fuse_unk": True, "byte_fallback": True}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="+", type=pathlib.Path)
    parser.add_argument("--program", default="build/committee-audit")
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--only", nargs="*", help="names of variants")
    arguments = parser.parse_args()
    bad = False
    for folder in arguments.tokenizers if arguments.only is None else []:
        tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
        source = random.Random(arguments.seed)
        specials = [t["content"] for t in tokens] + ["<|", "|>", "<"]
        texts = [random_text(source, specials) for _ in range(arguments.count)]
        bad |= report(str(folder), texts, differences(arguments.program, folder, texts, False))
    if arguments.variants or arguments.only:
        base = json.loads((arguments.tokenizers[0] / "tokenizer.json").read_text(encoding="utf-8"))
        source = random.Random(arguments.seed + 1)
        specials = ["<a>", "<ab>", "word", "The", "the", "<A>", "\u1100\u1161", "\uac00", "  ", "<a> <a>", " word "]
        texts = [random_text(source, specials) for _ in range(arguments.count)]
        for name, changes in variants(base):
            if arguments.only and name not in arguments.only:
                continue
            with tempfile.TemporaryDirectory() as temporary:
                folder = pathlib.Path(temporary)
                (folder / "tokenizer.json").write_text(json.dumps({**base, **changes}), encoding="utf-8")
                bad |= report(name, texts, differences(arguments.program, folder, texts, True))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
