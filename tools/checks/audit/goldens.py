#!/usr/bin/env python3
"""Checks `import` and `audit` against the shared statistics: every golden table within 1e-9 (sets, ranks and booleans
exactly), every reference output to the byte.

    tools/checks/audit/goldens.py PROGRAM SHARED

PROGRAM is the committee-audit binary, SHARED the folder with goldens/, mmlu/ and routing/. Needs Python only."""
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile

EXACT = {"committee", "core", "rank", "candidate", "in_committee", "used_experts", "size", "core_size", "samples"}
KEYS = ["layer", "domain", "expert", "domain_a", "domain_b", "share_of_experts"]


def run(program, *args):
    result = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, args))}: {result.stderr}")


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key(row):
    names = tuple(sorted(row[k] for k in ("domain_a", "domain_b") if k in row))
    plain = tuple(row[k] for k in ("layer", "domain", "expert") if k in row)
    point = (round(float(row["share_of_experts"]), 9),) if "share_of_experts" in row else ()
    return plain + names + point


def agrees(column, found, wanted):
    if found == "" or wanted == "":
        return found == wanted
    if column in ("committee", "core"):
        return found == wanted
    a, b = float(found), float(wanted)
    return a == b if column in EXACT else abs(a - b) <= 1e-9 * max(1.0, abs(b))


def compare(found_folder, wanted_folder):
    cells = bad = 0
    worst = 0.0
    for path in sorted(pathlib.Path(wanted_folder).glob("*.csv")):
        found = {key(row): row for row in table(found_folder / path.name)}
        wanted = table(path)
        if len(found) != len(wanted):
            print(f"  {path.name}: {len(found)} rows, {len(wanted)} wanted")
            bad += 1
        for row in wanted:
            other = found.get(key(row))
            for column, value in row.items():
                if column in KEYS:
                    continue
                cells += 1
                if other is None or not agrees(column, other[column], value):
                    bad += 1
                    if bad <= 10:
                        print(f"  {path.name} {key(row)} {column}: {other and other[column]}, {value} wanted")
                elif value and column not in ("committee", "core"):
                    worst = max(worst, abs(float(other[column]) - float(value)) / max(1.0, abs(float(value))))
    print(f"  {cells} cells, {bad} differ, worst {worst:.1e}")
    return bad == 0


def statistics(program, shared, scratch):
    print("synthetic")
    goldens = shared / "goldens/statistics"
    run(program, "import", "--from", "npy", "--k", 4, goldens / "synthetic/input", "-o", scratch / "synthetic")
    quick = ["--bootstrap", 0, "--permutations", 0, "--expert-shuffles", 0]
    run(program, "audit", scratch / "synthetic", "-o", scratch / "synthetic-audit", *quick)
    good = compare(scratch / "synthetic-audit", goldens / "synthetic/expected")

    print("mixtral-category")
    categories = json.loads((shared / "mmlu/subject_categories.json").read_text())
    (scratch / "domains.json").write_text(json.dumps(subject_map(categories)))
    run(program, "import", "--from", "npy", "--k", 2, shared / "routing/mixtral-8x7b-mmlu", "-o", scratch / "mixtral")
    run(program, "audit", scratch / "mixtral", "-o", scratch / "mixtral-audit", "--domains", scratch / "domains.json", *quick)
    return compare(scratch / "mixtral-audit", goldens / "mixtral-category") and good


def subject_map(categories):
    """subject -> category from the file's two levels, whichever way they are nested."""
    subcategories, top = categories["subcategories"], categories["categories"]
    category_of = {sub: name for name, subs in top.items() for sub in subs}
    return {subject: category_of[subs[0] if isinstance(subs, list) else subs] for subject, subs in subcategories.items()}


def references(program, shared, scratch):
    good = total = 0
    for path in sorted((shared / "routing/reference_outputs").glob("*.csv")):
        name, k, presence = re.fullmatch(r"(.+?)\.k(\d+|inferred)(?:\.presence([\d.]+))?\.csv", path.name).groups()
        args = ["audit", shared / f"routing/tables/{name}.csv", "-o", scratch / path.stem, "--eci", "reference"]
        args += ["--k", k] if k != "inferred" else []
        args += ["--presence-ratio", presence] if presence else []
        run(program, *args)
        same = (scratch / path.stem / "reference.csv").read_bytes() == path.read_bytes()
        good += same
        total += 1
        if not same:
            print(f"  {path.name} differs")
    print(f"reference outputs: {good} of {total} equal to the byte")
    return good == total


def reference_trace(program, shared, scratch):
    golden = shared / "goldens/statistics/reference-trace"
    run(program, "import", "--from", "npy", "--k", 6, "--rows", "distribution", golden / "input", "-o", scratch / "rt")
    good = True
    for name, args in (("reference.csv", []), ("reference.presence0.5.csv", ["--presence-ratio", "0.5"])):
        out = scratch / ("rt-" + name)
        run(program, "audit", scratch / "rt", "-o", out, "--eci", "reference", "--k", 6, *args)
        good = good and (out / "reference.csv").read_bytes() == (golden / "expected" / name).read_bytes()
    found, wanted = table(scratch / "rt-reference.csv/reference_table.csv"), table(golden / "expected/table.csv")
    for row, other in zip(found, wanted, strict=True):
        good = good and all(row[c] == other[c] for c in ("domain", "idx", "topk_values", "topk_indices"))
        good = good and abs(float(row["topk_mean"]) - float(other["topk_mean"])) <= 1e-6
    print("reference-trace:", "equal" if good else "DIFFERS")
    return good


def main():
    program, shared = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        results = [check(program, shared, scratch) for check in (statistics, references, reference_trace)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
