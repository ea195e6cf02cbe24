#!/usr/bin/env python3
"""Kills `committee-audit capture` or `run` at random moments, resumes it, and compares the result with an uninterrupted
run.

    python tools/checks/trace/kill_resume.py PROGRAM MODEL [--data DATA] [--command capture|run] [--kills 1000] [--seed 1]
                                             [-- MORE FLAGS]

A round starts in a new folder and kills the process again and again, each time after a random part of the time that an
uninterrupted call takes, until a resumed one ends by itself. Every file must then be equal byte for byte. Without --data
the prompts are 1,500 made-up ones, 24 shards, in five domains whose prompts begin alike. Prints in which phase the
kills fell (by what the folder held), and every difference.
"""

import argparse
import collections
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = "the of and to in is that it for as with was on be by at this from are which or have an they not".split()


def make_prompts(path):
    chance = random.Random(3)
    text = lambda words: " ".join(chance.choice(WORDS) for _ in range(words))
    heads = [text(40) for _ in range(5)]
    with open(path, "w") as file:
        for i in range(1500):
            record = {"id": f"q{i}", "domain": f"d{i % 5}"}
            words = f"{heads[i % 5]} {text(chance.randint(2, 12))}"
            record |= {"question": words, "choices": ["yes", "no", "maybe"], "answer": i % 3} if i % 3 == 0 else {"text": words}
            file.write(json.dumps(record) + "\n")


def digest(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def trace_phase(folder):
    manifest = folder / "trace.json"
    if not manifest.exists():
        return "before the manifest"
    if json.loads(manifest.read_text())["complete"]:
        return "after the last manifest"
    if (folder / "samples.jsonl").exists() or (folder / "trace.json.partial").exists():
        return "finishing"
    if list(folder.glob("records-*.partial")):
        return "a shard open"
    return "between shards"


def phase(out, command):
    """What a kill left."""
    if not out.exists():
        return "before the folder"
    if command == "capture":
        return trace_phase(out)
    if (out / "report.html").exists():
        return "after the report"
    if (out / "report.html.partial").exists() or (out / "audit" / "audit.json").exists():
        return "report"
    if (out / "audit").exists():
        return "audit"
    return "trace: " + trace_phase(out / "trace")


def call(command, limit=None):
    """False where it was killed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode != 0:
        sys.exit(f"the call failed: {errors}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--data")
    parser.add_argument("--command", choices=["capture", "run"], default="capture")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments, flags = parser.parse_args(words[:cut]), words[cut + 1:]
    chance = random.Random(arguments.seed)
    phases, differences, rounds = collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or str(Path(scratch) / "prompts.jsonl")
        if not arguments.data:
            make_prompts(data)
        out = Path(scratch) / "out"
        base = [arguments.program, arguments.command, arguments.model, "--data", data, "-o", str(out), *flags]
        start = time.monotonic()
        call(base)
        duration = time.monotonic() - start
        wanted = digest(out)
        while phases.total() < arguments.kills:
            shutil.rmtree(out, ignore_errors=True)
            rounds += 1
            while not call([*base, "--resume"], chance.uniform(0, 1.1 * duration)):
                phases[phase(out, arguments.command)] += 1
            if digest(out) != wanted:
                differences += 1
                print(f"round {rounds}: differs in", sorted(set(digest(out).items()) ^ set(wanted.items())))
    print(f"{phases.total()} kills in {rounds} rounds of {duration:.2f} s, {differences} differences")
    for name, count in phases.most_common():
        print(f"  {count:5}  {name}")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
