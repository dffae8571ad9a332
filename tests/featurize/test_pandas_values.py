"""What pandas holds as NaN, and what it holds as missing, on the way into a stage and back."""

from __future__ import annotations

import networks
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from networks import network, node, value

from mmlrs.engine.missing import array_of
from mmlrs.engine.table import from_table, to_table
from mmlrs.errors import DecodeError, SchemaMismatchError
from mmlrs.featurize import CleanMissingData, FastVectorAssembler, Featurize
from mmlrs.onnx import ONNXModel

NAN = float("nan")


def shown(cell):
    """Python objects with NaN as text, so that they compare."""
    if isinstance(cell, list):
        return [shown(c) for c in cell]
    if isinstance(cell, dict):
        return {k: shown(v) for k, v in cell.items()}
    return "NaN" if isinstance(cell, float) and np.isnan(cell) else cell


CELLS = {
    "floats": (pd.Series([1.0, NAN]), [1.0, "NaN"]),
    "narrow floats": (pd.Series([1.0, NAN], dtype="float32"), [1.0, "NaN"]),
    "objects that are floats": (pd.Series([1.0, NAN, None], dtype=object), [1.0, "NaN", None]),
    "numpy's floats": (pd.Series([np.float32(1), np.float32(NAN)], dtype=object), [1.0, "NaN"]),
    "pandas' own missing value": (pd.Series([1.0, NAN, pd.NA], dtype=object), [1.0, "NaN", None]),
    "nullable floats": (pd.Series([1.0, None], dtype="Float64"), [1.0, None]),
    "nullable integers": (pd.Series([1, None], dtype="Int64"), [1, None]),
    "nullable booleans": (pd.Series([True, None], dtype="boolean"), [True, None]),
    "nullable text": (pd.Series(["a", None], dtype="string"), ["a", None]),
    "arrow's floats": (pd.Series([1.0, None], dtype=pd.ArrowDtype(pa.float64())), [1.0, None]),
    "text": (pd.Series(["a", NAN, None]), ["a", None, None]),
    "nothing at all": (pd.Series([NAN, None], dtype=object), [None, None]),
    "numpy rows": (pd.Series([np.array([1.0, NAN]), None]), [[1.0, "NaN"], None]),
    "missing rows": (pd.Series([np.array([1.0, NAN]), NAN]), [[1.0, "NaN"], None]),
    "lists": (pd.Series([[1.0, NAN, None], [2.0]]), [[1.0, "NaN", None], [2.0]]),
    "nested lists": (pd.Series([[[1.0], [NAN]]]), [[[1.0], ["NaN"]]]),
    "structs": (
        pd.Series([{"v": NAN, "k": "a"}, {"v": 1.0, "k": None}]),
        [{"v": "NaN", "k": "a"}, {"v": 1.0, "k": None}],
    ),
}


@pytest.mark.parametrize("kind", CELLS)
def test_nan_stays_nan_and_missing_stays_missing(kind):
    series, expected = CELLS[kind]
    assert shown(to_table(pd.DataFrame({"x": series}))["x"].to_pylist()) == expected
    assert shown(array_of(series).to_pylist()) == expected


def test_a_frame_keeps_its_index_and_its_types_on_the_way_back():
    frame = pd.DataFrame(
        {
            "f": [1.0, NAN],
            "i": pd.array([1, None], dtype="Int64"),
            "t": pd.array(["a", None], dtype="string"),
        },
        index=pd.Index(["r", "s"], name="row"),
    )
    back = from_table(to_table(frame), frame)
    pd.testing.assert_frame_equal(back, frame)


def imputing(width: int):
    """A model that puts 5 where it reads NaN."""
    return network(
        [node("IsNaN", ["x"], ["missing"]), node("Where", ["missing", "five", "x"], ["y"])],
        [value("x", ["N", width])],
        [value("y", ["N", width])],
        {"five": np.array([5.0], np.float32)},
    )


