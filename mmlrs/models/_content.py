"""The bytes of ONNX models."""

from __future__ import annotations

import json
import mmap
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmlrs import _native
from mmlrs.errors import IoError
from mmlrs.models._entry import ModelInfo

__all__ = [
    "IMAGE_SETTINGS",
    "content_id",
    "described",
    "foreign_format",
    "self_contained",
    "side_files",
    "with_settings",
]

#: The metadata key of a model's image settings.
IMAGE_SETTINGS = "mmlrs.image"
#: First bytes of files that are not ONNX: zip archives (PyTorch), pickles, HDF5, Git LFS pointers, web pages.
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as PyTorch writes",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    b"<": "a web page",
}
#: An entry of a tensor's external data in the ONNX format: field 13, its length, the key "location", the length of the name.
_LOCATION = re.compile(
    rb"\x6a(?:[\x0d-\x7f]|[\x80-\xff][\x01-\x7f])\n\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])",
    re.DOTALL,
)


def self_contained(source: dict[str, str]) -> tuple[str, bytes]:
    """Return the SHA-256 and the bytes of a model with its side files embedded. `source` is the JSON form of a handle.

    Raises
    ------
    ModelLoadError, IoError
        The model is damaged, cannot be read, or is too large for one file.
    """
    blob = _native.self_contained(json.dumps(source))
    data = _native.get_blob(blob.sha256)
    if data is None:
        raise IoError(f"the model with SHA-256 {blob.sha256} is not in this process")
    return blob.sha256, data


def with_settings(path: str, settings: dict[str, Any]) -> _native.Blob:
    """Return the model of a file with image settings, which count unless the model has settings of its own."""
    _, data = self_contained({"path": path})
    return _native.put_blob(data + _native.image_settings(json.dumps(settings)))


def described(path: Path, model: ModelInfo) -> _native.Blob:
    """Return the model of a file with what is known about it as its image settings. Few are kept, until their file changes."""
    stat = os.stat(path)
    return _described(path, model, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _described(path: Path, model: ModelInfo, _changed: int, _size: int) -> _native.Blob:
    return with_settings(str(path), model.image_metadata())


def content_id(source: dict[str, str]) -> str:
    """Return a text that identifies the content of a model or a file. `source` is the JSON form of a handle.

    It is the SHA-256, so a path and the same content as bytes are the same. A model with side files, whose weights are elsewhere,
    and a file that cannot be read are identified by their path.
    """
    if "path" not in source:
        return source["sha256"]
    path = os.path.realpath(source["path"])
    try:
        stat = os.stat(path)
        return _content_id(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, IoError):
        return path


@lru_cache(maxsize=64)
def _content_id(path: str, _changed: int, _size: int) -> str:
    return path if side_files(Path(path)) else _native.file_sha256(path)


def foreign_format(path: Path) -> str | None:
    """Return what a file is, if its first bytes are those of a format that is mistaken for ONNX.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(32)
    return next((what for magic, what in _FOREIGN.items() if start.startswith(magic)), None)


def side_files(path: Path) -> list[str]:
    """Return the names of the files beside an ONNX file that hold its weights, as they are in it: names may be unsafe.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    names: dict[str, None] = {}
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for match in _LOCATION.finditer(data):
                sizes = match[1]
                length = sizes[0] if len(sizes) == 1 else (sizes[0] & 0x7F) | sizes[1] << 7
                names[data[match.end() : match.end() + length].decode("utf-8", "replace")] = None
    return list(names)
