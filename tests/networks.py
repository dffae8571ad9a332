"""Small ONNX models for the tests, and what Python's onnxruntime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
FLOAT = TensorProto.FLOAT

Shape = Sequence[int | str | None]


def value(name: str, shape: Shape | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    """A tensor that a graph reads or returns; names in the shape are dynamic dimensions."""
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, **attributes)


def network(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, np.ndarray] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """A model of one graph that every ONNX Runtime of the last years reads."""
    stored = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if metadata:
        helper.set_model_props(made, dict(metadata))
    return made


def reference(model: Any, feeds: Mapping[str, np.ndarray], fetches: Sequence[str] | None = None) -> list[Any]:
    """The outputs by Python's onnxruntime."""
    content = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(fetches, dict(feeds))


def with_outputs(model: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    """The model with internal tensors as its outputs."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return copy


def batch_of_any_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """The light models' graphs with a free batch dimension, by hand: inputs, outputs and Reshape targets."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    stored = {w.name for w in copy.graph.initializer}
    for info in [*copy.graph.input, *copy.graph.output]:
        if info.name not in stored:
            info.type.tensor_type.shape.dim[0].dim_param = "N"
    del copy.graph.value_info[:]
    weights = {w.name: w for w in copy.graph.initializer}
    made = {n.output[0] for n in copy.graph.node if n.op_type != "ConstantOfShape"}
    for reshape in (n for n in copy.graph.node if n.op_type == "Reshape" and n.input[0] in made):
        target = weights.get(reshape.input[1])
        if target is not None and numpy_helper.to_array(target)[0] == 1:
            dims = numpy_helper.to_array(target).copy()
            dims[0] = 0
            target.CopyFrom(numpy_helper.from_array(dims, target.name))
    return copy


def linear(rows: int = 4, columns: int = 3, seed: int = 0) -> onnx.ModelProto:
    """`x[N, rows]` -> MatMul -> `hidden` -> Add -> `y[N, columns]`."""
    rng = np.random.default_rng(seed)
    return network(
        [node("MatMul", ["x", "w"], ["hidden"]), node("Add", ["hidden", "b"], ["y"])],
        [value("x", ["N", rows])],
        [value("y", ["N", columns])],
        {
            "w": rng.standard_normal((rows, columns)).astype(np.float32),
            "b": rng.standard_normal(columns).astype(np.float32),
        },
    )


def counting(batch: int | str = "N", rounds: int | None = None) -> onnx.ModelProto:
    """`x[batch, 1]` -> a loop -> `y[batch, 1]`, each value plus the rounds; those are the largest value of `x` if not given."""
    body = helper.make_graph(
        [node("Identity", ["goes_on"], ["goes_on_still"]), node("Add", ["state", "one"], ["added"])],
        "rounds",
        [
            value("round", [], TensorProto.INT64),
            value("goes_on", [], TensorProto.BOOL),
            value("state", [batch, 1]),
        ],
        [value("goes_on_still", [], TensorProto.BOOL), value("added", [batch, 1])],
    )
    return network(
        [
            node("ReduceMax", ["x"], ["largest"], keepdims=0),
            node("Cast", ["largest"], ["largest_whole"], to=TensorProto.INT64),
            node("Loop", ["largest_whole" if rounds is None else "rounds", "", "x"], ["y"], body=body),
        ],
        [value("x", [batch, 1])],
        [value("y", [batch, 1])],
        {"one": np.float32([1]), "rounds": np.int64(rounds or 0)},
    )


def pictures_network(
    *,
    side: int = 16,
    channels: int = 3,
    nhwc: bool = False,
    metadata: Mapping[str, str] | None = None,
    kind: int = FLOAT,
) -> onnx.ModelProto:
    """Pictures -> Conv -> Relu `maps[N, 5, s/2, s/2]` -> GlobalAveragePool -> Flatten `pooled` -> Gemm `scores[N, 4]`."""
    rng = np.random.default_rng(1)
    first = "image"
    nodes = []
    if kind != FLOAT:
        nodes.append(node("Cast", [first], ["floats"], to=FLOAT))
        first = "floats"
    if nhwc:
        nodes.append(node("Transpose", [first], ["nchw"], perm=[0, 3, 1, 2]))
        first = "nchw"
    nodes += [
        node(
            "Conv", [first, "kernel"], ["convolved"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        node("Relu", ["convolved"], ["maps"]),
        node("GlobalAveragePool", ["maps"], ["averaged"]),
        node("Flatten", ["averaged"], ["pooled"]),
        node("Gemm", ["pooled", "w", "b"], ["scores"]),
    ]
    shape = ["N", side, side, channels] if nhwc else ["N", channels, side, side]
    return network(
        nodes,
        [value("image", shape, kind)],
        [value("scores", ["N", 4])],
        {
            "kernel": rng.standard_normal((5, channels, 3, 3)).astype(np.float32),
            "w": rng.standard_normal((5, 4)).astype(np.float32),
            "b": rng.standard_normal(4).astype(np.float32),
        },
        metadata,
    )


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column of equally shaped arrays as one array."""
    return np.array(table[name].to_pylist())


def ragged() -> onnx.ModelProto:
    """`x[N, L, W]` -> mean over both open dimensions `mean[N]`, and `twice[N, L, W]`."""
    return network(
        [node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0), node("Add", ["x", "x"], ["twice"])],
        [value("x", ["N", "L", "W"])],
        [value("mean", ["N"]), value("twice", ["N", "L", "W"])],
    )


def zip_map(**labels) -> onnx.ModelProto:
    """What skl2onnx makes of a classifier: a sequence of one map per row."""
    key, kind = (
        ("classlabels_strings", TensorProto.STRING)
        if "strings" in labels
        else ("classlabels_int64s", TensorProto.INT64)
    )
    zipped = node(
        "ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", **{key: next(iter(labels.values()))}
    )
    maps = onnx.helper.make_map_type_proto(kind, onnx.helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    sequence = onnx.helper.make_value_info("probabilities", onnx.helper.make_sequence_type_proto(maps))
    return network(
        [node("Softmax", ["x"], ["p"], axis=1), node("ArgMax", ["p"], ["label"], axis=1, keepdims=0), zipped],
        [value("x", ["N", 3])],
        [value("label", ["N"], TensorProto.INT64), sequence],
    )
