"""ONNX models with other dimensions, attributes, operators and weights: described, cut, and run on a tiny table."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from checks import answered, each
from mutate import NUMBERS, TEXTS, damaged
from onnx import TensorProto, helper, numpy_helper

from mmlrs.image import ImageFeaturizer
from mmlrs.models import model_info
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_image, sample_model

BATCH = 8
SHORT = 64

_FLOAT = TensorProto.FLOAT


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any]) -> bytes:
    stored = [numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9
    )
    return made.SerializeToString()


def _value(name: str, shape: Any, kind: int = _FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


@lru_cache
def _seeds() -> list[bytes]:
    node = helper.make_node
    x = _value("x", ["N", 4])
    picture = _value("data", ["N", 3, 8, 8])
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 3)).astype(np.float32)
    body = helper.make_graph(
        [node("Identity", ["c"], ["c2"]), node("Add", ["v", "v"], ["v2"])],
        "body",
        [_value("i", [], TensorProto.INT64), _value("c", [], TensorProto.BOOL), _value("v", None)],
        [_value("c2", [], TensorProto.BOOL), _value("v2", None)],
    )
    return [
        sample_model(),
        _model([node("Neg", ["x"], ["y"])], [x], [_value("y", ["N", 4])], {}),
        _model(
            [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["r"]), node("Softmax", ["r"], ["y"], axis=-1)],
            [x], [_value("y", ["N", 3])], {"w": weight},
        ),
        _model(
            [
                node("Conv", ["data", "k"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], group=1),
                node("BatchNormalization", ["c", "s", "s", "s", "s"], ["b"], epsilon=1e-5),
                node("MaxPool", ["b"], ["m"], kernel_shape=[2, 2], dilations=[1, 1]),
                node("GlobalAveragePool", ["m"], ["p"]),
                node("Flatten", ["p"], ["f"], axis=1),
                node("Gemm", ["f", "g"], ["y"], transB=1, alpha=1.0),
            ],
            [picture], [_value("y", ["N", 5])],
            {"k": rng.normal(size=(2, 3, 3, 3)).astype(np.float32), "s": np.ones(2, np.float32), "g": np.ones((5, 2), np.float32)},
        ),
        _model(
            [node("Reshape", ["x", "t"], ["r"]), node("Transpose", ["r"], ["u"], perm=[0, 2, 1]), node("Tile", ["u", "n"], ["y"])],
            [x], [_value("y", None)], {"t": np.array([0, 2, 2]), "n": np.array([1, 2, 1])},
        ),
        _model(
            [node("ConstantOfShape", ["t"], ["c"], value=helper.make_tensor("v", _FLOAT, [1], [1.0])), node("Expand", ["x", "e"], ["z"]), node("Concat", ["z", "c"], ["y"], axis=0)],
            [x], [_value("y", None)], {"t": np.array([1, 4]), "e": np.array([1, 4])},
        ),
        _model(
            [node("Loop", ["n", "", "x"], ["y"], body=body)],
            [x], [_value("y", None)], {"n": np.array(3)},
        ),
        _model(
            [node("Pad", ["x", "p"], ["q"], mode="constant"), node("Slice", ["q", "a", "b"], ["s"]), node("Gather", ["s", "i"], ["y"], axis=1), node("TopK", ["y", "k"], ["z", "zi"], axis=1)],
            [x], [_value("y", None), _value("zi", None, TensorProto.INT64)],
            {"p": np.array([0, 1, 0, 1]), "a": np.array([0]), "b": np.array([9]), "i": np.array([0, 1]), "k": np.array([1])},
        ),
        _model(
            [node("Normalizer", ["x"], ["n"], domain="ai.onnx.ml", norm="L2"), node("LinearClassifier", ["n"], ["label", "p"], domain="ai.onnx.ml", coefficients=[1.0] * 8, intercepts=[0.0, 1.0], classlabels_ints=[0, 1], post_transform="SOFTMAX", multi_class=0)],
            [x], [_value("label", ["N"], TensorProto.INT64), _value("p", ["N", 2])], {},
        ),
        _model(
            [node("Resize", ["data", "", "sc"], ["y"], mode="linear")],
            [picture], [_value("y", None)], {"sc": np.array([1.0, 1.0, 2.0, 2.0], np.float32)},
        ),
    ]  # fmt: skip


_SIZES = [n for n in NUMBERS if -(2**63) <= n < 2**63]
_OPERATORS = [
    "Neg",
    "Relu",
    "MatMul",
    "Conv",
    "Reshape",
    "Loop",
    "If",
    "Scan",
    "Softmax",
    "Concat",
    "Nothing",
    "Range",
    "Einsum",
    "QLinearConv",
]


def item(rng: random.Random) -> Any:
    """A model, and how it is used."""
    content = rng.choice(_seeds())
    if rng.random() < 0.2:
        return damaged(content, rng), rng.randrange(3)
    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice([1, 1, 2, 3])):
        rng.choice([_dimension, _dimension, _attribute, _weight, _weight, _node, _names, _head])(model, rng)
    return model.SerializeToString(), rng.randrange(3)


def _size(rng: random.Random) -> int:
    return rng.choice([0, 1, 2, 3, 4, 5, 8, 100, -1]) if rng.random() < 0.6 else rng.choice(_SIZES)


def _dimension(model: Any, rng: random.Random) -> None:
    infos = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    kind = rng.choice(infos).type.tensor_type
    match rng.randrange(6):
        case 0 if kind.shape.dim:
            rng.choice(kind.shape.dim).dim_value = _size(rng)
        case 1 if kind.shape.dim:
            rng.choice(kind.shape.dim).dim_param = (
                rng.choice([*TEXTS, "N", "M"]).encode(errors="replace").decode()
            )
        case 2:
            kind.elem_type = rng.choice([*range(30), -1, 2**31 - 1])
        case 3:
            for _ in range(rng.choice([1, 3, 70])):
                kind.shape.dim.add().dim_value = _size(rng)
        case 4 if kind.shape.dim:
            del kind.shape.dim[rng.randrange(len(kind.shape.dim)) :]
        case _ if kind.shape.dim:
            for dim in kind.shape.dim:
                dim.dim_value = _size(rng)


def _attribute(model: Any, rng: random.Random) -> None:
    found = [a for n in model.graph.node for a in n.attribute]
    if not found:
        _node(model, rng)
        return
    attribute = rng.choice(found)
    match rng.randrange(6):
        case 0:
            attribute.type = rng.choice(range(15))
        case 1:
            attribute.i = rng.choice(_SIZES)
        case 2 if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = _size(rng)
        case 3:
            attribute.ints.extend([_size(rng)] * rng.choice([1, 2, 10]))
        case 4:
            attribute.f = rng.choice([0.0, -1.0, 1e38, float("nan")])
        case _:
            attribute.name = rng.choice(["axis", "perm", "body", "kernel_shape", "value", ""])


def _weight(model: Any, rng: random.Random) -> None:
    tensors = [
        *model.graph.initializer,
        *(a.t for n in model.graph.node for a in n.attribute if a.HasField("t")),
    ]
    if not tensors:
        _dimension(model, rng)
        return
    tensor = rng.choice(tensors)
    match rng.randrange(7):
        case 0 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = _size(rng)
        case 1:
            tensor.dims.extend([_size(rng)])
        case 2:
            tensor.data_type = rng.choice([*range(30), -1])
        case 3:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 4 if tensor.data_type == TensorProto.INT64:
            values = [
                _size(rng) if rng.random() < 0.6 else int(v)
                for v in np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 8 * 8], np.int64)[:1024]
            ]
            tensor.raw_data = np.array(values, np.int64).tobytes()
        case 5:
            tensor.data_location = TensorProto.EXTERNAL
            key = rng.choice(["location", "offset", "length", "x"])
            tensor.external_data.add(
                key=key, value=rng.choice(["/dev/zero", "/etc/passwd", "../x", "", "9" * 20, "-1"])
            )
        case _:
            tensor.float_data.extend([1.0])


def _node(model: Any, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    match rng.randrange(7):
        case 0:
            node.op_type = rng.choice(_OPERATORS)
        case 1 if node.input:
            names = [o for n in model.graph.node for o in n.output] + ["x", "", "w"]
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 2:
            node.input.append(rng.choice(["x", "", "nothing"]))
        case 3 if node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice(["x", "y", "", "h"])
        case 4:
            model.graph.node.append(node)
        case 5:
            node.domain = rng.choice(["", "ai.onnx.ml", "com.microsoft", "x"])
        case _:
            node.attribute.append(
                helper.make_attribute(rng.choice(["axis", "to", "k", "shape"]), rng.choice(_SIZES))
            )


def _names(model: Any, rng: random.Random) -> None:
    info = rng.choice([*model.graph.input, *model.graph.output])
    info.name = rng.choice([*TEXTS, "x", "y", "w"]).encode(errors="replace").decode()
    if rng.random() < 0.3:
        model.graph.output.append(info)


def _head(model: Any, rng: random.Random) -> None:
    match rng.randrange(4):
        case 0:
            model.ir_version = rng.choice(_SIZES)
        case 1:
            model.opset_import[0].version = rng.choice([*_SIZES, 1, 7, 13, 21])
        case 2:
            del model.graph.input[:]
        case _:
            helper.set_model_props(
                model, {rng.choice(["mmlrs", "Image.NominalPixelRange", "x"]): rng.choice(["1", "[", "é"])}
            )


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    content, use = given
    info = answered(lambda: model_info(content))
    if use == 0:
        picture = pa.table({"image": [sample_image("png"), b"no picture"]})
        for headless in (True, False):
            stage = ImageFeaturizer(
                inputCol="image", outputCol="f", model=content, headless=headless, handleInvalid="keep"
            )
            answered(lambda stage=stage: stage.transform(picture))
        return
    rows = 1 if use == 1 else 3
    inputs = [i["name"] for i in info["inputs"]] if info else ["x"]
    column = pa.array([[1.0, 2.0, 3.0, 4.0]] * rows, pa.list_(pa.float32(), 4))
    if "data" in inputs:
        column = pa.array([[[[0.5] * 8] * 8] * 3] * rows, pa.list_(pa.list_(pa.list_(pa.float32()))))
    table = pa.table({"x": column})
    names = dict.fromkeys(inputs, "x")
    answered(lambda: ONNXModel(model=content, feedDict=names, handleInvalid="keep").transform(table))
    if use == 2:
        answered(
            lambda: ONNXModel(model=content, inputCol="x", outputCol="o", fetchDict={"o": "h"}).transform(
                table
            )
        )
