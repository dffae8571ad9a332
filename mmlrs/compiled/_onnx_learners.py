"""Fitted learners of compiled models in ONNX: classifiers, regressors and clusters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_links import mean_of, probabilities_of
from mmlrs.compiled._onnx_models import Raw, raw_values
from mmlrs.compiled._onnx_step import Members, Step

__all__ = ["LEARNERS"]


def _classifier(step: Step) -> None:
    graph, members = step.graph, step.members
    found = raw_values(step, members.take("model"))
    raw, classes = found.tensor, found.outputs
    if members.take("margin"):
        raw, classes = graph.joined([graph.op("Neg", raw), raw]), 2
    rule, decision = members.take("probabilities"), Members(members.take("decision"))
    divisor = float(members.take("divisor", 1.0))
    divided = raw if divisor == 1.0 else graph.op("Div", raw, divisor)
    probabilities = probabilities_of(graph, rule, divided)
    predicted = _decided(graph, decision, raw, probabilities)
    decision.done()
    for role in members.take("roles"):
        if role == "raw":
            step.give(raw, size=classes)
        elif role == "probability":
            step.give(probabilities, size=classes)
        elif role == "prediction":
            step.give(predicted, "number")
        else:
            _give_leaves(step, role, found)


def _give_leaves(step: Step, role: str, raw: Raw) -> None:
    if role not in ("leaf", "leaf_number") or raw.leaves is None:
        raise CannotExport(f"the export does not know the role {role!r}")
    if role == "leaf":
        step.give(raw.leaves, size=raw.trees)
    else:
        step.give(step.graph.slots(raw.leaves, [0]), "number")


def _decided(graph: Graph, decision: Members, raw: str, probabilities: str) -> str:
    """Return the number of the class."""
    rule = decision.take("rule")
    if rule == "largest_raw":
        return graph.first_largest(raw)
    if rule == "largest_probability":
        return graph.first_largest(probabilities)
    if rule == "largest_raw_or_none":
        large = graph.op("Greater", graph.largest(raw), float(np.finfo(np.float64).min))
        return graph.where(large, graph.place_of_largest(raw), -1.0)
    if rule in ("raw_above", "probability_above"):
        second = graph.slots(raw if rule == "raw_above" else probabilities, [1])
        return graph.cast(graph.op("Greater", second, float(decision.floats("threshold")[0])), "f8")
    if rule == "scaled":
        return graph.place_of_largest(graph.op("Div", probabilities, decision.floats("thresholds")[None, :]))
    raise CannotExport(f"the export does not know the decision {rule!r}")


def _regressor(step: Step) -> None:
    graph, members = step.graph, step.members
    found = raw_values(step, members.take("model"))
    raw = graph.slots(found.tensor, [0])
    if members.take("offset"):
        offset = step.number(1)
        step.reject(offset.null)
        raw = graph.op("Add", raw, offset.tensor)
    link = Members(members.take("link", {"kind": "identity"}))
    mean = mean_of(graph, link, raw)
    link.done()
    bounds = members.floats("bounds")
    if len(bounds):
        bounded = graph.op("Min", graph.op("Max", mean, float(bounds[0])), float(bounds[1]))
        mean = graph.where(graph.op("IsNaN", mean), mean, bounded)
    for role in members.take("roles"):
        if role == "prediction":
            step.give(mean, "number")
        elif role == "link_prediction":
            step.give(raw, "number")
        elif role == "variance":
            step.give(graph.slots(found.tensor, [1]), "number")
        else:
            _give_leaves(step, role, found)


def _isotonic(step: Step) -> None:
    graph, slot = step.graph, int(step.members.take("slot"))
    at, to = step.members.floats("boundaries"), step.members.floats("predictions")
    column = graph.doubles(step.any(0, "number"))
    if column.kind == "vector":
        column = step.vector(0)
        if column.size <= slot:
            raise CannotExport(f"it reads slot {slot} of vectors of size {column.size}")
        x = graph.slots(column.tensor, [slot])
    else:
        column = step.number(0)
        step.reject(column.null)
        x = column.tensor
    reached = graph.total(graph.cast(graph.op("LessOrEqual", at[None, :], x), "f8"))
    right = graph.op("Clip", graph.cast(reached, "i8"), np.array(0), np.array(len(at) - 1))
    left = graph.op("Max", graph.op("Sub", right, np.array([[1]])), np.array([[0]]))
    left = graph.where(graph.op("GreaterOrEqual", reached, float(len(at))), right, left)

    def of(table: Any, places: str) -> str:
        return graph.op("Gather", table, places, axis=0)

    x1, y1, x2, y2 = of(at, left), of(to, left), of(at, right), of(to, right)
    rise = graph.op("Mul", graph.op("Sub", y2, y1), graph.op("Sub", x, x1))
    between = graph.op("Add", y1, graph.op("Div", rise, graph.op("Sub", x2, x1)))
    plain = graph.op("Or", graph.op("Equal", x, x1), graph.op("Equal", left, right))
    value = graph.where(plain, y1, between)
    last = float(to[-1])
    if step.members.take("bounded"):
        outside = graph.op("Or", graph.op("Less", x, float(at[0])), graph.op("Greater", x, float(at[-1])))
        value, last = graph.where(outside, np.nan, value), math.nan
    step.give(graph.where(graph.op("IsNaN", x), last, value), "number")


def _cluster(step: Step) -> None:
    graph, members = step.graph, step.members
    size = int(members.take("size"))
    centers = members.floats("centers").reshape(-1, size)
    x = step.vector(0, size).tensor
    if members.take("cosine"):
        norm = graph.op("Sqrt", graph.total(graph.op("Mul", x, x)))
        step.reject(graph.op("Equal", norm, 0.0))
        nearness = graph.op("Div", graph.op("MatMul", x, centers.T), norm)
    else:
        away = graph.op("Sub", graph.op("Unsqueeze", x, np.array([1])), centers[None, :, :])
        squares = graph.op("Mul", away, away)
        distances = graph.op("ReduceSum", squares, np.array([2]), keepdims=0)
        nearness = graph.op("Neg", distances)
    step.give(graph.first_largest(nearness), "number")


def _mixture(step: Step) -> None:
    graph, members = step.graph, step.members
    size, weights, peaks = int(members.take("size")), members.floats("weights"), members.floats("peaks")
    means = members.floats("means").reshape(-1, size)
    roots = members.floats("roots").reshape(-1, size, size)
    x, densities = step.vector(0, size).tensor, []
    for weight, peak, mean, root in zip(weights, peaks, means, roots, strict=True):
        away = graph.op("MatMul", graph.op("Sub", x, mean[None, :]), root.T)
        distance = graph.total(graph.op("Mul", away, away))
        density = graph.op("Exp", graph.op("Sub", float(peak), graph.op("Mul", distance, 0.5)))
        # Spark adds the machine precision to every density.
        densities.append(graph.op("Add", graph.op("Mul", density, float(weight)), float(np.finfo("f8").eps)))
    joined = graph.joined(densities)
    shares = graph.op("Div", joined, graph.total(joined))
    for role in members.take("roles"):
        if role == "probability":
            step.give(shares, size=len(weights))
        elif role == "prediction":
            step.give(graph.first_largest(shares), "number")
        else:
            raise CannotExport(f"the export does not know the role {role!r}")


#: What appends the operators of a kind, by kind.
LEARNERS: dict[str, Callable[[Step], Any]] = {
    "classifier": _classifier,
    "regressor": _regressor,
    "isotonic": _isotonic,
    "cluster": _cluster,
    "mixture": _mixture,
}
