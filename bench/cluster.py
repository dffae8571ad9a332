"""A standalone cluster of Spark on this machine, with one core per worker."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HOST = "127.0.0.1"
#: Seconds to wait until the workers have registered.
PATIENCE = 60.0
_CLASSES = "org.apache.spark.deploy"


@contextmanager
def standalone(workers: int, memory: str = "2g") -> Iterator[str]:
    """Start a master and workers of one core, and yield the URL of the master.

    Each worker is bound to a CPU of its own, with its executors and their Python processes. Otherwise the threads of a JVM would use
    the cores of the others, and a worker alone would have more than one core. Master and driver are not bound.
    """
    cpus = sorted(os.sched_getaffinity(0))
    if workers > len(cpus):
        raise RuntimeError(f"{workers} workers need as many cores, and this machine has {len(cpus)}")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    url = f"spark://{HOST}:{port}"
    place = ["--host", HOST, "--webui-port", "0"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmlrs-cluster-")))
        log = folder / "master.log"
        stack.enter_context(_daemon(["master.Master", *place, "--port", str(port)], log))
        _await(log, "Starting Spark master")
        for number in range(workers):
            own = folder / f"worker-{number}"
            command = [
                "worker.Worker",
                *place,
                "--cores",
                "1",
                "--memory",
                memory,
                "--work-dir",
                str(own),
                url,
            ]
            stack.enter_context(_daemon(command, folder / f"worker-{number}.log", {cpus[number]}))
        for number in range(workers):
            _await(folder / f"worker-{number}.log", "Successfully registered with master")
        yield url


@contextmanager
def _daemon(command: list[str], log: Path, cpus: set[int] | None = None) -> Iterator[None]:
    """Run a daemon of Spark, and stop it after the block."""
    name, *arguments = command

    with log.open("wb") as file:
        process = subprocess.Popen(
            [_spark_class(), f"{_CLASSES}.{name}", *arguments],
            stdout=file,
            stderr=file,
            env={**os.environ, "SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "512m"},
        )
    if cpus is not None:
        os.sched_setaffinity(process.pid, cpus)  # before the shell becomes a JVM, whose threads inherit it
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _spark_class() -> str:
    import pyspark

    return str(Path(pyspark.__file__).parent / "bin" / "spark-class")


def _await(log: Path, text: str) -> None:
    until = time.monotonic() + PATIENCE
    while text not in (written := log.read_text(errors="replace")):
        if time.monotonic() > until:
            raise RuntimeError(f"no {text!r} within {PATIENCE:g} s:\n{written[-2000:]}")
        time.sleep(0.2)
