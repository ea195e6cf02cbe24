"""An OLMoE language model for fast training on a CPU.

Parameters of all layers are stacked, so that the optimiser sees a few large tensors. Matrix products run in
bfloat16, the residual stream, norms, router and loss in float32. Shapes: n tokens, d model, E experts, f width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab: int = 4096
    layers: int = 6
    d: int = 192
    heads: int = 6
    experts: int = 32
    top_k: int = 4
    width: int = 40
    eps: float = 1e-5
    theta: float = 10000.0
    positions: int = 8192
    router_std: float = 0.1


class Dispatch(torch.autograd.Function):
    """Rows of x [n, d] in expert order [n*k, d]; `slot` is the place of assignment (token, j) in that order."""

    @staticmethod
    def forward(ctx, x, token, slot, k):
        ctx.save_for_backward(slot)
        ctx.k = k
        return x.index_select(0, token)

    @staticmethod
    def backward(ctx, g):
        return sum_rows(g, ctx.saved_tensors[0], ctx.k), None, None, None


class Combine(torch.autograd.Function):
    """The transpose of Dispatch: sums the k rows of every token."""

    @staticmethod
    def forward(ctx, y, token, slot, k):
        ctx.save_for_backward(token)
        return sum_rows(y, slot, k)

    @staticmethod
    def backward(ctx, g):
        return g.index_select(0, ctx.saved_tensors[0]), None, None, None


def sum_rows(y, slot, k):
    parts = slot.view(-1, k)
    total = y.index_select(0, parts[:, 0])
    for j in range(1, k):
        total += y.index_select(0, parts[:, j])
    return total


class GroupedMatmul(torch.autograd.Function):
    """x [n, a] in groups of `counts` rows, each times the transpose of its own w [E, b, a]."""

    @staticmethod
    def forward(ctx, x, w, counts):
        ctx.save_for_backward(x, w)
        ctx.counts = counts
        y = x.new_empty(x.shape[0], w.shape[1])
        for xe, we, ye in zip(x.split(counts), w, y.split(counts)):
            torch.mm(xe, we.t(), out=ye)
        return y

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        gx, gw = torch.empty_like(x), torch.empty_like(w)
        for xe, we, ge, gxe, gwe in zip(x.split(ctx.counts), w, g.split(ctx.counts), gx.split(ctx.counts), gw):
            torch.mm(ge, we, out=gxe)
            torch.mm(ge.t(), xe, out=gwe)
        return gx, gw, None


class HeadLoss(torch.autograd.Function):
    """Mean cross-entropy of h·Wᵀ without keeping the logits: the gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx, h, w, target, chunk=512):
        n, loss = h.shape[0], 0.0
        gh, gw = torch.empty_like(h), torch.zeros(w.shape)
        for a in range(0, n, chunk):
            x, t = h[a:a + chunk], target[a:a + chunk, None]
            logits = x @ w.t()
            p, log_total = scaled_softmax(logits, 1 / n)
            loss += (log_total - logits.gather(1, t).float()).sum()
            p.scatter_add_(1, t, torch.full_like(t, -1 / n, dtype=p.dtype))
            gh[a:a + chunk] = p @ w
            gw += p.t() @ x
        ctx.save_for_backward(gh, gw)
        return loss / n

    @staticmethod
    def backward(ctx, g):
        gh, gw = ctx.saved_tensors
        return gh * g, (gw * g).to(gh.dtype), None, None


# The compiled functions below are chains of element-wise operations, each one pass over memory.

@torch.compile
def scaled_softmax(logits, scale):
    """scale · softmax in the type of logits, and the logarithm of the softmax's denominator, float32."""
    x = logits.float()
    top = x.amax(1, keepdim=True)
    x = (x - top).exp()
    total = x.sum(1, keepdim=True)
    return (x * (scale / total)).to(logits.dtype), total.log() + top


@torch.compile
def rms_norm(x, weight, eps, dtype):
    x = x.float()
    return (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight).to(dtype)


@torch.compile
def norm_and_rotate(x, weight, cos, sin, eps):
    """RMSNorm of x [batch, seq, d] over d, then rotate-half RoPE, cos and sin [seq, 1, head_dim / 2];
    [batch, heads, seq, head_dim]."""
    y = x.float()
    y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps) * weight
    a, b = y.view(*y.shape[:2], -1, 2 * cos.shape[-1]).chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype).transpose(1, 2).contiguous()


@torch.compile
def swiglu(gate_up, weight):
    gate, up = gate_up.float().chunk(2, -1)
    return (F.silu(gate) * up * weight).to(gate_up.dtype)


@torch.compile
def masked_softmax(scores, mask):
    return (scores.float() + mask).softmax(-1).to(scores.dtype)


def causal_attention(q, k, v, mask, block=128):
    """q (scaled), k, v [batch, seq, head_dim]; blocks of queries look only at the keys up to their end."""
    out = []
    for a in range(0, q.shape[1], block):
        end = min(a + block, q.shape[1])
        scores = q[:, a:end] @ k[:, :end].transpose(1, 2)
        out.append(masked_softmax(scores, mask[a:end, :end]) @ v[:, :end])
    return torch.cat(out, 1)


