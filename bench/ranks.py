#!/usr/bin/env python3
"""Ranks against threads on one machine: the same capture by one process and by several of mpirun.

    python bench/ranks.py PROGRAM [--prompts 256] [--tokens 48] [--repeats 1]

The model is random, of OLMoE's kind and 0.5 GB; prompts are random tokens in shards of 64. Prints seconds of a capture as
the program says them, and of the whole call. Needs mpirun.
"""

import argparse
import json
import os
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

D, LAYERS, EXPERTS, TOP_K, WIDTH, HEADS, VOCAB = 1024, 8, 16, 4, 512, 16, 1000
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMPI_MCA_plm_rsh_agent": "false"}


def bf16(count, ones=False):
    """Random signs and mantissas of magnitude 2^-6 to 2^-5, or ones."""
    if ones:
        return b"\x80\x3f" * count
    mask = int.from_bytes(b"\x7f\x80" * count, "little")
    return ((int.from_bytes(os.urandom(2 * count), "little") & mask)
            | int.from_bytes(b"\x80\x3c" * count, "little")).to_bytes(2 * count, "little")


def write_model(folder):
    tensors = {"model.embed_tokens.weight": (VOCAB, D), "model.norm.weight": (D,), "lm_head.weight": (VOCAB, D)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm", "self_attn.q_norm", "self_attn.k_norm"):
            tensors[f"{prefix}{norm}.weight"] = (D,)
        for name in "qkvo":
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = (D, D)
        tensors[f"{prefix}mlp.gate.weight"] = (EXPERTS, D)
        for expert in range(EXPERTS):
            tensors[f"{prefix}mlp.experts.{expert}.gate_proj.weight"] = (WIDTH, D)
            tensors[f"{prefix}mlp.experts.{expert}.up_proj.weight"] = (WIDTH, D)
            tensors[f"{prefix}mlp.experts.{expert}.down_proj.weight"] = (D, WIDTH)
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors.items():
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            file.write(bf16(count, ones=len(shape) == 1))
    (folder / "config.json").write_text(json.dumps({
        "model_type": "olmoe", "vocab_size": VOCAB, "hidden_size": D, "intermediate_size": WIDTH,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "num_experts": EXPERTS,
        "num_experts_per_tok": TOP_K, "norm_topk_prob": False, "hidden_act": "silu", "attention_bias": False,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False}))
    return at


def write_prompts(path, prompts, tokens):
    chance = random.Random(1)
    with open(path, "w") as file:
        for i in range(prompts):
            record = {"id": f"s{i}", "domain": f"d{i % 4}", "tokens": [chance.randrange(VOCAB) for _ in range(tokens)]}
            file.write(json.dumps(record) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for model and prompts, used again where it is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        kept = arguments.keep or Path(scratch)
        kept.mkdir(exist_ok=True)
        if not (kept / "config.json").exists():
            print(f"model: {write_model(kept) / 1e6:.0f} MB", flush=True)
        write_prompts(kept / "prompts.jsonl", arguments.prompts, arguments.tokens)
        if arguments.repeats == 0:
            return
        job = [arguments.program, "capture", str(kept), "--data", str(kept / "prompts.jsonl"), "-o", f"{scratch}/out",
               "--overwrite", "--positions", "all", "--record", "topk", "--memory", "4G"]
        ways = [(1, 1, "prompts"), (1, 2, "prompts"), (2, 1, "prompts"), (4, 1, "prompts"), (2, 1, "layers"),
                (4, 1, "layers")]
        for _ in range(arguments.repeats):
            for ranks, threads, share in ways:
                launcher = ["mpirun", "-n", str(ranks), "--bind-to", "none"] if ranks > 1 else []
                start = time.monotonic()
                done = subprocess.run([*launcher, *job, "--threads", str(threads), "--ranks", share], text=True,
                                      env=os.environ | MPI, stderr=subprocess.PIPE)
                whole = time.monotonic() - start
                if done.returncode != 0:
                    raise SystemExit(done.stderr)
                said = re.search(r"([\d.]+) s, (\d+) tokens/s", done.stderr)
                print(f"{ranks} x {threads} {share:8} {said[1]:>6} s {said[2]:>6} tokens/s  whole call {whole:5.1f} s",
                      flush=True)


if __name__ == "__main__":
    main()
