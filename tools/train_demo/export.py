"""Writes a checkpoint as a Hugging Face folder: export.py --run DIR --out DIR [--check]."""

import argparse
import json
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from data import END
from model import Config, Model


def load(run, dtype=torch.float32):
    """The model of a training folder, its weights rounded to bfloat16 as they are exported."""
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    model = Model(Config(**saved["config"]), dtype)
    model.load_state_dict({name: p.bfloat16().float() for name, p in saved["model"].items()})
    return model, saved


def tensors(model):
    out = {"model.embed_tokens.weight": model.embed, "lm_head.weight": model.head,
           "model.norm.weight": model.final_norm}
    for i in range(model.config.layers):
        layer = f"model.layers.{i}."
        for j, name in enumerate("qkv"):
            out[layer + f"self_attn.{name}_proj.weight"] = model.qkv[i, j]
        out[layer + "self_attn.o_proj.weight"] = model.out[i]
        out[layer + "self_attn.q_norm.weight"] = model.q_norm[i]
        out[layer + "self_attn.k_norm.weight"] = model.k_norm[i]
        out[layer + "input_layernorm.weight"] = model.attn_norm[i]
        out[layer + "post_attention_layernorm.weight"] = model.ffn_norm[i]
        out[layer + "mlp.gate.weight"] = model.router[i]
        for e in range(model.config.experts):
            expert = layer + f"mlp.experts.{e}."
            out[expert + "gate_proj.weight"] = model.gate_up[i, e, 0]
            out[expert + "up_proj.weight"] = model.gate_up[i, e, 1]
            out[expert + "down_proj.weight"] = model.down[i, e]
    return {name: p.detach().to(torch.bfloat16).contiguous() for name, p in out.items()}


def config_json(c):
    return {
        "architectures": ["OlmoeForCausalLM"], "model_type": "olmoe", "vocab_size": c.vocab, "hidden_size": c.d,
        "intermediate_size": c.width, "num_hidden_layers": c.layers, "num_attention_heads": c.heads,
        "num_key_value_heads": c.heads, "num_experts": c.experts, "num_experts_per_tok": c.top_k,
        "norm_topk_prob": False, "hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0,
        "clip_qkv": None, "max_position_embeddings": c.positions, "rms_norm_eps": c.eps, "rope_theta": c.theta,
        "rope_scaling": None, "initializer_range": 0.02, "output_router_logits": False,
        "router_aux_loss_coef": 0.01, "tie_word_embeddings": False, "use_cache": True, "bos_token_id": None,
        "eos_token_id": 0, "pad_token_id": None, "torch_dtype": "bfloat16",
    }


def write(model, run, out):
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(model), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    (out / "config.json").write_text(json.dumps(config_json(model.config), indent=2) + "\n")
    shutil.copyfile(run / "tokenizer.json", out / "tokenizer.json")
    settings = {"add_bos_token": False, "bos_token": None, "eos_token": END,
                "model_max_length": model.config.positions, "tokenizer_class": "PreTrainedTokenizerFast"}
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


@torch.no_grad()
def check(model, out, text):
    """Largest difference of logits and of router probabilities from Hugging Face transformers' OLMoE, in float32."""
    from transformers import AutoTokenizer, OlmoeForCausalLM
    theirs = OlmoeForCausalLM.from_pretrained(out, torch_dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(out)(text, return_tensors="pt").input_ids
    expected = theirs(ids, output_router_logits=True)
    hidden, stats = model(ids)
    logits = (hidden @ model.head.t() - expected.logits).abs().max().item()
    probs = [F.softmax(r, -1) for r in expected.router_logits]
    mass = max((p.topk(model.config.top_k).values.sum(-1).mean() - m).abs().item()
               for p, m in zip(probs, stats["mass"]))
    return ids.shape[1], logits, mass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, type=Path, help="folder that train.py wrote")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--check", action="store_true", help="compare with Hugging Face transformers")
    args = parser.parse_args()
    torch.compiler.set_stance("force_eager")
    model, saved = load(args.run)
    write(model, args.run, args.out)
    size = sum(p.stat().st_size for p in args.out.iterdir())
    print(f"step {saved['step']}, {saved['tokens']} tokens, {size} bytes")
    if args.check:
        text = "The following are multiple choice questions (with answers) about astronomy.\n\nWhich planet is big?"
        print("tokens %d, worst logit difference %.2g, worst executed mass difference %.2g"
              % check(model, args.out, text))


if __name__ == "__main__":
    main()
