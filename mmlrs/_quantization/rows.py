"""The inputs of a network as its stage computes them: what the stage makes of a network that returns its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from mmlrs._quantization.types import Row
from mmlrs.base import NativeTransformer

__all__ = ["echo", "echo_of_pictures", "pictures", "tensors"]

#: Rows per transform: their tensors are in memory together.
_ROWS = 16
_AXES = 3

S = TypeVar("S", bound=NativeTransformer)


def _inputs(network: ModelProto) -> list[ValueInfoProto]:
    """Return copies of the inputs that are not weights, with a free batch dimension."""
    weights = {weight.name for weight in network.graph.initializer}
    out = []
    for value in network.graph.input:
        if value.name not in weights:
            copy = ValueInfoProto()
            copy.CopyFrom(value)
            shape = copy.type.tensor_type.shape.dim
            if shape and shape[0].HasField("dim_value"):
                shape[0].dim_param = "mmlrs_rows"
            out.append(copy)
    return out


def _model(network: ModelProto, nodes: list[Any], outputs: list[ValueInfoProto]) -> bytes:
    """Return a network with the inputs and the metadata of `network`."""
    graph = helper.make_graph(nodes, "inputs", _inputs(network), outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.metadata_props.extend(network.metadata_props)
    return bytes(model.SerializeToString())


def echo(network: ModelProto) -> tuple[bytes, dict[str, str]]:
    """Return a network that returns its inputs, and the input that each output returns."""
    nodes, outputs, names = [], [], {}
    for i, value in enumerate(_inputs(network)):
        output = ValueInfoProto()
        output.CopyFrom(value)
        output.name = f"mmlrs_input_{i}"
        nodes.append(helper.make_node("Identity", [value.name], [output.name]))
        outputs.append(output)
        names[output.name] = value.name
    return _model(network, nodes, outputs), names


def tensors(stage: NativeTransformer, names: dict[str, str], table: pa.Table) -> Iterator[Row]:
    """Yield the rows that a stage with the network of `echo`, which writes tensors, makes of a table."""
    for made in _transformed(stage, table):
        columns = [(name, made[column].to_pylist()) for column, name in names.items()]
        for cells in zip(*(values for _, values in columns), strict=True):
            yield {name: _array(cell) for (name, _), cell in zip(columns, cells, strict=True)}


def _array(cell: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(cell["data"], cell["dtype"]).reshape(cell["shape"])


def echo_of_pictures(network: ModelProto) -> bytes:
    """Return a network that returns for each image the three sizes of its tensor, then its values, as floats."""
    name = network.graph.input[0].name
    nodes = [
        helper.make_node("Cast", [name], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["values"]),
        helper.make_node("Shape", [name], ["sizes"]),
        helper.make_node("Split", ["sizes"], ["batch", "rows", "columns", "channels"], axis=0),
        helper.make_node("Concat", ["rows", "columns", "channels"], ["axes"], axis=0),
        helper.make_node("Cast", ["axes"], ["float_axes"], to=TensorProto.FLOAT),
        helper.make_node("Shape", ["axes"], ["three"]),
        helper.make_node("Concat", ["batch", "three"], ["batch_of_three"], axis=0),
        helper.make_node("Expand", ["float_axes", "batch_of_three"], ["shapes"]),
        helper.make_node("Concat", ["shapes", "values"], ["echo"], axis=1),
    ]
    return _model(network, nodes, [helper.make_tensor_value_info("echo", TensorProto.FLOAT, ["n", None])])


def pictures(stage: NativeTransformer, network: ModelProto, table: pa.Table) -> Iterator[Row]:
    """Yield the rows that a stage with the network of `echo_of_pictures` makes of a table of images."""
    [value] = _inputs(network)
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    for made in _transformed(stage, table):
        for cell in made["mmlrs_echo"].combine_chunks():
            numbers = cell.values.to_numpy()
            shape, values = numbers[:_AXES].astype(int), numbers[_AXES:]
            yield {value.name: values.reshape(shape).astype(kind)}


def _transformed(stage: NativeTransformer, table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, _ROWS):
        yield stage.transform(table.slice(start, _ROWS))
