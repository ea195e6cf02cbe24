"""Trains the demo model: train.py --mmlu DIR --out DIR [--minutes M] [--tokens N]; run again to resume."""

import argparse
import csv
import time
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

import data
from model import Config, Model
from muon import Optimizer

ROW = 512


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mmlu", required=True, help="folder with test/ and dev/")
    parser.add_argument("--out", required=True, type=Path, help="tokenizer.json, checkpoint.pt and log.csv go here")
    parser.add_argument("--minutes", type=float, default=90, help="end after this much training time")
    parser.add_argument("--tokens", type=float, default=1e9, help="... or after this many tokens")
    parser.add_argument("--batch", type=int, default=8, help="rows of 512 tokens a step")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=0.01)
    parser.add_argument("--router-lr", type=float, default=0.004)
    parser.add_argument("--router-std", type=float, default=0.15)
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay, not on router and norms")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--balance", type=float, default=0.01, help="coefficient of the load-balancing loss")
    parser.add_argument("--z", type=float, default=1e-4, help="coefficient of the router z-loss")
    parser.add_argument("--sharp", type=float, default=0.05, help="coefficient of -log(executed routing mass)")
    parser.add_argument("--cooldown", type=float, default=0.4, help="last part of the run, learning rate falls to 0")
    parser.add_argument("--eval-every", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def make_optimizer(model, args):
    matrices = [model.qkv, model.out, model.gate_up, model.down]
    tables, norms = [model.embed, model.head], [p for n, p in model.named_parameters() if n.endswith("norm")]
    return Optimizer([(p, args.muon_lr, args.decay) for p in matrices],
                     [(p, args.adam_lr, args.decay) for p in tables] + [(p, args.adam_lr, 0.0) for p in norms]
                     + [(model.router, args.router_lr, 0.0)])


@torch.no_grad()
def evaluate(model, rows, batch=8):
    """Mean loss over rows, executed mass by layer, load entropy by layer relative to the uniform load's."""
    loss, mass, load = 0.0, 0.0, 0.0
    rows = rows[:len(rows) // batch * batch]
    for part in rows.split(batch):
        part_loss, stats = model.loss(part)
        loss += part_loss.item() * len(part)
        mass += torch.stack(stats["mass"]) * len(part)
        load += torch.stack(stats["load"]) * len(part)
    load = load / len(rows)
    entropy = -(load * load.clamp_min(1e-12).log()).sum(1) / torch.tensor(float(load.shape[1])).log()
    return loss / len(rows), mass / len(rows), entropy


def load_tokenizer(args, questions, vocab):
    path = args.out / "tokenizer.json"
    if not path.exists():
        data.train_tokenizer(questions, vocab).save(str(path))
    return Tokenizer.from_file(str(path))


class Log:
    """log.csv, continued when a run is resumed."""

    def __init__(self, path, config):
        new = not path.exists()
        self.file = open(path, "a", newline="")
        self.writer = csv.writer(self.file)
        if new:
            self.writer.writerow(["step", "tokens", "minutes", "rate", "train_loss", "held_out_loss"]
                                 + [f"mass_{i}" for i in range(config.layers)]
                                 + [f"load_entropy_{i}" for i in range(config.layers)])

    def write(self, step, tokens, elapsed, figures):
        row = [step, tokens, f"{elapsed / 60:.2f}"] + [f"{x:.4f}" for x in figures]
        self.writer.writerow(row)
        self.file.flush()
        print(*row, flush=True)


def save(path, model, optimizer, **counters):
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": vars(model.config)}
    torch.save(state | counters, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def resume(path, model, optimizer):
    """Step, tokens and seconds of the checkpoint, whose state is loaded; zeros where there is none."""
    if not path.exists():
        return 0, 0, 0.0
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], saved["tokens"], saved["elapsed"]


def objective(model, rows, args):
    """The cross-entropy, and the sum that is minimised; the router losses are means over the layers."""
    loss, stats = model.loss(rows, args.dropout)
    mean = lambda name: sum(stats[name]) / model.config.layers
    return loss, loss + args.balance * mean("balance") + args.z * mean("z") + args.sharp * mean("sharp")


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    config = Config(router_std=args.router_std)
    train, held = data.split_questions(data.read_questions(args.mmlu))
    tokenizer = load_tokenizer(args, train, config.vocab)
    held_rows = torch.from_numpy(data.held_out_rows(tokenizer, held, ROW)[0])
    model = Model(config)
    optimizer = make_optimizer(model, args)
    checkpoint = args.out / "checkpoint.pt"
    step, tokens, elapsed = resume(checkpoint, model, optimizer)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(train)} training questions, "
          f"{len(held)} held out, from step {step}", flush=True)
    log = Log(args.out / "log.csv", config)
    stream = islice(data.epoch_stream(tokenizer, train, ROW, args.seed), step * args.batch, None)
    part_done = lambda: max(elapsed / (60 * args.minutes), tokens / args.tokens)
    start, recent = time.time() - elapsed, []
    while part_done() < 1:
        rate = min(1.0, (step + 1) / 50, (1 - part_done()) / args.cooldown)
        rows = torch.stack([torch.from_numpy(r) for r in islice(stream, args.batch)])
        loss, total = objective(model, rows, args)
        total.backward()
        optimizer.step(rate)
        step, tokens, elapsed = step + 1, tokens + rows[:, 1:].numel(), time.time() - start
        recent.append(loss.item())
        if step % args.eval_every == 0 or part_done() >= 1:
            held_loss, mass, entropy = evaluate(model, held_rows if part_done() >= 1 else held_rows[::4])
            log.write(step, tokens, elapsed,
                      [rate, sum(recent) / len(recent), held_loss, *mass.tolist(), *entropy.tolist()])
            save(checkpoint, model, optimizer, step=step, tokens=tokens, elapsed=elapsed)
            recent = []


if __name__ == "__main__":
    main()
