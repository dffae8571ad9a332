"""Requests to the Hugging Face Hub for single files."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from mmlrs._paths import with_space
from mmlrs.errors import IoError, ModelLoadError
from mmlrs.models._download import Download, receive
from mmlrs.models._hub_cache import COMMIT, HubCache
from mmlrs.models._hub_settings import HubSettings
from mmlrs.models._locks import locked

__all__ = ["HubClient", "NoSuchFile", "RemoteFile"]

#: Number of times that the Hub is asked about a file.
_ATTEMPTS = 3
#: ETags become file names.
_ETAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class NoSuchFile(Exception):  # noqa: N818 - an answer, not an error
    """The repository has no such file. `commit` is the commit of the revision, if the Hub tells."""

    def __init__(self, commit: str | None) -> None:
        super().__init__(commit)
        self.commit = commit


@dataclass(frozen=True)
class RemoteFile:
    """What the Hub says about a file. The ETag of a large file is its SHA-256; that of a small one is git's SHA-1."""

    name: str
    commit: str
    etag: str
    size: int | None


@dataclass(frozen=True)
class HubClient:
    """Asks for the files of one repository and brings them into the cache."""

    settings: HubSettings
    cache: HubCache
    max_bytes: int
    sleep: Callable[[float], object] = time.sleep

    def _url(self, file: str, revision: str) -> str:
        return f"{self.settings.endpoint}/{self.cache.repo}/resolve/{quote(revision, safe='')}/{quote(file)}"

    def _headers(self) -> dict[str, str]:
        token = self.settings.token
        return {"User-Agent": "mmlrs", **({} if token is None else {"Authorization": f"Bearer {token}"})}

    def head(self, file: str, revision: str, attempts: int = _ATTEMPTS) -> RemoteFile:
        """Return what the Hub says about a file.

        Raises
        ------
        NoSuchFile
            The repository has no such file.
        NetworkError
            The Hub cannot be reached.
        IoError
            The Hub refuses the request.
        """
        from mmlrs.models._http import NetworkError, StatusError, exchange

        url = self._url(file, revision)
        for attempt in range(attempts):
            try:
                response = exchange(
                    url,
                    method="HEAD",
                    headers={**self._headers(), "Accept-Encoding": "identity"},
                    timeout=self.settings.head_timeout,
                    allow_http=self.settings.allow_http,
                    leave_host=False,
                )
                break
            except StatusError as error:
                raise self._refusal(error, file, revision) from None
            except NetworkError:
                if attempt + 1 == attempts:
                    raise
                self.sleep(0.5 * 2**attempt)
        with response:
            return self._remote(url, file, response)

    def _remote(self, url: str, file: str, response: Any) -> RemoteFile:
        headers = response.headers
        commit = headers.get("X-Repo-Commit") or ""
        etag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
        size = headers.get("X-Linked-Size") or (response.status < 300 and headers.get("Content-Length")) or ""
        if not COMMIT.fullmatch(commit) or not _ETAG.fullmatch(etag):
            missing = "commit (X-Repo-Commit)" if not COMMIT.fullmatch(commit) else "ETag"
            cause = f"the answer has no valid {missing}, so it is not from a Hugging Face Hub"
            raise IoError(f"{url}: {cause}; check HF_ENDPOINT and the proxy settings")
        return RemoteFile(file, commit, etag, int(size) if size.isdecimal() else None)

    def _refusal(self, error: Any, file: str, revision: str) -> Exception:
        """Return the error of a refused request."""
        code, repo = error.headers.get("X-Error-Code"), self.cache.repo
        if error.status in (401, 403):
            given = (
                "the token has no access to it"
                if self.settings.token
                else "access needs a token, or it does not exist"
            )
            return IoError(
                f"{error}: cannot read `{file}` of the repository `{repo}`: {given}; check the name, accept the licence"
                f" at {self.settings.endpoint}/{repo}, and set HF_TOKEN to a token of your account"
            )
        if error.status != 404:
            return IoError(
                f"{error}: cannot read `{file}` of the repository `{repo}` at revision `{revision}`"
            )
        if code == "RepoNotFound":
            return IoError(f"{error}: there is no repository `{repo}`; check the name")
        if code == "RevisionNotFound":
            return IoError(f"{error}: the repository `{repo}` has no revision `{revision}`; check the name")
        commit = error.headers.get("X-Repo-Commit") or ""
        return NoSuchFile(commit if COMMIT.fullmatch(commit) else None)

    def bring(self, remote: RemoteFile) -> None:
        """Bring a file into the cache, through huggingface_hub if it is installed.

        Raises
        ------
        ModelLoadError
            The file has another length or checksum than the Hub says.
        LimitExceededError
            The file is larger than `max_bytes`.
        IoError
            The file cannot be transferred or written.
        """
        cache, name, etag = self.cache, remote.name, remote.etag
        job = Download(
            url=self._url(name, remote.commit),
            target=cache.blob(etag),
            sha256=etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None,
            git_sha1=etag if COMMIT.fullmatch(etag) else None,
            size=remote.size,
            max_bytes=self.max_bytes,
            headers=self._headers(),
            allow_http=self.settings.allow_http,
            timeout=self.settings.timeout,
            sleep=self.sleep,
        )
        job.check_length(None)
        new = not job.target.exists()
        if new and self._through_library(job, remote):
            return
        lock = cache.lock(etag)
        with cache.writing(lock), cache.writing(job.target), locked(lock) as alone:
            if cache.find(remote.commit, name) is None:
                new = not cache.inside(job.target).exists()
                if new:
                    receive(job, alone)
                cache.link(remote.commit, name, etag, new=new)

    def _through_library(self, job: Download, remote: RemoteFile) -> bool:
        """Transfer a file with huggingface_hub. Return whether it is installed."""
        try:
            from huggingface_hub import hf_hub_download  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return False
        cache, settings = self.cache, self.settings
        cache.inside(job.target)
        cache.inside(cache.snapshot(remote.commit) / remote.name)
        try:
            hf_hub_download(
                cache.repo,
                remote.name,
                revision=remote.commit,
                cache_dir=str(cache.root),
                endpoint=settings.endpoint,
                token=settings.token or False,
                etag_timeout=settings.head_timeout,
            )
        except Exception as error:  # noqa: BLE001 - the errors of several HTTP libraries
            cause = " ".join(str(error).split()) or type(error).__name__
            raise IoError(
                with_space(f"{job.url}: huggingface_hub cannot transfer it: {cause}", str(cache.root), error)
            ) from None
        path = cache.find(remote.commit, remote.name)
        if path is None:
            raise IoError(
                f"{job.url}: huggingface_hub has not put `{remote.name}` into the cache {cache.root}"
            )
        flaw = replace(job, target=path).flaw_of(path)
        if flaw is not None:
            with cache.writing(path):
                job.target.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
            raise ModelLoadError(f"{job.url}: {flaw}; the file is deleted; try again later")
        return True
