"""Categories of compiled models in ONNX: values to indices, and indices to values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.compiled._definition import step as native_step
from mmlrs.compiled._onnx_graph import ML, CannotExport, Column
from mmlrs.compiled._onnx_step import Step

__all__ = ["index_strings", "place_of_text", "value_of_index"]


def index_strings(step: Step) -> None:
    """Append the operators of `StringIndexerModel`."""
    graph = step.graph
    labels, keep = step.members.take("labels"), bool(step.members.take("keep"))
    for place, names in enumerate(labels):
        column = step.any(place, "string")
        if column.kind == "vector":
            raise CannotExport(f"column `{step.inputs[place]}` holds vectors, which are no categories")
        if not names:
            raise CannotExport(f"it has no labels for column `{step.inputs[place]}`")
        if column.kind == "string":
            found = place_of_text(step, column, names)
        else:
            found = _place_of_number(step, place, column, names)
        unseen = graph.op("Less", found, 0.0)
        flags = graph.any_of([unseen, column.null])
        null = None
        if keep:
            found = graph.where(str(flags), float(len(names)), found)
        else:
            null = step.reject_cells(flags)
        step.give(found, "number", null=null, levels=[*names, *(["__unknown"] if keep else [])])


def place_of_text(step: Step, column: Column, labels: list[str]) -> str:
    """Return the place of each string among the labels, or -1."""
    graph = step.graph
    places = graph.op(
        "LabelEncoder",
        column.tensor,
        domain=ML,
        keys_strings=[label.encode() for label in labels],
        values_int64s=list(range(len(labels))),
        default_int64=-1,
    )
    return graph.cast(places, "f8")


def _place_of_number(step: Step, place: int, column: Column, labels: list[str]) -> str:
    """Return the place of each number among the labels, or -1. A label is the text that Spark makes of a number."""
    graph, whole = step.graph, column.kind == "long"
    numbers = sorted(_numbers(labels, whole=whole))
    places = _places(labels, pa.array(numbers, pa.int64() if whole else pa.float64()))
    known = np.flatnonzero(places >= 0)
    odd = np.array([-1.0, -1.0]) if whole else _places(labels, pa.array([math.nan, -0.0], pa.float64()))
    if len(known) == 0 and odd.max() < 0:
        raise CannotExport(
            f"no label of column `{step.inputs[place]}` is the text of such a number; set `inputs` to the type that it "
            "had in the fit"
        )
    table = np.array(numbers, dtype="i8" if whole else "f8")[known][None, :]
    equal = graph.cast(graph.op("Equal", column.tensor, table), "f8")
    found = graph.op("Sub", graph.op("MatMul", equal, places[known][:, None] + 1.0), 1.0)
    if whole:
        return found
    found = graph.where(graph.negative_zero(column.tensor), float(odd[1]), found)
    return graph.where(graph.op("IsNaN", column.tensor), float(odd[0]), found)


def _numbers(labels: list[str], *, whole: bool) -> set[Any]:
    """Return the numbers, except NaN, whose text may be a label."""
    found: set[Any] = set()
    for label in labels:
        try:
            number: Any = int(label) if whole else float(label)
        except ValueError:
            continue
        if not whole or -(2**63) <= number < 2**63:
            # 0.0 stands for -0.0, which has a label of its own.
            found.add(number + 0)
    return {number for number in found if not math.isnan(number)}


def _places(labels: list[str], values: pa.Array) -> np.ndarray[Any, Any]:
    """Return the place of each value among the labels as the native core finds it, or -1."""
    indexer = native_step(
        "StringIndexerModel", ["x"], ["y"], "index_strings", labels=[labels], keep=False, handleInvalid="keep"
    )
    found = indexer.transform(pa.table({"x": values}))["y"]
    return np.array([-1.0 if item is None else item for item in found.to_pylist()])


def value_of_index(step: Step, levels: tuple[str, ...] | None) -> None:
    """Append the operators of `IndexToValue`. `levels` are those of the column that names them."""
    graph, stage = step.graph, step.stage
    column = step.number(0)
    values = _values(stage, levels)
    x, count = column.tensor, len(values)
    nulls = [float(index) for index in stage._value("nullIndices") or [] if index >= count]
    whole = graph.op("And", graph.op("GreaterOrEqual", x, 0.0), graph.op("Equal", graph.op("Floor", x), x))
    fine = graph.op("And", whole, graph.op("Less", x, float(count)))
    unnamed = [graph.op("Equal", x, index) for index in nulls]
    known = graph.any_of([fine, *unnamed, column.null])
    step.reject(graph.negated(str(known)))
    null = graph.any_of([column.null, *unnamed])
    places = graph.cast(graph.where(fine, x, 0.0), "i8")
    strings = isinstance(values[0], str)
    table = graph.constant(values) if strings else graph.constant(np.array(values, dtype=np.float64))
    step.give(graph.op("Gather", table, places, axis=0), "string" if strings else "number", null=null)


def _values(stage: Any, levels: tuple[str, ...] | None) -> list[Any]:
    """Return the value of each index, in the type of the column."""
    given = stage._value("levels")
    if given is None and levels is None:
        raise CannotExport("it takes its values from the attributes of a column; set `levels`")
    count = len(given if given is not None else levels or ())
    if count == 0:
        raise CannotExport("it has no levels")
    asked = stage.copy()._set(inputCol="x", outputCol="y", handleInvalid="error")
    if given is None:
        asked._set(levels=list(levels or ()), dataType=stage._value("dataType") or "string")
    values = asked.transform(pa.table({"x": np.arange(count, dtype=np.float64)}))["y"].to_pylist()
    return list(values)
