"""Downloads files: checked, resumable, atomic, and once for all processes."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mmlrs._environment import is_true
from mmlrs._messages import counted
from mmlrs._paths import with_space
from mmlrs._progress import Bar, progress
from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, MmlrsError, ModelLoadError
from mmlrs.models._locks import locked

if TYPE_CHECKING:
    from mmlrs.models._http import Opener

__all__ = ["MAX_BYTES", "Download", "bring", "download", "receive"]

#: Maximum number of bytes of a file that is downloaded.
MAX_BYTES = 16 << 30
#: Number of times a download is tried or continued.
ATTEMPTS = 5
_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    max_bytes: int = MAX_BYTES,
    headers: Mapping[str, str] | None = None,
    allow_http: bool = False,
    opener: Opener | None = None,
    timeout: float = 10.0,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Download a file and return its path.

    The file gets its name once it is complete and checked. Until then its bytes are in `<target>.incomplete`, which a later call
    continues if the server supports ranges and still has the same file. An existing target that passes the checks is returned
    without a request. If several processes call this at once, one of them downloads, and the others wait for it: they share the
    lock file `<target>.lock`, which stays.

    Parameters
    ----------
    url : str
        The https URL.
    target : Path
        The file. Its folder is created.
    sha256 : str, optional
        SHA-256 of the file, in hex.
    size : int, optional
        Number of bytes of the file.
    max_bytes : int, default 16 GiB
        Maximum number of bytes.
    headers : mapping, optional
        Headers of the request. `Authorization` does not follow a redirect to another host.
    allow_http : bool, default False
        Whether the URL may be an http URL.
    opener : callable, optional
        Sends one request, as `opener(request, timeout)`, without following redirects. If not set, urllib does.
    timeout : float, default 10.0
        Seconds to wait for each answer of the server.
    attempts : int, default 5
        Number of times the download is tried or continued.
    sleep : callable, default time.sleep
        Waits between two attempts, for a number of seconds.

    Raises
    ------
    IoError
        The server cannot be reached or refuses the request, or the file cannot be written.
    ModelLoadError
        The file has another length or another SHA-256. It is deleted.
    LimitExceededError
        The file is larger than `max_bytes`.
    InvalidParamError
        The URL or the SHA-256 is not valid.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mmlrs.models._download import download
    >>> download("http://example.com/model.onnx", Path("model.onnx"))
    Traceback (most recent call last):
    mmlrs.errors.InvalidParamError: http://example.com/model.onnx: http is not encrypted; use https, or allow http with ...
    """
    from mmlrs.models._http import checked_url

    checked_url(url, allow_http)
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise InvalidParamError(f"{url}: a SHA-256 has 64 hex digits, got {sha256!r:.80}")
    job = Download(
        url=url,
        target=Path(target),
        sha256=None if sha256 is None else sha256.lower(),
        size=size,
        max_bytes=max_bytes,
        headers=dict(headers or {}),
        allow_http=allow_http,
        opener=opener,
        timeout=timeout,
        attempts=attempts,
        sleep=sleep,
    )
    return bring(job)


def bring(job: Download, transfer: Callable[[Download, bool], None] | None = None) -> Path:
    """Return the target, which is transferred unless it is there and passes the checks. One process does it at a time.

    Parameters
    ----------
    job : Download
        What to transfer. The folder of the target is created.
    transfer : callable, default `receive`
        Transfers, checks and names the file, as `transfer(job, alone)`.
    """
    with job.writing(job.target.parent):
        job.target.parent.mkdir(parents=True, exist_ok=True)
    with locked(job.target.with_name(job.target.name + ".lock")) as alone:
        if not (job.target.is_file() and job.flaw_of(job.target) is None):
            (transfer or receive)(job, alone)
    return job.target


