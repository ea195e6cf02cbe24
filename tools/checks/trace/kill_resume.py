#!/usr/bin/env python3
"""Kills `committee-audit capture` at random moments, resumes it, and compares the result with an uninterrupted run.

    python tools/checks/trace/kill_resume.py PROGRAM MODEL DATA [--kills 1000] [--seed 1] [-- CAPTURE FLAGS]

A round captures into a new folder and kills the process again and again, each time after a random part of the time
that an uninterrupted capture takes, until a resumed run ends by itself. Every file must then be equal byte for byte.
Prints in which phase the kills fell (by what the folder held), and every difference.
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


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def phase(folder):
    """What a kill left."""
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


def capture(command, limit=None):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode != 0:
        sys.exit(f"capture failed: {errors}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments, flags = parser.parse_args(words[:cut]), words[cut + 1:]
    chance = random.Random(arguments.seed)
    phases, differences, rounds = collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        base = [arguments.program, "capture", arguments.model, "--data", arguments.data, *flags]
        whole = Path(scratch) / "whole"
        start = time.monotonic()
        capture([*base, "-o", str(whole)])
        duration = time.monotonic() - start
        wanted = digest(whole)
        while phases.total() < arguments.kills:
            out = Path(scratch) / "out"
            shutil.rmtree(out, ignore_errors=True)
            rounds += 1
            while not capture([*base, "-o", str(out), "--resume"], chance.uniform(0, 1.1 * duration)):
                phases[phase(out) if out.exists() else "before the folder"] += 1
            if digest(out) != wanted:
                differences += 1
                print(f"round {rounds}: differs in", sorted(set(digest(out).items()) ^ set(wanted.items())))
    print(f"{phases.total()} kills in {rounds} rounds of {duration:.2f} s, {differences} differences")
    for name, count in phases.most_common():
        print(f"  {count:5}  {name}")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
