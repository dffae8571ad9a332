"""The file of a known network: the one that the user has brought, or that of the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from mmlrs import _native
from mmlrs.errors import IoError
from mmlrs.models._content import described
from mmlrs.models._entry import HubFile, ModelInfo
from mmlrs.models._folder import VARIABLE, brought

__all__ = ["is_here", "located", "path_of_network"]


def located(model: ModelInfo, file: HubFile) -> _native.Blob:
    """Return the content of a network with the preprocessing and the labels of the table.

    Raises
    ------
    IoError
        The user has not brought the file, and the Hub cannot be asked or does not have it.
    ModelLoadError
        The file is damaged or not ONNX.
    """
    return described(path_of_network(model, file), model)


def path_of_network(model: ModelInfo, file: HubFile) -> Path:
    """Return the path of the file that the user has brought, or else of that of the Hub, which is fetched.

    Raises
    ------
    IoError
        The Hub cannot be asked or does not have it.
    ModelLoadError
        The file in the cache of the Hub is damaged.
    """
    path = brought(model.name)
    if path.is_file():
        return path
    from mmlrs.models._hub_models import files_of

    try:
        return files_of(file.spec).path
    except IoError as error:
        raise IoError(_missing(model, file, str(error))) from None


def is_here(model: ModelInfo, file: HubFile) -> bool:
    """Return whether the file is in the models folder or in the cache of the Hub. Nothing is asked."""
    if brought(model.name).is_file():
        return True
    from mmlrs.models._hub import cached

    return cached(file.spec) is not None


def _missing(model: ModelInfo, file: HubFile, cause: str) -> str:
    page = file.spec.removeprefix("hf:")
    return (
        f"the model `{model.name}` is not on this machine: {cause.partition('; ')[0]}; bring the ONNX file of {page} and put it"
        f" at {brought(model.name)} ({VARIABLE} sets the folder), or set the path of another model"
    )
