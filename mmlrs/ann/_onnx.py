"""Models of networks as ONNX files, and as a part of the ONNX files of compiled models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs import _native
from mmlrs.ann._onnx_layers import Layers, Values
from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_links import probabilities_of
from mmlrs.compiled._onnx_step import Step
from mmlrs.errors import InvalidParamError, LimitExceededError
from mmlrs.models._content import IMAGE_SETTINGS

if TYPE_CHECKING:
    from mmlrs.ann._onnx_layers import Numbers
    from mmlrs.ann._trained import TrainedNetwork

__all__ = ["add_network", "export", "label_texts"]

#: Layers whose input is a tensor of features.
_WEIGHTED = ("dense", "convolution", "depthwise", "residual")
#: The output with the name of the predicted class, as in compiled models.
_LABEL = "predictedLabel"


@dataclass(frozen=True)
class _Output:
    """An output of the graph, named as its column."""

    name: str
    tensor: str
    dtype: str
    size: int


def export(model: TrainedNetwork) -> bytes:
    """Return a model as an ONNX model: see `TrainedNetwork.to_onnx`."""
    from mmlrs import __version__

    graph = Graph(model._stage)
    where = f"{model._stage}: to_onnx:"
    network = _Network(model, graph)
    network.check_size(where, graph.max_bytes)
    source, shape = model._columns("input")[0], network.shape
    x = Values(source, shape)
    try:
        values = network.after(x)
    except CannotExport as error:
        raise InvalidParamError(f"{where} {error}") from None
    outputs = _classes(model, graph, values) if _classifies(model) else [_value(model, network, values)]
    names = [source, *(output.name for output in outputs)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidParamError(
            f"{where} `{twice}` names two of the input and the outputs {', '.join(f'`{name}`' for name in names)}; set "
            "`predictionCol` or another param with the name of a column"
        )
    odd = _odd(graph, source if len(shape) == 1 else graph.op("Flatten", source, axis=1))
    for output in outputs:
        blank = graph.constant([""]) if output.dtype == "O" else np.array([np.nan], dtype=output.dtype)
        graph.name(output.name, graph.where(odd, blank, output.tensor))
    rows = shape if len(shape) == 1 else (shape[2], *shape[:2])
    settings = _settings(model, network, outputs)
    made = graph.assembled(
        [graph.info(source, "f4", rows)],
        [graph.info(output.name, output.dtype, [output.size]) for output in outputs],
        __version__,
        {IMAGE_SETTINGS: json.dumps(settings)} if settings else None,
    )
    content: bytes = made.SerializeToString()
    return content


def add_network(step: Step) -> None:
    """Append the network of a stage in a compiled model, whose numbers are doubles."""
    model, graph = step.stage, step.graph
    network = _Network(model, graph)
    column = step.vector(0, network.size)
    x = Values(graph.cast(column.tensor, "f4"), (network.size,))
    step.reject(_odd(graph, x.tensor))
    values = network.after(x if len(network.shape) == 1 else network.layers.image(x, network.shape))
    made: dict[str, tuple[str, str, int]] = {}
    if _classifies(model):
        raw = graph.cast(values.tensor, "f8")
        probabilities = probabilities_of(graph, "softmax", raw)
        made[model._value("rawPredictionCol")] = (raw, "vector", values.size)
        made[model._value("probabilityCol")] = (probabilities, "vector", values.size)
        made[model._value("predictionCol")] = (_predicted(model, graph, probabilities), "number", 1)
    else:
        output = _value(model, network, values)
        kind = "number" if values.size == 1 else "vector"
        made[output.name] = (graph.cast(output.tensor, "f8"), kind, values.size)
    for name in model._columns("output"):
        if name in made:
            tensor, kind, size = made[name]
            step.give(tensor, kind, size)  # type: ignore[arg-type]


class _Network:
    """The network of a model, and the layers as far as they are appended."""

    def __init__(self, model: TrainedNetwork, graph: Graph) -> None:
        model._core()
        self.description = model.description
        self.parameters = model.weights
        _check(model._stage, self.description, self.parameters)
        self.layers = Layers(graph, self.parameters)
        #: What the layers with weights read, from the first to the last.
        self.features: list[str] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row of input: (size,), or (height, width, channels)."""
        return tuple(self.description["input"])

    @property
    def size(self) -> int:
        """Number of values of a row of input."""
        return Values("", self.shape).size

    @property
    def loss(self) -> str:
        """The kind of the loss."""
        kind: str = self.description["loss"]["kind"]
        return kind

    def check_size(self, where: str, most: int) -> None:
        """Refuse parameters that do not fit into one ONNX file."""
        if self.parameters.nbytes > most:
            raise LimitExceededError(
                f"{where} the network has {self.parameters.size:,} parameters; an ONNX file without side files holds at most "
                f"{most // 4:,}"
            )

    def after(self, x: Values) -> Values:
        """Append the layers, and return the values of the last one as vectors."""
        for number, layer in enumerate(self.description["layers"]):
            if layer["kind"] in _WEIGHTED:
                self.features.append(x.tensor)
            try:
                x = self.layers.one(layer, x)
            except CannotExport as error:
                raise CannotExport(f"layer {number} ({layer['kind']}): {error}") from None
        self.layers.done()
        return self.layers.vector(x)


