"""Fitted estimators of other libraries beside their compiled models."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from mmlrs import to_numpy
from mmlrs.compiled import CompiledModel, from_estimator


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Fit small models in one thread: threads that wait for each other in turns cost more than they save."""
    with threadpool_limits(1):
        yield


def table_of(rows):
    """Return rows as a dataset: a DataFrame as it is, a matrix as a column of vectors."""
    if isinstance(rows, pd.DataFrame):
        return rows
    return pa.table({"features": pa.array([list(map(float, row)) for row in rows], pa.list_(pa.float64()))})


def columns_of(model, rows):
    """Return the columns that a model adds, as arrays."""
    table = pa.table(model.transform(table_of(rows)))
    added = {}
    for name in model.getOutputCols():
        column = table[name]
        added[name] = to_numpy(column) if pa.types.is_struct(column.type) else column.to_pandas().to_numpy()
    return added


def compiled(fitted, **params):
    """Return the compiled model of an estimator, with all columns that it can add."""
    model = from_estimator(fitted, **params)
    assert isinstance(model, CompiledModel)
    return model


def original(call, rows):
    """Return what a method of an estimator returns. Its warnings about names and categories are not of interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(call(rows))


def assert_same(fitted, rows, *, rtol=1e-9, **params):
    """Compare a compiled model with its original: predictions exactly, scores to `rtol`. Returns the model."""
    has_raw = hasattr(fitted, "decision_function")
    model = compiled(fitted, **({"rawPredictionCol": "raw"} if has_raw else {}), **params)
    added = columns_of(model, rows)
    predicted = original(fitted.predict, rows)
    classes = getattr(fitted, "classes_", None)
    if classes is None:
        np.testing.assert_allclose(added["prediction"], np.ravel(predicted), rtol=rtol, atol=rtol)
        return model
    assert added["predictedLabel"].tolist() == predicted.tolist()
    assert np.asarray(classes)[added["prediction"].astype(int)].tolist() == predicted.tolist()
    if hasattr(fitted, "predict_proba") and "probability" in added:
        np.testing.assert_allclose(
            added["probability"], original(fitted.predict_proba, rows), rtol=0, atol=rtol
        )
    if has_raw:
        raw = original(fitted.decision_function, rows)
        mine = added["raw"][:, 1] if raw.ndim == 1 else added["raw"]
        np.testing.assert_allclose(mine, raw, rtol=rtol, atol=rtol)
    return model
