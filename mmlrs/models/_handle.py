"""Handles of ONNX models, and their inputs and outputs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import unquote

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.models._catalog import info, located, name_of, no_model

if TYPE_CHECKING:
    from mmlrs.models._repository import ModelRepository

__all__ = ["ModelHandle", "ModelLike", "get", "model_info"]


#: Prefix of models of the Hugging Face Hub.
_HUB = "hf:"
#: What may be a repository of the Hub, or else a file without extension in a folder.
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w-]+")


class _Serializable(Protocol):
    def SerializeToString(self) -> bytes: ...


@dataclass(frozen=True)
class ModelHandle:
    """A reference to an ONNX model, by its name, its path or its content.

    A handle is small. Bytes are kept once per process under their SHA-256, for as long as a handle, a stage or a DataFrame
    refers to them. Handles are equal if they have the same name, the same path or the same SHA-256.

    Parameters
    ----------
    path : path, optional
        File on this machine; `~` is the home folder.
    sha256 : str, optional
        SHA-256, in hex, of bytes that this process holds.
    name : str, optional
        Name of a model that `mmlrs.models` knows, or `hf:org/name[@revision][/file]`. Its file is located when the model is
        used.
    part : str, optional
        "tokenizer" for the tokenizer of the named model.
    repository : ModelRepository, optional
        The repository that has the named model.

    Examples
    --------
    >>> from mmlrs.models import ModelHandle
    >>> from mmlrs.testing import sample_model
    >>> handle = ModelHandle.from_bytes(sample_model())
    >>> handle == ModelHandle(sha256=handle.sha256), handle.read() == sample_model()
    (True, True)
    """

    path: str | None = None
    sha256: str | None = None
    name: str | None = None
    part: str | None = None
    repository: ModelRepository | None = None

    def __post_init__(self) -> None:
        sources = {"path": self.path, "sha256": self.sha256, "name": self.name}
        given = [field for field, value in sources.items() if value is not None]
        if len(given) != 1:
            raise InvalidParamError(
                f"ModelHandle: exactly one of `path`, `sha256` and `name` must be set, got {', '.join(given) or 'none'}"
            )
        if self.part not in (None, "tokenizer"):
            raise InvalidParamError(f'ModelHandle: param `part` must be "tokenizer", got {self.part!r}')
        if self.repository is not None and self.name is None:
            raise InvalidParamError("ModelHandle: param `repository` needs the `name` of a model")
        if self.path is not None:
            object.__setattr__(self, "path", path_of(self.path, "ModelHandle: param `path`"))
        self._hold(None if self.sha256 is None else _native.hold_blob(self.sha256))

    def __repr__(self) -> str:
        """Return the fields that are set."""
        fields = {
            "path": self.path,
            "sha256": self.sha256,
            "name": self.name,
            "part": self.part,
            "repository": self.repository,
        }
        return f"ModelHandle({', '.join(f'{key}={value!r}' for key, value in fields.items() if value is not None)})"

    def _located(self) -> ModelHandle:
        """Return a handle of the path or the content of a named model.

        Raises
        ------
        ModelLoadError
            The model is not installed, or its file is damaged.
        """
        if self.name is None:
            return self
        if self.repository is not None:
            found = self.repository._located(self.name, self.part)
        elif self.name.startswith(_HUB):
            from mmlrs.models import _hub_models

            found = _hub_models.located(self.name, self.part)
        else:
            found = located(self.name, self.part)
        return ModelHandle(path=str(found)) if isinstance(found, Path) else ModelHandle(sha256=found.sha256)

    @property
    def tokenizer(self) -> ModelHandle | None:
        """The handle of the tokenizer that comes with a model that has a name, or None."""
        return None if self.name is None else replace(self, part="tokenizer")

    def _hold(self, blob: _native.Blob | None) -> None:
        """Keep the bytes in this process for as long as this handle lives."""
        object.__setattr__(self, "_blob", blob)

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelHandle:
        """Return a handle of ONNX bytes, at the cost of one SHA-256."""
        blob = _native.put_blob(data)
        return cls(sha256=blob.sha256)

    @classmethod
    def from_uri(cls, uri: PathLike) -> ModelHandle:
        """Return a handle of a path or URI.

        Local paths and `file:` URIs are read when the model is used. Other schemes are fetched at once, through
        `pyarrow.fs` (s3, gs, hdfs, abfs) or through fsspec if it is installed.

        Raises
        ------
        IoError
            The URI cannot be fetched.
        """
        uri = path_of(uri, "ModelHandle: param `uri`")
        if is_remote(uri):
            from mmlrs.models._remote import chunks

            return cls.from_bytes(b"".join(chunks(uri)))
        path = unquote(local_path(uri)) if uri.startswith("file:") else uri
        return cls(path=os.path.abspath(path))

    @classmethod
    def of(cls, value: ModelLike) -> ModelHandle:
        """Return a handle of any value that stages accept as a model.

        That is the name of a model that `mmlrs.models` knows, a model of the Hugging Face Hub as
        `hf:org/name[@revision][/file]`, a path, a URI, bytes, an ONNX ModelProto or a handle.

        Raises
        ------
        TypeError
            The value is none of these. The message completes the sentence "param `x` ...".
        """
        if isinstance(value, ModelHandle):
            return value
        if isinstance(value, str) and value.startswith(_HUB):
            from mmlrs.models._hub_models import hub_name

            return cls(name=hub_name(value))
        if isinstance(value, str) and _is_plain(value):
            known = name_of(value)
            if known is not None:
                return cls(name=known)
            if not os.path.exists(value):
                raise TypeError(f"names neither a file nor a model: {no_model(value)}")
        if value == "":
            raise TypeError("must not be empty")
        if isinstance(value, str) and _REPOSITORY.fullmatch(value) and not os.path.exists(value):
            raise TypeError(f'names no file: {value}; for a model of the Hugging Face Hub, set "hf:{value}"')
        if isinstance(value, str | os.PathLike):
            return cls.from_uri(os.fspath(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return cls.from_bytes(bytes(value))
        if hasattr(value, "SerializeToString"):
            return cls.from_bytes(value.SerializeToString())
        raise TypeError(f"must be a path, a URI, bytes or a model handle, got {shown(value)}")

    @classmethod
    def from_json(cls, value: dict[str, str]) -> ModelHandle:
        """Return the handle that `to_json` serialized."""
        return cls(path=value.get("path"), sha256=value.get("sha256"))

    def to_json(self) -> dict[str, str]:
        """Return the serialized form of the handle, which the native core reads.

        Raises
        ------
        ModelLoadError
            The named model is not installed, or its file is damaged.
        """
        located = self._located()
        return {"path": located.path} if located.path is not None else {"sha256": located.sha256 or ""}

    def read(self) -> bytes:
        """Return the ONNX bytes, without weights in external files.

        Raises
        ------
        IoError
            The file cannot be read, or this process does not hold the bytes.
        """
        if self.name is not None:
            return self._located().read()
        if self.path is not None:
            try:
                return Path(self.path).read_bytes()
            except OSError as error:
                raise IoError(f"{self.path}: {error.strerror or error}") from None
        data = _native.get_blob(self.sha256 or "")
        if data is None:
            raise IoError(f"the model with SHA-256 {self.sha256} is not in this process")
        return data

    def __getstate__(self) -> dict[str, Any]:
        """Include the bytes in a pickle, so that another process can use the handle. Paths and names stay as they are."""
        data = self.read() if self.path is None and self.name is None else None
        return {
            "path": self.path,
            "data": data,
            "name": self.name,
            "part": self.part,
            "repository": self.repository,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Keep the bytes in this process."""
        for field in ("path", "name", "part", "repository"):
            object.__setattr__(self, field, state[field])
        blob = None if state["data"] is None else _native.put_blob(state["data"])
        object.__setattr__(self, "sha256", None if blob is None else blob.sha256)
        self._hold(blob)


