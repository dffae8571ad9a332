"""The architecture files of the onnx package: real graphs with constant weights and a fixed batch of 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

#: The normalization of the networks: that of ImageNet, for R, G, B.
MEANS = (0.485, 0.456, 0.406)
STDS = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Network:
    """One of these networks."""

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
