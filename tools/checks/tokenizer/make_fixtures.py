#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer: small tokenizers, awkward texts, and the ids that Hugging Face `tokenizers` gives them.

usage: make_fixtures.py OUT NAME=FOLDER...    (FOLDER/tokenizer.json is copied to OUT/NAME; the first also makes variants)

OUT/encodings.jsonl has a line a text, {"text", NAME: ids...}; OUT/variants.jsonl a line a variant of the first tokenizer,
{"name", "changes", "texts", "ids"}, `changes` replacing the members of its tokenizer.json. Needs the PyPI package
`tokenizers`.
"""

import json
import pathlib
import random
import shutil
import sys

from tokenizers import Tokenizer

from compare import random_text, variants

AWKWARD = [
    "", " ", "  ", "\n", "\r\n", "\r\n\r\n \t x", "\t\t a", " a  b   c    d", "a ", "a  ", "\u3000\u3000a", "\u00a0\u00a0b",
    "\u180ea \u180e", "\u200b \u2028\u2029", "\x00", "a\x00b", "\x7f\x80\x85\u009f", "\ufeffbom", "\ufffd\uffff\U0010ffff",
    "I'm you're WE'LL they'D o'\u017fo 'S't'REd'", "don't won't '' ''' '", "12345678901234", "3.14 1,000 \u0663\u0664\u0665 \u00bd\u00b2\u2163",
    "foo_bar==baz!=qux; // comment\n\n\n    return x->y;", "\u00e9 e\u0301 \u1e69 s\u0323\u0307 s\u0307\u0323 \u212b \u2126 \ufb01 \u0958",
    "\u1112\u1161\u11ab\ud55c \u1100\u1161\u11a7 \uac00\u11a8", "q\u0301\u0334\u0345\u0323" * 5, "\u0301\u0301 a", "\u093e\u093f\u0915\u094d\u0937",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\u30fc\u30bf", "\u9fa5\u9fa6\u3040\u309f\u30a0\u30ff\u3400\U00020000\U00031350\U0002ebf0",
    "\U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2708\ufe0f 3\ufe0f\u20e3", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0645\u0631\u062d\u0628\u0627\u064b",
    "\U0001e030\U00011938\U00011935\U00011930 \u0898\u0897", "\U00010d50\U00010d70 \U00016d68 \u1c89\u1c8a", "<bos><eos><|endoftext|> <|im_start|>user\nx<|im_end|>",
    "<|endoftext|", "<|<|endoftext|>|>", "\u01c5\u0130\u00df\u1e9e \u212a'\u017f", "a" * 300, " " * 300 + "x", "\n" * 50, "ab" * 200, "\U0001f600" * 80,
]


def ids(tokenizer, texts, special):
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=special)]


def write_lines(path, records):
    path.write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in records), encoding="utf-8")


def main():
    out = pathlib.Path(sys.argv[1])
    folders = dict(argument.split("=", 1) for argument in sys.argv[2:])
    source = random.Random(20)
    specials = ["<bos>", "<eos>", "<|endoftext|>", "<|im_start|>", "<a>", "<ab>", "word", "The", "<A>", "\uac00"]
    texts = AWKWARD + [random_text(source, specials) for _ in range(120)]
    columns = {}
    for name, folder in folders.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pathlib.Path(folder) / "tokenizer.json", out / name / "tokenizer.json")
        columns[name] = ids(Tokenizer.from_file(str(out / name / "tokenizer.json")), texts, False)
    write_lines(out / "encodings.jsonl", (
        {"text": text, **{name: columns[name][i] for name in folders}} for i, text in enumerate(texts)))

    base = json.loads((out / next(iter(folders)) / "tokenizer.json").read_text(encoding="utf-8"))
    records = []
    for name, changes in variants(base):
        tokenizer = Tokenizer.from_str(json.dumps({**base, **changes}))
        chosen = [text for text in random.Random(name).sample(texts, 20) if len(text) < 100]
        records.append({"name": name, "changes": changes, "texts": chosen, "ids": ids(tokenizer, chosen, True)})
    write_lines(out / "variants.jsonl", records)


if __name__ == "__main__":
    main()