def _check(stage: str, description: dict[str, Any], parameters: Numbers) -> None:
    """Raise an error for a network that the native core refuses."""
    count = json.loads(_native.network_info(json.dumps(description)))["parameters"]
    wrong = f"{stage}: param `network`: the network cannot be read:"
    if parameters.size != count:
        raise InvalidParamError(f"{wrong} it has {parameters.size} parameters, but its layers have {count}")
    if not np.isfinite(parameters).all():
        place = int(np.isfinite(parameters).argmin())
        raise InvalidParamError(f"{wrong} parameter {place} is not a finite number")


def _classifies(model: TrainedNetwork) -> bool:
    """Return whether a model has columns of classes."""
    return model.hasParam("probabilityCol")


def _odd(graph: Graph, x: str) -> str:
    """Return the rows of vectors with NaN or an infinity, which the native core refuses."""
    return graph.any_slot(graph.op("Or", graph.op("IsNaN", x), graph.op("IsInf", x)))


def _classes(model: TrainedNetwork, graph: Graph, values: Values) -> list[_Output]:
    """Return the outputs of a classifier. The first is the one that stages for images read."""
    shares = graph.op("Softmax", values.tensor, axis=1)
    exact = graph.cast(values.tensor, "f8")
    if model._value("thresholds") is not None:
        exact = probabilities_of(graph, "softmax", exact)
    predicted = _predicted(model, graph, exact)
    outputs = [
        _Output(model._value("probabilityCol"), shares, "f4", values.size),
        _Output(model._value("rawPredictionCol"), values.tensor, "f4", values.size),
        _Output(model._value("predictionCol"), predicted, "f8", 1),
    ]
    if labels := _labels(model):
        named = graph.op("Gather", graph.constant(labels), graph.cast(predicted, "i8"), axis=0)
        outputs.append(_Output(_LABEL, named, "O", 1))
    return outputs


def _predicted(model: TrainedNetwork, graph: Graph, scores: str) -> str:
    """Return the number of the class, from scores in the order of the probabilities, or from the probabilities if there are thresholds."""
    thresholds = model._value("thresholds")
    if thresholds is not None:
        scores = graph.op("Div", scores, np.array([thresholds], dtype=np.float64))
    return graph.place_of_largest(scores)


def _value(model: TrainedNetwork, network: _Network, values: Values) -> _Output:
    """Return the output of a network whose values are the answer."""
    graph, tensor = network.layers.graph, values.tensor
    if network.loss == "sigmoid_cross_entropy":
        tensor = graph.op("Sigmoid", tensor)
    param = "predictionCol" if model.hasParam("predictionCol") else "outputCol"
    return _Output(model._value(param), tensor, "f4", values.size)


def _labels(model: TrainedNetwork) -> list[str]:
    """Return the names of the classes as the metadata of predictions has them."""
    return label_texts(model._value("labels") or [] if model.hasParam("labels") else [])


def label_texts(labels: Sequence[Any]) -> list[str]:
    """Return labels as the names that metadata and ONNX files have."""
    return [label if isinstance(label, str) else json.dumps(label) for label in labels]


def _settings(model: TrainedNetwork, network: _Network, outputs: Sequence[_Output]) -> dict[str, Any]:
    """Return what stages should know of the model: its classes, and for images how they are read."""
    settings: dict[str, Any] = {}
    if len(network.shape) == 3:
        height, width, channels = network.shape
        features = [name for name in reversed(network.features) if name != model._columns("input")[0]]
        settings |= {"height": height, "width": width, "layerNames": [outputs[0].name, *features]}
        settings |= {"means": [0.0] * channels, "stds": [1.0] * channels, "scale": 1.0}
        settings |= {"classifier": _classifies(model)} | model._image_settings()
    if _classifies(model):
        settings |= {"classifier": True, "scores": "probabilities"}
        if labels := _labels(model):
            settings["labels"] = labels
    return settings
