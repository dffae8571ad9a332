"""Features of estimators of other libraries than Spark ML in ONNX: stacked, encoded, filled and multiplied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._onnx_categories import place_of_text
from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_step import Members, Step

__all__ = ["ESTIMATORS"]


def _stack(step: Step) -> None:
    graph, members, parts = step.graph, step.members, []
    nan, infinite, single = (bool(members.take(name)) for name in ("nan", "infinite", "single"))
    size = 0
    for place, given in enumerate(members.take("parts")):
        part = Members(given)
        if part.take("kind") == "numbers":
            tensor, width = step.filled(step.number(place), math.nan), 1
        else:
            column = step.vector(place, int(part.take("size")))
            tensor, width, slots = column.tensor, column.size, part.ints("slots")
            if len(slots):
                tensor, width = graph.slots(tensor, slots), len(slots)
        part.done()
        parts.append(tensor)
        size += width
    x = graph.joined(parts)
    if not nan:
        step.reject(graph.any_slot(graph.op("IsNaN", x)))
    if single or not infinite:
        # With `infinite` and `single`, infinities count as too large too.
        limit = float(np.finfo(np.float32 if single else np.float64).max)
        step.reject(graph.any_slot(graph.op("Greater", graph.op("Abs", x), limit)))
    for operation in members.take("operations", []):
        x = _changed(graph, Members(operation), x)
    step.give(x, size=size)


def _changed(graph: Graph, operation: Members, x: str) -> str:
    """Return the slots after an operation with a number for each."""
    kind, values = operation.take("op"), operation.floats("values")[None, :]
    if kind in _PLAIN:
        result = graph.op(_PLAIN[kind], x, values)
    elif kind == "at_least":
        result = graph.where(graph.op("Less", x, values), values, x)
    elif kind == "at_most":
        result = graph.where(graph.op("Greater", x, values), values, x)
    elif kind == "above":
        result = graph.cast(graph.op("Greater", x, values), "f8")
    elif kind == "erase":
        result = graph.where(graph.op("Equal", x, values), np.nan, x)
    elif kind == "single":
        operation.take("size")
        result = graph.cast(graph.cast(x, "f4"), "f8")
    elif kind == "bin":
        result = _binned(graph, operation, x)
    else:
        raise CannotExport(f"the export does not know the operation {kind!r}")
    operation.done()
    return result


_PLAIN = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}


def _binned(graph: Graph, operation: Members, x: str) -> str:
    """Return for each slot the number of its borders that are at most the value."""
    bins = []
    for slot, given in enumerate(operation.take("borders")):
        borders = Members({"borders": given}).floats("borders")[None, :]
        value = graph.slots(x, [slot])
        if borders.size:
            bins.append(graph.total(graph.cast(graph.op("LessOrEqual", borders, value), "f8")))
        else:
            bins.append(graph.repeated(np.zeros(1), x))
    return graph.joined(bins)


def _encode(step: Step) -> None:
    indicators, encoded, size = bool(step.members.take("indicators")), [], 0
    for given in step.members.take("features"):
        feature = Members(given)
        codes, width = _codes(step, feature), int(feature.take("width", 0))
        feature.done()
        if not indicators:
            encoded.append(codes)
            size += 1
        elif width:
            slots = step.graph.op("Equal", codes, np.arange(width, dtype=np.float64)[None, :])
            encoded.append(step.graph.cast(slots, "f8"))
            size += width
    if not encoded:
        raise CannotExport("its result has no slots")
    step.give(step.graph.joined(encoded), size=size)


def _codes(step: Step, feature: Members) -> str:
    """Return the code of each value of a feature. Rows whose value has none are rejected."""
    graph, place, slot = step.graph, int(feature.take("column")), feature.take("slot")
    known, codes = Members(feature.take("known")), feature.floats("codes")
    missing, unknown = feature.floats("missing"), feature.floats("unknown")
    strings = known.take("strings")
    if strings is not None:
        column = step.any(place, "string")
        if column.kind != "string":
            raise CannotExport(f"column `{step.inputs[place]}` must hold strings")
        found = (
            place_of_text(step, column, strings)
            if strings
            else graph.repeated(np.array([-1.0]), column.tensor)
        )
        is_missing = None
    else:
        column = step.number(place) if slot is None else step.vector(place)
        x = column.tensor if slot is None else graph.slots(column.tensor, [int(slot)])
        x = step.filled(column, math.nan) if slot is None else x
        numbers = known.floats("numbers")
        found = _place_of_number(graph, x, numbers)
        # NaN may be a category like others.
        is_missing = None if np.isnan(numbers).any() else graph.op("IsNaN", x)
    known.done()
    other = unknown[0] if len(unknown) else np.nan
    table = np.append(codes, [other, missing[0] if len(missing) else other])
    no_code = graph.op("Less", found, 0.0)
    places = graph.where(no_code, float(len(codes)), found)
    if is_missing is not None:
        places = graph.where(is_missing, float(len(codes) + 1), places)
    if not len(unknown):
        accepted = is_missing is not None and len(missing)
        step.reject(graph.op("And", no_code, graph.negated(str(is_missing))) if accepted else no_code)
    return graph.op("Gather", table, graph.cast(places, "i8"), axis=0)


def _place_of_number(graph: Graph, x: str, numbers: np.ndarray[Any, Any]) -> str:
    """Return the place of each number, of which NaN may be one, or -1."""
    flags = graph.cast(graph.op("Equal", x, numbers[None, :]), "f8")
    places = np.arange(1.0, len(numbers) + 1.0)[:, None]
    found = graph.op("Sub", graph.op("MatMul", flags, places), 1.0)
    nan = np.flatnonzero(np.isnan(numbers))
    return graph.where(graph.op("IsNaN", x), float(nan[-1]), found) if len(nan) else found


def _fill(step: Step) -> None:
    graph, members = step.graph, step.members
    missing, values = float(members.floats("missing")[0]), members.floats("values")
    x = step.vector(0, len(values)).tensor
    flags = graph.op("IsNaN", x) if math.isnan(missing) else graph.op("Equal", x, missing)
    kept, indicators = members.ints("kept"), members.ints("indicators")
    filled = graph.slots(graph.where(flags, values[None, :], x), kept)
    marks = graph.slots(graph.cast(flags, "f8"), indicators)
    parts = [part for part, slots in ((filled, kept), (marks, indicators)) if len(slots)]
    if not parts:
        raise CannotExport("its result has no slots")
    step.give(graph.joined(parts), size=len(kept) + len(indicators))


def _fill_text(step: Step) -> None:
    graph, missing = step.graph, step.members.take("missing")
    for place, value in enumerate(step.members.take("values")):
        column = step.any(place, "string")
        if column.kind != "string":
            raise CannotExport(f"column `{step.inputs[place]}` must hold strings")
        text = column.tensor
        if missing is not None:
            equal = graph.op("Equal", place_of_text(step, column, [missing]), 0.0)
            text = graph.where(equal, graph.constant([value]), text)
        elif column.null is not None:
            text = graph.where(column.null, graph.constant([value]), text)
        step.give(text, "string", null=column.null if missing is not None else None)


def _products(step: Step) -> None:
    graph, members = step.graph, step.members
    counts, slots = members.ints("counts"), members.ints("slots")
    size = int(members.take("size"))
    x = step.vector(0, size).tensor
    ends = np.cumsum(counts)
    # From the last factor to the first; the column after the slots is 1, and short products are filled up with it.
    deepest = int(counts.max(initial=0))
    padded = graph.joined([x, graph.repeated(np.ones(1), x)])
    factors = [
        [int(slots[end - 1 - i]) if i < count else size for end, count in zip(ends, counts, strict=True)]
        for i in range(max(deepest, 1))
    ]
    product = graph.slots(padded, factors[0])
    for level in factors[1:]:
        product = graph.op("Mul", product, graph.slots(padded, level))
    step.give(product, size=len(counts))


#: What appends the operators of a kind, by kind.
ESTIMATORS: dict[str, Callable[[Step], Any]] = {
    "stack": _stack,
    "encode": _encode,
    "fill": _fill,
    "fill_text": _fill_text,
    "products": _products,
}
