"""The cost of importing the package."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench.measure import Figure, Setting

#: `import mmlrs` loads a namespace when it is first used. The second statement measures the cost of the namespaces.
STATEMENTS = (("import mmlrs", 0.3), ("import mmlrs.image, mmlrs.onnx, mmlrs.stages", None))

#: Prints the time of the import in seconds and the number of Java child processes.
PROBE = """
import time
start = time.perf_counter()
{statement}
took = time.perf_counter() - start
import pathlib
children = pathlib.Path("/proc/self/task").glob("*/children")
pids = [pid for child in children for pid in child.read_text().split()]
print(took, sum("java" in pathlib.Path("/proc/" + pid + "/comm").read_text() for pid in pids))
"""


def startup(setting: Setting) -> Iterator[Figure]:
    """Imports, each in a fresh interpreter; the first one, which fills the disk cache, does not count."""
    for statement, target in STATEMENTS:
        runs = [probe(statement) for _ in range(setting.pairs(9) + 1)][1:]
        took = statistics.median(seconds for seconds, _ in runs)
        yield Figure(f"`{statement}`", took, "s", target, at_least=False, detail=f"{len(runs)} interpreters")
        yield Figure(f"JVMs started by `{statement}`", max(count for _, count in runs), "", 0, at_least=False)


def probe(statement: str) -> tuple[float, int]:
    """Return the seconds that a statement takes in a fresh interpreter, and the number of Java processes that it starts."""
    program = PROBE.replace("{statement}", statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, machines = done.stdout.split()
    return float(seconds), int(machines)
