"""Compares a compiled model with the original."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import mmlrs
from mmlrs.compiled import CompiledModel
from mmlrs.engine.bridge import collect

#: Columns whose values must be equal: categories, classes, clusters.
_EXACT = ("prediction", "predictedLabel", "index", "bucket", "leaf", "tokens", "words")


def check(model: Any, df: Any, *, on_spark: bool = False, **options: Any) -> CompiledModel:
    """Compile a model, and compare its columns with those of the original, on a table and optionally on Spark."""
    compiled = mmlrs.compile(model, **options)
    expected = collect(model.transform(df))
    compare(compiled.transform(collect(df)), expected)
    if on_spark:
        compare(collect(compiled.transform(df)), expected)
    return compiled


def compare(got: pa.Table, expected: pa.Table) -> None:
    assert set(expected.column_names) <= set(got.column_names), (got.column_names, expected.column_names)
    assert got.num_rows == expected.num_rows
    for name in expected.column_names:
        same_column(name, got[name].to_pylist(), expected[name].to_pylist())


def same_column(name: str, got: list[Any], expected: list[Any]) -> None:
    # The predictions of regressors are scores.
    whole = not any(isinstance(e, float) and np.isfinite(e) and e % 1 for e in expected)
    for row, (g, e) in enumerate(zip(got, expected, strict=True)):
        assert _same(g, e, exact=whole and name.startswith(_EXACT)), f"{name}, row {row}: {g} instead of {e}"


def _same(got: Any, expected: Any, *, exact: bool) -> bool:
    if got is None or expected is None:
        return got is None and expected is None
    if isinstance(expected, dict) and "indices" in expected:
        # Versions of Spark choose between dense and sparse vectors in different ways.
        return _near(_dense(got), _dense(expected), exact=exact)
    if isinstance(expected, float):
        return _near([got], [expected], exact=exact)
    return bool(got == expected)


def _dense(vector: dict[str, Any]) -> Any:
    if vector["type"] == 1:
        return vector["values"]
    values = np.zeros(vector["size"])
    values[vector["indices"]] = vector["values"]
    return values


def _near(got: Any, expected: Any, *, exact: bool) -> bool:
    g, e = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    if g.shape != e.shape:
        return False
    if exact:
        return np.array_equal(g, e, equal_nan=True)
    return bool(np.allclose(g, e, rtol=1e-9, atol=1e-12, equal_nan=True))
