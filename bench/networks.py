"""The networks of the measures: the architecture files of the onnx package, EfficientNet-Lite0, and one that costs nothing.

The architecture files are real graphs with constant weights and a fixed batch of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: The normalization of the networks: that of ImageNet, for R, G, B.
MEANS = (0.485, 0.456, 0.406)
STDS = (0.229, 0.224, 0.225)


class Graph(Protocol):
    """A network that ONNX Runtime can run in batches."""

    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...
    def batched(self) -> bytes:
        """Return the ONNX graph with a free batch dimension."""
        ...


@dataclass(frozen=True)
class Classifier:
    """A network in a file of its own, with a free batch dimension, and what it expects of its images."""

    name: str
    path: Path
    input: str
    output: str
    labels: tuple[str, ...]
    #: Of pixels from 0 to 1, for R, G, B.
    means: tuple[float, ...] = MEANS
    stds: tuple[float, ...] = STDS
    #: Its name in mmlrs.models, where its labels and normalization are known.
    model: str | None = None

    def batched(self) -> bytes:
        """Return the content of the file."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class Network:
    """One of the architecture files."""

    name: str
    file: str
    input: str
    output: str

    @property
    def path(self) -> Path:
        """Return the path of the original file in the onnx package."""
        return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / self.file

    def batched(self) -> bytes:
        """Return the same graph with a free batch dimension, as one would edit it by hand to run it in batches."""
        return _batched(self.path)


RESNET50 = Network("ResNet-50", "light_resnet50.onnx", "gpu_0/data_0", "gpu_0/softmax_1")
SQUEEZENET = Network("SqueezeNet", "light_squeezenet.onnx", "data_0", "softmaxout_1")


@cache
def _batched(path: Path) -> bytes:
    model = onnx.load(path)
    weights = {weight.name: weight for weight in model.graph.initializer}
    for value in [*model.graph.input, *model.graph.output]:
        shape = value.type.tensor_type.shape.dim
        if value.name not in weights and shape[0].dim_value == 1:
            shape[0].dim_param = "N"
    for node in model.graph.node:
        if node.op_type == "Reshape":
            target = weights[node.input[1]]
            wanted = numpy_helper.to_array(target).copy()
            wanted[0] = -1
            target.CopyFrom(numpy_helper.from_array(np.asarray(wanted), target.name))
    return bytes(model.SerializeToString())


def free(folder: Path) -> Classifier:
    """Write a network that costs next to nothing: the scores of its three classes are the means of the channels."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["means"]),
            helper.make_node("Flatten", ["means"], ["scores"]),
        ],
        "means",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
    )
    path = folder / "free.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return Classifier("a network that costs nothing", path, "image", "scores", ("red", "green", "blue"))


def lite0(folder: Path) -> Classifier:
    """Write EfficientNet-Lite0, trained on ImageNet, from the package of the extra `models`."""
    from mmlrs import models

    info = models.info("efficientnet-lite0")
    path = folder / "lite0.onnx"
    path.write_bytes(models.get(info.name).read())
    expects = info.preprocessing
    if expects is None or info.scores is None:
        raise RuntimeError(f"the model {info.name} has no preprocessing or no scores")
    # For pixels from 0 to 1 instead of 0 to 255.
    to_unit = 1 / (255 * expects.scale)
    means, stds = (tuple(value * to_unit for value in values) for values in (expects.means, expects.stds))
    labels = tuple(info.descriptions)
    return Classifier("EfficientNet-Lite0", path, "image", info.scores, labels, means, stds, info.name)
