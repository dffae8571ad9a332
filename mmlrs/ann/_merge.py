"""One ONNX file of a network up to its features and a trained head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs import _native
from mmlrs.ann._onnx_layers import Layers, Values
from mmlrs.compiled._onnx_graph import Graph, onnx_package
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.models import ModelHandle
from mmlrs.models._content import IMAGE_SETTINGS, self_contained

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["HEAD", "Head", "feature_tensor", "merged", "parsed", "trained_head"]

#: The metadata key that describes the head.
HEAD = "mmlrs.head"
#: The oldest operators that the head is made of; networks with older ones are converted.
_OLDEST, _CONVERTED = 13, 17
#: Operations that only reshape or scale their input, and layers, whose input is a tensor of features: as for `ImageFeaturizer`.
_PASSING = {
    "Softmax", "LogSoftmax", "Sigmoid", "Relu", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout", "Identity", "Cast", "Add",
    "Sum", "Mul", "Sub", "Div", "BatchNormalization", "GlobalAveragePool", "AveragePool", "ReduceMean", "Transpose",
}  # fmt: skip
_LAYERS = {"Gemm", "MatMul", "Conv", "FusedConv"}


@dataclass(frozen=True)
class Head:
    """A trained head, and what it reads.

    Parameters
    ----------
    network : bytes
        The head as a file.
    tensor : str
        The tensor with the features.
    kind : {"image", "text", "vector"}
        What the network reads.
    is_pooled : bool
        Whether the features are the means of maps.
    labels : list of str
        The names of the classes.
    thresholds : list of float, optional
        The thresholds of the classes.
    """

    network: bytes
    tensor: str
    kind: str
    is_pooled: bool
    labels: list[str]
    thresholds: list[float] | None


def parsed(owner: str, model: ModelHandle) -> Any:
    """Return a network as an ONNX message. `owner` is the class that errors name."""
    onnx = onnx_package(owner)
    _, content = self_contained(model.to_json())
    try:
        return onnx.ModelProto.FromString(content)
    except Exception as error:  # noqa: BLE001 - the class of the error is protobuf's, by version
        raise ModelLoadError(f"{owner}: the network cannot be parsed: {error}") from None


def feature_tensor(model: Any) -> str | None:
    """Return the features of a network: those that its metadata name, else what its last layer reads, or None."""
    settings = _settings(model)
    if settings.get("featureTensor"):
        return str(settings["featureTensor"])
    graph = model.graph
    constants = _constants(graph)
    producer = {name: node for node in graph.node for name in node.output}
    name = graph.output[0].name
    while name in producer:
        node = producer[name]
        data = [item for item in node.input if item and item not in constants]
        if node.op_type in _LAYERS and data:
            return str(data[0])
        if node.op_type not in _PASSING or len(data) != 1:
            return None
        name = data[0]
    return None


def merged(owner: str, model: ModelHandle, head: Head) -> bytes:
    """Return a network up to its features with a head behind it, as an ONNX file.

    The outputs are `probability`, the first, `rawPrediction`, `prediction`, a double, and `predictedLabel`, of shape (rows, 1).

    Raises
    ------
    InvalidParamError
        The network has operators of an old version that cannot be converted.
    MissingPackageError
        The package onnx is not installed.
    """
    network = _current(owner, parsed(owner, model))
    graph = network.graph
    inputs = [item.name for item in graph.input]
    mask = "attention_mask" if head.kind == "text" and "attention_mask" in inputs else None
    _cut(graph, [head.tensor, *([mask] if mask else [])])
    tail = _Tail(owner, graph)
    description, parameters = _native.read_network(head.network)
    layers = Layers(tail, np.frombuffer(parameters, dtype="<f4"))
    described = json.loads(description)
    [size] = described["input"]
    x = Values(_vector(tail, head, size, mask), (size,))
    raw = layers.after(described["layers"], x)
    layers.done()
    names = _append_classes(tail, head, raw)
    weights = tail.append()
    network.ir_version = max(network.ir_version, 7)
    _describe(owner, network, head, names, {"weights": weights, "network": described})
    return bytes(network.SerializeToString())


def trained_head(owner: str, model: ModelHandle) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    """Return the description and the weights of the head of a merged network.

    Raises
    ------
    InvalidParamError
        The network has no head that was trained here.
    """
    onnx = onnx_package(owner)
    network = parsed(owner, model)
    text = next((entry.value for entry in network.metadata_props if entry.key == HEAD), None)
    if text is None:
        raise InvalidParamError(f"{owner}: param `model`: the network has no trained head")
    head = json.loads(text)
    stored = {tensor.name: tensor for tensor in network.graph.initializer}
    arrays = [onnx.numpy_helper.to_array(stored[name]).ravel() for name in head["weights"]]
    return head["network"], np.concatenate(arrays).astype(np.float32)


class _Tail(Graph):
    """Nodes to append to a graph, with names that it does not have."""

    def __init__(self, owner: str, graph: Any) -> None:
        super().__init__(owner)
        self._graph = graph
        used = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
        self.used = used | {item.name for item in graph.initializer} | {item.name for item in graph.input}
        self._prefix = self.free("head", lambda prefix: any(n.startswith(f"{prefix}/") for n in self.used))
        self._weights: list[str] = []

    def free(self, name: str, is_used: Any = None) -> str:
        """Return the name, with a number behind it if it is used."""
        is_used = is_used or self.used.__contains__
        count, candidate = 1, name
        while is_used(candidate):
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}/{kind}_{self._count}"

    def weights(self, array: np.ndarray[Any, Any]) -> str:
        name = super().weights(array)
        self._weights.append(name)
        return name

    def output(self, wanted: str, tensor: str, dtype: str, size: int) -> str:
        """Make a tensor an output, and return its name."""
        name = self.free(wanted)
        helper = self._onnx.helper
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=self._name("Identity")))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._graph.output.append(helper.make_tensor_value_info(name, kind, [None, size]))
        return name

    def append(self) -> list[str]:
        """Append the nodes, and return the names of the weights in order."""
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(self._initializers.values())
        return self._weights


def _vector(graph: Graph, head: Head, size: int, mask: str | None) -> str:
    """Return the features as vectors, as the stage computed them for the training."""
    x = graph.cast(head.tensor, "f4")
    if head.kind == "text":
        return _embedding(graph, x, size, mask)
    if head.is_pooled:
        x = graph.op("GlobalAveragePool", x)
    return graph.op("Flatten", x, axis=1)


def _embedding(graph: Graph, x: str, size: int, mask: str | None) -> str:
    """Return the mean of the states of the tokens that count, of length 1. One vector per string is a single state."""
    states = graph.op("Reshape", x, np.array([0, -1, size], dtype=np.int64))
    ones = np.array([1], dtype=np.int64)
    if mask is None:
        turned = graph.op("Transpose", states, perm=[0, 2, 1])
        mean = graph.op("Flatten", graph.op("GlobalAveragePool", turned), axis=1)
    else:
        count = graph.op("Shape", states)
        count = graph.op("Slice", count, ones, np.array([2], dtype=np.int64))
        counted = graph.op("Slice", graph.cast(mask, "f4"), np.array([0], dtype=np.int64), count, ones)
        counted = graph.op("Unsqueeze", counted, np.array([2], dtype=np.int64))
        total = graph.op("ReduceSum", graph.op("Mul", states, counted), ones, keepdims=0)
        mean = graph.op("Div", total, graph.op("ReduceSum", counted, ones, keepdims=0))
    length = graph.op("Sqrt", graph.total(graph.op("Mul", mean, mean)))
    unit = np.array(1, dtype=np.float32)
    has_direction = graph.op("Greater", length, np.array(1e-12, dtype=np.float32))
    return graph.op("Div", mean, graph.where(has_direction, length, unit))


def _append_classes(tail: _Tail, head: Head, raw: Values) -> list[str]:
    """Append the outputs, and return their names."""
    shares = tail.op("Softmax", raw.tensor, axis=1)
    scores = tail.cast(raw.tensor, "f8")
    if head.thresholds is not None:
        divisors = np.array([head.thresholds], dtype=np.float64)
        scores = tail.op("Div", tail.op("Softmax", scores, axis=1), divisors)
    predicted = tail.place_of_largest(scores)
    labels = tail.op("Gather", tail.constant(head.labels), tail.cast(predicted, "i8"), axis=0)
    return [
        tail.output("probability", shares, "f4", raw.size),
        tail.output("rawPrediction", raw.tensor, "f4", raw.size),
        tail.output("prediction", predicted, "f8", 1),
        tail.output("predictedLabel", labels, "O", 1),
    ]


def _describe(owner: str, network: Any, head: Head, names: Sequence[str], facts: dict[str, Any]) -> None:
    """Write what stages should know of a merged network into its metadata."""
    metadata = {entry.key: entry.value for entry in network.metadata_props}
    settings = _settings(network)
    if IMAGE_SETTINGS not in metadata and "names" in metadata:
        # The export of a YOLO, whose own metadata say how images are read.
        metadata["names"] = repr(dict(enumerate(head.labels)))
    else:
        settings = {key: value for key, value in settings.items() if key != "descriptions"}
        settings |= {"labels": head.labels, "classifier": True, "scores": "probabilities"}
        settings |= {"layerNames": [names[0], head.tensor], "featureTensor": head.tensor}
        metadata[IMAGE_SETTINGS] = json.dumps(settings)
    metadata[HEAD] = json.dumps({"features": head.tensor, "outputs": list(names), **facts})
    onnx_package(owner).helper.set_model_props(network, metadata)


def _settings(network: Any) -> dict[str, Any]:
    """Return the image settings in the metadata of a network."""
    text = next((entry.value for entry in network.metadata_props if entry.key == IMAGE_SETTINGS), "{}")
    settings: dict[str, Any] = json.loads(text)
    return settings


def _current(owner: str, network: Any) -> Any:
    """Return a network whose operators are of a version that goes with the head."""
    version = next((item.version for item in network.opset_import if item.domain in ("", "ai.onnx")), 0)
    if version >= _OLDEST:
        return network
    onnx = onnx_package(owner)
    import onnx.version_converter as converter

    try:
        converted = converter.convert_version(network, _CONVERTED)
    except Exception as error:  # noqa: BLE001 - the converter raises many kinds
        raise InvalidParamError(
            f"{owner}: the network has operators of version {version}, which cannot be converted ({error}); export it with version "
            f"{_CONVERTED}"
        ) from None
    onnx.helper.set_model_props(converted, {entry.key: entry.value for entry in network.metadata_props})
    return converted


def _cut(graph: Any, kept: Sequence[str]) -> None:
    """Remove from a graph all that tensors do not depend on, and its outputs."""
    producer = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting = list(kept)
    while waiting:
        name = waiting.pop()
        if name and name not in needed:
            needed.add(name)
            if name in producer:
                waiting += _read_by(producer[name])
    for items, wanted in (
        (graph.node, lambda node: any(name in needed for name in node.output if name)),
        (graph.initializer, lambda tensor: tensor.name in needed),
        (graph.sparse_initializer, lambda tensor: tensor.values.name in needed),
        (graph.input, lambda item: item.name in needed),
        (graph.value_info, lambda item: item.name in needed),
        (graph.quantization_annotation, lambda item: item.tensor_name in needed),
    ):
        left = [item for item in items if wanted(item)]
        del items[:]
        items.extend(left)
    del graph.output[:]


def _read_by(node: Any) -> list[str]:
    """Return the tensors that a node reads, also in the bodies of loops and branches."""
    names = list(node.input)
    for attribute in node.attribute:
        for body in [attribute.g, *attribute.graphs]:
            for inner in body.node:
                names += _read_by(inner)
            names += [item.name for item in body.output]
    return names


def _constants(graph: Any) -> set[str]:
    """Return the tensors that do not depend on an input."""
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        has_body = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if not has_body and all(not name or name in constants for name in node.input):
            constants.update(node.output)
    return constants
