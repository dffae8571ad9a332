"""Measures all that a request names: an application per number of executors, and several at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mmlrs.errors
from mmlrs._paths import is_remote, local_path
from mmlrs.errors import ExecutionError, IoError, MmlrsError
from mmlrs.examples.scaling.job import READY, Spec, check_count, is_picture
from mmlrs.examples.scaling.master import cpus_for, is_local
from mmlrs.examples.scaling.request import Request
from mmlrs.examples.scaling.runs import Run

if TYPE_CHECKING:
    from mmlrs._typing import Self

__all__ = ["Measured", "measure"]

#: Bytes of the log of an application in the error if it fails.
_TAIL = 2000


@dataclass(frozen=True)
class Measured:
    """The runs of some applications."""

    runs: list[Run]
    #: Seconds to list one picture in the driver, the least of the applications.
    listing: float


def measure(request: Request, done: Callable[[Measured], None] = lambda _: None) -> Measured:
    """Run all jobs of a request.

    Parameters
    ----------
    request : Request
        What to measure.
    done : callable, optional
        Is called with everything so far after each application, so that a later error loses nothing.

    Returns
    -------
    Measured
        The runs, and the time to list a picture.

    Raises
    ------
    ExecutionError
        The cluster does not give the executors in time, or an application fails.
    IoError
        The folder does not exist, or has no pictures or too few.
    ModelLoadError
        There is no such network.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.examples.scaling import Request, measure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     measure(Request("local[1]", folder, executors=[1]))
    Traceback (most recent call last):
        ...
    mmlrs.errors.IoError: scaling: param `images`: ... contains no pictures (.jpg, .png and the like)
    """
    _check_folder(request)
    runs: list[Run] = []
    listings: list[float] = []
    plans = [(count, 1) for count in request.executors]
    if request.together > 1:
        plans.insert(1, (request.executors[0], request.together))
    for executors, together in plans:
        for part in _at_once(request, executors, together):
            runs += part.runs
            listings.append(part.listing)
        done(Measured(runs, min(listings)))
    return Measured(runs, min(listings))


def _check_folder(request: Request) -> None:
    """Raise the error of a folder without pictures, or with too few, before Spark starts, where Spark reads the files of this machine too."""
    if not is_local(request.master) or is_remote(request.images):
        return
    folder = local_path(request.images)
    if not os.path.isdir(folder):
        raise IoError(f"scaling: param `images`: {folder} is not a folder; name one that contains pictures")
    count = sum(is_picture(name) for _, _, names in os.walk(folder) for name in names)
    check_count(folder, count, request.sizes)


def _at_once(request: Request, executors: int, together: int) -> list[Measured]:
    """Run equal applications at the same time. Their measured runs begin when all of them are warm."""
    with ExitStack() as stack:
        applications = []
        for place in range(together):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mmlrs-scaling-"))
            spec = Spec(
                master=request.master,
                images=os.fspath(request.images),
                model=request.model,
                executors=executors,
                cores=request.cores,
                together=together,
                sizes=list(map(int, request.sizes)),
                repeats=request.repeats,
                tasks_per_slot=request.tasks_per_slot,
                reading=together == 1 and executors == request.executors[0],
                wait=float(request.wait),
                conf=dict(request.conf),
                cpus=cpus_for(request.master, executors, place),
                folder=folder,
            )
            applications.append(stack.enter_context(_Process(spec)))
        for application in applications:
            application.await_ready()
        for application in applications:
            application.start()
        return [application.result() for application in applications]


class _Process:
    """The process of an application. Its output beside the protocol goes to a file."""

    def __init__(self, spec: Spec) -> None:
        self._folder = Path(spec.folder)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mmlrs.examples.scaling.job"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={"PYSPARK_PYTHON": sys.executable, **os.environ},
            )
        self._say(json.dumps(asdict(spec)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a line that the process has not read
                    pipe.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and `result` says why
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def await_ready(self) -> None:
        """Wait until the application is warm, or has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.rstrip() == READY:
                return

    def start(self) -> None:
        """Let the measured runs begin."""
        self._say("start")

    def result(self) -> Measured:
        """Wait for the end, and return the runs or raise the error of the application."""
        assert self._process.stdout is not None
        self._process.stdout.read()
        code = self._process.wait()
        path = self._folder / "result.json"
        if not path.exists():
            log = (self._folder / "log").read_bytes()[-_TAIL:].decode(errors="replace").strip()
            raise ExecutionError(f"scaling: an application ended with code {code}. Its last lines:\n{log}")
        stored = json.loads(path.read_text(encoding="utf-8"))
        if "error" in stored:
            raise _error(stored["error"], stored["message"])
        return Measured([Run.from_json(run) for run in stored["runs"]], stored["listing"])


def _error(name: str, message: str) -> MmlrsError:
    kind = getattr(mmlrs.errors, name, ExecutionError)
    error: MmlrsError = kind(message)
    return error
