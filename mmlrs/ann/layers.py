"""Layers of neural networks, and networks composed of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._typing import Self
from mmlrs.ann._layer_settings import SETTINGS, whole_numbers
from mmlrs.errors import InvalidParamError, LimitExceededError, MmlrsError

__all__ = [
    "AveragePooling",
    "BatchNormalization",
    "Convolution",
    "Dense",
    "Depthwise",
    "Dropout",
    "Flatten",
    "Gelu",
    "GlobalPooling",
    "Layer",
    "MaxPooling",
    "Relu",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
]

#: The version of the description that this code writes.
_VERSION = 1
#: A loss with which every network can be checked.
_ANY_LOSS = {"kind": "squared_error"}


@dataclass(frozen=True)
class Layer:
    """A layer of a network. The subclasses are the kinds of layers."""

    _kind: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls._kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def __post_init__(self) -> None:
        self.describe()

    def describe(self) -> dict[str, Any]:
        """Return the layer as JSON data.

        Raises
        ------
        InvalidParamError
            A setting has a wrong type.
        """
        described: dict[str, Any] = {"kind": self._kind}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            read, expected = SETTINGS[field.name]
            described[field.name] = read(value)
            if described[field.name] is None:
                raise InvalidParamError(
                    f"{type(self).__name__}: `{field.name}` must be {expected}, got {shown(value)}"
                )
        return described


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer of vectors.

    Parameters
    ----------
    size : int
        Number of outputs.
    """

    size: int


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)) of each value."""


@dataclass(frozen=True)
class Relu(Layer):
    """Each value, or 0 if it is negative."""


@dataclass(frozen=True)
class Tanh(Layer):
    """The hyperbolic tangent of each value."""


@dataclass(frozen=True)
class Gelu(Layer):
    """Each value times the probability that a standard normal number is smaller (Hendrycks and Gimpel 2016)."""


@dataclass(frozen=True)
class Softmax(Layer):
    """Positive values whose sum is 1. The last layer of a classifier must not be one, because the loss includes it."""


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution of images.

    Parameters
    ----------
    channels : int
        Number of filters, the channels of the output.
    kernel : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), default 1
        Rows and columns from one place of the window to the next.
    padding : "valid", "same" or (top, left, bottom, right), default "valid"
        The border of zeros: none, one with which a stride of 1 keeps the size, or so many pixels.
    """

    channels: int
    kernel: int | Sequence[int]
    stride: int | Sequence[int] = 1
    padding: str | Sequence[int] = "valid"


@dataclass(frozen=True)
class Depthwise(Layer):
    """A convolution of each channel with a filter of its own.

    Parameters
    ----------
    kernel, stride, padding
        As for `Convolution`.
    """

    kernel: int | Sequence[int]
    stride: int | Sequence[int] = 1
    padding: str | Sequence[int] = "valid"


@dataclass(frozen=True)
class MaxPooling(Layer):
    """The largest value of each channel in a window.

    Parameters
    ----------
    kernel : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Rows and columns from one place of the window to the next; those of the window if not set.
    padding : "valid", "same" or (top, left, bottom, right), default "valid"
        The border.
    """

    kernel: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: str | Sequence[int] = "valid"


@dataclass(frozen=True)
class AveragePooling(Layer):
    """The mean of each channel in a window.

    Parameters
    ----------
    kernel, stride, padding
        As for `MaxPooling`.
    """

    kernel: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: str | Sequence[int] = "valid"


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """The mean of each channel, as a vector."""


@dataclass(frozen=True)
class Flatten(Layer):
    """The values of an image as a vector, row by row."""


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets a random share of the values to 0 while the network is trained (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        The share, from 0 to below 1.
    """

    rate: float


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Scales each channel to mean 0 and deviation 1, then by trained factors (Ioffe and Szegedy 2015). Needs batches.

    Parameters
    ----------
    epsilon : float, default 1e-5
        Added to the variance.
    momentum : float, default 0.1
        Share of a batch in the running mean and variance.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1


@dataclass(frozen=True)
class Residual(Layer):
    """The input plus what a list of layers makes of it (He et al. 2016).

    Parameters
    ----------
    layers : list of Layer
        Layers whose output has the shape of the input.
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _listed("Residual", self.layers))

    def describe(self) -> dict[str, Any]:
        """Return the layer as JSON data."""
        return {"kind": self._kind, "layers": [layer.describe() for layer in self.layers]}


