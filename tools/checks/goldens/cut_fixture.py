#!/usr/bin/env python3
"""Cuts a golden model to a test fixture: its shortest prompt whole, with logits and generated tokens, and the first
tokens of some others (a causal model's rows do not change when what follows is cut).

    cut_fixture.py GOLDENS/models/NAME tests/fixtures/models/NAME

Needs numpy and safetensors.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

OTHERS, TOKENS = 3, 20


def main(source, target):
    source, target = pathlib.Path(source), pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    prompts = [json.loads(line) for line in open(source / "tokens.jsonl")]
    reference = load_file(source / "reference.safetensors")
    whole = min(range(len(prompts)), key=lambda i: len(prompts[i]["tokens"]))
    kept = sorted([whole] + [i for i in range(len(prompts)) if i != whole][:OTHERS])
    rows = np.concatenate([np.flatnonzero(reference["sample"] == i)[: None if i == whole else TOKENS] for i in kept])
    cut = {}
    for key, value in reference.items():
        if key == "hidden_of_last_sample":
            continue
        by_prompt = key.startswith("generated.") or key.endswith(("logits", "answer_logprobs"))
        cut[key] = np.ascontiguousarray(value[[whole]] if by_prompt else value[rows])
    save_file(cut, target / "reference.safetensors")
    with open(target / "reference_tokens.jsonl", "w") as out:
        for i in kept:
            tokens = prompts[i]["tokens"] if i == whole else prompts[i]["tokens"][:TOKENS]
            out.write(json.dumps({"id": prompts[i]["id"], "tokens": tokens, "whole": i == whole}) + "\n")
    shutil.copy(source / "reference.json", target)
    for file in [source / "config.json", *source.glob("model*")]:
        shutil.copy(file, target)
    for file in target.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main(*sys.argv[1:])
