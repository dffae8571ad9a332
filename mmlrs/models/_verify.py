"""The files of models on this machine, and their checksums, computed again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmlrs.errors import IoError
from mmlrs.models._catalog import list_models, path_of_package
from mmlrs.models._download import Download
from mmlrs.models._entry import PackageFile
from mmlrs.models._folder import models_folder
from mmlrs.models._hub_settings import HubSettings

__all__ = ["ModelFile", "files", "flaw"]

_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelFile:
    """A file with a known checksum.

    Parameters
    ----------
    what : str
        What it belongs to.
    path : Path
        The file.
    remedy : str
        What to do if it is damaged.
    sha256, git_sha1 : str, optional
        The checksum: one of them.
    """

    what: str
    path: Path
    remedy: str
    sha256: str | None = None
    git_sha1: str | None = None


def files() -> Iterator[ModelFile]:
    """Return the files of installed packages, of repositories in the cache, and the ONNX files in the cache of the Hub."""
    yield from _of_packages()
    yield from _of_repositories()
    yield from _of_the_hub()


def flaw(file: ModelFile) -> str | None:
    """Return what is wrong with a file, or None."""
    try:
        return Download("", file.path, sha256=file.sha256, git_sha1=file.git_sha1).flaw_of(file.path)
    except OSError as error:
        return str(error) if isinstance(error, IoError) else f"cannot be read: {error.strerror or error}"


def _of_packages() -> Iterator[ModelFile]:
    for model in list_models():
        for file in (model.file, model.tokenizer):
            path = path_of_package(file) if isinstance(file, PackageFile) else None
            if path is not None and isinstance(file, PackageFile):
                remedy = f"install the package `{file.distribution}` again"
                yield ModelFile(model.name, path, remedy, file.sha256.lower())


def _of_repositories() -> Iterator[ModelFile]:
    for folder in sorted((models_folder() / "repositories").glob("*")):
        if _SHA256.fullmatch(folder.name):
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.suffix in (".onnx", ".json"):
                    yield ModelFile("a repository", path, "delete it", folder.name)


def _of_the_hub() -> Iterator[ModelFile]:
    """Return each content of ONNX files and their weights once. Contents are named after their checksums."""
    seen: set[str] = set()
    for folder in sorted(HubSettings.of_environment().cache.glob("models--*/snapshots")):
        repo = "hf:" + folder.parent.name.removeprefix("models--").replace("--", "/", 1)
        for path in sorted(folder.rglob("*.onnx*")):
            blob = Path(os.path.realpath(path))
            if str(blob) in seen or not blob.is_file():
                continue
            seen.add(str(blob))
            if _SHA256.fullmatch(blob.name):
                yield ModelFile(repo, blob, "delete it", sha256=blob.name)
            elif _SHA1.fullmatch(blob.name):
                yield ModelFile(repo, blob, "delete it", git_sha1=blob.name)
