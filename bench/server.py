"""A process that runs named jobs on request, so that two environments or two builds can take turns."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Server", "serve"]


def serve(jobs: Mapping[str, Callable[[], object]], about: str) -> None:
    """Print the names of the jobs and a text about this process. Then run the job of each line of the input."""
    print(json.dumps([list(jobs), about]), flush=True)
    for line in sys.stdin:
        job = jobs[line.strip()]
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


class Server:
    """A process that calls `serve`.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    environment : dict
        Its environment.
    folder : str
        Its current folder.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
        self._program = command[0]
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.jobs: list[str]
        self.about: str
        self.jobs, self.about = self._answer()

    def _answer(self) -> list:  # type: ignore[type-arg]
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._program} ended with status {self._process.wait()}")
        answer: list = json.loads(line)  # type: ignore[type-arg]
        return answer

    def run(self, job: str) -> tuple[float, float]:
        """Run a job and return its CPU and wall seconds; those of child processes count as wall time only."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{job}\n")
        self._process.stdin.flush()
        cpu, wall = self._answer()
        return cpu, wall

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