class Model(nn.Module):
    def __init__(self, config, dtype=torch.bfloat16):
        super().__init__()
        c, self.config, self.dtype = config, config, dtype
        normal = lambda *shape, std: nn.Parameter(torch.randn(*shape) * std)
        ones = lambda *shape: nn.Parameter(torch.ones(*shape))
        self.embed = normal(c.vocab, c.d, std=0.1)
        self.head = normal(c.vocab, c.d, std=0.02)
        self.qkv = normal(c.layers, 3, c.d, c.d, std=c.d**-0.5)
        self.out = nn.Parameter(torch.zeros(c.layers, c.d, c.d))
        self.gate_up = normal(c.layers, c.experts, 2, c.width, c.d, std=c.d**-0.5)
        self.down = normal(c.layers, c.experts, c.d, c.width, std=0.2 * c.width**-0.5)
        self.router = normal(c.layers, c.experts, c.d, std=c.router_std)
        self.attn_norm, self.ffn_norm = ones(c.layers, c.d), ones(c.layers, c.d)
        self.q_norm, self.k_norm = ones(c.layers, c.d), ones(c.layers, c.d)
        self.final_norm = ones(c.d)

    def attention(self, x, qkv, out, q_norm, k_norm, rope, mask):
        c, (b, t, _) = self.config, x.shape
        q, k, v = F.linear(x, qkv.view(-1, c.d)).chunk(3, -1)
        q = norm_and_rotate(q, q_norm * (c.d // c.heads)**-0.5, *rope, c.eps).view(b * c.heads, t, -1)
        k = norm_and_rotate(k, k_norm, *rope, c.eps).view(b * c.heads, t, -1)
        v = v.view(b, t, c.heads, -1).transpose(1, 2).reshape(b * c.heads, t, -1)
        y = causal_attention(q, k, v, mask)
        return F.linear(y.view(b, c.heads, t, -1).transpose(1, 2).reshape(b, t, c.d), out)

    def moe(self, x, router, gate_up, down, stats):
        """x [n, d] float32. Losses: balance E/k · Σ f·P (1 when even), z mean(logsumexp²),
        sharp -log of the probability mass that the executed experts hold."""
        c = self.config
        logits = x @ router.t()
        probs = logits.softmax(-1)
        weight, chosen = probs.topk(c.top_k, -1)
        order = chosen.view(-1).argsort(stable=True)
        slot = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        token, load = order // c.top_k, torch.bincount(chosen.view(-1), minlength=c.experts)
        counts = load.tolist()
        rows = Dispatch.apply(x.to(self.dtype), token, slot, c.top_k)
        gate_up = GroupedMatmul.apply(rows, gate_up.view(c.experts, -1, c.d), counts)
        hidden = swiglu(gate_up, weight.view(-1, 1).index_select(0, order))
        y = Combine.apply(GroupedMatmul.apply(hidden, down, counts), token, slot, c.top_k)
        share = load / load.sum()
        stats["balance"].append(c.experts * (share * probs.mean(0)).sum())
        stats["z"].append(logits.logsumexp(-1).square().mean())
        mass = weight.sum(-1)
        stats["sharp"].append(-mass.log().mean())
        stats["mass"].append(mass.mean())
        stats["load"].append(share)
        stats["probs"].append(probs.mean(0))
        return y

    def forward(self, tokens, dropout=0.0):
        """Final hidden states [batch, seq, d] in the compute type, and lists of router statistics by layer."""
        c, (b, t) = self.config, tokens.shape
        half = c.d // c.heads // 2
        angle = torch.arange(t)[:, None, None] * c.theta ** (-torch.arange(half) / half)
        rope = angle.cos(), angle.sin()
        mask = torch.full((t, t), float("-inf")).triu(1)
        low = [p.to(self.dtype).unbind(0) for p in (self.qkv, self.out, self.gate_up, self.down)]
        stats = {name: [] for name in ("balance", "z", "sharp", "mass", "load", "probs")}
        h = F.embedding(tokens, self.embed)
        for i, (qkv, out, gate_up, down) in enumerate(zip(*low)):
            x = rms_norm(h, self.attn_norm[i], c.eps, self.dtype)
            y = self.attention(x, qkv, out, self.q_norm[i], self.k_norm[i], rope, mask)
            h = h + F.dropout(y, dropout, dropout > 0)
            x = rms_norm(h, self.ffn_norm[i], c.eps, torch.float32).view(-1, c.d)
            y = self.moe(x, self.router[i], gate_up, down, stats)
            h = h + F.dropout(y, dropout, dropout > 0).view(b, t, c.d)
        return rms_norm(h, self.final_norm, c.eps, self.dtype), stats

    def loss(self, rows, dropout=0.0):
        """Mean next-token loss of rows [batch, seq + 1], and the router statistics."""
        h, stats = self(rows[:, :-1], dropout)
        target = rows[:, 1:].reshape(-1)
        return HeadLoss.apply(h.view(-1, self.config.d), self.head.to(self.dtype), target), stats
