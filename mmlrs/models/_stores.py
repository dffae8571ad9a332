"""Where the files of a repository are: a folder, a web server or a remote file system."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from mmlrs import _native
from mmlrs._paths import outside
from mmlrs._warnings import warn_once
from mmlrs.errors import IoError, LimitExceededError, ModelLoadError
from mmlrs.models._download import Download, bring, receive
from mmlrs.models._entry import RepositoryFile
from mmlrs.models._manifest import MANIFEST, MAX_MANIFEST_BYTES, parsed

__all__ = ["FolderStore", "RemoteStore", "Store", "WebStore"]


class Store(ABC):
    """A place that holds a manifest and the files that it names. `where` is the path or URL of the manifest."""

    where: str

    @abstractmethod
    def manifest(self) -> bytes:
        """Return the content of the manifest."""

    def version(self) -> object:
        """Return a value that is another one after the manifest has changed, as far as that is known without asking."""
        return None

    @abstractmethod
    def bring(self, file: RepositoryFile) -> Path:
        """Return the path of a file on this machine, after its size and SHA-256 have been checked."""


class FolderStore(Store):
    """A folder on this machine. Files are used where they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder / MANIFEST)

    def version(self) -> object:
        """Return what the file system says about the manifest."""
        try:
            stat = os.stat(self.where)
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def manifest(self) -> bytes:
        """Return the content of the manifest."""
        path = self.folder / MANIFEST
        try:
            with self._inside(path).open("rb") as file:
                return file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError:
            lacks = f"it has no {MANIFEST}" if self.folder.is_dir() else "there is no such folder"
            raise IoError(
                f"{self.folder} is not a repository: {lacks}; check the path, or publish a model to it"
            ) from None
        except OSError as error:
            if isinstance(error, IoError):
                raise
            raise IoError(f"cannot read {path}: {error.strerror or error}") from None

    def bring(self, file: RepositoryFile) -> Path:
        """Return the path of a file, after its size and SHA-256 have been checked."""
        path = self.folder / file.path
        if not os.path.isfile(path):
            raise IoError(
                f"{self.where}: the file {path} does not exist; copy it there, or publish the model again"
            )
        found = _native.file_sha256(self._inside(path))
        if found != file.sha256:
            raise ModelLoadError(
                f"{path}: the SHA-256 of the file is {found}, but the manifest has {file.sha256}; copy the file again, or publish"
                " the model again"
            )
        return path

    def _inside(self, path: Path) -> Path:
        real = outside(path, self.folder)
        if real is not None:
            raise IoError(
                f"{path} is a link to {real}, outside the repository {self.folder}; replace the link by the file"
            )
        return path


class _CachedStore(Store):
    """A place elsewhere. A file is kept as `<cache>/<sha256>/<name>`, so repositories share it."""

    def __init__(self, url: str, cache: Path, max_bytes: int) -> None:
        self.base = url.rstrip("/")
        self.cache, self.max_bytes = cache, max_bytes
        self.where = f"{self.base}/{MANIFEST}"

    def bring(self, file: RepositoryFile) -> Path:
        """Return the path of a file in the cache, after its size and SHA-256 have been checked."""
        path = self.cache / file.sha256 / PurePosixPath(file.path).name
        for place in (path.parent, path):
            real = outside(place, self.cache)
            if real is not None:
                raise IoError(
                    f"{place} is a link to {real}, outside the cache {self.cache}; delete the link and try again"
                )
        if path.is_file() and _native.file_sha256(path) == file.sha256:
            return path
        return self._transfer(file, path)

    @abstractmethod
    def _transfer(self, file: RepositoryFile, path: Path) -> Path: ...

    def _job(self, file: RepositoryFile, path: Path, url: str, allow_http: bool) -> Download:
        return Download(
            url=url,
            target=path,
            sha256=file.sha256,
            size=file.size,
            max_bytes=self.max_bytes,
            allow_http=allow_http,
            leave_host=False,
        )


class RemoteStore(_CachedStore):
    """A folder of a remote file system, such as s3."""

    def manifest(self) -> bytes:
        """Return the content of the manifest."""
        from mmlrs.models._remote import chunks

        return _limited(chunks(self.where), self.where)

    def _transfer(self, file: RepositoryFile, path: Path) -> Path:
        from mmlrs.models._remote import transfer

        return bring(self._job(file, path, f"{self.base}/{file.path}", allow_http=False), transfer)


class WebStore(_CachedStore):
    """A folder of a web server. Redirects to another host or scheme are refused."""

    def __init__(self, url: str, cache: Path, max_bytes: int, allow_http: bool) -> None:
        from mmlrs.models._http import checked_url

        super().__init__(checked_url(url, allow_http), cache, max_bytes)
        self.allow_http = allow_http

    def manifest(self) -> bytes:
        """Return the content of the manifest; that of the last time if the server cannot be reached, with a warning."""
        from mmlrs.models._http import NetworkError

        kept = self.cache / "manifests" / f"{hashlib.sha256(self.where.encode()).hexdigest()}.json"
        try:
            data = self._fetched()
        except NetworkError as error:
            if outside(kept, self.cache) is not None or not kept.is_file():
                raise
            warn_once([f"{error}; the manifest of the last time is used"])
            return kept.read_bytes()
        parsed(
            data, self.where
        )  # what is not a manifest, such as a page that asks for a login, does not replace the last one
        with suppress(OSError):  # a cache that cannot be written is an error when a model is brought
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_name(f"{kept.name}.{os.urandom(4).hex()}.tmp")
            if outside(draft, self.cache) is None:
                draft.write_bytes(data)
                os.replace(draft, kept)
        return data

    def _fetched(self) -> bytes:
        from mmlrs.models._http import StatusError, exchange, read_some, refuse_redirect

        headers = {"Accept-Encoding": "identity", "User-Agent": "mmlrs"}
        try:
            response = exchange(self.where, headers=headers, allow_http=self.allow_http, leave_host=False)
        except StatusError as error:
            raise IoError(
                f"{error}; check the URL: the folder of a repository has a file {MANIFEST}"
            ) from None
        with closing(response):
            refuse_redirect(self.where, response)
            return _limited(iter(lambda: read_some(self.where, response, 1 << 20, 10.0), b""), self.where)

    def _transfer(self, file: RepositoryFile, path: Path) -> Path:
        job = self._job(file, path, f"{self.base}/{quote(file.path)}", self.allow_http)
        return bring(job, receive)


def _limited(parts: Iterable[bytes], where: str) -> bytes:
    """Return the parts of a manifest together."""
    data = bytearray()
    for part in parts:
        data += part
        if len(data) > MAX_MANIFEST_BYTES:
            raise LimitExceededError(f"{where}: the manifest has more than {MAX_MANIFEST_BYTES:,} bytes")
    return bytes(data)
