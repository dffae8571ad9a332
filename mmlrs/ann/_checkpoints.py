"""Checkpoints of a training: the state and the history after a job, from which a later fit goes on.

A checkpoint belongs to one training. Its folder is named after a fingerprint of everything that decides the result: the network, the
settings, the initial weights, the columns and the content of the rows. So a fit with other params or rows finds no checkpoint and leaves
those of others alone. `blockSize` and the number of workers are not part of it, because they change the result by rounding only, or
not in a way that a user chose; with `localSteps` the number of workers is.

A checkpoint is one file: a line of JSON, the pieces of the state, and the SHA-256 of all that.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmlrs import _native
from mmlrs._paths import is_remote, local_path, path_of
from mmlrs._places import atomic_file
from mmlrs._warnings import warn
from mmlrs.engine.training import Specification
from mmlrs.errors import InvalidParamError, IoError, MmlrsError

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs.engine.barrier_task import Chunk

__all__ = ["Checkpoint", "Checkpoints", "checkpoint_folder", "fingerprint"]

_FORMAT, _VERSION = "mmlrs.ann.checkpoint", 1
_FILE = "checkpoint"
_DIGEST_BYTES = 32
#: A checkpoint that takes long to write is written after so many times as long, not after each job.
_REST = 10.0


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Parameters
    ----------
    state : list of bytes
        The state in pieces.
    lines : list of dict
        The history.
    """

    state: list[bytes]
    lines: list[dict[str, Any]]


def checkpoint_folder(stage: Stage) -> str | None:
    """Return the folder of the param `checkpointDir`, after creating it, or None if the param is not set.

    Raises
    ------
    InvalidParamError
        The param is not a local path or a `file:` URI.
    IoError
        The folder cannot be created or written.
    """
    value = stage._value("checkpointDir")
    if value is None:
        return None
    where = f"{stage._stage}: param `checkpointDir`"
    path = path_of(value, where)
    if is_remote(path):
        raise InvalidParamError(
            f"{where} must be a folder of the driver's file system or a `file:` URI, got {path}; use a folder on a disk that "
            "outlives the driver, such as a network disk that is mounted"
        )
    folder = os.path.abspath(local_path(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise IoError(f"{where}: {folder} cannot be created: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise IoError(f"{where}: {folder} cannot be written: permission denied; use another folder")
    return folder


def fingerprint(specification: Specification, data: Any, workers: int) -> str:
    """Return a name for a training: equal ones have equal results. `data` is JSON that identifies the rows."""
    settings = json.loads(specification.settings)
    del settings["block_size"]  # it changes results by rounding only
    given = specification.parameters
    about = {
        "stage": specification.stage,
        "network": json.loads(specification.network),
        "settings": settings,
        "columns": json.loads(specification.columns),
        "parameters": None if given is None else hashlib.sha256(given).hexdigest(),
        "workers": workers if settings["local_steps"] else None,
        "data": data,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


class Checkpoints:
    """The checkpoint of one training.

    Parameters
    ----------
    specification : Specification
        The training, with the folder of its checkpoints.
    name : str
        The fingerprint of the training.
    clock : callable, default time.monotonic
        The time in seconds.
    """

    def __init__(
        self, specification: Specification, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert specification.checkpoints is not None, "there is a folder"
        self._specification, self._clock = specification, clock
        self._folder = os.path.join(specification.checkpoints, f"{specification.stage}-{name}")
        #: The file.
        self.path = os.path.join(self._folder, _FILE)
        self._next = -float("inf")

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint, with a warning that it is used, or None if there is none.

        A damaged one is not used, with a warning.

        Raises
        ------
        IoError
            The checkpoint cannot be read, or is from a newer version.
        """
        spec = self._specification
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise IoError(
                f"{spec.stage}: the checkpoint {self.path} cannot be read: {error.strerror or error}; mend that, or use another "
                "`checkpointDir`"
            ) from error
        try:
            found = self._parsed(content)
        except ValueError as error:
            warn(
                f"{spec.stage}: the checkpoint {self.path} is damaged: {error}; the training begins anew and replaces it"
            )
            return None
        try:
            _native.network_of_state(spec.network, spec.settings, found.state)
        except MmlrsError as error:
            raise IoError(
                f"{spec.stage}: the checkpoint {self.path} cannot be used: {error}; {_REMEDY}"
            ) from None
        last = found.lines[-1]["iteration"]
        warn(
            f"{spec.stage}: goes on after {spec.unit} {last}, from the checkpoint {self.path} of an earlier fit with the same params "
            "and rows; delete that file to begin anew"
        )
        return found

    def _parsed(self, content: bytes) -> Checkpoint:
        """Return the checkpoint of a file. Raise a `ValueError` if the file is damaged."""
        line, _, rest = content.partition(b"\n")
        try:
            header = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError("it does not start like a checkpoint") from None
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError("it does not start like a checkpoint")
        version = header.get("version")
        if isinstance(version, int) and version > _VERSION:
            raise IoError(
                f"{self._specification.stage}: the checkpoint {self.path} is from a newer version of mmlrs (format {version}, this one "
                f"reads {_VERSION}); {_REMEDY}"
            )
        if hashlib.sha256(content[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
            raise ValueError("its checksum differs, as that of a file that was cut off or changed")
        state, start = [], 0
        try:
            for length in header["pieces"]:
                state.append(rest[start : start + length])
                start += length
            _ = header["lines"][-1]["iteration"] + 1
        except (LookupError, TypeError):
            raise ValueError("its header is incomplete") from None
        return Checkpoint(state, header["lines"])

    def save(self, state: Sequence[Chunk], lines: list[dict[str, Any]]) -> None:
        """Write a checkpoint in place of the one before.

        The training goes on if that fails, with a warning. If writing takes long, some calls do nothing, so that checkpoints cost
        at most about a tenth of the time.
        """
        start = self._clock()
        if start < self._next:
            return
        stage = self._specification.stage
        try:
            os.makedirs(self._folder, exist_ok=True)
            with atomic_file(f"{stage}: the checkpoint", self.path) as file:
                for piece in _encoded(state, lines):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._folder)
        except OSError as error:
            cause = str(error) if isinstance(error, IoError) else f"{stage}: {error}"
            warn(
                f"{cause}; the training goes on, and a later fit begins with the checkpoint before, if there is one"
            )
        end = self._clock()
        self._next = end + _REST * (end - start)

    def remove(self) -> None:
        """Remove the checkpoint: the training is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)


_REMEDY = "use the version that wrote it, or delete the file to begin anew"


def _encoded(state: Sequence[Chunk], lines: list[dict[str, Any]]) -> Iterator[bytes | memoryview]:
    """Yield the content of a checkpoint."""
    pieces = [memoryview(piece).cast("B") for piece in state]
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "pieces": [piece.nbytes for piece in pieces],
        "lines": lines,
    }
    digest = hashlib.sha256()
    content: list[bytes | memoryview] = [json.dumps(header).encode() + b"\n", *pieces]
    for piece in content:
        digest.update(piece)
        yield piece
    yield digest.digest()


def _sync_folder(folder: str) -> None:
    """Write the names of a folder to disk, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
