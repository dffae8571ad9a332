"""The layers of a network as operators of ONNX.

Images are rows of (channels, height, width) in ONNX, and rows of (height, width, channels) here. The weights are turned once, so
images are turned only where they become vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_step import Members

if TYPE_CHECKING:
    import numpy.typing as npt

    #: Parameters of layers.
    Numbers: TypeAlias = npt.NDArray[np.float32]

__all__ = ["LAYERS", "Layers", "Values"]


@dataclass(frozen=True)
class Values:
    """What one layer hands to the next.

    Parameters
    ----------
    tensor : str
        Name of the tensor, of shape (rows, size), or (rows, channels, height, width) for images.
    shape : tuple of int
        The shape of a row as in a description: (size,), or (height, width, channels).
    """

    tensor: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values of a row."""
        return math.prod(self.shape)


class Layers:
    """Appends layers to a graph, and takes their parameters in order.

    Parameters
    ----------
    graph : Graph
        The graph.
    parameters : ndarray of float32
        The parameters of all layers, as the native core orders them.
    """

    def __init__(self, graph: Graph, parameters: Numbers) -> None:
        self.graph = graph
        self._left = parameters

    def take(self, *shape: int) -> Numbers:
        """Return the next parameters."""
        count = math.prod(shape)
        taken, self._left = self._left[:count], self._left[count:]
        return taken.reshape(shape)

    def after(self, layers: Sequence[dict[str, Any]], x: Values) -> Values:
        """Return what layers make of values."""
        for layer in layers:
            x = self.one(layer, x)
        return x

    def one(self, layer: dict[str, Any], x: Values) -> Values:
        """Return what a layer makes of values.

        Raises
        ------
        CannotExport
            The layer, or one of its settings, is not known.
        """
        settings = Members(layer)
        kind = settings.take("kind")
        if kind not in LAYERS:
            raise CannotExport(f"the export does not know layers of kind {kind!r}")
        y = LAYERS[kind](self, settings, x)
        settings.done()
        return y

    def done(self) -> None:
        """Refuse parameters that no layer took."""
        if len(self._left):
            raise CannotExport(f"the export does not know what {len(self._left):,} of the parameters are for")

    def image(self, x: Values, shape: tuple[int, ...]) -> Values:
        """Return vectors as the images whose values they are."""
        spread = self.graph.op("Reshape", x.tensor, np.array([0, *shape], dtype=np.int64))
        return Values(self.graph.op("Transpose", spread, perm=[0, 3, 1, 2]), shape)

    def vector(self, x: Values) -> Values:
        """Return images as vectors: row by row, the channels of a pixel side by side. Vectors are returned as they are."""
        if len(x.shape) == 1:
            return x
        height, width, channels = x.shape
        tensor = x.tensor
        if channels > 1 and height * width > 1:
            tensor = self.graph.op("Transpose", tensor, perm=[0, 2, 3, 1])
        return Values(self.graph.op("Flatten", tensor, axis=1), (x.size,))


