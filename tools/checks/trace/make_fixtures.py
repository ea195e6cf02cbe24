#!/usr/bin/env python3
"""Writes tests/fixtures/trace with the libraries that users save such files with.

    pip install numpy safetensors gguf
    python tools/checks/trace/make_fixtures.py tests/fixtures/trace
"""

import base64
import io
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

EXPERTS = 8


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def hugging_face(folder):
    """Logits of two sequences of four tokens, the first with two tokens of padding in front."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    logits = {f"router_logits.{layer}": rng.normal(size=(8, EXPERTS)).astype(np.float32) for layer in (1, 2)}
    mask = np.array([[0, 0, 1, 1], [1, 1, 1, 1]], np.int64)
    ids = np.array([[0, 0, 11, 12], [21, 22, 23, 24]], np.int64)
    save_file({**logits, "attention_mask": mask, "input_ids": ids}, folder / "masked.safetensors")

    # Softmaxed half precision, two rows of padding that are equal in every layer, compressed.
    soft = {}
    for layer in (3, 10):
        values = rng.normal(size=(6, EXPERTS)).astype(np.float32)
        values[:2] = values[0]
        values = np.exp(values)
        soft[f"layer_{layer}"] = (values / values.sum(axis=1, keepdims=True)).astype(np.float16)
    np.savez_compressed(folder / "softmaxed.npz", **soft)
    (folder / "expected.json").write_text(json.dumps({
        "masked": [np.exp(logits[f"router_logits.{layer}"][row]).astype(float).tolist()
                   for row in (2, 3, 4, 5, 6, 7) for layer in (1, 2)],
        "softmaxed": [soft[f"layer_{layer}"][row].astype(float).tolist() for row in range(2, 6) for layer in (3, 10)],
    }))


def ids_of(rng, tokens, layers, top_k):
    return np.stack([[rng.permutation(EXPERTS)[:top_k] for _ in range(layers)] for _ in range(tokens)])


def vllm(folder):
    """Layer 0 is dense: the engine's buffer keeps its zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    ids = ids_of(rng, 5, 3, 2).astype(np.uint8)
    ids[:, 0] = 0
    np.save(folder / "drama.npy", ids)
    lines = []
    for name, tokens in (("a", 3), ("b", 2)):
        routed = ids_of(rng, tokens, 3, 2).astype(np.int16)
        routed[:, 0] = 0
        lines.append({"id": f"cmpl-{name}", "domain": "law",
                      "choices": [{"index": 0, "prompt_token_ids": list(range(7, 7 + tokens)), "token_ids": [99],
                                   "routed_experts": base64.b64encode(npy(routed)).decode()}]})
    (folder / "responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def sglang(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    count = rng.integers(0, 40, size=(4, 3, EXPERTS)).astype(np.int32)
    count[:, 0] = 0  # dense
    count[3] = 0     # a place of the circular buffer that was not used
    np.savez(folder / "stat.npz", logical_count=count)
    (folder / "counts.csv").write_text("layer_id,expert_id,count\n1,0,5\n1,7,3\n2,3,8\n")
    routed = ids_of(rng, 4, 3, 2).astype(np.int32)
    routed[:, 0] = 0
    (folder / "responses.jsonl").write_text(json.dumps({
        "text": " B", "meta_info": {"id": "r0", "prompt_tokens": 4, "completion_tokens": 1,
                                    "routed_experts": base64.b64encode(routed.tobytes()).decode()}}) + "\n")


def llama_cpp(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    writer = gguf.GGUFWriter(folder / "imatrix.gguf", "")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["calibration.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 50)
    for layer in (1, 2):
        picks = np.concatenate([rng.choice(EXPERTS, 2, replace=False, p=np.arange(1, 9) / 36) for _ in range(150)])
        counts = np.bincount(picks, minlength=EXPERTS).astype(np.float32).reshape(EXPERTS, 1)
        for part in ("gate", "up", "down"):
            name = f"blk.{layer}.ffn_{part}_exps.weight"
            writer.add_tensor(f"{name}.in_sum2", rng.random((EXPERTS, 4), np.float32))
            writer.add_tensor(f"{name}.counts", counts)
        writer.add_tensor(f"blk.{layer}.attn_q.weight.counts", np.array([[150]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    stats = {str(layer): {"total_tokens": 10, "activation_counts": counts, "never_activated": 0}
             for layer, counts in ((1, [9, 1, 4, 2, 1, 1, 1, 1]), (4, [2, 2, 2, 8, 3, 1, 1, 1]))}
    (folder / "expert_stats.json").write_text(json.dumps(stats))


def main():
    root = Path(sys.argv[1])
    hugging_face(root / "hf")
    vllm(root / "vllm")
    sglang(root / "sglang")
    llama_cpp(root / "llamacpp")


if __name__ == "__main__":
    main()
