"""Small data and small perceptrons for the tests of what they learn and what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.ann import MultilayerPerceptronClassifier, MultilayerPerceptronRegressor

X = np.random.default_rng(7).normal(size=(90, 3)).astype("f4")
#: Three classes, of which one is outside a circle and the others alternate between quadrants, and values.
CLASS = np.where(np.hypot(X[:, 0], X[:, 1]) > 1.5, 2, X[:, 0] * X[:, 1] > 0).astype("i8")
VALUE = (np.sin(X[:, 0]) + 0.5 * X[:, 1]).astype("f8")
SOLVERS = ["l-bfgs", "gd", "sgd", "adam", "adamw"]
SMALL = {"layers": [3, 5, 3], "maxIter": 5, "epochs": 3, "batchSize": 32, "tol": 0.0}


def vectors(x: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def rows(**columns: Any) -> pa.Table:
    made = {name: pa.array(column) for name, column in columns.items()}
    return pa.table({"features": vectors(X), "label": CLASS, "value": VALUE, **made})


TABLE = rows()


def classifier(**params: Any) -> MultilayerPerceptronClassifier:
    return MultilayerPerceptronClassifier(**{**SMALL, **params})


def regressor(**params: Any) -> MultilayerPerceptronRegressor:
    return MultilayerPerceptronRegressor(**{**SMALL, "layers": [3, 5, 1], "labelCol": "value", **params})


def right(model: Any, table: pa.Table = TABLE) -> float:
    scored = model.transform(table)
    return float(np.mean(scored["prediction"].to_numpy() == scored["label"].to_numpy()))


def parts(weights: np.ndarray) -> list[np.ndarray]:
    """The weights and biases of the layers of `SMALL`."""
    return np.split(weights, np.cumsum([15, 5, 15]))
