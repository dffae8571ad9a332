"""What it costs to answer one row: in a process, over HTTP, and from the start of a process."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.compiled import FITTED, LABEL, learners, people, pipeline
from bench.measure import Figure, Setting, required
from bench.session import CORES, spark_session

ROOT = Path(__file__).resolve().parents[1]
CALLS = 2000
SPARK_CALLS = 30
THREADS = 8

#: Loads a model, answers a row, and prints when, and how many Java processes it has started.
FIRST = """
import sys
{block}
import json, time
from mmlrs.compiled import CompiledModel
CompiledModel.load(sys.argv[1]).predict_one(json.loads(sys.argv[2]))
now = time.time()
import pathlib
children = pathlib.Path("/proc/self/task").glob("*/children")
pids = [pid for child in children for pid in child.read_text().split()]
print(now, sum("java" in pathlib.Path("/proc/" + pid + "/comm").read_text() for pid in pids))
"""
#: Hides an installed pyspark, as if the environment had none.
BLOCK = 'sys.modules["pyspark"] = None'


def latencies(work: Callable[[], object], calls: int) -> list[float]:
    """Return the milliseconds of calls, after a few that do not count."""
    times = []
    for call in range(calls + calls // 10):
        start = time.perf_counter()
        work()
        if call >= calls // 10:
            times.append(1e3 * (time.perf_counter() - start))
    return times


def one_row(model: Any, fitted: Any, frame: Any, row: dict[str, Any], setting: Setting) -> Iterator[Figure]:
    """Compare the answer for one row with that of Spark, whose DataFrame is made once."""
    calls = CALLS // 10 if setting.quick else CALLS
    scored = fitted.transform(frame).select("prediction", "probability")
    [theirs] = scored.collect()
    ours = model.predict_one(row)
    if (
        ours["prediction"] != theirs.prediction
        or max(abs(ours["probability"] - theirs.probability.toArray())) > 1e-9
    ):
        raise AssertionError("the answers differ")
    here = statistics.median(latencies(lambda: model.predict_one(row), calls))
    there = statistics.median(
        latencies(
            lambda: fitted.transform(frame).select("prediction", "probability").collect(),
            SPARK_CALLS // (3 if setting.quick else 1),
        )
    )
    detail = f"{here:.3f} ms against {there:.1f} ms with Spark's transform and collect on local[{CORES}]"
    yield Figure(
        "one row: predict_one of a compiled pipeline with logistic regression",
        there / here,
        target=100.0,
        detail=detail,
    )
    yield Figure("its latency", here, "ms", 1.0, at_least=False, detail=f"median of {calls:,} calls")


@contextmanager
def service(path: str) -> Iterator[int]:
    """Run examples/service.py with a saved model in a process of its own, and yield its port."""
    required("uvicorn")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "service:app", "--app-dir", str(ROOT / "examples")]
    command += ["--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, env={**os.environ, "MODEL": path}, cwd=ROOT)
    try:
        for _ in range(600):
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/health")
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        else:
            raise RuntimeError("the service did not start")
        yield port
    finally:
        server.terminate()
        server.wait(30)


def requests(port: int, body: bytes, calls: int) -> list[float]:
    """Return the milliseconds of requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask() -> None:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise AssertionError(response.read())
        response.read()

    times = latencies(ask, calls)
    connection.close()
    return times


def over_http(path: str, row: dict[str, Any], setting: Setting) -> Iterator[Figure]:
    """Ask a service of plain ASGI, from one thread and from eight."""
    calls = CALLS // 10 if setting.quick else CALLS
    body = json.dumps(row).encode()
    with service(path) as port:
        alone = statistics.median(requests(port, body, calls))
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(lambda _: requests(port, body, calls // THREADS), range(THREADS)))
        took = time.perf_counter() - start
        every = [one for times in together for one in times]
        answered = THREADS * (calls // THREADS + calls // THREADS // 10)
    yield Figure(
        "the same over HTTP: examples/service.py with uvicorn",
        alone,
        "ms",
        detail=f"median of {calls:,} requests",
    )
    yield Figure(
        f"the same from {THREADS} threads",
        statistics.median(every),
        "ms",
        detail=f"{answered / took:,.0f} requests a second, client and server on {CORES} cores",
    )


def first(path: str, row: dict[str, Any], block: str) -> tuple[float, int]:
    """Return the seconds from the start of a process to its first prediction, and the number of its Java processes."""
    program = FIRST.replace("{block}", block)
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", program, path, json.dumps(row)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    now, machines = done.stdout.split()
    return float(now) - start, int(machines)


def start_of_a_process(path: str, row: dict[str, Any], setting: Setting) -> Iterator[Figure]:
    """Start processes that load a model and answer a row. The first one, which fills the disk cache, does not count."""
    for what, block, target in (("", BLOCK, 0.5), (", pyspark is installed", "", None)):
        runs = [first(path, row, block) for _ in range(setting.pairs(9) + 1)][1:]
        took = statistics.median(seconds for seconds, _ in runs)
        yield Figure(
            f"start of a process to the first prediction{what}",
            took,
            "s",
            target,
            at_least=False,
            detail=f"{len(runs)} processes",
        )
        yield Figure(f"JVMs that it starts{what}", max(count for _, count in runs), "", 0, at_least=False)


def serve(setting: Setting) -> Iterator[Figure]:
    """One row of a compiled pipeline: against Spark, over HTTP, and from the start of a process."""
    import mmlrs

    sample = people(FITTED)
    with spark_session() as spark, tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        fitted = pipeline(sample, learners()["logistic regression"]).fit(spark.createDataFrame(sample))
        model = mmlrs.compile(fitted, outputCols=["prediction", "probability", "predictedLabel"])
        path = str(Path(folder) / "model")
        model.save(path)
        frame = sample.drop(columns=LABEL).head(1)
        row = {str(name): value for name, value in frame.iloc[0].to_dict().items()}
        yield from one_row(model, fitted, spark.createDataFrame(frame), row, setting)
        yield from over_http(path, row, setting)
        yield from start_of_a_process(path, row, setting)
