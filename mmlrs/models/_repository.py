"""Repositories of models: a folder or URL with a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs.errors import InvalidParamError, IoError, ModelLoadError
from mmlrs.models._content import described, foreign_format, side_files
from mmlrs.models._download import MAX_BYTES
from mmlrs.models._entry import ModelInfo, Preprocessing, RepositoryFile
from mmlrs.models._folder import models_folder
from mmlrs.models._handle import ModelHandle, ModelLike
from mmlrs.models._manifest import MANIFEST, parsed
from mmlrs.models._stores import FolderStore, RemoteStore, Store, WebStore

__all__ = ["ModelRepository"]


class ModelRepository:
    """Models in a folder or at a URL of one's own, which a manifest lists with their checksums and settings.

    The SHA-256 of a file is checked at its first use in a process and after a change. Files of a folder on this machine are used
    where they are. Others are downloaded to a cache: https files by a download that continues where it was interrupted and that
    several processes share, those of s3, gs, hdfs and abfs through `pyarrow.fs` or fsspec, and those of further schemes through
    fsspec.

    Parameters
    ----------
    location : path or URL
        The folder with the manifest `mmlrs-models.json`.
    cache_dir : path, optional
        Folder for files that are downloaded. If not set, `repositories` in the models folder, which is `MMLRS_MODELS`, else
        `~/.cache/mmlrs/models`.
    allow_http : bool, default False
        Whether the URL may be an http URL, which is not encrypted.
    max_bytes : int, default 16 GiB
        Maximum number of bytes of each file that is downloaded.

    Raises
    ------
    InvalidParamError
        A parameter has a wrong type, or the URL is an http URL.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.models import ModelRepository
    >>> from mmlrs.testing import sample_model
    >>> repository = ModelRepository(tempfile.mkdtemp())
    >>> info = repository.publish(sample_model(), name="sample", task="demonstration", licence="MIT")
    >>> [(model.name, model.task) for model in repository.list()]
    [('sample', 'demonstration')]
    >>> repository.load("sample").read() == sample_model()
    True
    """

    def __init__(
        self,
        location: PathLike,
        *,
        cache_dir: PathLike | None = None,
        allow_http: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        where = path_of(location, "ModelRepository: param `location`")
        if not where or where.startswith("hf:"):
            hint = 'pass a model of the Hugging Face Hub to the stage, as model="hf:org/name"'
            raise InvalidParamError(
                f"ModelRepository: param `location` must be a folder or URL, got {where!r}; {hint}"
            )
        if not isinstance(allow_http, bool):
            raise InvalidParamError(
                f"ModelRepository: param `allow_http` must be a bool, got {shown(allow_http)}"
            )
        if type(max_bytes) is not int or max_bytes < 1:
            raise InvalidParamError(
                f"ModelRepository: param `max_bytes` must be a number of bytes, got {shown(max_bytes)}"
            )
        if not is_remote(where):
            where = os.path.abspath(unquote(local_path(where)) if where.startswith("file:") else where)
        cache = (
            None
            if cache_dir is None
            else os.path.abspath(path_of(cache_dir, "ModelRepository: param `cache_dir`"))
        )
        self._settings = (where.rstrip("/") or "/", cache, allow_http, max_bytes)
        self._store = self._opened()
        self._models: tuple[object, dict[str, ModelInfo]] | None = None

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self._settings[0]

    def __repr__(self) -> str:
        """Return the location."""
        return f"ModelRepository({self.location!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether the other repository has the same location and settings."""
        return isinstance(other, ModelRepository) and self._settings == other._settings

    def __hash__(self) -> int:
        """Return the hash of the location and the settings."""
        return hash(self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the location and the settings."""
        return _of_settings, self._settings

    def _opened(self) -> Store:
        where, cache_dir, allow_http, max_bytes = self._settings
        if not is_remote(where):
            return FolderStore(Path(where))
        cache = Path(cache_dir) if cache_dir is not None else models_folder() / "repositories"
        if where.startswith(("http:", "https:")):
            return WebStore(where, cache, max_bytes, allow_http)
        return RemoteStore(where, cache, max_bytes)

    def _all(self) -> dict[str, ModelInfo]:
        """Return the models by name. A manifest is read once, and one of a folder again when it changes."""
        version = self._store.version()
        if self._models is None or self._models[0] != version:
            self._models = version, parsed(self._store.manifest(), self._store.where)
        return self._models[1]

    def list(self, task: str | None = None) -> list[ModelInfo]:
        """Return the models, sorted by name.

        Parameters
        ----------
        task : str, optional
            Only models of this task.

        Raises
        ------
        InvalidParamError
            No model has this task.
        IoError
            The manifest cannot be read.
        ModelLoadError
            The manifest is not valid.

        Examples
        --------
        >>> import tempfile
        >>> from mmlrs.models import ModelRepository
        >>> from mmlrs.testing import sample_model
        >>> repository = ModelRepository(tempfile.mkdtemp())
        >>> info = repository.publish(sample_model(), name="sample")
        >>> [model.name for model in repository.list()]
        ['sample']
        """
        models = sorted(self._all().values(), key=lambda model: model.name.lower())
        tasks = sorted({model.task for model in models})
        if task is not None and task not in tasks:
            known = (
                " or ".join(repr(name) for name in tasks if name) or "left out, as no model states its task"
            )
            raise InvalidParamError(f"ModelRepository.list: param `task` must be {known}, got {task!r}")
        return [model for model in models if task in (None, model.task)]

    def info(self, name: str) -> ModelInfo:
        """Return what the manifest says about a model.

        Parameters
        ----------
        name : str
            The name, in any case.

        Raises
        ------
        InvalidParamError
            There is no model of this name.
        IoError
            The manifest cannot be read.
        ModelLoadError
            The manifest is not valid.

        Examples
        --------
        >>> import tempfile
        >>> from mmlrs.models import ModelRepository
        >>> from mmlrs.testing import sample_model
        >>> repository = ModelRepository(tempfile.mkdtemp())
        >>> info = repository.publish(sample_model(), name="sample", licence="MIT")
        >>> repository.info("Sample").licence
        'MIT'
        """
        models = self._all()
        found = {known.lower(): model for known, model in models.items()}.get(str(name).lower())
        if found is None:
            near = _native.nearest(str(name), list(models))
            hint = (
                f"did you mean `{near}`?" if near else f"its models are {', '.join(sorted(models)) or 'none'}"
            )
            raise InvalidParamError(f"{self!r} has no model `{name}`; {hint}")
        return found

    def download(self, name: str) -> Path:
        """Return the path of a model's ONNX file, which is downloaded unless it is here. So is its tokenizer.

        Parameters
        ----------
        name : str
            The name, in any case.

        Returns
        -------
        Path
            The file in the folder or in the cache, without the settings of the manifest. `load` returns a handle with them.

        Raises
        ------
        InvalidParamError
            There is no model of this name.
        IoError
            A file cannot be read, transferred or written.
        ModelLoadError
            A file has another size or SHA-256, or is not an ONNX file; or the manifest is not valid.
        LimitExceededError
            A file is larger than `max_bytes`.

        Examples
        --------
        >>> import tempfile
        >>> from mmlrs.models import ModelRepository
        >>> from mmlrs.testing import sample_model
        >>> repository = ModelRepository(tempfile.mkdtemp())
        >>> info = repository.publish(sample_model(), name="sample")
        >>> repository.download("sample").read_bytes() == sample_model()
        True
        """
        model = self.info(name)
        path = self._brought(model.file)
        if model.tokenizer is not None:
            self._brought(model.tokenizer)
        stat = os.stat(path)
        _check_onnx(path, stat.st_mtime_ns, stat.st_size)
        return path

    def load(self, name: str) -> ModelHandle:
        """Return a handle of a model with the preprocessing, the labels and the tokenizer of the manifest.

        Parameters
        ----------
        name : str
            The name, in any case.

        Returns
        -------
        ModelHandle
            It can be passed to every stage with a model. The files are checked again each time that a stage is planned, which
            costs nothing unless they have changed.

        Raises
        ------
        InvalidParamError
            There is no model of this name.
        IoError
            A file cannot be read, transferred or written.
        ModelLoadError
            A file has another size or SHA-256, or is not an ONNX file; or the manifest is not valid.
        LimitExceededError
            A file is larger than `max_bytes`.

        Examples
        --------
        >>> import tempfile
        >>> from mmlrs.models import ModelRepository
        >>> from mmlrs.testing import sample_text_model, sample_tokenizer
        >>> from mmlrs.text import TextEmbedder
        >>> repository = ModelRepository(tempfile.mkdtemp())
        >>> info = repository.publish(sample_text_model(), name="words", tokenizer=sample_tokenizer())
        >>> stage = TextEmbedder(inputCol="text", model=repository.load("words"), maxLength=16)
        """
        self.download(name)
        return ModelHandle(name=self.info(name).name, repository=self)

    def _located(self, name: str, part: str | None) -> Path | _native.Blob:
        """Return the path, or the content with its settings, of a model or of its tokenizer."""
        model = self.info(name)
        if part == "tokenizer":
            if model.tokenizer is None:
                raise ModelLoadError(
                    f"{self!r}: the model `{model.name}` has no tokenizer; set tokenizer to a file"
                )
            return self._brought(model.tokenizer)
        path = self.download(name)
        if not (model.preprocessing or model.labels or model.layers or model.features or model.scores):
            return path
        return described(path, model)

    def _brought(self, file: Any) -> Path:
        assert isinstance(file, RepositoryFile), "manifests have no other files"
        return self._store.bring(file)

    def publish(
        self,
        model: ModelLike,
        *,
        name: str,
        task: str = "",
        description: str = "",
        dataset: str = "",
        licence: str = "",
        source: str = "",
        tokenizer: ModelLike | None = None,
        preprocessing: Preprocessing | dict[str, Any] | None = None,
        layers: Sequence[str] = (),
        features: str | None = None,
        labels: Sequence[str] = (),
        descriptions: Sequence[str] = (),
        scores: str | None = None,
        overwrite: bool = False,
    ) -> ModelInfo:
        """Copy a model into the folder and list it in the manifest, which is replaced at once.

        Weights in files beside the model become part of its file.

        Parameters
        ----------
        model : path, URI, bytes or ModelHandle
            The ONNX model, or the name of one.
        name : str
            Its name in the repository.
        task, description, dataset, licence, source : str
            See `ModelInfo`. A model of `mmlrs.models` brings its own.
        tokenizer : path, URI, bytes or ModelHandle, optional
            The `tokenizer.json` of a model of texts.
        preprocessing : Preprocessing or dict, optional
            How a network of images expects them.
        layers, labels, descriptions : sequence of str
            See `ModelInfo`.
        features, scores : str, optional
            See `ModelInfo`.
        overwrite : bool, default False
            Whether a model of this name is replaced.

        Returns
        -------
        ModelInfo
            The entry of the manifest.

        Raises
        ------
        InvalidParamError
            The repository is not a folder on this machine, it has a model of this name, or a value is wrong.
        ModelLoadError
            The model is damaged, is not ONNX, or is too large for one file.
        IoError
            A file cannot be read or written.

        Examples
        --------
        >>> import tempfile
        >>> from mmlrs.models import ModelRepository
        >>> repository = ModelRepository(tempfile.mkdtemp())
        >>> repository.publish("efficientnet-lite0", name="lite").licence
        'Apache-2.0'
        """
        from mmlrs.models._publish import publish

        if not isinstance(self._store, FolderStore):
            raise InvalidParamError(
                f"ModelRepository.publish: {self.location} is not a folder on this machine; publish to one and copy it there"
            )
        given = {
            "task": task,
            "description": description,
            "dataset": dataset,
            "licence": licence,
            "source": source,
            "preprocessing": preprocessing,
            "layers": layers,
            "features": features,
            "labels": labels,
            "descriptions": descriptions,
            "scores": scores,
        }
        return publish(self._store, model, tokenizer, name, given, overwrite)


def _of_settings(location: str, cache_dir: str | None, allow_http: bool, max_bytes: int) -> ModelRepository:
    return ModelRepository(location, cache_dir=cache_dir, allow_http=allow_http, max_bytes=max_bytes)


@lru_cache(maxsize=64)
def _check_onnx(path: Path, _changed: int, _size: int) -> None:
    """Refuse files that are not ONNX, or keep weights in files whose checksum the manifest does not have."""
    try:
        what = foreign_format(path)
        beside = [] if what else side_files(path)
    except OSError as error:
        raise IoError(f"cannot read {path}: {error.strerror or error}") from None
    if what is not None:
        raise ModelLoadError(f"{path} is {what}, not an ONNX file; pickles are never read")
    if beside:
        raise ModelLoadError(
            f"{path} keeps weights in the file {beside[0]!r:.200}, which {MANIFEST} does not list; `publish` makes one file of them"
        )
    _native.model_info(json.dumps({"path": str(path)}))