ModelLike: TypeAlias = str | os.PathLike[str] | bytes | ModelHandle | _Serializable


def _is_plain(text: str) -> bool:
    """Return whether a text has neither a folder nor an extension, so that it may be the name of a model."""
    return bool(text) and not any(mark in text for mark in ("/", os.sep, "~", ":")) and not Path(text).suffix


def get(name: str) -> ModelHandle:
    """Return a handle of a model, after its file has been found and its SHA-256 checked.

    Parameters
    ----------
    name : str
        A name that `models.list` returns, in any case, or a model of the Hugging Face Hub, `hf:org/name[@revision][/file]`.

    Returns
    -------
    ModelHandle
        It can be passed to every stage with a model.

    Raises
    ------
    InvalidParamError
        There is no model of this name.
    ModelLoadError
        The package with the weights is not installed, or its file is damaged.
    IoError
        The Hub cannot be reached, and the file is not in its cache.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.get("efficientnet-lite0")
    ModelHandle(name='efficientnet-lite0')
    """
    handle = ModelHandle.of(name) if str(name).startswith(_HUB) else ModelHandle(name=info(name).name)
    handle._located()
    return handle


def model_info(model: ModelLike) -> dict[str, Any]:
    """Return the inputs and outputs of a model.

    Parameters
    ----------
    model : path, URI, bytes or ModelHandle
        The ONNX model. ONNX Runtime is not started.

    Returns
    -------
    dict
        `inputs` and `outputs`, which are lists of `{"name", "type", "shape"}`. `shape` has an int for a fixed dimension,
        the name of a dynamic dimension, or None.

    Raises
    ------
    ModelLoadError, IoError
        The model is missing, truncated or not ONNX.
    InvalidParamError
        `model` is none of the accepted types.

    Examples
    --------
    >>> from mmlrs.models import model_info
    >>> from mmlrs.testing import sample_model
    >>> [i["name"] for i in model_info(sample_model())["inputs"]]
    ['x']
    """
    try:
        handle = ModelHandle.of(model)
    except TypeError as error:
        raise InvalidParamError(f"model_info: param `model` {error}") from None
    info: dict[str, Any] = json.loads(_native.model_info(json.dumps(handle.to_json())))
    return info
