"""Compares the ONNX form of a compiled model with the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa

from mmlrs.compiled import CompiledModel
from mmlrs.compiled._definition import step
from mmlrs.errors import MmlrsError

#: Columns whose values must be equal.
_EXACT = ("prediction", "predictedLabel", "index", "bucket", "leaf", "label")


def model_of(*stages: Any, **params: Any) -> CompiledModel:
    return CompiledModel(stages=list(stages), **params)


def one(
    kind: str, inputs: list[str], outputs: list[str], /, *, origin: str = "FittedModel", **members: Any
) -> Any:
    """Return a step of one kind."""
    return step(origin, inputs, outputs, kind, **members)


def vectors(rows: Any) -> pa.Array:
    return pa.array([list(map(float, row)) for row in rows], pa.list_(pa.float64()))


def check(model: CompiledModel, table: pa.Table, **options: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Compare the ONNX form with the model, and return its outputs. Rows that the model refuses or drops must be blank."""
    content = model.to_onnx(**options)
    onnx.checker.check_model(content, full_check=True)
    got = run(content, table)
    expected = expected_rows(model, table)
    for name, values in got.items():
        for row, (g, e) in enumerate(zip(values, expected, strict=True)):
            assert _same(name, g, e and e[name]), f"{name}, row {row}: {g} instead of {e and e[name]}"
    return got


def run(content: bytes, table: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {item.name: _feed(item, table[item.name]) for item in session.get_inputs()}
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _feed(item: Any, column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    values = column.to_pylist()
    kinds = {"tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object}
    return np.array(values, dtype=kinds[item.type]).reshape(len(values), item.shape[1])


def expected_rows(model: CompiledModel, table: pa.Table) -> list[dict[str, Any] | None]:
    """Return the rows of the model; None for one that it refuses or drops."""
    try:
        whole = model.transform(table)
        if whole.num_rows == table.num_rows:
            return whole.to_pylist()
    except MmlrsError:
        pass
    return [_expected_row(model, table.slice(row, 1)) for row in range(table.num_rows)]


def _expected_row(model: CompiledModel, row: pa.Table) -> dict[str, Any] | None:
    try:
        found = model.transform(row)
    except MmlrsError:
        return None
    return found.to_pylist()[0] if found.num_rows else None


def _dense(value: Any) -> Any:
    if not isinstance(value, dict) or value["type"] == 1:
        return value["values"] if isinstance(value, dict) else value
    values = np.zeros(value["size"])
    values[value["indices"]] = value["values"]
    return values


def _same(name: str, got: np.ndarray[Any, Any], expected: Any) -> bool:
    if got.dtype == object:
        return got.tolist() == ["" if expected is None else expected]
    if expected is None:
        return bool(np.isnan(got).all())
    wanted = np.atleast_1d(
        np.asarray(_dense(expected) if isinstance(expected, dict) else expected, dtype=float)
    )
    if got.dtype != np.float64 or got.shape != wanted.shape:
        return False
    if name.startswith(_EXACT):
        return np.array_equal(got, wanted, equal_nan=True)
    return bool(np.allclose(got, wanted, rtol=1e-9, atol=1e-12, equal_nan=True))
