"""Columns of vectors become matrices, whatever library holds them."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.ml.linalg import Vectors
from scipy.sparse import csr_matrix

import mmlrs
from mmlrs.engine.worker import Kernel
from mmlrs.errors import DecodeError, LimitExceededError, SchemaMismatchError
from mmlrs.featurize import FastVectorAssembler
from mmlrs.image import ImageFeaturizer
from mmlrs.testing import sample_image

DENSE = {"type": 1, "size": None, "indices": None, "values": [1.0, 0.0, 2.0]}
SPARSE = {"type": 0, "size": 3, "indices": [2], "values": [5.0]}
STRUCT = pa.struct(
    [
        pa.field("type", pa.int8(), nullable=False),
        ("size", pa.int32()),
        ("indices", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
    ]
)
MATRIX = [[1.0, 0.0, 2.0], [0.0, 0.0, 5.0]]
MIXED = pa.array([DENSE, SPARSE], STRUCT)
LISTS = pa.array(MATRIX)

COLUMNS = {
    "structs": MIXED,
    "structs in chunks": pa.chunked_array([MIXED[:1], MIXED[1:]]),
    "structs within an array": pa.array([SPARSE, DENSE, SPARSE, DENSE], STRUCT)[1:3],
    "lists": LISTS,
    "large lists": LISTS.cast(pa.large_list(pa.float64())),
    "fixed-size lists": LISTS.cast(pa.list_(pa.float64(), 3)),
    "fixed-size lists within an array": pa.array([[9.0] * 3, *MATRIX, [9.0] * 3], pa.list_(pa.float64(), 3))[
        1:3
    ],
    "lists of integers": pa.array([[1, 0, 2], [0, 0, 5]]),
    "dicts in pandas": pd.Series([DENSE, SPARSE], index=[7, 7]),
    "what pandas makes of structs": pa.table({"v": MIXED}).to_pandas()["v"],
    "arrays in pandas": pd.Series([np.array(row) for row in MATRIX]),
    "lists in pandas": pd.Series(MATRIX),
    "Arrow types in pandas": pd.Series(LISTS, dtype=pd.ArrowDtype(LISTS.type)),
    "structs in polars": pl.from_arrow(MIXED),
    "lists in polars": pl.Series(MATRIX),
    "arrays in polars": pl.Series(MATRIX, dtype=pl.Array(pl.Float64, 3)),
    "pyspark's vectors": [Vectors.dense(MATRIX[0]), Vectors.sparse(3, [2], [5.0])],
    "pyspark's vectors in pandas": pd.Series([Vectors.dense(MATRIX[0]), Vectors.sparse(3, [2], [5.0])]),
    "a list of lists": MATRIX,
    "a list of arrays": [np.array(row) for row in MATRIX],
    "an array of arrays": np.array([np.array(row) for row in MATRIX] + [None], dtype=object)[:2],
    "a matrix": np.array(MATRIX),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_of_vectors_is_the_same_matrix(name):
    dense, sparse = mmlrs.to_numpy(COLUMNS[name]), mmlrs.to_scipy(COLUMNS[name])
    assert dense.dtype == sparse.dtype == np.float64
    np.testing.assert_array_equal(dense, MATRIX)
    assert isinstance(sparse, csr_matrix)
    np.testing.assert_array_equal(sparse.toarray(), MATRIX)
    assert sparse.nnz == 3, "zeros are not stored"


def test_floats_of_32_bits_stay_so_and_are_not_copied():
    column = pa.array(MATRIX, pa.list_(pa.float32(), 3))
    matrix = mmlrs.to_numpy(column)
    assert matrix.dtype == np.float32
    assert np.shares_memory(matrix, column.values.to_numpy())
    assert mmlrs.to_scipy(column).dtype == np.float32


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MATRIX[0], None, MATRIX[1]]),
        pa.array([MATRIX[0], None, MATRIX[1]], pa.list_(pa.float64(), 3)),
        pa.array([DENSE, None, SPARSE], STRUCT),
        pd.Series([DENSE, None, SPARSE]),
        pd.Series([np.array(MATRIX[0]), np.nan, np.array(MATRIX[1])]),
        [Vectors.dense(MATRIX[0]), None, Vectors.sparse(3, [2], [5.0])],
    ],
    ids=["lists", "fixed-size lists", "structs", "dicts in pandas", "NaN in pandas", "pyspark's vectors"],
)
def test_a_null_is_a_row_of_nan_or_for_a_sparse_matrix_an_error(column):
    np.testing.assert_array_equal(mmlrs.to_numpy(column), [MATRIX[0], [np.nan] * 3, MATRIX[1]])
    with pytest.raises(DecodeError, match="to_scipy: row 1 is null"):
        mmlrs.to_scipy(column)


def test_a_null_within_a_vector_is_nan():
    np.testing.assert_array_equal(mmlrs.to_numpy(pa.array([[1.0, None]])), [[1.0, np.nan]])


@pytest.mark.parametrize(
    ("column", "shape"),
    [
        (pa.array([], pa.list_(pa.float32())), (0, 0)),
        (pa.array([], pa.list_(pa.float32(), 3)), (0, 3)),
        (pa.chunked_array([], pa.list_(pa.float32(), 3)), (0, 3)),
        (pa.nulls(2, pa.list_(pa.float32(), 3)), (2, 3)),
        (pa.nulls(2, STRUCT), (2, 0)),
        (pd.Series([], dtype=object), (0, 0)),
        ([], (0, 0)),
    ],
)
def test_no_vectors_are_an_empty_matrix(column, shape):
    matrix = mmlrs.to_numpy(column)
    assert matrix.shape == shape
    assert np.isnan(matrix).all()


def test_vectors_of_different_length_are_one_clear_error():
    column = pa.chunked_array([pa.array([None, [1.0, 2.0]]), pa.array([[1.0, 2.0], [1.0]])])
    with pytest.raises(DecodeError) as caught:
        mmlrs.to_numpy(column)
    assert str(caught.value) == (
        "to_numpy: the vectors have different lengths: 2 in row 1, 1 in row 3; a matrix has rows of one length"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 2},
        {"indices": [-1]},
        {"indices": [0, 1]},
        {"indices": []},
        {"size": None},
        {"indices": None},
        {"indices": [None]},
        {"values": None},
        {"indices": [2, 1], "values": [1.0, 2.0]},
        {"indices": [1, 1], "values": [1.0, 2.0]},
        {"indices": [2**31 - 1]},
    ],
)
@pytest.mark.parametrize("function", [mmlrs.to_numpy, mmlrs.to_scipy])
def test_a_damaged_sparse_vector_is_named(function, wrong):
    column = pa.array([None, DENSE, {**SPARSE, **wrong}], STRUCT)
    with pytest.raises(DecodeError, match="row 2 is a damaged sparse vector"):
        function(column)


@pytest.mark.parametrize("wrong", [{"type": 2}, {"type": -1}, {"values": None}])
@pytest.mark.parametrize("function", [mmlrs.to_numpy, mmlrs.to_scipy])
def test_a_vector_of_no_kind_or_without_values_is_named(function, wrong):
    column = pa.array([DENSE, DENSE | wrong, SPARSE], STRUCT)
    with pytest.raises(
        DecodeError, match=r"row 1 is a damaged vector: its `type` must be 0 \(sparse\) or 1 \(dense\)"
    ):
        function(column)


def test_a_declared_size_is_not_allocated_on_trust():
    # More bytes than an address has: no machine can hold them.
    column = pa.array([SPARSE | {"size": 2**31 - 1}] * 2**16, STRUCT)
    with pytest.raises(
        LimitExceededError, match="65536 rows and 2147483647 columns is too large for memory; use to_scipy"
    ):
        mmlrs.to_numpy(column)
    with pytest.raises(
        LimitExceededError,
        match=r"^column `v`: sparse vectors would have \d+ numbers in total .* at most 268435456",
    ):
        Kernel("", ("v",), ("plain",), ())._sources([column])


def test_sparse_vectors_of_a_batch_become_lists_for_stages_that_read_no_vectors():
    column = pa.array([None, SPARSE, DENSE, None], STRUCT)
    [made] = Kernel("", ("v",), ("plain",), ())._sources([column[1:]])
    assert made.type == pa.list_(pa.float32())
    assert made.to_pylist() == [[0.0, 0.0, 5.0], [1.0, 0.0, 2.0], None]


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pa.array([1.0]), "has type double"),
        (pa.array([["a"]]), "has type list<item: string>"),
        (pa.array([[[1.0]]]), "has type list<item: list<item: double>>"),
        (pd.DataFrame({"v": [[1.0]]}), "is a DataFrame; pass one of its columns"),
        (pd.Series(["a"]), "has type string"),
        (pd.Series([1.0]), "has type double"),
        (pl.DataFrame({"v": [1.0]}), "has type struct"),
        ([[1.0], "a"], "has rows of several kinds"),
        ("text", "is a str"),
        (7, "is a int"),
    ],
)
def test_what_holds_no_vectors_is_refused_with_its_type(column, what):
    with pytest.raises(SchemaMismatchError) as caught:
        mmlrs.to_numpy(column)
    assert str(caught.value).startswith(f"to_numpy: the column {what}")
    assert "expected vectors" in str(caught.value)


def test_without_scipy_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        mmlrs.to_scipy(LISTS)


def test_what_stages_return_goes_into_numpy_from_every_library():
    picture = sample_image("png")
    table = pa.table({"image": [picture, None, picture]})
    stage = ImageFeaturizer(outputCol="v", handleInvalid="keep")
    numbers = pa.table({"a": [1.0, 0.0], "b": [0, 3], "c": [0.0, 0.0], "d": [0.0, 0.0], "e": [0.0, 0.0]})
    assembler = FastVectorAssembler(inputCols=numbers.column_names, outputCol="v")
    for made, data in ((stage, table), (assembler, numbers)):
        expected = mmlrs.to_numpy(made.transform(data)["v"])
        assert expected.shape[0] == data.num_rows
        np.testing.assert_array_equal(mmlrs.to_numpy(made.transform(data.to_pandas())["v"]), expected)
        np.testing.assert_array_equal(mmlrs.to_numpy(made.transform(pl.from_arrow(data))["v"]), expected)
    np.testing.assert_array_equal(expected, [[1, 0, 0, 0, 0], [0, 3, 0, 0, 0]])
