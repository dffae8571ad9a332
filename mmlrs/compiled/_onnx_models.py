"""Models of compiled learners in ONNX: from vectors to raw values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_step import Members, Step
from mmlrs.compiled._onnx_trees import forest

__all__ = ["Raw", "raw_values"]


@dataclass(frozen=True)
class Raw:
    """The raw values of rows.

    Parameters
    ----------
    tensor : str
        Name of the tensor.
    outputs : int
        Number of values of a row.
    leaves : str, optional
        Name of the tensor with the leaf of each tree, counted from left to right.
    trees : int, default 0
        Number of trees.
    """

    tensor: str
    outputs: int
    leaves: str | None = None
    trees: int = 0


def raw_values(step: Step, definition: dict[str, Any]) -> Raw:
    """Append the operators of a model that reads the first input column."""
    members = Members(definition)
    kind = members.take("kind")
    model = _MODELS.get(kind)
    if model is None:
        raise CannotExport(f"the export does not know models of kind {kind!r}")
    raw = model(step, members)
    members.done()
    return raw


def _linear(step: Step, members: Members) -> Raw:
    size, intercepts = int(members.take("size")), members.floats("intercepts")
    coefficients = members.floats("coefficients").reshape(len(intercepts), size)
    product = step.graph.op("MatMul", step.vector(0, size).tensor, coefficients.T)
    return Raw(step.graph.op("Add", product, intercepts[None, :]), len(intercepts))


def _factorization(step: Step, members: Members) -> Raw:
    """Rendle 2010: the sum over pairs of slots is half the square of the sum without the sum of the squares."""
    graph = step.graph
    linear, size = members.floats("linear"), int(members.take("factor_size"))
    factors = members.floats("factors").reshape(len(linear), size)
    x = step.vector(0, len(linear)).tensor
    sums = graph.op("MatMul", x, factors)
    squares = graph.op("MatMul", graph.op("Mul", x, x), factors * factors)
    pairs = graph.total(graph.op("Sub", graph.op("Mul", sums, sums), squares))
    linear_part = graph.op("Add", graph.op("MatMul", x, linear[:, None]), float(members.take("intercept")))
    return Raw(graph.op("Add", linear_part, graph.op("Mul", pairs, 0.5)), 1)


def _perceptron(step: Step, members: Members) -> Raw:
    graph, layers, weights = step.graph, members.take("layers"), members.floats("weights")
    activation = members.take("activation", "sigmoid")
    values, start = step.vector(0, layers[0]).tensor, 0
    for number, (inputs, outputs) in enumerate(itertools.pairwise(layers)):
        if number:
            values = _activated(graph, activation, values)
        end = start + inputs * outputs
        matrix = weights[start:end].reshape(outputs, inputs)
        values = graph.op("MatMul", values, matrix.T)
        values = graph.op("Add", values, weights[end : end + outputs][None, :])
        start = end + outputs
    return Raw(values, layers[-1])


def _activated(graph: Graph, activation: str, values: str) -> str:
    """Return the values of the units of an inner layer."""
    if activation == "sigmoid":
        return graph.logistic(values)
    if activation == "tanh":
        return graph.op("Tanh", values)
    if activation == "relu":
        # As in the native core, NaN becomes 0.
        return graph.where(graph.op("Greater", values, 0.0), values, 0.0)
    if activation == "identity":
        return values
    raise CannotExport(f"the export does not know the activation {activation!r}")


def _one_vs_rest(step: Step, members: Members) -> Raw:
    models = [raw_values(step, model) for model in members.take("models")]
    last = [step.graph.slots(model.tensor, [model.outputs - 1]) for model in models]
    return Raw(step.graph.joined(last), len(models))


def _naive_bayes(step: Step, members: Members) -> Raw:
    graph, variant, size = step.graph, members.take("variant"), int(members.take("size"))
    pi, sigma = members.floats("pi"), members.floats("sigma")
    theta = members.floats("theta").reshape(len(pi), size)
    x = step.vector(0, size).tensor
    if variant == "gaussian":
        return Raw(_gaussian(step, x, pi, theta, sigma.reshape(len(pi), size)), len(pi))
    if variant == "bernoulli":
        allowed = graph.op("Or", graph.op("Equal", x, 0.0), graph.op("Equal", x, 1.0))
        negative = np.log(1.0 - np.exp(theta))
        weights, shift = theta - negative, pi + negative.sum(axis=1)
    else:
        allowed = graph.op("GreaterOrEqual", x, 0.0)
        weights, shift = theta, pi if variant == "multinomial" else np.zeros(len(pi))
    step.reject(graph.any_slot(graph.negated(allowed)))
    values = graph.op("Add", graph.op("MatMul", x, weights.T), shift[None, :])
    if variant == "complement":
        most = graph.largest(values)
        total = graph.op("Log", graph.total(graph.op("Exp", graph.op("Sub", values, most))))
        values = graph.op("Sub", values, graph.op("Add", total, most))
    return Raw(values, len(pi))


def _gaussian(step: Step, x: str, pi: Any, theta: Any, sigma: Any) -> str:
    graph, scores = step.graph, []
    for prior, means, variances in zip(pi, theta, sigma, strict=True):
        centered = graph.op("Sub", x, means[None, :])
        distance = graph.total(graph.op("Div", graph.op("Mul", centered, centered), variances[None, :]))
        halved = graph.op("Mul", graph.op("Add", distance, float(np.log(variances).sum())), 0.5)
        scores.append(graph.op("Sub", float(prior), halved))
    return graph.joined(scores)


def _forest(step: Step, members: Members) -> Raw:
    sums = forest(step, members)
    return Raw(sums.tensor, sums.outputs, sums.leaves, sums.trees)


#: What appends the operators of a model, by kind.
_MODELS: dict[str, Callable[[Step, Members], Raw]] = {
    "linear": _linear,
    "factorization": _factorization,
    "perceptron": _perceptron,
    "one_vs_rest": _one_vs_rest,
    "naive_bayes": _naive_bayes,
    "forest": _forest,
}
