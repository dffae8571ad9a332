"""Adds models to a repository in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._paths import outside, with_space
from mmlrs.errors import InvalidParamError, IoError, MmlrsError, ModelLoadError
from mmlrs.models._catalog import info
from mmlrs.models._content import IMAGE_SETTINGS, self_contained
from mmlrs.models._entry import ModelInfo, Preprocessing, RepositoryFile
from mmlrs.models._handle import ModelHandle, ModelLike
from mmlrs.models._locks import locked
from mmlrs.models._manifest import MANIFEST, parsed, written
from mmlrs.models._stores import FolderStore

__all__ = ["publish"]

_WHERE = "ModelRepository.publish"
_LISTS = ("layers", "labels", "descriptions")
#: Values that become part of those settings.
_OF_IMAGES = ("preprocessing", "layers", "features", "labels", "descriptions", "scores")


def publish(
    store: FolderStore,
    model: ModelLike,
    tokenizer: ModelLike | None,
    name: str,
    given: dict[str, Any],
    overwrite: bool,
) -> ModelInfo:
    """Copy a model into the folder of a store and list it; see `ModelRepository.publish`."""
    chosen: Any = name
    if not isinstance(chosen, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", chosen) is None:
        raise InvalidParamError(
            f"{_WHERE}: param `name` must consist of at most 100 letters, digits, `-` and `_`, and begin with a letter or a "
            f"digit, got {shown(name)}"
        )
    handle = _handle("model", model)
    known = _known(handle)
    if tokenizer is None and known is not None and known.tokenizer is not None:
        tokenizer = handle.tokenizer
    values = _values(given, known)
    _, data = self_contained(handle.to_json())
    if known is None:
        _check_settings(data, values)
    words = None if tokenizer is None else _handle("tokenizer", tokenizer).read()
    entry = _checked(name, values, data, words)
    content = {_path_of(entry.file): data}
    if words is not None:
        content[_path_of(entry.tokenizer)] = words
    _add(store, entry, content, overwrite)
    return entry


def _handle(param: str, value: Any) -> ModelHandle:
    try:
        return ModelHandle.of(value)
    except TypeError as error:
        raise InvalidParamError(f"{_WHERE}: param `{param}` {error}") from None


def _known(handle: ModelHandle) -> ModelInfo | None:
    """Return what is known about a model that has a name, except those of the Hub, whose file holds the settings."""
    if handle.name is None or handle.name.startswith("hf:"):
        return None
    return info(handle.name) if handle.repository is None else handle.repository.info(handle.name)


def _values(given: dict[str, Any], known: ModelInfo | None) -> dict[str, Any]:
    """Return the values of the entry as JSON has them. Those that are not given are those that are known."""
    values: dict[str, Any] = {}
    for field, value in given.items():
        if field in _LISTS and (isinstance(value, str) or not isinstance(value, Iterable)):
            raise InvalidParamError(f"{_WHERE}: param `{field}` must be a list of texts, got {shown(value)}")
        plain: Any = list(value) if field in _LISTS else value
        if isinstance(plain, Preprocessing):
            plain = asdict(plain)
        if known is not None and field in _OF_IMAGES and plain:
            raise InvalidParamError(
                f"{_WHERE}: param `{field}` cannot be set for `{known.name}`, whose file holds its settings; pass another model"
            )
        if plain:
            values[field] = plain
    return values if known is None else {**_json_of(known), **values}


def _json_of(known: ModelInfo) -> dict[str, Any]:
    """Return what a manifest says about a model, without its name and its files."""
    here = replace(known, file=RepositoryFile("x.onnx", "0" * 64, 0), tokenizer=None)
    [entry] = json.loads(written({known.name: here}))["models"]
    return {key: value for key, value in entry.items() if key not in ("name", "file")}


def _check_settings(data: bytes, values: dict[str, Any]) -> None:
    """Refuse settings that would not count, because the model has its own, and labels that do not fit its output."""
    blob = _native.put_blob(data)
    found = json.loads(_native.model_info(json.dumps({"sha256": blob.sha256})))
    given = [field for field in _OF_IMAGES if field in values]
    if given and IMAGE_SETTINGS in found.get("metadata", {}):
        raise InvalidParamError(
            f"{_WHERE}: param `{given[0]}` cannot be set: the model has settings of its own in its metadata `{IMAGE_SETTINGS}`"
        )
    outputs, labels = found["outputs"], values.get("labels")
    classes = (outputs[0].get("shape") or [None])[-1] if len(outputs) == 1 else None
    if labels and isinstance(classes, int) and len(labels) != classes:
        raise InvalidParamError(
            f"{_WHERE}: param `labels` has {len(labels):,} labels, but the output `{outputs[0]['name']}` has {classes:,} values"
        )


def _checked(name: str, values: dict[str, Any], data: bytes, words: bytes | None) -> ModelInfo:
    """Return the entry after it has passed the checks of a manifest."""

    def file(content: bytes, kind: str, suffix: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        return {"path": f"{name}/{kind}-{digest[:12]}{suffix}", "sha256": digest, "size": len(content)}

    entry = {"name": name, "file": file(data, "model", ".onnx"), **values}
    if words is not None:
        entry["tokenizer"] = file(words, "tokenizer", ".json")
    try:
        text = json.dumps({"format": "mmlrs-models", "version": 1, "models": [entry]})
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParamError(f"{_WHERE}: a value cannot be written as JSON: {error}") from None
    try:
        [model] = parsed(text.encode(), _WHERE).values()
    except ModelLoadError as error:
        raise InvalidParamError(str(error).replace(": model 0", ":", 1)) from None
    return model


def _path_of(file: Any) -> str:
    assert isinstance(file, RepositoryFile)
    return file.path


def _add(store: FolderStore, entry: ModelInfo, content: dict[str, bytes], overwrite: bool) -> None:
    """Write the files, then the manifest, then delete the files that nothing names any more."""
    folder = store.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{MANIFEST}.lock"):
            models = parsed(store.manifest(), store.where) if (folder / MANIFEST).exists() else {}
            old = next((model for key, model in models.items() if key.lower() == entry.name.lower()), None)
            if old is not None and not overwrite:
                raise InvalidParamError(
                    f"{_WHERE}: param `name`: {folder} has a model `{old.name}`; choose another name, or set overwrite=True"
                )
            for path, data in content.items():
                _write(folder, folder / path, data)
            models = {key: model for key, model in models.items() if model is not old} | {entry.name: entry}
            _write(folder, folder / MANIFEST, written(models))
            named = {_path_of(file) for model in models.values() for file in _files(model)}
            for path in {_path_of(file) for file in _files(old)} - named if old is not None else ():
                with suppress(OSError):
                    (folder / path).unlink()
    except MmlrsError:
        raise
    except OSError as error:
        message = f"{_WHERE}: cannot write to {folder}: {error.strerror or error}"
        raise IoError(with_space(message, str(folder), error)) from None


def _files(model: ModelInfo) -> list[Any]:
    return [file for file in (model.file, model.tokenizer) if file is not None]


def _write(folder: Path, path: Path, data: bytes) -> None:
    """Write a file that appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    real = outside(path.parent / "file", folder)
    if real is not None:
        raise IoError(
            f"{_WHERE}: {path.parent} is a link to the outside of {folder}, {real}; delete the link"
        )
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink()
