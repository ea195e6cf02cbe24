"""Figures of a trained demo model on the held-out questions: report.py --mmlu DIR --run DIR --svg FILE."""

import argparse
import csv
import math
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import data
from export import load
from train import ROW

WIDTH, HEIGHT, LEFT, TOP = 640, 320, 52, 20


def unigram(counts, targets):
    return (counts[targets] + 1) / (counts.sum() + len(counts))


def baselines(train_ids, rows, vocab):
    """Losses [n, seq] of a unigram (add-one) and a Witten-Bell interpolated bigram at the same tokens."""
    before, after = rows[:, :-1], rows[:, 1:]
    counts = np.bincount(train_ids, minlength=vocab)
    pairs, times = np.unique(train_ids[:-1] * vocab + train_ids[1:], return_counts=True)
    seen = np.bincount(train_ids[:-1], minlength=vocab)
    kinds = np.bincount(pairs // vocab, minlength=vocab)
    wanted = before * vocab + after
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    together = np.where(pairs[at] == wanted, times[at], 0)
    p1 = unigram(counts, after)
    p2 = (together + kinds[before] * p1) / np.maximum(seen[before] + kinds[before], 1)
    return -np.log(p1), -np.log(np.where(seen[before] > 0, p2, p1))


@torch.no_grad()
def losses(model, rows, batch=8):
    """Losses [n, seq], and by layer: executed mass, mean distribution [E], load shares [E]."""
    out, mass, probs, load = [], 0.0, 0.0, 0.0
    for part in rows.split(batch):
        hidden, stats = model(part[:, :-1])
        for h, target in zip(hidden, part[:, 1:]):
            out.append(torch.nn.functional.cross_entropy(h @ model.head.t(), target, reduction="none"))
        share = len(part) / len(rows)
        mass += torch.stack(stats["mass"]) * share
        probs += torch.stack(stats["probs"]) * share
        load += torch.stack(stats["load"]) * share
    return torch.stack(out).numpy(), mass.numpy(), probs.numpy(), load.numpy()


def gini(values):
    v = np.sort(values)
    n = len(v)
    return float(((2 * np.arange(1, n + 1) - n - 1) * v).sum() / (n * v.sum()))


@torch.no_grad()
def letters(model, tokenizer, questions):
    """Share of questions whose right letter has the largest logit after "Answer:" (no examples)."""
    ids = [tokenizer.encode(" " + letter).ids[-1] for letter in data.LETTERS]
    right = 0
    for q in questions:
        prompt = tokenizer.encode(data.header(q.subject) + data.template(q)[:-2]).ids
        hidden, _ = model(torch.tensor([prompt]))
        right += int((model.head[ids] @ hidden[0, -1]).argmax()) == q.answer
    return right / len(questions)


def svg(log, lines):
    """The loss curve; `lines` are horizontal ones (name, loss)."""
    tokens = [float(r["tokens"]) / 1e6 for r in log]
    curves = [("training", "train_loss", "#8a8a8a", 10), ("held out", "held_out_loss", "#1f5fbf", -2)]
    low = math.floor(min(float(r[c]) for r in log for _, c, *_ in curves) * 2) / 2
    high = math.ceil(max([v for _, v in lines] + [float(r[c]) for r in log for _, c, *_ in curves]) * 2) / 2
    x = lambda t: LEFT + t / tokens[-1] * (WIDTH - LEFT - 90)
    y = lambda v: TOP + (high - v) / (high - low) * (HEIGHT - TOP - 40)
    text = lambda px, py, s, extra="": f'<text x="{px:.1f}" y="{py:.1f}" {extra}>{s}</text>'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="11">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for i in range(int((high - low) * 2) + 1):
        v = low + i / 2
        out.append(f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - 90}" stroke="#e4e4e4"/>')
        out.append(text(LEFT - 6, y(v) + 4, f"{v:.1f}", 'text-anchor="end"'))
    for t in range(0, int(tokens[-1]) + 1, max(1, int(tokens[-1] / 8))):
        out.append(text(x(t), HEIGHT - 22, t, 'text-anchor="middle"'))
    for name, v in lines:
        out.append(f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - 90}" stroke="#c0392b" stroke-dasharray="4 3"/>')
        out.append(text(WIDTH - 86, y(v) + 4, name))
    for name, column, colour, shift in curves:
        points = " ".join(f"{x(t):.1f},{y(float(r[column])):.1f}" for t, r in zip(tokens, log))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        out.append(text(WIDTH - 86, y(float(log[-1][column])) + shift, name, f'fill="{colour}"'))
    out.append(text((WIDTH - 40) / 2, HEIGHT - 6, "million tokens", 'text-anchor="middle"'))
    turned = f'text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})"'
    out.append(text(14, HEIGHT / 2, "loss (nats a token)", turned))
    return "\n".join(out + ["</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mmlu", required=True)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--svg", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.compiler.set_stance("force_eager")
    torch.set_num_threads(args.threads)
    model, saved = load(args.run)
    train, held = data.split_questions(data.read_questions(args.mmlu))
    tokenizer = Tokenizer.from_file(str(args.run / "tokenizer.json"))
    rows, content = data.held_out_rows(tokenizer, held, ROW)
    train_ids = data.encode(tokenizer, [data.header(q.subject) + data.template(q) for q in train])
    one, two = baselines(train_ids, rows, model.config.vocab)
    own, mass, probs, load_share = losses(model, torch.from_numpy(rows))
    print(f"step {saved['step']}, {saved['tokens']} tokens, {saved['elapsed'] / 60:.1f} minutes; held out: {len(held)} "
          f"questions, {content.size} predicted tokens, {content.sum()} of questions; training text {len(train_ids)}")
    print("| perplexity | all tokens | question tokens |\n|---|---|---|")
    for name, loss in ("model", own), ("bigram", two), ("unigram", one):
        print(f"| {name} | {math.exp(loss.mean()):.1f} | {math.exp(loss[content].mean()):.1f} |")
    print("| layer | executed mass | Gini of the mean distribution | load entropy | smallest load | largest load "
          "| loads under a tenth of the even one |")
    print("|---|---|---|---|---|---|---|")
    for i, (m, p, f) in enumerate(zip(mass, probs, load_share)):
        entropy = -(f * np.log(np.maximum(f, 1e-12))).sum() / math.log(len(f))
        print(f"| {i} | {m:.3f} | {gini(p):.3f} | {entropy:.3f} | {f.min():.4f} | {f.max():.4f} "
              f"| {(f < 0.1 / len(f)).sum()} |")
    print(f"letters: held out {letters(model, tokenizer, held):.3f} of {len(held)}, "
          f"seen in training {letters(model, tokenizer, train[::20]):.3f} of {len(train[::20])}")
    with open(args.run / "log.csv", newline="") as file:
        args.svg.write_text(svg(list(csv.DictReader(file)), [("bigram", two.mean()),
                                                             ("unigram", one.mean())]))


if __name__ == "__main__":
    main()
