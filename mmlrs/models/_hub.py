"""Models of the Hugging Face Hub, from its cache or from the network."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmlrs._paths import unsafe_name
from mmlrs._warnings import warn_once
from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, ModelLoadError
from mmlrs.models._content import foreign_format, side_files
from mmlrs.models._download import MAX_BYTES
from mmlrs.models._hub_cache import COMMIT, HubCache
from mmlrs.models._hub_client import HubClient, NoSuchFile
from mmlrs.models._hub_settings import HubSettings
from mmlrs.models._image_metadata import image_metadata

__all__ = ["HubModel", "HubSpec", "cached", "fetch", "image_metadata", "no_onnx"]

#: Maximum number of bytes of a configuration file.
MAX_CONFIG_BYTES = 16 << 20
#: The ONNX files of a repository, the preferred one first.
_USUAL = ("onnx/model.onnx", "model.onnx")
_CONFIG, _PREPROCESSOR, _TOKENIZER = "config.json", "preprocessor_config.json", "tokenizer.json"
_SPEC = re.compile(
    r"hf:(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>refs/(?:pr|convert)/[^/]+|[^/]+))?(/(?P<file>.+))?", re.DOTALL
)
_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
#: Suffixes of files that Python unpickles, or that may hold a pickle.
_PICKLES = {"bin", "ckpt", "dill", "joblib", "mar", "npy", "npz", "pickle", "pkl", "pt", "pt2", "pth", "t7"}


@dataclass(frozen=True)
class HubSpec:
    """A repository of the Hub, a revision, and optionally a file.

    Examples
    --------
    >>> from mmlrs.models._hub import HubSpec
    >>> HubSpec.parse("hf:org/name@v1/onnx/model.onnx")
    HubSpec(repo='org/name', revision='v1', file='onnx/model.onnx')
    """

    repo: str
    revision: str = "main"
    file: str | None = None

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repo}{revision}" + ("" if self.file is None else f"/{self.file}")

    @classmethod
    def parse(cls, text: str) -> HubSpec:
        """Return the parts of `hf:org/name[@revision][/path/to/file]`.

        Raises
        ------
        InvalidParamError
            The text has another form, or a part of it is not a safe name.
        ModelLoadError
            The file is of a format that is not read, such as a pickle.
        """
        match = _SPEC.fullmatch(text)
        where = f"{text!r:.200}"
        if match is None:
            raise InvalidParamError(f"{where} must have the form hf:org/name[@revision][/path/to/file]")
        repo, revision, file = match["repo"], match["revision"] or "main", match["file"]
        if not all(_NAME.fullmatch(part) for part in repo.split("/")):
            raise InvalidParamError(f"{where}: {repo!r:.100} is not the name of a repository, org/name")
        for kind, name in (("revision", revision), ("file", file)):
            cause = None if name is None else unsafe_name(name)
            if cause is not None:
                raise InvalidParamError(f"{where}: the {kind} {name!r:.100} {cause}")
        if file is not None:
            _check_format(file, where, repo)
        return cls(repo, revision, file)


@dataclass(frozen=True)
class HubModel:
    """A model in the cache.

    Parameters
    ----------
    path : Path
        The ONNX file, below `snapshots/<commit>`, or the safetensors file that the spec names.
    commit : str
        The commit of the repository.
    repo : str
        The repository, as `org/name`.
    config, preprocessor : dict, optional
        Content of `config.json` and `preprocessor_config.json`. None if the repository has no such file, or if it is not in the
        cache and there is no network.
    tokenizer : Path, optional
        The file `tokenizer.json`.
    """

    path: Path
    commit: str
    repo: str
    config: dict[str, Any] | None = None
    preprocessor: dict[str, Any] | None = None
    tokenizer: Path | None = None


def fetch(
    spec: str | HubSpec, *, max_bytes: int = MAX_BYTES, sleep: Callable[[float], object] = time.sleep
) -> HubModel:
    """Return a model of the Hugging Face Hub, and download what the cache lacks.

    The cache is that of huggingface_hub and transformers. Without a file in the spec, the model is `onnx/model.onnx`, else
    `model.onnx`. Files with the weights of the ONNX file are fetched too. The Hub is asked for the commit of a branch or tag. If
    the spec has a commit and all files are cached, nothing is asked. If the Hub cannot be reached, the cached commit is used,
    with a warning.

    Parameters
    ----------
    spec : str or HubSpec
        `hf:org/name[@revision][/path/to/file]`. The revision is a branch, a tag or a commit of 40 hex digits.
    max_bytes : int, default 16 GiB
        Maximum number of bytes of each file.
    sleep : callable, default time.sleep
        Waits between two attempts, for a number of seconds.

    Returns
    -------
    HubModel
        The paths and the configuration.

    Raises
    ------
    IoError
        The Hub cannot be reached or refuses access, there is no such file, or the cache cannot be written.
    ModelLoadError
        A file is damaged or of a format that is not read.
    LimitExceededError
        A file is too large.
    InvalidParamError
        The spec or an environment variable is not valid.

    Examples
    --------
    >>> from mmlrs.models._hub import fetch
    >>> fetch("hf:org/name/model.pkl")
    Traceback (most recent call last):
    mmlrs.errors.ModelLoadError: 'hf:org/name/model.pkl': a `.pkl` file may hold a pickle, which can run any code and is ...
    """
    wanted = HubSpec.parse(spec) if isinstance(spec, str) else HubSpec.parse(str(spec))
    files = _Files(wanted, HubSettings.of_environment(), max_bytes, sleep)
    names = _USUAL if wanted.file is None else (wanted.file,)
    path = next((path for path in map(files.get, names) if path is not None), None)
    if path is None or files.commit is None:
        raise files.missing(names)
    if path.suffix.lower() == ".onnx":
        _check_content(path, wanted)
        for name in _external(path, wanted):
            beside = str(
                PurePosixPath(path.relative_to(files.cache.snapshot(files.commit)).as_posix()).parent / name
            )
            if files.get(beside) is None:
                raise files.missing((beside,))
    config, preprocessor, tokenizer = files.around()
    if files.failure is not None:
        warn_once([f"{wanted}: {files.failure}; the cached commit {files.commit} is used"])
    return HubModel(
        path, files.commit, wanted.repo, _json(config, wanted), _json(preprocessor, wanted), tokenizer
    )


def no_onnx(repo: str) -> str:
    """Return what to do with a repository that has no ONNX file."""
    return f"mmlrs needs ONNX: export the model with `optimum-cli export onnx --model {repo} FOLDER` and pass the ONNX file"


def cached(spec: str) -> Path | None:
    """Return the ONNX file of a model if it is in the cache. Nothing is asked."""
    wanted, settings = HubSpec.parse(spec), HubSettings.of_environment()
    cache = HubCache(settings.cache, wanted.repo, settings.symlinks)
    commit = cache.commit_of(wanted.revision)
    if commit is None:
        return None
    names = _USUAL if wanted.file is None else (wanted.file,)
    return next((path for path in (cache.find(commit, name) for name in names) if path is not None), None)


class _Files:
    """The files of one commit. All come from the commit of the first one, even if the branch moves."""

    def __init__(
        self, spec: HubSpec, settings: HubSettings, max_bytes: int, sleep: Callable[[float], object]
    ) -> None:
        self.spec, self.settings = spec, settings
        self.cache = HubCache(settings.cache, spec.repo, settings.symlinks)
        self.client = HubClient(settings, self.cache, max_bytes, sleep)
        known = settings.offline is not None or COMMIT.fullmatch(spec.revision)
        self.commit = self.cache.commit_of(spec.revision) if known else None
        #: Why the network is not used any more.
        self.failure: IoError | None = None
        self._asked = self._found = False

    def around(self) -> list[Path | None]:
        """Return the configuration, the settings of images and the tokenizer.

        If nothing was asked until now, a snapshot with the configuration and one of the others is complete: a network reads
        images or text, rarely both.
        """
        names = (_CONFIG, _PREPROCESSOR, _TOKENIZER)
        if not self._asked and self.commit is not None:
            config, *others = (self.cache.find(self.commit, name) for name in names)
            if config is not None and any(others):
                return [config, *others]
        return [self.get(name) for name in names]

    def get(self, name: str) -> Path | None:
        """Return the path of a file in the cache, or None if the repository lacks it or, without network, the cache does."""
        path = None if self.commit is None else self.cache.find(self.commit, name)
        self._found |= path is not None
        if path is not None or (self.commit is not None and self.cache.lacks(self.commit, name)):
            return path
        if self.settings.offline is not None or self.failure is not None:
            return None
        from mmlrs.models._http import NetworkError

        cached = self.cache.commit_of(self.spec.revision)
        self._asked = True
        try:
            remote = self.client.head(name, self.commit or self.spec.revision, 1 if cached else 3)
            if self.cache.find(remote.commit, name) is None:
                self.client.bring(remote)
        except NoSuchFile as answer:
            self.commit = self.commit or answer.commit
            if self.commit is not None:
                self.cache.note_lack(self.commit, name)
            return None
        except NetworkError as error:
            self.failure = error
            if not self._found:
                self.commit = cached
            return self.get(name)
        self.commit, self._found = remote.commit, True
        self.cache.note_commit(self.spec.revision, remote.commit)
        return self.cache.find(remote.commit, name)

    def missing(self, names: tuple[str, ...]) -> Exception:
        """Return the error of a model that is not there: one of `names` is needed."""
        spec, cache, which = self.spec, self.cache, " or ".join(f"`{name}`" for name in names)
        if self.settings.offline is not None:
            bring = f"copy the folder {cache.folder_name} from the cache of another machine to {cache.root}"
            if self.commit is not None:
                bring = f"put it at {cache.snapshot(self.commit) / names[0]}, {bring}"
            return IoError(
                f"{spec}: {which} is not in the cache, and {self.settings.offline} forbids the network; {bring}, or unset"
                f" {self.settings.offline}"
            )
        if self.failure is not None:
            return IoError(
                f"{self.failure}; {which} of {spec} is not in the cache {cache.root}; try again later"
            )
        where = f"the repository `{spec.repo}` has no file {which} at revision `{spec.revision}`"
        hint = (
            "check the name"
            if spec.file is not None
            else "name its ONNX file, as in " + f"hf:{spec.repo}/file.onnx"
        )
        other = "" if spec.file is not None else "; " + no_onnx(spec.repo)
        return IoError(f"{spec}: {where} at {self.settings.endpoint}; {hint}{other}")


def _check_format(file: str, where: str, repo: str) -> None:
    """Refuse files that are neither ONNX nor safetensors. Pickles are never read."""
    suffix = PurePosixPath(file).suffix.removeprefix(".").lower()
    if suffix in ("onnx", "safetensors"):
        return
    cause = f"a `.{suffix}` file is not read"
    if suffix in _PICKLES:
        cause = f"a `.{suffix}` file may hold a pickle, which can run any code and is never read"
    elif not suffix:
        cause = f"`{file}` has no suffix, so its format is unknown"
    raise ModelLoadError(f"{where}: {cause}; {no_onnx(repo)}")


def _check_content(path: Path, spec: HubSpec) -> None:
    """Refuse a file that has the name of an ONNX file and the first bytes of another format."""
    with _reading(path):
        what = foreign_format(path)
    if what is not None:
        raise ModelLoadError(f"{spec}: {path} is {what}; {no_onnx(spec.repo)}")


def _external(path: Path, spec: HubSpec) -> list[str]:
    """Return the names of the files beside an ONNX file that hold its weights."""
    with _reading(path):
        names = side_files(path)
    for name in names:
        cause = unsafe_name(name)
        if cause is not None:
            raise ModelLoadError(
                f"{spec}: {path} keeps weights in the file {name!r:.200}, whose name {cause}"
            )
    return names


def _json(path: Path | None, spec: HubSpec) -> dict[str, Any] | None:
    if path is None:
        return None
    with _reading(path):
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise LimitExceededError(f"{spec}: {path} has {size:,} bytes, more than {MAX_CONFIG_BYTES:,}")
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{spec}: {path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelLoadError(f"{spec}: {path} must hold a JSON object, got {type(value).__name__}")
    return value


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of the file system into an IoError that names the path."""
    try:
        yield
    except OSError as error:
        if isinstance(error, IoError):
            raise
        raise IoError(f"cannot read {path}: {error.strerror or error}") from None
