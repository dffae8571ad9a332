"""The last steps of a compiled estimator: the columns of a classifier and of a regressor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators._columns import Flow, refused
from mmlrs.featurize import IndexToValue

__all__ = ["Outputs", "linear", "threshold"]

_Type = Literal["long", "double", "boolean", "string"]
#: The type of a column of labels by the kind of a NumPy array.
_TYPES: dict[str, _Type] = {"i": "long", "u": "long", "f": "double", "b": "boolean"}


def linear(coefficients: Any, intercepts: Any, size: int) -> dict[str, Any]:
    """Return the model of one or more linear functions."""
    return {
        "kind": "linear",
        "coefficients": floats(coefficients),
        "intercepts": floats(intercepts),
        "size": size,
    }


def threshold(value: float = 0.0) -> dict[str, Any]:
    """Return the rule that class 1 is predicted if its raw value exceeds a threshold."""
    return {"rule": "raw_above", "threshold": floats([value])}


@dataclass
class Outputs:
    """The names of the columns to add, and those that were added."""

    prediction: str
    probability: str | None
    raw: str | None
    label: str | None
    added: list[str] = field(default_factory=list)
    labels: list[Any] | None = None

    def names(self) -> list[str]:
        """Return the names that may be added."""
        return [
            name for name in (self.prediction, self.probability, self.raw, self.label) if name is not None
        ]

    def classifier(
        self,
        flow: Flow,
        origin: str,
        column: str,
        model: dict[str, Any],
        *,
        classes: Any,
        probabilities: str,
        decision: dict[str, Any],
        raw: bool = True,
        margin: bool = False,
        divisor: float = 1.0,
    ) -> None:
        """Add a classifier.

        Parameters
        ----------
        flow : Flow
            The steps so far.
        origin, column : str
            The class of the classifier, and the column of vectors that it reads.
        model : dict
            What computes the raw values.
        classes : array or None
            The labels in the order of the raw values. None if the original has numbers only.
        probabilities : str
            How the probabilities follow from the raw values. "none" if there are none.
        decision : dict
            How the class follows.
        raw : bool
            Whether the original has raw values.
        margin : bool
            Whether the model computes the raw value of class 1 only.
        divisor : float
            What the raw values are divided by before the probabilities follow from them.
        """
        roles, names = ["prediction"], [self.prediction]
        if probabilities != "none" and self.probability is not None:
            roles.append("probability")
            names.append(self.probability)
        if raw and self.raw is not None:
            roles.append("raw")
            names.append(self.raw)
        labels = None if classes is None else _labels(origin, classes)
        flow.add(
            origin,
            [column],
            names,
            "classifier",
            roles=roles,
            model=model,
            margin=margin,
            probabilities=probabilities,
            divisor=divisor,
            decision=decision,
        )
        self.added = [name for name in (self.raw, self.probability) if name in names] + [self.prediction]
        if labels is None:
            return
        self.labels, kind = labels
        if self.label is not None:
            flow.stages.append(
                IndexToValue(
                    inputCol=self.prediction, outputCol=self.label, levels=self.labels, dataType=kind
                )
            )
            self.added.append(self.label)

    def regressor(
        self,
        flow: Flow,
        origin: str,
        column: str,
        model: dict[str, Any],
        link: str = "identity",
    ) -> None:
        """Add a regressor, with the kind of its inverse link function."""
        flow.add(
            origin,
            [column],
            [self.prediction],
            "regressor",
            roles=["prediction"],
            model=model,
            link={"kind": link},
        )
        self.added = [self.prediction]

    def single(self, flow: Flow, origin: str, column: str, kind: str, **params: Any) -> None:
        """Add a step with one column."""
        flow.add(origin, [column], [self.prediction], kind, **params)
        self.added = [self.prediction]


def _labels(origin: str, classes: Any) -> tuple[list[Any], _Type]:
    """Return the labels of classes as Python objects, and the type of their column."""
    array = np.asarray(classes)
    if array.ndim != 1:
        raise refused(origin, "it predicts several outputs", "compile a model of one output")
    values = array.tolist()
    if all(isinstance(value, str) for value in values):
        return values, "string"
    kind = _TYPES.get(np.asarray(values).dtype.kind if array.dtype.kind == "O" else array.dtype.kind)
    if kind is None:
        raise refused(
            origin, f"its classes {values!r:.100} are not of one type", "encode them as strings or numbers"
        )
    if kind == "long" and any(not -(2**63) <= value < 2**63 for value in values):
        raise refused(
            origin, f"its classes {values!r:.100} are beyond 64-bit integers", "encode them as strings"
        )
    return [float(value) for value in values] if kind == "double" else values, kind
