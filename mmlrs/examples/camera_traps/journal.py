"""The results of finished batches on disk, so that long work continues where it was killed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from mmlrs._places import atomic_file
from mmlrs._typing import Self
from mmlrs.errors import InvalidParamError, IoError

__all__ = ["Journal"]

_HEADER, _LOCK = "header.json", "lock"
_BATCH = re.compile(r"batch-(\d{8})\.json")
#: Files of a journal: also those that `atomic_file` has not finished, and the result while it is written.
_OWN = re.compile(r"header\.json|batch-\d{8}\.json|\.mmlrs-[0-9a-f]+\.part|result")


class Journal:
    """A folder with one file for each finished batch. Each file is complete or is not read.

    Parameters
    ----------
    function : str
        The function that errors name.
    folder : str
        The folder of the journal. It is created.
    about : dict of str to str
        What decides the results: a journal about anything else is not continued.
    restart : bool, default False
        Begin anew, whatever is in the folder.

    Raises
    ------
    InvalidParamError
        The folder is a journal about something else. The message says what is different.
    IoError
        The folder cannot be written, is no journal, or belongs to a process that is still running.

    Examples
    --------
    >>> import os, tempfile
    >>> from mmlrs.examples.camera_traps.journal import Journal
    >>> place = tempfile.TemporaryDirectory()
    >>> folder = os.path.join(place.name, "work.partial")
    >>> with Journal("work", folder, {"model": "a"}) as journal:
    ...     journal.add([["1.jpg", 0.5]])
    >>> with Journal("work", folder, {"model": "a"}) as journal:
    ...     print(list(journal.rows()))
    ...     journal.remove()
    [['1.jpg', 0.5]]
    >>> place.cleanup()
    """

    def __init__(
        self, function: str, folder: str, about: Mapping[str, str], *, restart: bool = False
    ) -> None:
        self.folder = folder
        #: Where the result is written before `finish`.
        self.result = os.path.join(folder, "result")
        self._where = f"{function}: the journal {folder}"
        self._about = dict(about)
        self._digest = hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()
        #: Files of batches that were damaged, as after a loss of power. They are deleted, so that their work is done again.
        self.damaged = 0
        self._lock: int | None = None
        try:
            self._begin(restart)
        except OSError as error:
            self.close()
            raise IoError(f"{self._where} cannot be written: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise

    def _begin(self, restart: bool) -> None:
        os.makedirs(self.folder, exist_ok=True)
        self._claim()
        names = set(os.listdir(self.folder)) - {_LOCK}
        if strange := sorted(name for name in names if not _OWN.fullmatch(name)):
            raise IoError(
                f"{self._where} has other files, such as {strange[0]!r:.80}; move them, or write the result to another path"
            )
        for name in list(names):
            if restart or not (
                name == _HEADER or _BATCH.fullmatch(name)
            ):  # unfinished files of a killed process
                os.remove(os.path.join(self.folder, name))
                names.remove(name)
        if names:
            self._compare()
        with atomic_file(f"{self._where}:", os.path.join(self.folder, _HEADER)) as file:
            file.write(json.dumps(self._about, indent=1).encode() + b"\n")
        numbers = [int(found[1]) for name in names if (found := _BATCH.fullmatch(name))]
        self._next = max(numbers, default=-1) + 1

    def _claim(self) -> None:
        """Lock the folder. The system unlocks it when the process ends, however that happens."""
        try:
            import fcntl
        except ImportError:  # a system without locks
            return
        self._lock = os.open(os.path.join(self.folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IoError(
                f"{self._where} is in use: another process writes the same result; wait for it, or write to another path"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise  # other file systems have no locks

    def _compare(self) -> None:
        """Raise if the journal is about something else."""
        try:
            with open(os.path.join(self.folder, _HEADER), "rb") as file:
                older = json.loads(file.read())
        except (OSError, ValueError):
            return  # the batches themselves say to which journal they belong
        if older == self._about or not isinstance(older, dict):
            return
        different = [name for name in self._about if older.get(name) != self._about[name]]
        listed = ", ".join(f"{name} {older.get(name)} instead of {self._about[name]}" for name in different)
        raise InvalidParamError(
            f"{self._where} is of other work: {listed}; pass restart=True to begin anew, or write to another path"
        )

    def rows(self) -> Iterator[Any]:
        """Yield the rows of all finished batches, in the order in which they were added."""
        for name in sorted(os.listdir(self.folder)):
            if not _BATCH.fullmatch(name):
                continue
            path = os.path.join(self.folder, name)
            rows = self._read(path)
            if rows is None:
                self.damaged += 1
                os.remove(path)
            else:
                yield from rows

    def _read(self, path: str) -> list[Any] | None:
        """Return the rows of a batch, or None if it is damaged or of another journal."""
        try:
            with open(path, "rb") as file:
                checksum, _, content = file.read().partition(b"\n")
        except OSError as error:
            raise IoError(f"{self._where} cannot be read: {error.strerror}") from error
        return json.loads(content) if checksum == self._checksum(content) else None

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.sha256(self._digest.encode() + content).hexdigest().encode()

    def add(self, rows: Sequence[Any]) -> None:
        """Add the rows of a finished batch: lists of texts, numbers and None."""
        content = json.dumps(rows, separators=(",", ":"), allow_nan=False).encode()
        path = os.path.join(self.folder, f"batch-{self._next:08}.json")
        with atomic_file(f"{self._where}:", path) as file:
            file.write(self._checksum(content) + b"\n" + content)
        self._next += 1

    def finish(self, path: str) -> None:
        """Move the file `result` of the journal to a path on the same disk, and delete the journal: its work is done."""
        try:
            os.replace(self.result, path)
        except OSError as error:
            raise IoError(f"{self._where}: {path} cannot be written: {error.strerror or error}") from error
        self.remove()

    def remove(self) -> None:
        """Delete the journal: its work is done."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def close(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
