"""A small convolutional network with fixed, untrained filters, for tests.

Its first layer is a bank of Gabor filters (edges of several orientations and widths, in luminance and in two opponent colours,
in both phases) and of random filters. The next two layers are random with orthogonal rows. A spatial pyramid over their
responses, with each level normalized to unit length, gives 480 features. Every call builds the same network.

The output comes from a random head, so that there is a layer to cut off. Its values have no meaning, and the metadata says so:
``headless=False`` is refused.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SEED = 20260
SIDE = 96
CLASSES = 10
#: Channels after each convolution. The first layer has 24 Gabor filters for luminance, 12 for colour, and random filters.
WIDTHS = (48, 96, 96)
#: Channels of the branch that keeps a 3 x 3 grid of positions.
GRID_CHANNELS = 32
FEATURES = GRID_CHANNELS * 9 + 2 * WIDTHS[2]
OPSET = 17

Array = NDArray[np.float32]

#: Weights of R, G and B: luminance, red against green, blue against yellow.
LUMINANCE = np.array([0.299, 0.587, 0.114])
OPPONENTS = (np.array([0.5, -0.5, 0.0]), np.array([-0.25, -0.25, 0.5]))


def gabor(angle: float, wavelength: float, phase: float, size: int = 7) -> NDArray[np.float64]:
    """Return an oriented filter: a wave under a Gaussian window, with zero mean and unit length."""
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    along = x * np.cos(angle) + y * np.sin(angle)
    window = np.exp(-(x**2 + y**2) / (2 * (0.45 * wavelength) ** 2))
    wave = window * np.cos(2 * np.pi * along / wavelength + phase)
    wave -= window * wave.sum() / window.sum()
    return np.asarray(wave / np.linalg.norm(wave))


def first_layer(rng: np.random.Generator) -> Array:
    """Return filters [48, 3, 7, 7]: Gabor filters in luminance and opponent colours, then random ones with zero mean."""
    bank = []
    for wavelength in (4.0, 7.0):
        for angle in np.arange(6) * np.pi / 6:
            for phase in (0.0, np.pi / 2):
                bank.append(LUMINANCE[:, None, None] * gabor(angle, wavelength, phase))
    for colour in OPPONENTS:
        for angle in np.arange(3) * np.pi / 3:
            for phase in (0.0, np.pi / 2):
                bank.append(colour[:, None, None] * gabor(angle, 7.0, phase))
    while len(bank) < WIDTHS[0]:
        noise = rng.standard_normal((3, 7, 7))
        noise -= noise.mean(axis=(1, 2), keepdims=True)
        bank.append(noise / np.linalg.norm(noise))
    return np.stack([f / np.linalg.norm(f) for f in bank]).astype(np.float32)


def orthogonal(rng: np.random.Generator, rows: int, *shape: int) -> Array:
    """Return random weights [rows, *shape] with orthogonal rows of length sqrt(2), which keeps the scale through a ReLU."""
    columns = int(np.prod(shape))
    q, r = np.linalg.qr(rng.standard_normal((columns, rows)))
    rows_of_unit_length = (q * np.sign(np.diag(r))).T
    return np.asarray(np.sqrt(2.0) * rows_of_unit_length, dtype=np.float32).reshape(rows, *shape)


def weights() -> dict[str, Array]:
    """Return all weights by name."""
    rng = np.random.default_rng(SEED)
    return {
        "conv1.weight": first_layer(rng),
        "conv2.weight": orthogonal(rng, WIDTHS[1], WIDTHS[0], 3, 3),
        "conv3.weight": orthogonal(rng, WIDTHS[2], WIDTHS[1], 3, 3),
        "grid.weight": orthogonal(rng, GRID_CHANNELS, WIDTHS[1], 1, 1),
        "head.weight": orthogonal(rng, CLASSES, FEATURES),
        "epsilon": np.array([1e-3], dtype=np.float32),
        "head.bias": np.zeros(CLASSES, dtype=np.float32),
    }


def rooted(tensor: str) -> list[onnx.NodeProto]:
    """Return nodes that flatten, normalize to unit length and take the square root, so that contrast matters less."""
    node = helper.make_node
    flat, length, safe, unit = (f"{tensor}_{step}" for step in ("flat", "length", "safe_length", "unit"))
    return [
        node("Flatten", [tensor], [flat], axis=1),
        node("ReduceL2", [flat], [length], axes=[1], keepdims=1),
        node("Add", [length, "epsilon"], [safe]),
        node("Div", [flat, safe], [unit]),
        node("Sqrt", [unit], [f"{tensor}_rooted"]),
    ]


def nodes() -> list[onnx.NodeProto]:
    """Return the graph: 96 x 96 -> 48 -> 24 -> 12 -> 6, then the pyramid, then the head."""
    node = helper.make_node
    return [
        node(
            "Conv",
            ["image", "conv1.weight"],
            ["conv1"],
            kernel_shape=[7, 7],
            strides=[2, 2],
            pads=[3, 3, 3, 3],
        ),
        node("Relu", ["conv1"], ["relu1"]),
        node("MaxPool", ["relu1"], ["pool1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pool1", "conv2.weight"], ["conv2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["conv2"], ["relu2"]),
        node("MaxPool", ["relu2"], ["pool2"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pool2", "conv3.weight"], ["conv3"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["conv3"], ["relu3"]),
        node("Conv", ["pool2", "grid.weight"], ["grid"], kernel_shape=[1, 1]),
        node("Relu", ["grid"], ["grid_relu"]),
        node("AveragePool", ["grid_relu"], ["grid_pool"], kernel_shape=[4, 4], strides=[4, 4]),
        node("GlobalAveragePool", ["relu3"], ["average"]),
        node("GlobalMaxPool", ["relu3"], ["maximum"]),
        *rooted("grid_pool"),
        *rooted("average"),
        *rooted("maximum"),
        node("Concat", ["grid_pool_rooted", "average_rooted", "maximum_rooted"], ["features"], axis=1),
        node("Gemm", ["features", "head.weight", "head.bias"], ["logits"], transB=1),
        node("Softmax", ["logits"], ["scores"], axis=1),
    ]


def image_metadata() -> dict[str, object]:
    """Return the metadata that ImageFeaturizer reads from the model: the expected image and the important tensors."""
    return {
        "name": "fixed-filters",
        "height": SIDE,
        "width": SIDE,
        "means": [0.5, 0.5, 0.5],
        "stds": [0.25, 0.25, 0.25],
        "scale": 1.0 / 255.0,
        "channelOrder": "RGB",
        "featureTensor": "features",
        "layerNames": ["scores", "features", "pool2"],
        "classifier": False,
    }


def build() -> onnx.ModelProto:
    """Return the complete model."""
    named = weights()
    graph = helper.make_graph(
        nodes(),
        "fixed-filters",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in named.items()],
        value_info=[helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "mmlrs"
    model.doc_string = (
        "Fixed Gabor and random filters with a spatial pyramid: 480 features of a 96 x 96 picture."
    )
    helper.set_model_props(model, {"mmlrs.image": json.dumps(image_metadata())})
    onnx.checker.check_model(model, full_check=True)
    return model
