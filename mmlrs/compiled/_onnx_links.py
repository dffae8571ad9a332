"""From raw values to means and probabilities in ONNX."""

from __future__ import annotations

import math

import numpy as np

from mmlrs.compiled._onnx_graph import CannotExport, Graph
from mmlrs.compiled._onnx_step import Members

__all__ = ["mean_of", "probabilities_of"]


def probabilities_of(graph: Graph, rule: str, raw: str) -> str:
    """Return the probabilities of the classes."""
    if rule in ("none", "raw"):
        return raw
    if rule in ("logistic", "logistic_twice"):
        first = graph.slots(raw, [0])
        if rule == "logistic_twice":
            first = graph.op("Mul", first, 2.0)
        first = graph.logistic(first)
        return graph.joined([first, graph.op("Sub", 1.0, first)])
    if rule == "softmax":
        return _softmax(graph, raw)
    if rule == "normalize":
        return _normalized(graph, raw)
    if rule == "sigmoids":
        return graph.logistic(raw)
    if rule == "one_vs_rest":
        return _normalized(graph, graph.logistic(raw))
    raise CannotExport(f"the export does not know the probabilities {rule!r}")


def _normalized(graph: Graph, values: str) -> str:
    """Return the values divided by their sum, if it is not zero."""
    total = graph.total(values)
    return graph.op("Div", values, graph.where(graph.op("Equal", total, 0.0), 1.0, total))


def _softmax(graph: Graph, raw: str) -> str:
    """Return the softmax function. The first infinite value has probability 1, and then the others have none: NaN."""
    most = graph.largest(raw)
    powers = graph.op("Exp", graph.op("Sub", raw, most))
    shares = graph.op("Div", powers, graph.total(powers))
    infinite = graph.cast(graph.op("Equal", raw, np.inf), "f8")
    earlier = graph.op("CumSum", infinite, np.array(1), exclusive=1)
    first = graph.op("And", graph.op("Greater", infinite, 0.5), graph.op("Less", earlier, 0.5))
    limits = graph.where(first, 1.0, np.array([[np.nan]]))
    return graph.where(graph.op("Equal", most, np.inf), limits, shares)


def mean_of(graph: Graph, link: Members, x: str) -> str:
    """Return the mean: the inverse of the link function."""
    kind = link.take("kind")
    if kind == "identity":
        return x
    if kind == "log":
        return graph.op("Exp", x)
    if kind == "logit":
        return graph.logistic(x)
    if kind == "probit":
        return _normal_cdf(graph, x)
    if kind == "c_log_log":
        return graph.op("Sub", 1.0, graph.op("Exp", graph.op("Neg", graph.op("Exp", x))))
    if kind == "inverse":
        return graph.op("Div", 1.0, x)
    if kind == "sqrt":
        return graph.op("Mul", x, x)
    if kind == "power":
        power = float(link.take("power"))
        return graph.op("Exp", x) if power == 0.0 else graph.op("Pow", x, 1.0 / power)
    if kind == "softplus":
        return _log_of_one_plus(graph, graph.op("Exp", x))
    if kind == "signed_square":
        return graph.op("Mul", x, graph.op("Abs", x))
    if kind == "sigmoid":
        return graph.logistic(graph.op("Mul", x, float(link.take("factor"))))
    raise CannotExport(f"the export does not know the link {kind!r}")


def _log_of_one_plus(graph: Graph, x: str) -> str:
    """Return log(1 + x) without loss for a small x (Goldberg 1991, theorem 4)."""
    one_more = graph.op("Add", x, 1.0)
    ratio = graph.op("Div", graph.op("Mul", graph.op("Log", one_more), x), graph.op("Sub", one_more, 1.0))
    plain = graph.op("Or", graph.op("Equal", one_more, 1.0), graph.op("IsInf", x))
    return graph.where(plain, x, ratio)


#: The terms of the series of erf, which is exact below 2, and the nodes of the quadrature of erfc, which is exact from 2 on.
_TERMS = 64
_STEP, _NODES = 0.25, 28


def _normal_cdf(graph: Graph, x: str) -> str:
    """Return the distribution function of the standard normal distribution, from erfc in doubles, which ONNX Runtime lacks.

    Below 2, erf by its series (Abramowitz and Stegun, 7.1.6). From there on, erfc by the trapezoidal rule (Chiarella and Reichel
    1968), whose error decreases exponentially.
    """
    z = graph.op("Div", graph.op("Abs", x), math.sqrt(2.0))
    square = graph.op("Mul", z, z)
    decay = graph.op("Exp", graph.op("Neg", square))
    exponents = np.arange(_TERMS, dtype=np.float64)
    factors = np.cumprod(np.append(1.0, 2.0 / (2.0 * exponents[1:] + 1.0)))
    near = graph.op("Min", square, 4.0)
    series = graph.op("MatMul", graph.op("Pow", near, exponents[None, :]), factors[:, None])
    product = graph.op("Mul", graph.op("Mul", decay, z), series)
    small = graph.op("Sub", 1.0, graph.op("Mul", product, 2.0 / math.sqrt(math.pi)))
    steps = (np.arange(-_NODES, _NODES + 1) * _STEP)[None, :]
    fractions = graph.op("Div", np.exp(-steps * steps), graph.op("Add", square, steps * steps))
    scaled = graph.op("Mul", graph.op("Mul", graph.total(fractions), z), _STEP / math.pi)
    large = graph.op("Mul", decay, scaled)
    tail = graph.op("Mul", graph.where(graph.op("Less", z, 2.0), small, large), 0.5)
    # An infinite number has no tail.
    tail = graph.where(graph.op("Greater", z, 27.0), 0.0, tail)
    value = graph.where(graph.op("Less", x, 0.0), tail, graph.op("Sub", 1.0, tail))
    return graph.where(graph.op("IsNaN", x), x, value)
