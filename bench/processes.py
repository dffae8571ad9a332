"""The memory of the processes of a Spark session, sampled from /proc while a separate program runs."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds between two samples.
INTERVAL = 0.05


@dataclass
class Peaks:
    """Peak values, in KiB."""

    #: Resident memory of the JVM.
    jvm: int = 0
    #: Resident memory of the largest Python worker.
    worker: int = 0
    #: The same, with shared pages divided among the processes that share them.
    worker_pss: int = 0
    #: Address space of the largest worker, which `spark.executor.pyspark.memory` limits.
    worker_space: int = 0
    #: All workers and the daemon that forks them, at the same time, with shared pages divided.
    workers_pss: int = 0
    #: Resident memory of the program itself, which is the client.
    client: int = 0
    #: Process ids of all workers.
    pids: set[int] = field(default_factory=set)


def children(pid: int) -> Iterator[int]:
    """Yield the running child processes of a process."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, task.read_text().split())
        except OSError:  # the thread has ended
            continue


def fields(pid: int, file: str, *names: str) -> list[int]:
    """Return the values of lines such as `VmHWM:  123 kB`; zeros if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return [0] * len(names)
    values = {line.partition(":")[0]: line for line in lines}
    return [int(values[name].split()[1]) if name in values else 0 for name in names]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kinds(program: int) -> tuple[list[int], list[int], list[int]]:
    """Return the JVMs, daemons and Python workers below the program. A worker is a process that a daemon forked."""
    machines: list[int] = []
    daemons: list[int] = []
    workers: list[int] = []
    waiting = [(child, False) for child in children(program)]
    while waiting:
        pid, forked = waiting.pop()
        words = command(pid)
        daemon = "pyspark.daemon" in words
        if daemon:
            (workers if forked else daemons).append(pid)
        elif words.split(" ", 1)[0].endswith("java"):
            machines.append(pid)
        waiting += [(child, daemon) for child in children(pid)]
    return machines, daemons, workers


def sample(program: int, peaks: Peaks) -> None:
    """Sample every process once."""
    machines, daemons, workers = kinds(program)
    for pid in machines:
        peaks.jvm = max(peaks.jvm, fields(pid, "status", "VmHWM")[0])
    # VmHWM is the kernel's own peak, so peaks between two samples are not missed. A forked process starts with a new peak.
    peaks.client = max(peaks.client, fields(program, "status", "VmHWM")[0])
    together = 0
    for pid in [*workers, *daemons]:
        (pss,) = fields(pid, "smaps_rollup", "Pss")
        together += pss
        if pid in workers:
            peaks.pids.add(pid)
            peaks.worker_pss = max(peaks.worker_pss, pss)
            resident, space = fields(pid, "status", "VmHWM", "VmPeak")
            peaks.worker = max(peaks.worker, resident)
            peaks.worker_space = max(peaks.worker_space, space)
    peaks.workers_pss = max(peaks.workers_pss, together)


def watch(arguments: Sequence[str], timeout: float) -> tuple[Peaks, str]:
    """Run a program and return its peaks and its output. If it fails, the error contains the end of its error output."""
    peaks = Peaks()
    over = threading.Event()
    program = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def look() -> None:
        while not over.wait(INTERVAL):
            sample(program.pid, peaks)

    thread = threading.Thread(target=look, name="memory")
    thread.start()
    try:
        out, err = program.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        program.kill()
        raise
    finally:
        over.set()
        thread.join()
    if program.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{err[-4000:]}")
    return peaks, out
