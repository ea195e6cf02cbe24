"""Muon for stacked matrices, AdamW for the rest, in one optimiser."""

import torch


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration on a batch of matrices [batch, rows, cols], in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = (g.mT if tall else g).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.mT if tall else x).to(g.dtype)


class Optimizer:
    def __init__(self, muon, adam, momentum=0.95, betas=(0.9, 0.98), eps=1e-10):
        """muon, adam: lists of (parameter, learning rate, weight decay); decay is relative to the rate."""
        self.muon, self.adam = muon, adam
        self.momentum, self.betas, self.eps, self.steps = momentum, betas, eps, 0
        self.state = [[torch.zeros_like(p)] for p, _, _ in muon]
        self.state += [[torch.zeros_like(p), torch.zeros_like(p)] for p, _, _ in adam]

    @torch.no_grad()
    def step(self, scale):
        """One update with all learning rates times `scale`; clears the gradients."""
        self.steps += 1
        for (p, lr, decay), (m,) in zip(self.muon, self.state):
            m.lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp_(m, self.momentum)
            rows, cols = p.shape[-2:]
            update = orthogonalise(update.reshape(-1, rows, cols)) * max(1, rows / cols) ** 0.5
            p.mul_(1 - scale * lr * decay).add_(update.view_as(p), alpha=-scale * lr)
            p.grad = None
        b1, b2 = self.betas
        for (p, lr, decay), (m, v) in zip(self.adam, self.state[len(self.muon):]):
            m.lerp_(p.grad, 1 - b1)
            v.lerp_(p.grad.square(), 1 - b2)
            root = (v / (1 - b2**self.steps)).sqrt_().add_(self.eps)
            p.mul_(1 - scale * lr * decay).addcdiv_(m, root, value=-scale * lr / (1 - b1**self.steps))
            p.grad = None

    def state_dict(self):
        return {"steps": self.steps, "state": self.state}

    def load_state_dict(self, saved):
        self.steps = saved["steps"]
        for mine, theirs in zip(self.state, saved["state"]):
            for a, b in zip(mine, theirs):
                a.copy_(b)
