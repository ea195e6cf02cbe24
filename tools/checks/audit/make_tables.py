#!/usr/bin/env python3
"""Writes the authors' tables in both layouts, as openpyxl and as a CSV hold them, for tests: make_tables.py FOLDER. Needs openpyxl."""
import csv
import pathlib
import sys

import openpyxl

DOMAINS = ["law, civil", "maths", 'so-called "logic"']


def weight(layer, domain, expert):
    return ((7 * layer + 3 * domain + 5 * expert) % 11 + 1) / 16


def long_rows():
    yield ["layer", "domain", "expert_idx", "expert_weight"]
    for layer in (1, 4):
        for at, domain in enumerate(DOMAINS):
            for expert in range(6):
                yield [layer, domain, expert, weight(layer, at, expert)]
    yield [4, "maths", 2, 1e-05]  # once more: such rows are averaged
    yield [4, "maths", -1, 0.5]   # padding


def list_rows():
    yield ["domain", "idx", "topk_mean", "topk_values", "topk_indices"]
    for layer in (1, 4):
        for at, domain in enumerate(DOMAINS):
            best = sorted(range(6), key=lambda expert: (-weight(layer, at, expert), expert))[:3]
            values = [weight(layer, at, expert) for expert in best]
            if at == 1:  # joined by commas, the last place padding
                yield [domain, layer, sum(values) / 3, "{}, {}, 0.0".format(*values), "{}, {}, -1".format(*best)]
            else:
                yield [domain, layer, sum(values) / 3, str(values), str(best)]


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, rows in (("long", list(long_rows())), ("lists", list(list_rows()))):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        book = openpyxl.Workbook()
        sheet = book.active
        for row in rows:
            sheet.append(row)
        sheet.column_dimensions["A"].width = 20
        sheet["A1"].font = openpyxl.styles.Font(bold=True)
        book.create_sheet("notes").append(["not the table"])
        book.save(folder / f"{name}.xlsx")


if __name__ == "__main__":
    main()
