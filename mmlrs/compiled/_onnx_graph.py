"""An ONNX graph in the making: columns, operators and constants, all numbers as doubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from mmlrs.errors import MissingPackageError

__all__ = ["CannotExport", "Column", "Graph", "Operand", "onnx_package"]

#: The operators of these versions, which ONNX Runtime 1.23 and later run.
_OPSET, _ML_OPSET = 17, 3
_IR_VERSION = 8
#: The domain of operators for strings and trees.
ML = "ai.onnx.ml"
#: The name of the axis of rows.
_ROWS = "N"

#: What a column holds.
Kind: TypeAlias = Literal["number", "long", "string", "vector"]
#: A tensor by its name, or a constant.
Operand: TypeAlias = "str | int | float | np.ndarray[Any, Any]"


class CannotExport(Exception):  # noqa: N818 - it becomes an InvalidParamError that names the stage
    """A stage cannot be said in ONNX, and why."""


def onnx_package(owner: str) -> Any:
    """Return the package onnx, which is optional. `owner` is the class that errors name."""
    try:
        import onnx
    except ImportError as error:
        raise MissingPackageError(
            f'{owner}: to_onnx: onnx cannot be imported ({error}): pip install "mmlrs[quantize]"'
        ) from None
    return onnx


@dataclass(frozen=True)
class Column:
    """A column as a tensor with a row per row.

    Parameters
    ----------
    tensor : str
        Name of the tensor, of shape (rows, `size`).
    kind : {"number", "long", "string", "vector"}
        What the column holds: doubles, 64-bit integers, strings, or vectors of doubles.
    size : int, default 1
        The size of the vectors.
    null : str, optional
        Name of a tensor of flags: where the column is null. Its values there have no meaning.
    refused : frozenset of str
        Names of tensors of flags: rows that a stage before it refuses or drops.
    levels : tuple of str, optional
        The names of the categories, if the column holds indices of categories.
    """

    tensor: str
    kind: Kind
    size: int = 1
    null: str | None = None
    refused: frozenset[str] = frozenset()
    levels: tuple[str, ...] | None = None


class Graph:
    """Collects the nodes of a graph. Operands are names of tensors, or constants.

    Parameters
    ----------
    owner : str, default "CompiledModel"
        The class of the model, for the error that the package onnx is missing.
    """

    def __init__(self, owner: str = "CompiledModel") -> None:
        self._onnx = onnx_package(owner)
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._initializers: dict[str, Any] = {}
        self._sources: dict[str, Column] = {}
        self._count = 0

    @property
    def max_bytes(self) -> int:
        """Maximum number of bytes of a model in one file."""
        most: int = self._onnx.checker.MAXIMUM_PROTOBUF
        return most

    def op(self, kind: str, *inputs: Operand, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output, and return the name of the output.

        Parameters
        ----------
        kind : str
            The operator.
        *inputs : str, number or array
            Its inputs.
        domain : str, default ""
            The domain of the operator.
        **attributes : object
            Its attributes.
        """
        output = self._name(kind)
        names = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        self._nodes.append(
            self._onnx.helper.make_node(kind, names, [output], name=output, domain=domain, **attributes)
        )
        return output

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"mmlrs/{kind}_{self._count}"

    def constant(self, value: float | np.ndarray[Any, Any] | Sequence[str]) -> str:
        """Return the name of a constant: a double, an array of its own type, or strings."""
        if isinstance(value, float | int):
            value = np.array(value, dtype=np.float64)
        array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else object)
        strings = array.dtype == object
        content = tuple(array.ravel()) if strings else np.ascontiguousarray(array).tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self._constants:
            name = self._constants[key] = self._name("Constant")
            self._initializers[name] = self._tensor(array, name, strings=strings)
        return self._constants[key]

    def weights(self, array: np.ndarray[Any, Any]) -> str:
        """Return the name of a constant that may be large: an array of its own type, which is not compared with others."""
        name = self._name("Weights")
        self._initializers[name] = self._tensor(array, name, strings=False)
        return name

    def _tensor(self, array: np.ndarray[Any, Any], name: str, *, strings: bool) -> Any:
        if not strings:
            return self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        kind = self._onnx.TensorProto.STRING
        return self._onnx.helper.make_tensor(
            name, kind, array.shape, [text.encode() for text in array.ravel()]
        )

    def attribute(self, values: Sequence[Any] | np.ndarray[Any, Any], dtype: str) -> Any:
        """Return a list of numbers as an attribute that is a tensor."""
        return self._onnx.numpy_helper.from_array(np.asarray(values, dtype=dtype), "")

    def source(self, name: str, kind: Kind, size: int = 1) -> Column:
        """Return an input of the graph: a tensor that is named as the column."""
        return self._sources.setdefault(name, Column(name, kind, size))

    def cast(self, tensor: Operand, dtype: str) -> str:
        """Return a tensor as one of another type of NumPy."""
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", tensor, to=to)

    def doubles(self, column: Column) -> Column:
        """Return a column of integers as one of doubles, and others as they are."""
        if column.kind != "long":
            return column
        return replace(column, tensor=self.cast(column.tensor, "f8"), kind="number")

    def where(self, flags: str, yes: Operand, no: Operand) -> str:
        """Return `yes` where the flags are set, else `no`."""
        return self.op("Where", flags, yes, no)

    def negated(self, flags: str) -> str:
        """Return the opposite flags."""
        return self.op("Not", flags)

    def any_of(self, flags: Sequence[str | None]) -> str | None:
        """Return flags that are set where one of them is; None for none. Items that are None are ignored."""
        found = list(dict.fromkeys(item for item in flags if item is not None))
        if not found:
            return None
        result = found[0]
        for item in found[1:]:
            result = self.op("Or", result, item)
        return result

    def any_slot(self, flags: str) -> str:
        """Return the rows in which a slot is flagged."""
        most = self.op("ReduceMax", self.cast(flags, "f8"), axes=[1], keepdims=1)
        return self.op("Greater", most, 0.5)

    def slots(self, tensor: str, indices: Sequence[int] | np.ndarray[Any, Any]) -> str:
        """Return some slots of the rows."""
        return self.op("Gather", tensor, np.asarray(indices, dtype=np.int64), axis=1)

    def joined(self, tensors: Sequence[str]) -> str:
        """Return tensors side by side."""
        return tensors[0] if len(tensors) == 1 else self.op("Concat", *tensors, axis=1)

    def total(self, tensor: str) -> str:
        """Return the sum of each row."""
        return self.op("ReduceSum", tensor, np.array([1], dtype=np.int64), keepdims=1)

    def largest(self, tensor: str) -> str:
        """Return the largest number of each row, without NaN; minus infinity if there is none."""
        return self.op("ReduceMax", self.above_nan(tensor), axes=[1], keepdims=1)

    def above_nan(self, tensor: str) -> str:
        """Return the numbers with minus infinity for NaN."""
        return self.where(self.op("IsNaN", tensor), -np.inf, tensor)

    def place_of_largest(self, tensor: str) -> str:
        """Return the place of the first largest number of each row, as a double. NaN is below all numbers."""
        return self.cast(self.op("ArgMax", self.above_nan(tensor), axis=1, keepdims=1), "f8")

    def first_largest(self, tensor: str) -> str:
        """Return the place of the first largest number as Spark finds it: nothing is larger than a NaN in the first place."""
        first_nan = self.op("IsNaN", self.slots(tensor, [0]))
        return self.where(first_nan, 0.0, self.place_of_largest(tensor))

    def repeated(self, values: np.ndarray[Any, Any], like: str) -> str:
        """Return constants as the values of each row of a tensor."""
        rows = self.op("Shape", like, start=0, end=1)
        shape = self.op("Concat", rows, np.array([len(values)], dtype=np.int64), axis=0)
        return self.op("Expand", values[None, :], shape)

    def negative_zero(self, tensor: str) -> str:
        """Return where a number is -0.0, which compares equal to 0.0."""
        zero = self.op("Equal", tensor, 0.0)
        return self.op("And", zero, self.op("Less", self.op("Div", 1.0, tensor), 0.0))

    def logistic(self, tensor: str) -> str:
        """Return the logistic function, by the same operations as the native core."""
        return self.op("Div", 1.0, self.op("Add", 1.0, self.op("Exp", self.op("Neg", tensor))))

    def finished(self, outputs: Mapping[str, Column], masked: str | None, version: str) -> Any:
        """Return the model: the columns as outputs under their names, blank in the rows that the flags name."""
        for name, column in outputs.items():
            hidden = self.any_of([column.null, masked])
            blank = self.constant([""]) if column.kind == "string" else np.array([np.nan])
            tensor = self.doubles(column).tensor
            self.name(name, tensor if hidden is None else self.where(hidden, blank, tensor))
        return self.assembled(
            [self._info(name, column) for name, column in self._sources.items()],
            [
                self._info(name, replace(column, kind=self.doubles_kind(column)))
                for name, column in outputs.items()
            ],
            version,
        )

    def name(self, name: str, tensor: str) -> None:
        """Give a tensor the name of an output."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [tensor], [name], name=f"mmlrs/{name}"))

    def info(self, name: str, dtype: str, shape: Sequence[int]) -> Any:
        """Return the declaration of an input or output: a tensor of a type of NumPy with rows of this shape."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, [_ROWS, *shape])

    def assembled(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        version: str,
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the model with inputs and outputs that are declared, as far as the outputs need it."""
        helper = self._onnx.helper
        nodes, used = self._live([item.name for item in outputs])
        graph = helper.make_graph(
            nodes,
            "mmlrs",
            [item for item in inputs if item.name in used],
            outputs,
            initializer=[tensor for name, tensor in self._initializers.items() if name in used],
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        if any(node.domain == ML for node in nodes):
            opsets.append(helper.make_opsetid(ML, _ML_OPSET))
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=_IR_VERSION,
            producer_name="mmlrs",
            producer_version=version,
        )
        helper.set_model_props(model, dict(metadata or {}))
        return model

    @staticmethod
    def doubles_kind(column: Column) -> Kind:
        """Return the kind of a column as an output, in which all numbers are doubles."""
        return "number" if column.kind == "long" else column.kind

    def _info(self, name: str, column: Column) -> Any:
        kind = {"long": "i8", "string": "O"}.get(column.kind, "f8")
        return self.info(name, kind, [column.size])

    def _live(self, outputs: Sequence[str]) -> tuple[list[Any], set[str]]:
        """Return the nodes that the outputs need, and the names of all tensors that they read."""
        used: set[str] = set()
        live = []
        for node in reversed(self._nodes):
            if node.output[0] in used or (
                node.output[0] in outputs and node.name == f"mmlrs/{node.output[0]}"
            ):
                live.append(node)
                used.update(node.input)
        return live[::-1], used

    def read(self) -> list[str]:
        """Return the names of the columns that nodes read."""
        return list(self._sources)
