"""Two workers: what their exchange costs beyond the computation, and their memory."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import data
from bench.ann import direct
from bench.ann.datasets import Rows, fashion
from bench.ann.pair import Pair, parameters
from bench.ann.perceptron import as_table
from bench.measure import Figure, Setting, seconds
from bench.processes import watch
from bench.server import Server
from bench.session import CORES

ROOT = Path(__file__).resolve().parents[2]
ROWS = 6_000
#: Iterations of the fits whose times are subtracted, and of the processes without Spark.
FEW, MANY, ITERATIONS = 2, 10, 4
REPEATS = 20
#: Maximum number of seconds of the program whose memory is measured.
TIMEOUT = 900.0
MEMORY_MB = 100.0


def _prepare(folder: Path, rows: Rows, sizes: tuple[int, ...], solver: str, counts: dict[str, int]) -> None:
    """Write the rows and the job for `bench.ann.spark_job`."""
    (folder / "data").mkdir()
    data.write(folder / "data", as_table(rows))
    (folder / "job.json").write_text(json.dumps({"sizes": sizes, "solver": solver, **counts}))


def _command(kind: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "bench.ann.spark_job", kind, str(folder)]


@dataclass
class Times:
    """Seconds of an iteration, run by run."""

    inside: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    def add(self, server: Server, history: Path) -> None:
        """Run a short and a long fit."""
        few, many = (seconds(partial(server.run, name)) for name in ("few", "many"))
        lines: list[dict[str, Any]] = json.loads(history.read_text())
        self.inside.append(statistics.median(line["seconds"] for line in lines))
        self.whole.append((many - few) / (MANY - FEW))


def _overheads(name: str, times: Times, limit: list[float]) -> Iterator[Figure]:
    """Yield what an iteration on Spark costs beyond that of the processes alone."""
    for what, found, target in (
        ("", times.inside, 0.15),
        (", with the starts of the jobs", times.whole, None),
    ):
        beyond = statistics.median(own - alone for own, alone in zip(found, limit, strict=True))
        yield Figure(
            f"iteration of two workers, {name}{what}: seconds beyond the computation",
            beyond,
            "s",
            target=target,
            at_least=False,
            detail=f"{statistics.median(found):.3f} s against {statistics.median(limit):.3f} s of two processes that train "
            f"alone at the same time, each on its half of the rows; {len(found)} pairs",
        )


def _rate(name: str, found: list[float], limit: list[float], target: float | None) -> Figure:
    ratio = statistics.median(alone / own for own, alone in zip(found, limit, strict=True))
    detail = f"{len(found)} pairs; 1 is the summed rate of two processes that train alone at the same time"
    return Figure(f"rows per second of two workers, exact, {name}", ratio, target=target, detail=detail)


def together(setting: Setting, sizes: tuple[int, ...], rows: Rows) -> Iterator[Figure]:
    """Yield what the exchange of two workers costs: of processes, on Spark and on Spark Connect."""
    description = direct.perceptron(sizes)
    names = {"classic": f"Spark local[{CORES}]", "connect": f"Spark Connect local[{CORES}]"}
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as where, Pair(description, rows) as pair:
        folder = Path(where)
        _prepare(folder, rows, sizes, "gd", {"few": FEW, "many": MANY})
        megabytes = 4e-6 * parameters(description)
        with (
            Server(_command("classic", folder), os.environ, str(ROOT)) as classic,
            Server(_command("connect", folder), os.environ, str(ROOT)) as connect,
        ):
            servers = {"classic": classic, "connect": connect}
            times = {kind: Times() for kind in servers}
            limit, pairs = [], []
            pair.alone(1)
            pair.together(1)
            for _ in range(setting.pairs(5)):
                alone = pair.alone(ITERATIONS)
                # The harmonic mean: the time of an iteration at the mean of both rates.
                limit.append(statistics.harmonic_mean(alone))
                pairs.append(pair.together(ITERATIONS))
                for kind, server in servers.items():
                    times[kind].add(server, folder / f"history-{kind}.json")
        for kind, name in names.items():
            yield from _overheads(name, times[kind], limit)
        yield _rate(names["classic"], times["classic"].inside, limit, 0.9)
        yield _rate("processes without Spark", pairs, limit, None)
        yield Figure(
            f"sum of {megabytes:.0f} MB over two processes on the loopback interface",
            statistics.median(pair.sum(REPEATS) for _ in range(setting.pairs(5))),
            "s",
            target=0.1,
            at_least=False,
        )


def memory(sizes: tuple[int, ...], rows: Rows) -> Iterator[Figure]:
    """Yield the peak memory of the largest of two workers that train with Adam, beyond its rows and 4 times the parameters."""
    count = parameters(direct.perceptron(sizes))
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as where:
        folder = Path(where)
        _prepare(folder, rows, sizes, "adam", {"many": 2})
        peaks, out = watch(_command("memory", folder), TIMEOUT)
    at_start = json.loads(out.splitlines()[-1])
    peak, own, held = peaks.worker * 1.024e-3, rows.x.nbytes / 2e6, 16e-6 * count
    idle = "what a worker has that has loaded mmlrs and does nothing"
    for more, beyond, target in (("", 0.0, MEMORY_MB), (f", and {idle}", at_start, None)):
        yield Figure(
            f"peak memory of a worker, Adam, {count / 1e6:.1f} million parameters, beyond its rows and 4 times the parameters{more}",
            peak - own - held - beyond,
            "MB",
            target=target,
            at_least=False,
            detail=f"{peak:.0f} MB, of which {own:.0f} MB are rows, {held:.0f} MB parameters, gradient and moments, {at_start:.0f} MB "
            f"{idle}",
        )


def workers(setting: Setting) -> Iterator[Figure]:
    """Two workers on 6,000 rows of Fashion-MNIST, 784-2500-2000-1500-1000-500-10: exchange, rate and memory."""
    sizes = direct.SMALL if setting.quick else direct.LARGE
    rows = fashion(ROWS // (5 if setting.quick else 1)).train
    yield from memory(sizes, rows)
    yield from together(setting, sizes, rows)
