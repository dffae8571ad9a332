"""The bytes of ONNX models."""

from __future__ import annotations

import json
from typing import Any

from mmlrs import _native
from mmlrs.errors import IoError

__all__ = ["self_contained", "with_settings"]


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
