#!/usr/bin/env python3
"""Holds `committee-audit capture` against the goldens: Hugging Face transformers' float32 outputs.

    check.py BINARY GOLDENS/models MMLU/dev [--only NAME...] [--bf16] [--engine build/src/engine/golden_check]

Each golden is read three ways (token ids, rendered text, template with shots) and in each of its variants: experts masked, dropped,
fewer or more executed. Held are probabilities, weights, executed sets, and of the next-token logits what a trace has: the letters'
log-probabilities and the arg-max. `--engine` (the target golden_check) holds all logits of all variants, in one branched pass, as
well. Needs numpy and safetensors. The exit code is 0 when everything agrees.
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
        as_prompts = ["--template", "mmlu", "--shots", str(reference["shots"]), "--shots-from", self.args.dev]
        print(folder.name)
        for data, template in (("tokens", "plain"), ("rendered", "plain"), ("prompts", "mmlu")):
            flags = as_prompts if template == "mmlu" else ["--template", template]
            got, samples = capture(self.args.binary, folder, folder / f"{data}.jsonl", scratch, *base, *flags)
            self.records(got, want, "base", f"base, {data}")
            if data == "prompts":
                self.scores(samples, want, "base", reference)
        for name, variant in reference["variants"].items():
            if name != "base":
                got, samples = capture(self.args.binary, folder, folder / "prompts.jsonl", scratch, *base, *as_prompts,
                                       *variant_flags(variant))
                self.records(got, want, name, name)
                self.scores(samples, want, name, reference)
        self.generated(folder, reference, want, scratch)

    def scores(self, samples, want, name, reference):
        letters = [tokens[0] for tokens in reference["letter_tokens"]]
        worst = scored = 0
        for sample, logits in zip(samples, want[f"{name}.logits"].astype(np.float64)):
            if not sample.get("answer_logprobs"):
                continue
            scored += 1
            logprobs = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
            worst = max(worst, np.abs(np.array(sample["answer_logprobs"]) - logprobs[letters]).max())
            if not self.args.bf16:
                self.require(sample["argmax_token"] == int(logits.argmax()), f"{name}: arg-max of {sample['id']}")
        print(f"  {name + ', letters':<28} log-probabilities {worst:.1e}")
        self.require(scored > 0, f"{name}: no sample is scored")
        if not self.args.bf16:
            self.require(worst < 1e-3, f"{name}: letters' log-probabilities")

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
    parser.add_argument("--engine", help="golden_check")
    args = parser.parse_args()
    check = Check(args)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sorted(args.models.iterdir()):
            if not args.only or folder.name in args.only:
                check.golden(folder, pathlib.Path(scratch) / "trace")
    if args.engine:
        engine = subprocess.run([args.engine, str(args.models), *(["--bf16"] if args.bf16 else [])])
        check.require(engine.returncode == 0, "logits")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