def _slid(
    layers: Layers,
    settings: Members,
    x: Values,
    operator: str,
    size: list[int],
    *weights: Numbers,
    channels: int,
    **attributes: Any,
) -> Values:
    """Return what an operator with a window makes of images: images with so many channels."""
    stride = settings.take("stride", size)
    border = _border(settings.take("padding", "valid"), x.shape, size, stride)
    stored = [layers.graph.weights(weight) for weight in weights]
    window = {"kernel_shape": size, "strides": stride, "pads": border}
    y = layers.graph.op(operator, x.tensor, *stored, **window, **attributes)
    outer = [x.shape[axis] + border[axis] + border[axis + 2] for axis in (0, 1)]
    down, across = ((outer[axis] - size[axis]) // stride[axis] + 1 for axis in (0, 1))
    return Values(y, (down, across, channels))


def _border(padding: Any, shape: Sequence[int], size: list[int], stride: list[int]) -> list[int]:
    """Return the rows and columns around images at the top, left, bottom and right."""
    if isinstance(padding, list):
        return padding
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding != "same":
        raise CannotExport(f"the export does not know the padding {padding!r}")
    reaches = [(math.ceil(shape[axis] / stride[axis]) - 1) * stride[axis] + size[axis] for axis in (0, 1)]
    totals = [max(reaches[axis] - shape[axis], 0) for axis in (0, 1)]
    before = [total // 2 for total in totals]
    return [*before, *(total - first for total, first in zip(totals, before, strict=True))]


def _dense(layers: Layers, settings: Members, x: Values) -> Values:
    size = settings.take("size")
    weights, summands = (layers.graph.weights(layers.take(*shape)) for shape in ((x.size, size), (size,)))
    return Values(layers.graph.op("Gemm", x.tensor, weights, summands), (size,))


def _convolution(layers: Layers, settings: Members, x: Values) -> Values:
    filters, size, channels = settings.take("channels"), settings.take("kernel"), x.shape[2]
    weights = layers.take(*size, channels, filters).transpose(3, 2, 0, 1)
    return _slid(layers, settings, x, "Conv", size, weights, layers.take(filters), channels=filters)


def _depthwise(layers: Layers, settings: Members, x: Values) -> Values:
    size, channels = settings.take("kernel"), x.shape[2]
    weights = layers.take(*size, channels).transpose(2, 0, 1)[:, None]
    summands = layers.take(channels)
    return _slid(layers, settings, x, "Conv", size, weights, summands, channels=channels, group=channels)


def _pooling(operator: str, **attributes: Any) -> Callable[[Layers, Members, Values], Values]:
    def pool(layers: Layers, settings: Members, x: Values) -> Values:
        size = settings.take("kernel")
        return _slid(layers, settings, x, operator, size, channels=x.shape[2], **attributes)

    return pool


def _global_pooling(layers: Layers, settings: Members, x: Values) -> Values:
    del settings  # It has none.
    pooled = layers.graph.op("GlobalAveragePool", x.tensor)
    return Values(layers.graph.op("Flatten", pooled, axis=1), x.shape[2:])


def _flatten(layers: Layers, settings: Members, x: Values) -> Values:
    del settings
    return layers.vector(x)


def _of_each(operator: str, **attributes: Any) -> Callable[[Layers, Members, Values], Values]:
    """Return a layer whose output has the shape of its input."""

    def apply(layers: Layers, settings: Members, x: Values) -> Values:
        del settings
        return replace(x, tensor=layers.graph.op(operator, x.tensor, **attributes))

    return apply


def _gelu(layers: Layers, settings: Members, x: Values) -> Values:
    """Append x times the standard normal distribution function at x; ONNX has it as an operator from version 20 on."""
    del settings
    graph = layers.graph
    root, one, half = (np.array(number, dtype=np.float32) for number in (math.sqrt(0.5), 1.0, 0.5))
    doubled = graph.op("Add", graph.op("Erf", graph.op("Mul", x.tensor, root)), one)
    return replace(x, tensor=graph.op("Mul", graph.op("Mul", x.tensor, half), doubled))


def _dropout(layers: Layers, settings: Members, x: Values) -> Values:
    """Append nothing: only a training sets values to 0."""
    del layers
    settings.take("rate")
    return x


def _batch_normalization(layers: Layers, settings: Members, x: Values) -> Values:
    settings.take("momentum")
    channels, graph = x.shape[-1], layers.graph
    running = [graph.weights(layers.take(channels)) for _ in ("scale", "shift", "mean", "variance")]
    layers.take(1)  # The place of the weight of a gradient.
    epsilon = settings.take("epsilon")
    return replace(x, tensor=graph.op("BatchNormalization", x.tensor, *running, epsilon=epsilon))


def _residual(layers: Layers, settings: Members, x: Values) -> Values:
    y = layers.after(settings.take("layers"), x)
    return replace(x, tensor=layers.graph.op("Add", x.tensor, y.tensor))


#: The layers by their kinds in a description.
LAYERS: dict[str, Callable[[Layers, Members, Values], Values]] = {
    "dense": _dense,
    "convolution": _convolution,
    "depthwise": _depthwise,
    "max_pooling": _pooling("MaxPool"),
    # The border does not count.
    "average_pooling": _pooling("AveragePool", count_include_pad=0),
    "global_pooling": _global_pooling,
    "flatten": _flatten,
    "sigmoid": _of_each("Sigmoid"),
    "relu": _of_each("Relu"),
    "tanh": _of_each("Tanh"),
    "gelu": _gelu,
    # Of a vector, or of the channels of each pixel.
    "softmax": _of_each("Softmax", axis=1),
    "dropout": _dropout,
    "batch_normalization": _batch_normalization,
    "residual": _residual,
}
