"""The manifest of a repository: a JSON file that lists models with their checksums and settings.

It is an object with `format` "mmlrs-models", `version` 1 and `models`, a list of objects with the fields of `ModelInfo`. `file` and
`tokenizer` are objects with `path`, relative to the manifest, `sha256` and `size`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import PurePosixPath
from typing import Any

from mmlrs._messages import shown
from mmlrs._paths import unsafe_name
from mmlrs.errors import InvalidParamError, LimitExceededError, ModelLoadError
from mmlrs.models._entry import ModelInfo, Preprocessing, RepositoryFile, is_number, is_side

__all__ = ["MANIFEST", "MAX_MANIFEST_BYTES", "parsed", "written"]

#: Name of the manifest in the folder of a repository.
MANIFEST = "mmlrs-models.json"
#: Maximum number of bytes of a manifest.
MAX_MANIFEST_BYTES = 16 << 20
_FORMAT, _VERSION = "mmlrs-models", 1
_SCORES = ("logits", "probabilities", "multi-label")
#: Fields of `ModelInfo` that models of a repository do not have.
_OTHER = {"install", "architecture", "size"}


class _Wrong(Exception):  # noqa: N818 - becomes a ModelLoadError that names the entry and the field
    """What is wrong with a value."""


def parsed(data: bytes, where: str) -> dict[str, ModelInfo]:
    """Return the models of a manifest by name.

    Parameters
    ----------
    data : bytes
        Content of the manifest.
    where : str
        Its path or URL, for messages.

    Raises
    ------
    ModelLoadError
        It is not a manifest, or a field of an entry is missing, unknown or has a wrong value.
    LimitExceededError
        It is larger than 16 MiB.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise LimitExceededError(
            f"{where}: the manifest has more than {MAX_MANIFEST_BYTES:,} bytes; divide the repository"
        )
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{where}: the manifest is not JSON: {error}") from None
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise ModelLoadError(f'{where}: the file is not a manifest: `format` must be "{_FORMAT}"')
    version, entries = value.get("version"), value.get("models")
    if version != _VERSION or isinstance(version, bool):
        hint = (
            "install a newer mmlrs" if isinstance(version, int) and version > _VERSION else "write it again"
        )
        raise ModelLoadError(f"{where}: `version` must be {_VERSION}, got {shown(version)}; {hint}")
    if not isinstance(entries, list):
        raise ModelLoadError(f"{where}: `models` must be a list, got {shown(entries)}")
    models: dict[str, ModelInfo] = {}
    names: set[str] = set()
    for number, entry in enumerate(entries):
        model = _entry(entry, f"{where}: model {number}")
        if model.name.lower() in names:
            raise ModelLoadError(
                f"{where}: model {number}: `name`: there is another model `{model.name}`, but for case"
            )
        names.add(model.name.lower())
        models[model.name] = model
    return models


def written(models: dict[str, ModelInfo]) -> bytes:
    """Return the content of a manifest. Fields without a value are left out."""
    entries = []
    for model in models.values():
        entry = {key: value for key, value in asdict(model).items() if key not in _OTHER}
        entries.append({key: value for key, value in entry.items() if value not in (None, (), "")})
    value = {"format": _FORMAT, "version": _VERSION, "models": entries}
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _entry(entry: Any, where: str) -> ModelInfo:
    """Return the model of one entry. Errors name the field."""
    if not isinstance(entry, dict):
        raise ModelLoadError(f"{where} must be an object, got {shown(entry)}")
    where = f"{where} `{entry['name']:.60}`" if isinstance(entry.get("name"), str) else where
    values: dict[str, Any] = dict.fromkeys(("task", "description", "dataset", "licence", "source"), "")
    unknown = sorted(set(entry) - set(_READERS))
    if unknown:
        known = ", ".join(sorted(_READERS))
        raise ModelLoadError(f"{where}: unknown field {shown(unknown[0])}; the fields are {known}")
    for key in ("name", "file"):
        if key not in entry:
            raise ModelLoadError(f"{where}: `{key}` is missing")
    for key, value in entry.items():
        try:
            values[key] = _READERS[key](value)
        except _Wrong as error:
            raise ModelLoadError(f"{where}: `{key}` {error}") from None
    try:
        return ModelInfo(**values, size=values["file"].size)
    except InvalidParamError as error:
        raise ModelLoadError(f"{where}: {str(error).removeprefix('ModelInfo: param ')}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"must be a text, got {shown(value)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Wrong(f"must be a list of texts, got {shown(value)}")
    return tuple(value)


def _scores(value: Any) -> str:
    if value not in _SCORES:
        raise _Wrong(f"must be {' or '.join(map(repr, _SCORES))}, got {shown(value)}")
    return str(value)


def _members(value: Any, allowed: set[str], needed: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"must be an object, got {shown(value)}")
    if needed - set(value):
        raise _Wrong(f"has no `{min(needed - set(value))}`")
    if set(value) - allowed:
        raise _Wrong(f"has an unknown field {shown(min(set(value) - allowed))}")
    return value


def _repository_file(value: Any, *suffixes: str) -> RepositoryFile:
    keys = {"path", "sha256", "size"}
    file = _members(value, keys, keys)
    path, size = _text(file["path"]), file["size"]
    cause = unsafe_name(path)
    if cause is not None:
        raise _Wrong(f"has the path {shown(path)}, which {cause}")
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in suffixes:
        raise _Wrong(f"has the path {shown(path)}, but only {' and '.join(suffixes)} files are read")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise _Wrong(f"has the size {shown(size)}, which is not a number of bytes")
    sha256 = _text(file["sha256"]).lower()
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise _Wrong(f"has the sha256 {shown(sha256)}, which is not 64 hex digits")
    return RepositoryFile(path, sha256, size)


def _preprocessing(value: Any) -> Preprocessing:
    given = _members(
        value, {field.name for field in fields(Preprocessing)}, {"height", "width", "means", "stds"}
    )
    for key in ("height", "width", "resizeShorter"):
        side = given.get(key)
        absent = key == "resizeShorter" and side is None
        if not absent and not is_side(side):
            raise _Wrong(f"has the {key} {shown(side)}, which is not a number of pixels")
    means, stds = (_numbers(key, given[key]) for key in ("means", "stds"))
    if len(means) != len(stds) or any(std <= 0 for std in stds):
        raise _Wrong("needs one `means` and one `stds` above 0 for each channel")
    scale = given.get("scale", 1.0)
    if not is_number(scale) or scale <= 0:
        raise _Wrong(f"has the scale {shown(scale)}, which is not a number above 0")
    if given.get("channelOrder", "rgb") not in ("rgb", "bgr"):
        raise _Wrong(f"has the channelOrder {shown(given['channelOrder'])}, which is not 'rgb' or 'bgr'")
    return Preprocessing(**{**given, "means": means, "stds": stds, "scale": float(scale)})


def _numbers(key: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) not in (1, 3) or not all(map(is_number, value)):
        raise _Wrong(f"has the {key} {shown(value)}, which are not 1 or 3 numbers")
    return tuple(map(float, value))


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "task": _text,
    "description": _text,
    "dataset": _text,
    "licence": _text,
    "source": _text,
    "file": lambda value: _repository_file(value, ".onnx"),
    "tokenizer": lambda value: _repository_file(value, ".json"),
    "preprocessing": _preprocessing,
    "layers": _texts,
    "features": _text,
    "labels": _texts,
    "descriptions": _texts,
    "scores": _scores,
}
