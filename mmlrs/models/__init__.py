"""Models by name, handles of ONNX models, and their inputs and outputs."""

from __future__ import annotations

from mmlrs._names import public
from mmlrs.models._catalog import info, is_installed
from mmlrs.models._catalog import list_models as list  # noqa: A004 - the public name is models.list
from mmlrs.models._entry import HubFile, ModelInfo, PackageFile, Preprocessing, RepositoryFile
from mmlrs.models._handle import ModelHandle, ModelLike, get, model_info
from mmlrs.models._repository import ModelRepository

__all__ = [
    "HubFile",
    "ModelHandle",
    "ModelInfo",
    "ModelLike",
    "ModelRepository",
    "PackageFile",
    "Preprocessing",
    "RepositoryFile",
    "get",
    "info",
    "is_installed",
    "list",
    "model_info",
]

__dir__ = public(globals())
