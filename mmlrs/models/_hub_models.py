"""Models of the Hugging Face Hub as stages use them: with the image settings of their repository."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path

from mmlrs import _native
from mmlrs.errors import ModelLoadError
from mmlrs.models._content import IMAGE_SETTINGS, with_settings
from mmlrs.models._hub import HubModel, HubSpec, fetch, image_metadata, no_onnx

__all__ = ["files_of", "hub_name", "located"]

#: The form of a SHA-256 in hex.
_SHA256 = re.compile(r"[0-9a-f]{64}")


def hub_name(text: str) -> str:
    """Return the name of a model of the Hub in its shortest form.

    Raises
    ------
    InvalidParamError, ModelLoadError
        The text is no name of a model of the Hub.
    """
    spec = HubSpec.parse(text)
    if spec.file is not None and not spec.file.lower().endswith(".onnx"):
        raise ModelLoadError(
            f"{text!r:.200}: a safetensors file holds weights without a network; {no_onnx(spec.repo)}"
        )
    return str(spec)


def located(name: str, part: str | None) -> Path | _native.Blob:
    """Return the path, or the content, of a model or of its tokenizer, which is fetched unless it is in the Hub's cache.

    The Hub is asked once per process for the commit of a revision. A network for images has the settings of the repository's
    `preprocessor_config.json` and `config.json` as its metadata, unless it has metadata of its own.

    Raises
    ------
    IoError
        A file cannot be fetched.
    ModelLoadError
        The repository has no ONNX model or no tokenizer, or its settings cannot be followed.
    """
    files = files_of(name)
    if part == "tokenizer":
        if files.tokenizer is None:
            raise ModelLoadError(
                f"{name}: the repository has no tokenizer.json; set tokenizer to another file"
            )
        return files.tokenizer
    try:
        plain = files.preprocessor is None and not _reads_images(files.path)
    except ModelLoadError as error:
        raise ModelLoadError(f"{name}: {error}; if the file is damaged, delete it and try again") from None
    if plain:
        return files.path
    stat = os.stat(files.path)
    return _with_settings(name, files.path, stat.st_mtime_ns, stat.st_size)


def files_of(name: str) -> HubModel:
    """Return the files of a model in the Hub's cache. The Hub is asked once per process, unless they are deleted."""
    files = _fetched(name)
    if not files.path.exists():
        _fetched.cache_clear()
        files = _fetched(name)
    _check(name, files.path)
    return files


def _check(name: str, path: Path) -> None:
    """Refuse a damaged file. A large file of the cache is named after its SHA-256, of which the process keeps the result."""
    blob = Path(os.path.realpath(path))
    if _SHA256.fullmatch(blob.name) is not None:
        found = _native.file_sha256(blob)
        if found != blob.name:
            raise ModelLoadError(
                f"{name}: the file {path} is damaged: its SHA-256 is {found}; delete {blob} and try again"
            )


_fetched = lru_cache(maxsize=64)(fetch)


def _reads_images(path: Path) -> bool:
    """Return whether the only input of a model has four dimensions."""
    inputs = json.loads(_native.model_info(json.dumps({"path": str(path)})))["inputs"]
    return len(inputs) == 1 and len(inputs[0].get("shape") or ()) == 4


@lru_cache(maxsize=16)
def _with_settings(name: str, path: Path, _changed: int, _size: int) -> Path | _native.Blob:
    files: HubModel = _fetched(name)
    source = json.dumps({"path": str(path)})
    if IMAGE_SETTINGS in json.loads(_native.model_info(source)).get("metadata", {}):
        return path
    try:
        settings = image_metadata(files)
    except ModelLoadError as error:
        _fetched.cache_clear()  # a file that could not be fetched may be there later
        raise ModelLoadError(
            f"{error}; to use the network with settings of your own, pass its path, {path}, as model"
        ) from None
    return with_settings(str(path), settings)