@dataclass(frozen=True)
class Download:
    """What to download, and the checks of the file.

    `git_sha1` is the name that git gives to the content. Without `leave_host`, redirects to another host or scheme are refused.
    """

    url: str
    target: Path
    sha256: str | None = None
    git_sha1: str | None = None
    size: int | None = None
    max_bytes: int = MAX_BYTES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_http: bool = False
    leave_host: bool = True
    opener: Opener | None = None
    timeout: float = 10.0
    attempts: int = ATTEMPTS
    sleep: Callable[[float], object] = time.sleep

    def check(self, file: Path) -> None:
        """Raise an error if a file does not pass the checks."""
        flaw = self.flaw_of(file)
        if flaw is not None:
            raise ModelLoadError(f"{self.url}: {flaw}; the file is deleted; {_OTHER}")

    def check_length(self, length: int | None) -> None:
        """Raise an error if the length that the server announces is not that of the file, or is too large."""
        if self.size is not None and length is not None and length != self.size:
            raise ModelLoadError(
                f"{self.url}: the server sends {length:,} bytes, expected {self.size:,}; {_OTHER}"
            )
        for bytes_ in (self.size, length):
            if bytes_ is not None and bytes_ > self.max_bytes:
                raise self.too_large(f"has {bytes_:,} bytes")

    def too_large(self, what: str) -> LimitExceededError:
        """Return the error of a file beyond the limit."""
        return LimitExceededError(
            f"{self.url}: the file {what}, but max_bytes is {self.max_bytes:,}; pass a larger max_bytes to allow it"
        )

    def flaw_of(self, file: Path) -> str | None:
        """Return what is wrong with a file, or None if it passes the checks."""
        length = file.stat().st_size
        if self.size is not None and length != self.size:
            return f"the file has {length:,} bytes, expected {self.size:,}"
        for name, expected in (("SHA-256", self.sha256), ("git SHA-1", self.git_sha1)):
            if expected is not None:
                digest = hashlib.sha256()
                if name != "SHA-256":  # git puts a header before the content
                    digest = hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False)
                with file.open("rb") as stream:
                    while chunk := stream.read(_CHUNK):
                        digest.update(chunk)
                if digest.hexdigest() != expected:
                    return f"the file has the {name} {digest.hexdigest()}, expected {expected}"
        return None

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Turn errors of the file system into an IoError that names the URL and the path."""
        try:
            yield
        except MmlrsError:
            raise
        except OSError as error:
            message = f"{self.url}: cannot write {path}: {error.strerror or error}"
            raise IoError(with_space(message, str(path), error)) from None


_OTHER = "check the URL, or try again later"


def receive(job: Download, alone: bool = True) -> None:
    """Download, check and name the file, whether the target exists or not.

    Parameters
    ----------
    job : Download
        What to download. The folder of the target exists.
    alone : bool, default True
        Whether a lock keeps others from downloading the same target. Otherwise nothing is continued, and the bytes go to a file
        of this process.
    """
    from mmlrs.models._http import NetworkError

    job.check_length(None)
    suffix = "" if alone else f".{os.getpid()}-{os.urandom(4).hex()}"
    part = _Part(job, job.target.with_name(f"{job.target.name}{suffix}.incomplete"))
    failure: NetworkError | None = None
    for attempt in range(job.attempts):
        if attempt:
            job.sleep(min(0.5 * 2 ** (attempt - 1), 8.0))
        try:
            resumed = part.receive()
            if not resumed:
                job.check(part.path)
            flaw = job.flaw_of(part.path) if resumed else None
            if flaw is None:
                return part.finish()
            part.delete()
            failure = NetworkError.of(job.url, f"{flaw} after a download in parts")
        except NetworkError as error:
            failure = error
        except (LimitExceededError, ModelLoadError):
            part.delete()
            raise
    kept = part.path.stat().st_size if part.path.exists() else 0
    if not alone:
        part.delete()
    later = f"; the next call continues after {kept:,} bytes" if kept and alone else "; try again later"
    raise NetworkError.of(
        job.url, f"{failure.cause if failure else 'no attempt'}, tried {counted(job.attempts, 'time')}{later}"
    )


class _Part:
    """The part of a file that is there, and the validator by which the server recognizes the file."""

    def __init__(self, job: Download, path: Path) -> None:
        self.job, self.path = job, path
        self._note = path.with_name(path.name + ".validator")

    def delete(self) -> None:
        for file in (self.path, self._note):
            with suppress(OSError):
                file.unlink()

    def finish(self) -> None:
        with self.job.writing(self.job.target):
            os.replace(self.path, self.job.target)
        self.delete()

    def receive(self) -> bool:
        """Receive what is missing. Return whether the file was continued."""
        from mmlrs.models._http import StatusError, exchange, refuse_redirect

        job = self.job
        start, validator = self._start()
        if start and start == job.size:
            return True
        headers = {**job.headers, "Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        try:
            response = exchange(
                job.url,
                headers=headers,
                timeout=job.timeout,
                allow_http=job.allow_http,
                opener=job.opener,
                leave_host=job.leave_host,
            )
        except StatusError as error:
            if error.status != 416 or not start:
                raise IoError(f"{error}; check the URL and the permission to read it") from None
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return True
            self.delete()
            return self.receive()
        with closing(response):
            refuse_redirect(job.url, response)
            first, length = _range(response)
            if not start and first:
                raise IoError(f"{job.url}: the server sends only a part of the file; {_OTHER}")
            if first != start or (start and _validator(response.headers) not in (validator, "")):
                if first:
                    self.delete()
                    return self.receive()
                start = 0
            job.check_length(length)
            self._write(response, start, length)
        return start > 0

    def _start(self) -> tuple[int, str]:
        """Return the number of bytes that are there and the validator of their file, or 0 if they cannot be continued."""
        try:
            url, validator = self._note.read_text("utf-8").split("\n")
            start = self.path.stat().st_size
        except (OSError, ValueError):
            return 0, ""
        most = self.job.max_bytes if self.job.size is None else self.job.size
        return (start, validator) if url == self.job.url and validator and start <= most else (0, "")

    def _write(self, response: Any, start: int, length: int | None) -> None:
        from mmlrs.models._http import NetworkError, read_some

        job = self.job
        try:
            with job.writing(self.path), self.path.open("r+b" if start else "wb") as file:
                if not start:
                    self._note.write_text(f"{job.url}\n{_validator(response.headers)}", "utf-8")
                file.seek(start)
                file.truncate()
                with _bar(job, length, start) as bar:
                    while chunk := read_some(job.url, response, _CHUNK, job.timeout):
                        start += len(chunk)
                        if start > job.max_bytes:
                            raise job.too_large("has more bytes")
                        file.write(chunk)
                        bar.update(len(chunk))
                file.flush()
                os.fsync(file.fileno())  # a full disk may show only now
        except NetworkError:
            raise
        except IoError:
            self.delete()  # a part of a file would keep a full disk full
            raise
        expected = job.size if length is None else length
        if expected is not None and start < expected:
            raise NetworkError.of(job.url, f"the connection ended after {start:,} of {expected:,} bytes")


def _validator(headers: Mapping[str, str]) -> str:
    """Return the value for `If-Range`: a strong ETag or the date. Weak ETags do not identify bytes."""
    etag = headers.get("ETag") or ""
    return etag if etag.startswith('"') else headers.get("Last-Modified") or ""


def _range(response: Any) -> tuple[int, int | None]:
    """Return the position of the first byte of a response, and the length of the whole file if it is known."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range") or "")
        if match:
            return int(match[1]), None if match[2] == "*" else int(match[2])
        return -1, None
    length = response.headers.get("Content-Length") or ""
    return 0, int(length) if length.isdecimal() else None


def _bar(job: Download, length: int | None, start: int) -> AbstractContextManager[Bar]:
    """Return the progress bar of a download. huggingface_hub's variable hides it, too."""
    if is_true("HF_HUB_DISABLE_PROGRESS_BARS"):
        return nullcontext(Bar())
    name = unquote(urlsplit(job.url).path).rpartition("/")[2]  # the target may be a hash
    return progress(name, job.size if length is None else length, "B", scale=True, done=start)
