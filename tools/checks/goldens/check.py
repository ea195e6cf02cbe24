#!/usr/bin/env python3
"""Holds `committee-audit capture` against the goldens: Hugging Face transformers' float32 outputs.

    check.py BINARY GOLDENS/models MMLU/dev [--only NAME...] [--bf16]

Each golden is read three ways (token ids, rendered text, template with shots) and in each of its variants. Needs numpy and
safetensors. The exit code is 0 when everything agrees.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file


def capture(binary, model, data, out, *flags):
    command = [binary, "capture", str(model), "--data", str(data), "-o", str(out), "--quiet", "--overwrite", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    manifest = json.load(open(out / "trace.json"))
    shards = [load_file(out / shard["file"]) for shard in manifest["shards"]]
    records = {key: np.concatenate([shard[key] for shard in shards]) for key in shards[0]}
    samples = [json.loads(line) for line in open(out / "samples.jsonl")]
    return records, samples


def expert_sets(layers):
    return ";".join(f"{layer}:{','.join(map(str, ids))}" for layer, ids in layers.items())


def variant_flags(variant):
    flags = []
    if "mask" in variant:
        flags += ["--mask", expert_sets(variant["mask"])]
    if "drop" in variant:
        flags += ["--mask", expert_sets(variant["drop"]), "--mask-mode", "drop"]
    if "top_k" in variant:
        flags += ["--top-k", str(variant["top_k"])]
    return flags


class Check:
    def __init__(self, args):
        self.args, self.failed = args, False

    def require(self, ok, what):
        if not ok:
            self.failed = True
            print(f"  FAILED: {what}")

    def records(self, got, want, name, label, positions=True):
        same_rows = len(got["token"]) == len(want[f"{name}.probs"])
        self.require(same_rows, f"{label}: {len(got['token'])} rows, expected {len(want[f'{name}.probs'])}")
        if not same_rows:
            return
        if positions:
            for key in ("sample", "position", "token"):
                self.require(np.array_equal(got[key], want[key]), f"{label}: {key} differs")
        probs = np.abs(got["probs"] - want[f"{name}.probs"]).max()
        k = want[f"{name}.topk_id"].shape[-1]
        weights = np.abs(got["topk_weight"][..., :k] - want[f"{name}.topk_weight"]).max()
        got_sets, want_sets = np.sort(got["topk_id"].astype(int), -1), np.sort(want[f"{name}.topk_id"].astype(int), -1)
        equal = (got_sets == want_sets).all(-1)
        print(f"  {label:<28} probabilities {probs:.1e}  weights {weights:.1e}  equal sets {equal.mean():.4%}")
        if not self.args.bf16:
            self.require(probs < 1e-4 and weights < 2.5e-4 and equal.all(), label)

    def golden(self, folder, scratch):
        reference = json.load(open(folder / "reference.json"))
        want = load_file(folder / "reference.safetensors")
        base = ["--compute", "bf16" if self.args.bf16 else "f32", "--positions", "all"]
        print(folder.name)
        for data, template in (("tokens", "plain"), ("rendered", "plain"), ("prompts", "mmlu")):
            flags = [*base, "--template", template]
            if template == "mmlu":
                flags += ["--shots", str(reference["shots"]), "--shots-from", self.args.dev]
            got, samples = capture(self.args.binary, folder, folder / f"{data}.jsonl", scratch, *flags)
            self.records(got, want, "base", f"base, {data}")
            if data == "prompts":
                self.scores(samples, want)
        for name, variant in reference["variants"].items():
            if name != "base":
                got, _ = capture(self.args.binary, folder, folder / "tokens.jsonl", scratch, *base, *variant_flags(variant))
                self.records(got, want, name, name)
        self.generated(folder, reference, want, scratch)

    def scores(self, samples, want):
        worst = 0
        for i, sample in enumerate(samples):
            if sample.get("answer_logprobs"):
                logits = want["base.logits"][i]
                worst = max(worst, np.abs(np.array(sample["answer_logprobs"]) - want["base.answer_logprobs"][i]).max())
                if not self.args.bf16:
                    self.require(sample["argmax_token"] == int(logits.argmax()), f"arg-max of sample {i}")
        print(f"  {'letters':<28} log-probabilities {worst:.1e}")
        if not self.args.bf16:
            self.require(worst < 1e-3, "letters' log-probabilities")

    def generated(self, folder, reference, want, scratch):
        flags = ["--compute", "bf16" if self.args.bf16 else "f32", "--positions", "generated", "--max-new-tokens",
                 str(reference["generate"])]
        got, _ = capture(self.args.binary, folder, folder / "tokens.jsonl", scratch, *flags)
        tokens = want["generated.tokens"]
        count, m = tokens.shape
        if len(got["token"]) != count * m:
            self.require(self.args.bf16, f"generated: {len(got['token'])} rows, expected {count * m}")
            return
        equal = np.array_equal(got["token"].reshape(count, m), tokens)
        if self.args.bf16:
            print(f"  generated tokens equal: {equal}")
            return
        self.require(equal, "generated tokens")
        flat = {f"generated.{key}": want[f"generated.{key}"].reshape(count * m, *want[f"generated.{key}"].shape[2:])
                for key in ("probs", "topk_id", "topk_weight")}
        self.records(got, flat, "generated", "generated", positions=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("dev")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    check = Check(args)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted(args.models.iterdir()):
            if not args.only or folder.name in args.only:
                check.golden(folder, pathlib.Path(scratch) / "trace")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
