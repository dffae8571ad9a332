"""Biases that compensate the mean error of rounded weights.

Rounding a weight by d changes an output by d times the input. Inputs after a rectifier are not negative, so the errors do not
cancel out: every output of a channel is shifted. The shift is the sum of the rounding errors, each times the mean of its input,
and is subtracted from the bias (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from mmlrs._quantization.types import Row

__all__ = ["with_corrected_biases"]

Floats = npt.NDArray[np.float64]
_WIDEST = 2**31 - 1


@dataclass(frozen=True)
class _Layer:
    """A layer whose weights and bias are integers."""

    node: NodeProto
    #: The tensor that it reads, in the network of floats.
    reads: str
    #: Error of each weight: [outputs, inputs of the group, ...] for a convolution, [inputs, outputs] for `Gemm`.
    errors: Floats
    bias: str
    #: What one unit of the integer bias stands for, per output.
    unit: Floats


def with_corrected_biases(
    integers: ModelProto, floats: ModelProto, feeds: Callable[[], Iterator[Row]]
) -> ModelProto:
    """Return a quantized network with corrected biases; `feeds` yields the inputs of the runs of `floats`, the same network."""
    layers = list(_layers(integers, floats))
    if not layers:
        return integers
    means = _means(floats, {layer.reads: layer.node.op_type for layer in layers}, feeds())
    stored = {weight.name: weight for weight in integers.graph.initializer}
    for layer in layers:
        bias = numpy_helper.to_array(stored[layer.bias]).astype(np.float64)
        moved = np.rint(bias - _shift(layer, means[layer.reads]) / layer.unit).clip(-_WIDEST, _WIDEST)
        stored[layer.bias].CopyFrom(numpy_helper.from_array(moved.astype(np.int32), layer.bias))
    return integers


def _layers(integers: ModelProto, floats: ModelProto) -> Iterator[_Layer]:
    """Yield the convolutions and `Gemm` nodes with a bias. The tools name integers after the weights."""
    stored = {weight.name: weight for weight in integers.graph.initializer}
    weights = {weight.name: weight for weight in floats.graph.initializer}
    makers = {node.output[0]: node for node in integers.graph.node}
    originals = {node.input[1]: node for node in floats.graph.node if len(node.input) > 1}
    for node in integers.graph.node:
        if not _is_plain(node):
            continue
        data, weight, bias = (makers.get(name) for name in node.input)
        if data is None or weight is None or bias is None:
            continue
        name = weight.input[0].removesuffix("_quantized")
        known = [*weight.input[:2], *bias.input[:2]]
        if name not in weights or name not in originals or not all(one in stored for one in known):
            continue
        exact = numpy_helper.to_array(weights[name]).astype(np.float64)
        rounded, scale, _, unit = (numpy_helper.to_array(stored[one]).astype(np.float64) for one in known)
        axis = next((a.i for a in weight.attribute if a.name == "axis"), 1)
        sizes = [-1 if i == axis % exact.ndim else 1 for i in range(exact.ndim)] if scale.ndim else []
        errors = rounded * scale.reshape(sizes) - exact
        if node.op_type == "Gemm" and _attribute(node, "transB", 0):
            errors = errors.T
        yield _Layer(node, originals[name].input[0], errors, bias.input[0], unit)


def _is_plain(node: NodeProto) -> bool:
    """Return whether a node is a layer whose output is the weights times the input, plus the bias."""
    if len(node.input) != 3:
        return False
    if node.op_type == "Gemm":
        return all(
            _attribute(node, name, usual) == usual
            for name, usual in (("alpha", 1), ("beta", 1), ("transA", 0))
        )
    return node.op_type == "Conv"


def _attribute(node: NodeProto, name: str, usual: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), usual)


def _shift(layer: _Layer, means: Floats) -> Floats:
    """Return by how much the rounded weights shift each output on average, for inputs with these means per channel."""
    if layer.node.op_type == "Gemm":
        return means @ layer.errors
    outputs, per_group, *_ = layer.errors.shape
    summed = layer.errors.reshape(outputs, per_group, -1).sum(axis=2)
    groups = len(means) // per_group
    inputs = np.repeat(means.reshape(groups, per_group), outputs // groups, axis=0)
    return (summed * inputs).sum(axis=1)


def _means(floats: ModelProto, tensors: dict[str, str], feeds: Iterator[Row]) -> dict[str, Floats]:
    """Return the means per channel of the inputs of layers: over all rows, and over all places in an image."""
    import onnxruntime

    network = ModelProto.FromString(floats.SerializeToString())
    del network.graph.output[:]
    for i, name in enumerate(tensors):
        # [rows, channels, places], whatever the number of dimensions is.
        shape = onnx.numpy_helper.from_array(np.array([0, 0, -1]), f"mmlrs_shape_{i}")
        network.graph.initializer.append(shape)
        is_flat = tensors[name] == "Gemm"
        nodes = [] if is_flat else [helper.make_node("Reshape", [name, shape.name], [f"mmlrs_places_{i}"])]
        read, axes = (name, [0]) if is_flat else (f"mmlrs_places_{i}", [0, 2])
        nodes.append(_mean(network, read, f"mmlrs_mean_{i}", axes))
        network.graph.node.extend(nodes)
        network.graph.output.append(onnx.ValueInfoProto(name=f"mmlrs_mean_{i}"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    total, rows = [np.zeros(1)] * len(tensors), 0
    for feed in feeds:
        count = len(next(iter(feed.values())))
        total = [
            sum_ + count * mean.astype(np.float64)
            for sum_, mean in zip(total, session.run(None, feed), strict=True)
        ]
        rows += count
    return {name: sum_ / rows for name, sum_ in zip(tensors, total, strict=True)}


def _mean(network: ModelProto, read: str, output: str, axes: list[int]) -> NodeProto:
    """Return the node with the mean. From opset 18 on the axes are an input."""
    version = max(opset.version for opset in network.opset_import if opset.domain in ("", "ai.onnx"))
    if version < 18:
        return helper.make_node("ReduceMean", [read], [output], axes=axes, keepdims=0)
    network.graph.initializer.append(numpy_helper.from_array(np.array(axes), f"{output}_axes"))
    return helper.make_node("ReduceMean", [read, f"{output}_axes"], [output], keepdims=0)
