"""Params that are models or files, whose content is saved under its SHA-256."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mmlrs import _native
from mmlrs.models import ModelHandle
from mmlrs.models._content import self_contained
from mmlrs.params._type import Loading, ParamType, Saving, refused

__all__ = ["FILE", "MODEL", "is_hash"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_hash(value: Any) -> bool:
    """Return whether a value from a file is a SHA-256 in hex."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


class FileType(ParamType[ModelHandle]):
    """A file, as a path, a URI, bytes or a handle."""

    name = "file"
    is_json = False

    def accept(self, value: Any) -> ModelHandle:
        """Accept a path, a URI, bytes, a handle, or the name of a model with a tokenizer."""
        handle = ModelHandle.of(value)
        return handle.tokenizer or handle

    def to_core(self, value: ModelHandle) -> dict[str, str]:
        """Return the path or the SHA-256 of the content."""
        return value.to_json()

    def from_core(self, value: Any) -> ModelHandle | None:
        """Return the handle for a reference from the native core."""
        return None if value is None else ModelHandle.from_json(value)

    def to_saved(self, value: ModelHandle, saving: Saving) -> dict[str, str]:
        """Return the SHA-256 of the content, which is saved beside the metadata."""
        sha256, content = self._content(value)
        saving.blobs[sha256] = content
        return {"sha256": sha256}

    def _content(self, value: ModelHandle) -> tuple[str, bytes]:
        content = value.read()
        return _native.put_blob(content).sha256, content

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise unless the value is a SHA-256. A path or URI would be read or fetched because a file says so."""
        if not (isinstance(saved, dict) and set(saved) == {"sha256"} and is_hash(saved["sha256"])):
            raise refused(where, "content under its SHA-256", saved)

    def saved_blobs(self, where: str, saved: Any) -> Iterable[str]:
        """Return the SHA-256."""
        return (saved["sha256"],)

    def from_saved(self, saved: Any, loading: Loading) -> bytes:
        """Return the content."""
        return loading.blobs[saved["sha256"]]


class ModelType(FileType):
    """An ONNX model, which is saved with its external files embedded."""

    name = "model"

    def accept(self, value: Any) -> ModelHandle:
        """Accept a path, a URI, bytes, an ONNX ModelProto, a handle or the name of a model."""
        return ModelHandle.of(value)

    def _content(self, value: ModelHandle) -> tuple[str, bytes]:
        return self_contained(self.to_core(value))


FILE, MODEL = FileType(), ModelType()
