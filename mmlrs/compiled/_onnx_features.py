"""Feature transformers of compiled models in ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.compiled._onnx_graph import CannotExport
from mmlrs.compiled._onnx_step import Step, numbers
from mmlrs.errors import MmlrsError

__all__ = ["FEATURES"]


def _one_hot(step: Step) -> None:
    graph = step.graph
    sizes, drop, keep = step.members.take("sizes"), step.members.take("drop_last"), step.members.take("keep")
    for place, size in enumerate(sizes):
        column = step.number(place)
        x = column.tensor
        known = graph.op("And", graph.op("GreaterOrEqual", x, 0.0), graph.op("Less", x, float(size)))
        odd = None if keep else graph.negated(known)
        null = step.reject_cells(graph.any_of([column.null, odd]))
        category = graph.where(known, graph.op("Floor", x), float(size))
        slots = max(size + bool(keep) - bool(drop), 0)
        flags = graph.op("Equal", category, np.arange(slots, dtype=np.float64)[None, :])
        step.give(graph.cast(flags, "f8"), "vector", slots, null=null)


def _stack(step: Step) -> None:
    graph = step.graph
    columns = [step.filled(step.number(place), math.nan) for place in range(len(step.inputs))]
    step.give(graph.joined(columns), "vector", len(columns))


def _assemble(step: Step) -> None:
    """`FastVectorAssembler`: numbers that are NaN count as missing, and NaN in a vector does not."""
    graph, parts, size = step.graph, [], 0
    for place in range(len(step.inputs)):
        column = graph.doubles(step.any(place, "number"))
        if column.kind == "string":
            step.number(place)  # raises the error
        missing = column.null
        if column.kind == "number":
            missing = graph.any_of([missing, graph.op("IsNaN", column.tensor)])
        if step.policy != "keep":
            step.reject(missing)
        parts.append(step.filled(column, math.nan))
        size += column.size
    joined = graph.joined(parts)
    if step.stage._value("outputType") == "array":
        joined = graph.cast(graph.cast(joined, "f4"), "f8")
    step.give(joined, "vector", size)


def _affine(step: Step) -> None:
    shift, scale = step.members.floats("shift"), step.members.floats("scale")
    size = len(shift) or len(scale) or None
    column = step.vector(0, size)
    x = column.tensor
    if len(shift):
        x = step.graph.op("Sub", x, shift[None, :])
    if len(scale):
        x = step.graph.op("Mul", x, scale[None, :])
    step.give(x, size=column.size)


def _min_max(step: Step) -> None:
    graph, members = step.graph, step.members
    low, high = members.floats("original_min"), members.floats("original_max")
    least, most = float(members.take("min")), float(members.take("max"))
    x = step.vector(0, len(low)).tensor
    constant = (high == low)[None, :]
    spread = np.where(constant, 1.0, high - low)
    scaled = graph.op("Mul", graph.op("Sub", x, low[None, :]), (most - least) / spread)
    scaled = graph.op("Add", scaled, least)
    if constant.any():
        scaled = graph.where(graph.constant(constant), (least + most) / 2.0, scaled)
    step.give(graph.where(graph.op("IsNaN", x), x, scaled), size=len(low))


def _slice(step: Step) -> None:
    indices = step.members.ints("indices")
    column = step.vector(0)
    if len(indices) and indices.max() >= column.size:
        raise CannotExport(f"it selects slot {indices.max()} of vectors of size {column.size}")
    step.give(step.graph.slots(column.tensor, indices), size=len(indices))


def _vector_size(step: Step) -> None:
    size, optimistic = int(step.members.take("size")), step.members.take("optimistic")
    if optimistic:
        column = step.any(0, "vector", size)
        step.give(column.tensor, column.kind, column.size, null=column.null)
        return
    step.give(step.vector(0, size).tensor, size=size)


def _impute(step: Step) -> None:
    graph = step.graph
    given = step.members.floats("missing")
    missing = float(given[0]) if len(given) else math.nan
    for place, surrogate in enumerate(step.members.floats("surrogates")):
        if step.any(place, "number").kind == "long":
            raise CannotExport(
                f"column `{step.inputs[place]}` holds integers, in which surrogates are cut off; declare it as "
                '"double" with `inputs`'
            )
        column = step.number(place)
        is_missing = (
            graph.op("IsNaN", column.tensor)
            if math.isnan(missing)
            else graph.op("Equal", column.tensor, missing)
        )
        flags = graph.op("Or", is_missing, column.null) if column.null else is_missing
        step.give(graph.where(flags, float(surrogate), column.tensor), "number")


def _bucketize(step: Step) -> None:
    graph = step.graph
    keep = step.members.take("keep")
    for place, given in enumerate(step.members.take("splits")):
        splits = numbers(given, "<f8")
        column = step.number(place)
        x, last = column.tensor, len(splits) - 1
        missing = graph.op("IsNaN", x)
        reached = graph.total(graph.cast(graph.op("LessOrEqual", splits[None, :], x), "f8"))
        zeros = float(np.sum((splits == 0.0) & ~np.signbit(splits)))
        if zeros:
            # In Java's order -0.0 is below 0.0.
            reached = graph.op(
                "Sub", reached, graph.op("Mul", graph.cast(graph.negative_zero(x), "f8"), zeros)
            )
        at_end = graph.op("Equal", x, float(splits[last]))
        bucket = graph.where(at_end, float(last - 1), graph.op("Sub", reached, 1.0))
        beyond = graph.op("Or", graph.op("Less", reached, 0.5), graph.op("Greater", reached, last + 0.5))
        outside = graph.op("And", beyond, graph.negated(graph.op("Or", at_end, missing)))
        null = column.null
        step.refuse(outside if null is None else graph.op("And", outside, graph.negated(null)))
        if keep:
            bucket = graph.where(missing, float(last), bucket)
        else:
            odd = missing if null is None else graph.op("And", missing, graph.negated(null))
            null = graph.any_of([null, step.reject_cells(odd)])
        if step.policy == "skip":
            step.reject(column.null)
        step.give(bucket, "number", null=null)


def _binarize(step: Step) -> None:
    graph = step.graph
    for place, threshold in enumerate(step.members.floats("thresholds")):
        column = graph.doubles(step.any(place, "number"))
        null = None  # a null number is not above the threshold
        if column.kind == "vector":
            null = step.reject_cells(column.null)
        elif column.kind == "string":
            step.number(place)  # raises the error
        if column.kind == "vector" and threshold < 0.0:
            flags = graph.negated(graph.op("LessOrEqual", column.tensor, float(threshold)))
        else:
            flags = graph.op("Greater", column.tensor, float(threshold))
        step.give(graph.cast(flags, "f8"), column.kind, column.size, null=null)


def _normalize(step: Step) -> None:
    graph = step.graph
    (p,) = step.members.floats("p")
    column = step.vector(0)
    sizes = graph.op("Abs", column.tensor)
    if p == math.inf:
        norm = graph.largest(graph.where(graph.op("IsNaN", sizes), 0.0, sizes))
    elif p == 1.0:
        norm = graph.total(sizes)
    elif p == 2.0:
        norm = graph.op("Sqrt", graph.total(graph.op("Mul", sizes, sizes)))
    else:
        norm = graph.op("Pow", graph.total(graph.op("Pow", sizes, float(p))), 1.0 / float(p))
    divisor = graph.where(graph.op("Equal", norm, 0.0), 1.0, norm)
    step.give(graph.op("Div", column.tensor, divisor), size=column.size)


def _polynomial(step: Step) -> None:
    """Products of up to `degree` slots. Each is the product before it times a slot, and a product that is zero stays zero."""
    graph, degree = step.graph, int(step.members.take("degree"))
    column = step.vector(0)
    try:
        # The native core knows how many slots an expansion may have.
        step.stage.transform(pa.table({step.inputs[0]: [[0.0] * column.size]}))
    except MmlrsError as error:
        raise CannotExport(str(error)) from None
    levels: list[list[tuple[int, ...]]] = [[(slot,) for slot in range(column.size)]]
    tensors = [column.tensor]
    for _ in range(1, degree):
        before = levels[-1]
        grown = [(i, slot) for i, term in enumerate(before) for slot in range(term[-1] + 1)]
        parents = graph.slots(tensors[-1], [i for i, _ in grown])
        product = graph.op("Mul", parents, graph.slots(column.tensor, [slot for _, slot in grown]))
        tensors.append(graph.where(graph.op("Equal", parents, 0.0), 0.0, product))
        levels.append([(*before[i], slot) for i, slot in grown])
    terms = [term for level in levels for term in level]
    # Spark's order: by the power of the last slot, then by that of the slot before it, and so on.
    order = sorted(range(len(terms)), key=terms.__getitem__)
    step.give(graph.slots(graph.joined(tensors), order), size=len(order))


def _project(step: Step) -> None:
    size = int(step.members.take("size"))
    matrix = step.members.floats("matrix").reshape(-1, size)
    x = step.vector(0, size).tensor
    step.give(step.graph.op("MatMul", x, matrix.T), size=len(matrix))


def _weight_terms(step: Step) -> None:
    weights = step.members.floats("weights")
    x = step.vector(0, len(weights)).tensor
    step.give(step.graph.op("Mul", x, weights[None, :]), size=len(weights))


#: What appends the operators of a kind, by kind; `assemble` stands for `FastVectorAssembler`.
FEATURES: dict[str, Callable[[Step], Any]] = {
    "one_hot": _one_hot,
    "stack_numbers": _stack,
    "assemble": _assemble,
    "affine": _affine,
    "min_max": _min_max,
    "slice": _slice,
    "vector_size": _vector_size,
    "impute": _impute,
    "bucketize": _bucketize,
    "binarize": _binarize,
    "normalize": _normalize,
    "polynomial": _polynomial,
    "project": _project,
    "weight_terms": _weight_terms,
}
