#!/usr/bin/env python3
"""The audit beside what people use today, in processor seconds of whole processes (user + system), results compared.

    bench/audit_baselines.py PROGRAM SHARED tables        # each reference output: PROGRAM against pandas
    bench/audit_baselines.py PROGRAM SHARED silhouette    # 14,042 samples: PROGRAM against scikit-learn
    bench/audit_baselines.py --pandas TABLE K GAMMA       # the pandas process itself

Needs pandas, and numpy and scikit-learn for `silhouette`."""
import math
import pathlib
import re
import resource
import subprocess
import sys
import tempfile


def seconds_of(arguments, times=1):
    """Least processor seconds of a process, and what it prints."""
    least = math.inf
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(list(map(str, arguments)), check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least, out


def listings(table, k):
    """(layer, domain) -> [(expert, weight)], best first."""
    import pandas as pd

    frame = pd.read_csv(table)
    if "expert_idx" not in frame:
        return {
            (row.idx, row.domain): list(zip(*(map(float, re.findall(r"[-\d.e]+", cell))
                                              for cell in (row.topk_indices, row.topk_values))))
            for row in frame.itertuples()
        }
    mean = frame.groupby(["layer", "domain", "expert_idx"], sort=False)["expert_weight"].mean().reset_index()
    mean = mean.sort_values(["layer", "domain", "expert_weight"], ascending=[True, True, False], kind="stable")
    if k:
        mean = mean.groupby(["layer", "domain"], sort=False).head(k)
    return {key: list(zip(group.expert_idx, group.expert_weight))
            for key, group in mean.groupby(["layer", "domain"], sort=False)}


def committees(table, k, gamma):
    """The committee of every layer and the share of the listed weight that it takes."""
    listed = listings(table, k)
    domains = {domain for _, domain in listed}
    k = k or max(map(len, listed.values()))
    needed = math.ceil(gamma * len(domains))
    result = {}
    for layer in sorted({layer for layer, _ in listed}):
        ranks, weight = {}, {}
        for (at, _), experts in listed.items():
            if at != layer:
                continue
            for rank, (expert, value) in enumerate(experts, 1):
                ranks.setdefault(int(expert), []).append(rank)
                weight[int(expert)] = weight.get(int(expert), 0) + value
        most = max(map(len, ranks.values()))
        candidates = {}
        for expert, seen in ranks.items():
            if len(seen) >= min(needed, most):
                every = seen + [k + 1] * (len(domains) - len(seen))
                mean = sum(every) / len(every)
                candidates[expert] = (mean, sum((r - mean) ** 2 for r in every) / len(every))
        front = [e for e, (m, v) in candidates.items()
                 if not any(a <= m and b <= v and (a < m or b < v) for a, b in candidates.values())]
        result[layer] = (sorted(front), sum(weight[e] for e in front) / sum(weight.values()))
    return result


def tables(program, shared):
    worst = math.inf
    for path in sorted((shared / "routing/reference_outputs").glob("*.csv")):
        name, k, gamma = re.fullmatch(r"(.+?)\.k(\d+|inferred)(?:\.presence([\d.]+))?\.csv", path.name).groups()
        table, k = shared / f"routing/tables/{name}.csv", 0 if k == "inferred" else int(k)
        with tempfile.TemporaryDirectory() as out:
            options = (["--k", k] if k else []) + ["--gamma", gamma or 0.8]
            ours, text = seconds_of([program, "audit", table, "--eci", "reference", "-o", out, "--overwrite", *options], 5)
        theirs, other = seconds_of([sys.executable, __file__, "--pandas", table, k, gamma or 0.8], 2)
        found = [sorted(map(int, re.findall(r"\d+", line.split('"')[1] if '"' in line else line.split(",")[1])))
                 for line in text.splitlines()[1:]]
        same = found == [[int(e) for e in line.split()[1:]] for line in other.splitlines()]
        worst = min(worst, theirs / ours)
        print(f"{path.stem}: {ours * 1e3:.1f} ms, pandas {theirs * 1e3:.0f} ms, {theirs / ours:.0f} times; "
              f"committees {'equal' if same else 'DIFFER'}")
    print(f"least {worst:.0f} times")


def silhouette(program, shared):
    import csv
    import time

    import numpy as np
    from sklearn.metrics import silhouette_samples

    folder = shared / "routing/mixtral-8x7b-mmlu"
    subjects = sorted(folder.glob("*.npy"))
    arrays = [np.load(path) for path in subjects]
    labels = np.repeat([path.stem for path in subjects], [len(a) for a in arrays])
    rows = np.concatenate(arrays).astype(np.float64)
    with tempfile.TemporaryDirectory() as scratch:
        trace, out = pathlib.Path(scratch, "trace"), pathlib.Path(scratch, "audit")
        seconds_of([program, "import", "--from", "npy", "--k", 2, folder, "-o", trace])
        ours, _ = seconds_of([program, "audit", trace, "-o", out, "--overwrite", "--threads", 1, "--bootstrap", 0,
                              "--permutations", 0, "--expert-shuffles", 0], 3)
        found = {(int(r["layer"]), r["domain"]): float(r["silhouette"])
                 for r in csv.DictReader((out / "specificity.csv").open())}
    worst, theirs, layers = 0.0, 0.0, (0, 15)
    for layer in layers:
        begin = time.process_time()
        values = silhouette_samples(rows[:, layer], labels, metric="cosine")
        theirs += (time.process_time() - begin) / len(layers)
        worst = max([worst] + [abs(found[layer, s] - values[labels == s].mean()) for s in set(labels)])
    per_layer = ours / rows.shape[1]
    print(f"{len(rows)} samples of {rows.shape[2]} experts, {len(subjects)} domains: the whole audit without replicates "
          f"{ours:.2f} s for {rows.shape[1]} layers ({per_layer * 1e3:.1f} ms a layer), scikit-learn's silhouettes "
          f"{theirs:.1f} s a layer: {theirs / per_layer:.0f} times; largest difference {worst:.1e}")


def main():
    if sys.argv[1] == "--pandas":
        for layer, (front, share) in committees(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])).items():
            print(layer, *front)
        return
    program, shared, what = sys.argv[1:4]
    {"tables": tables, "silhouette": silhouette}[what](program, pathlib.Path(shared))


if __name__ == "__main__":
    main()