def test_a_model_that_knows_nan_gets_it_from_pandas():
    numbers = ONNXModel(model=imputing(1)).transform(pd.DataFrame({"x": [1.0, NAN]}))
    assert [list(row) for row in numbers["y"]] == [[1.0], [5.0]]
    rows = ONNXModel(model=imputing(2)).transform(pd.DataFrame({"x": [np.array([1.0, NAN]), [NAN, 2.0]]}))
    assert [list(row) for row in rows["y"]] == [[1.0, 5.0], [5.0, 2.0]]


@pytest.mark.parametrize("dtype", ["Float64", "Int64"])
def test_a_missing_value_of_a_nullable_type_is_a_bad_row(dtype):
    frame = pd.DataFrame({"x": pd.array([1, None], dtype=dtype)})
    with pytest.raises(DecodeError, match="row 1 of the table: is null"):
        ONNXModel(model=imputing(1)).transform(frame)


def test_estimators_take_both_for_missing():
    frame = pd.DataFrame({"a": [1.0, NAN, 3.0], "b": pd.array([1.0, None, 3.0], dtype="Float64")})
    cleaned = CleanMissingData(inputCols=["a", "b"], outputCols=["x", "y"]).fit(frame).transform(frame)
    assert list(cleaned["x"]) == list(cleaned["y"]) == [1.0, 2.0, 3.0]
    vectors = Featurize(inputCols=["a", "b"], outputCol="v").fit(frame).transform(frame)["v"]
    assert len(vectors) == 3


def test_pandas_polars_and_arrow_give_a_model_the_same():
    cells = {"x": [1.0, NAN, 2.0]}
    stage = ONNXModel(
        model=networks.network([node("Add", ["x", "x"], ["y"])], [value("x", ["N"])], [value("y", ["N"])])
    )
    results = [
        np.array(stage.transform(frame)["y"].to_numpy(), dtype=float)
        for frame in (pd.DataFrame(cells), pl.DataFrame(cells), pa.table(cells))
    ]
    for result in results:
        np.testing.assert_array_equal(result, [2.0, NAN, 4.0])


def odd_frame():
    """Columns of types and objects that Arrow converts to other ones."""
    return pd.DataFrame(
        {
            "n": [1.0, NAN, 3.0],
            "sparse": pd.arrays.SparseArray([0.0, 1.0, 0.0]),
            "tuple": [(1, 2), (3,), None],
            "flag": [True, None, False],
            "set": [{1}, {2, 3}, 4],
            "interval": pd.interval_range(0, 3),
            "zones": [
                pd.Timestamp("2024-01-01", tz="Asia/Tokyo"),
                pd.NaT,
                pd.Timestamp("2024-01-01", tz="UTC"),
            ],
            "lists": pd.array([["a"], None, []], pd.ArrowDtype(pa.list_(pa.string()))),
            "decimal": pd.array([None, 1, 2], pd.ArrowDtype(pa.decimal128(10, 2))),
        }
    )


@pytest.mark.parametrize("policy", ["keep", "skip"])
@pytest.mark.parametrize("index", [None, ["x", "y", "z"]])
def test_columns_that_no_stage_changes_stay_as_they_are(policy, index):
    frame = odd_frame().set_axis(index or range(3))
    stage = FastVectorAssembler(inputCols=["n"], outputCol="v", handleInvalid=policy)
    out = stage.transform(frame)
    expected = frame if policy == "keep" else frame.iloc[[0, 2]]
    if not index:
        expected = expected.reset_index(drop=True)
    pd.testing.assert_frame_equal(out.drop(columns="v"), expected)
    assert [type(cell) for cell in out["zones"]] == [type(cell) for cell in expected["zones"]]
    out.loc[out.index[0], "n"] = 99.0
    assert frame["n"].iloc[0] == 1.0


@pytest.mark.parametrize("cell", [{1.0, 2.0}, frozenset({1.0}), np.ma.array([1.0, 2.0], mask=[0, 1])])
def test_collections_without_an_order_or_with_hidden_values_are_not_vectors(cell):
    cells = pd.Series([None, None], dtype=object)
    cells[0] = cell
    with pytest.raises(
        SchemaMismatchError, match=f"holds values that Arrow cannot hold: {type(cell).__name__}"
    ):
        FastVectorAssembler(inputCols=["v"], outputCol="o").transform(pd.DataFrame({"v": cells}))
