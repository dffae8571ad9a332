"""What importing the package costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench.measure import Figure, Setting

#: Prints the seconds that the import took and the number of Java processes below this one.
PROBE = """
import time
start = time.perf_counter()
import mmlrs
took = time.perf_counter() - start
import pathlib
children = pathlib.Path("/proc/self/task").glob("*/children")
pids = [pid for child in children for pid in child.read_text().split()]
print(took, sum("java" in pathlib.Path(f"/proc/{pid}/comm").read_text() for pid in pids))
"""


def startup(setting: Setting) -> Iterator[Figure]:
    """`import mmlrs` in a fresh interpreter."""
    runs = []
    for _ in range(setting.pairs(9) + 1):
        done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
        took, machines = done.stdout.split()
        runs.append((float(took), int(machines)))
    warm = [took for took, _ in runs[1:]]
    yield Figure(
        "`import mmlrs`",
        statistics.median(warm),
        "s",
        0.3,
        at_least=False,
        detail=f"{len(warm)} interpreters",
    )
    yield Figure("JVMs started by `import mmlrs`", max(count for _, count in runs), "", 0, at_least=False)
