"""Params that are networks or their weights."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from mmlrs.models import ModelHandle, ModelLike
from mmlrs.params._type import ParamType, must_be
from mmlrs.params.content import FileType

__all__ = ["NETWORK", "WEIGHTS", "NetworkLike", "WeightsLike"]


class _Layers(Protocol):
    """A network of layers."""

    def to_json(self) -> str:
        """Return the description."""


class _Array(Protocol):
    """An array of numbers."""

    def __array__(self) -> Any:
        """Return the numbers."""


class _Vector(Protocol):
    """A vector of Spark ML."""

    def toArray(self) -> Any:
        """Return the numbers."""


class _Trained(Protocol):
    """A model with a trained network."""

    def getNetwork(self) -> ModelHandle:
        """Return the network file."""


#: An `mmlrs.ann.layers.Sequential`, or a description as JSON.
NetworkLike: TypeAlias = "str | _Layers"
#: A model, an array, list or vector of numbers, or a file with them.
WeightsLike: TypeAlias = "ModelLike | _Array | list[float] | _Vector | _Trained"


class WeightsType(FileType):
    """Weights of a network. Numbers become a file in single precision, and a model its network."""

    name = "weights"

    def accept(self, value: Any) -> ModelHandle:
        """Accept a model, an array or vector of finite numbers, or a file."""
        import numpy as np

        if isinstance(value, bytes | str | ModelHandle) or hasattr(value, "__fspath__"):
            return super().accept(value)
        expected = "a model, or an array or vector of finite numbers such as the weights of a model"
        network = getattr(value, "getNetwork", None)
        if network is not None:
            handle = network()
            if not isinstance(handle, ModelHandle):
                raise must_be(expected, value)
            return handle
        numbers = value.toArray() if hasattr(value, "toArray") else value
        # A list of whole numbers may be the sizes of layers.
        is_list = isinstance(numbers, list) and any(isinstance(number, float) for number in numbers)
        if np.iscomplexobj(numbers) or not (is_list or hasattr(numbers, "__array__")):
            raise must_be(expected, value)
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(numbers, dtype=np.float64).astype("<f4")
        except (TypeError, ValueError):
            raise must_be(expected, value) from None
        if array.ndim != 1 or not array.size or not np.isfinite(array).all():
            raise must_be(expected, value)
        return ModelHandle.of(array.tobytes())


class NetworkType(ParamType[str]):
    """Layers of a network, as JSON."""

    name = "network"

    def accept(self, value: Any) -> str:
        """Accept an `mmlrs.ann.layers.Sequential` or a description as JSON."""
        if isinstance(value, str):
            return value
        if type(value).__module__ == "mmlrs.ann.layers" and hasattr(value, "to_json"):
            return str(value.to_json())
        raise must_be("an mmlrs.ann.layers.Sequential or its description as JSON", value)


WEIGHTS, NETWORK = WeightsType(), NetworkType()