def _listed(owner: str, layers: Any) -> tuple[Layer, ...]:
    """Return layers in a tuple."""
    wrong = layers
    if isinstance(layers, Iterable):
        found = tuple(layers)
        if all(isinstance(layer, Layer) for layer in found):
            return found
        wrong = next(layer for layer in found if not isinstance(layer, Layer))
    raise InvalidParamError(
        f"{owner}: param `layers` must be a list of layers of mmlrs.ann.layers, got {shown(wrong)}"
    )


_KINDS = {cls._kind: cls for cls in Layer.__subclasses__()}


class Sequential:
    """A network: layers, one after the other.

    Parameters
    ----------
    layers : list of Layer
        The layers.
    input : int or (int, int, int)
        The size of the vectors that the network reads, or height, width and channels of the images.

    Raises
    ------
    InvalidParamError
        The layers do not fit each other.

    Examples
    --------
    >>> from mmlrs.ann import layers
    >>> network = layers.Sequential(
    ...     [
    ...         layers.Convolution(8, 3, padding="same"),
    ...         layers.Relu(),
    ...         layers.MaxPooling(2),
    ...         layers.Flatten(),
    ...         layers.Dense(10),
    ...     ],
    ...     input=(28, 28, 1),
    ... )
    >>> network.parameter_count
    15770
    """

    def __init__(self, layers: Iterable[Layer], input: int | Sequence[int]) -> None:  # noqa: A002 - the field's word
        self.layers = list(_listed("Sequential", layers))
        shape = whole_numbers(input, 1) or whole_numbers(input, 3)
        if shape is None or min(shape) < 1:
            raise InvalidParamError(
                "Sequential: param `input` must be the size of the vectors, or height, width and channels of the images, as numbers of "
                f"at least 1, got {shown(input)}"
            )
        self.input = shape
        try:
            self._info: dict[str, Any] = json.loads(
                _native.network_info(json.dumps(self.describe(_ANY_LOSS)))
            )
        except MmlrsError as error:
            kind = LimitExceededError if isinstance(error, LimitExceededError) else InvalidParamError
            raise kind(f"Sequential: {str(error).removeprefix('the description of a network: ')}") from None

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        count: int = self._info["parameters"]
        return count

    @property
    def outputs(self) -> int:
        """Number of values of a row after the last layer."""
        count: int = self._info["outputs"]
        return count

    def describe(self, loss: dict[str, Any]) -> dict[str, Any]:
        """Return the network with a loss as JSON data."""
        layers = [layer.describe() for layer in self.layers]
        return {"version": _VERSION, "input": self.input, "layers": layers, "loss": loss}

    def to_json(self) -> str:
        """Return the layers and the shape of the input as JSON."""
        return json.dumps({key: value for key, value in self.describe({}).items() if key != "loss"})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the network of a description; a loss in it is ignored.

        Raises
        ------
        InvalidParamError
            The text is not the description of a network.
        """
        try:
            described = json.loads(text)
            version = described.get("version", _VERSION)
            if isinstance(version, int) and version > _VERSION:
                raise InvalidParamError(
                    f"Sequential: the description of a network is from a newer version of mmlrs (format {version}, this one reads "
                    f"{_VERSION}); update mmlrs"
                )
            made, shape = [_layer(layer) for layer in described["layers"]], described["input"]
        except KeyError as error:
            raise InvalidParamError(f"Sequential: the description of a network has no {error}") from None
        except InvalidParamError:
            raise
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidParamError(
                f"Sequential: the description of a network cannot be read: {error}"
            ) from None
        return cls(made, shape)

    def __repr__(self) -> str:
        layers = ", ".join(repr(layer) for layer in self.layers)
        return f"Sequential([{layers}], input={self.input[0] if len(self.input) == 1 else tuple(self.input)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequential) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())


def _layer(described: dict[str, Any]) -> Layer:
    """Return the layer of its JSON data."""
    settings = dict(described)
    kind = settings.pop("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidParamError(
            f"Sequential: there is no layer {shown(kind)}; the layers are {', '.join(_KINDS)}"
        )
    if kind == "residual":
        settings["layers"] = [_layer(layer) for layer in settings["layers"]]
    unknown = settings.keys() - {field.name for field in fields(_KINDS[kind])}
    if unknown:
        raise InvalidParamError(f"Sequential: a layer {kind} has no {shown(min(unknown))}")
    made: Layer = _KINDS[kind](**settings)
    return made
