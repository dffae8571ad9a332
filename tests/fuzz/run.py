"""Mutated input for every kind of file and table that mmlrs reads.

`make fuzz SECONDS=60` runs each target for so long, `TARGET=name` only one, `SEED=n` other input. What is found lies in
`target/fuzz`, one folder each, with the smallest input that shows it; `python tests/fuzz/run.py --replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pickle
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1]))
os.environ |= {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}  # forks are safe where nothing has threads
os.environ["RUST_BACKTRACE"] = "0"  # where a panic is, and not how it came there: a trace takes seconds

import pandas as _  # noqa: E402, F401, ICN001 - pyarrow does it when rows become a table, else in every child anew
from loop import Found, Report, broken_by, fuzz, pickled  # noqa: E402

FOUND = HERE.parents[1] / "target" / "fuzz"


def target_names() -> list[str]:
    return sorted(file.stem for file in (HERE / "targets").glob("[a-z]*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", choices=target_names(), help="only this one")
    parser.add_argument("--seconds", type=float, help="how long each target runs; default 60")
    parser.add_argument("--short", action="store_true", help="a few fixed executions of each target")
    parser.add_argument("--seed", type=int, default=0, help="chooses other input")
    parser.add_argument("--folder", type=Path, default=FOUND, help="where to write what is found")
    parser.add_argument("--replay", type=Path, help="run the input of a finding in this process")
    given = parser.parse_args()
    if given.replay:
        return replay(given.replay)
    reports = []
    for name in given.target or target_names():
        target = importlib.import_module(f"targets.{name}")
        if given.short:
            report = fuzz(target, given.seed, seconds=None, executions=target.SHORT)
        else:
            report = fuzz(target, given.seed, seconds=given.seconds or 60.0, executions=None)
        reports.append(report)
        print(line(report), flush=True)
        for found in report.found.values():
            print(f"    {found.times} x {found.key}\n      {keep(found, given.folder)}", flush=True)
    return 1 if any(report.found for report in reports) else 0


def line(report: Report) -> str:
    rate = report.executions / max(report.seconds, 1e-3)
    kinds = len(report.found)
    return f"{report.target:12} {report.executions:9,} executions  {rate:9,.0f}/s  {kinds} findings"


def keep(found: Found, folder: Path) -> Path:
    """Write a finding down; returns its file of input."""
    short = hashlib.sha256(found.key.encode()).hexdigest()[:8]
    place = folder / f"{found.target}-{short}"
    place.mkdir(parents=True, exist_ok=True)
    head = f"{found.key}\ntarget {found.target}, seed {found.seed}, batch {found.batch}\n\n"
    (place / "about.txt").write_text(f"{head}{found.text}\n\n{found.items!r:.20000}\n", errors="replace")
    (place / "input.pickle").write_bytes(pickled((found.target, found.items)))
    return place / "input.pickle"


def replay(file: Path) -> int:
    name, items = pickle.loads(file.read_bytes())
    wrong = broken_by(importlib.import_module(f"targets.{name}"), items)
    print("nothing is wrong" if wrong is None else wrong[1])
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
