"""Pairs of near hashes are those of a comparison of every pair, on tables and on Spark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import ColumnNotFoundError, InvalidParamError, SchemaMismatchError
from mmlrs.image import near_duplicates


def hashes(bits: int, count: int, seed: int) -> list[str]:
    """Hashes around a few centres, some of them equal."""
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2, (3, bits))
    rows = centres[random.integers(0, 3, count)] ^ (
        random.random((count, bits)) < random.choice([0, 0.03, 0.1], (count, 1))
    )
    return [f"{int(''.join(map(str, row)), 2):0{-(-bits // 4)}x}" for row in rows]


def brute(ids, texts, distance):
    rows = sorted((i, t) for i, t in zip(ids, texts, strict=True) if i is not None and t is not None)
    found = []
    for n, (left, a) in enumerate(rows):
        for right, b in rows[n + 1 :]:
            bits = (int(a, 16) ^ int(b, 16)).bit_count()
            if left != right and bits <= distance:
                found.append({"left": left, "right": right, "distance": bits})
    return found


@settings(deadline=None, max_examples=40)
@given(
    bits=st.sampled_from([9, 64, 100, 256]), count=st.integers(0, 40), seed=st.integers(0, 99),
    distance=st.integers(0, 2), text=st.booleans(),
)  # fmt: skip
def test_pairs_are_those_of_a_comparison_of_every_pair(bits, count, seed, distance, text):
    texts = hashes(bits, count, seed)
    ids = [f"{i * 7 % 40:02}" if text else i * 7 % 40 for i in range(count)]
    table = pa.table(
        {"id": pa.array(ids, pa.string() if text else pa.int32()), "hash": pa.array(texts, pa.string())}
    )
    found = near_duplicates(table, idCol="id", maxDistance=distance).to_pylist()
    assert found == brute(ids, texts, distance)


@pytest.mark.parametrize(("bits", "distance"), [(64, 6), (64, 15), (64, 0), (256, 20), (9, 2)])
def test_spark_and_every_library_find_the_same(spark, bits, distance):
    texts = [*hashes(bits, 60, 1), None]
    texts[3] = texts[3].upper()
    ids = [*range(59), None, 60]
    frame = pd.DataFrame({"id": pd.array(ids, "Int64"), "hash": texts})
    expected = brute(ids, texts, distance)
    assert expected
    table = pa.table({"id": pa.array(ids, pa.int64()), "hash": texts})
    assert near_duplicates(table, idCol="id", maxDistance=distance).to_pylist() == expected
    assert near_duplicates(pl.from_arrow(table), idCol="id", maxDistance=distance).to_dicts() == expected
    assert near_duplicates(frame, idCol="id", maxDistance=distance).to_dict("records") == expected
    df = spark.createDataFrame(list(zip(ids, texts, strict=True)), "id long, hash string").repartition(3)
    rows = near_duplicates(df, idCol="id", maxDistance=distance).orderBy("left", "right").collect()
    assert [row.asDict() for row in rows] == expected


def test_no_rows_are_no_pairs(spark):
    table = pa.table({"id": pa.array([], pa.string()), "hash": pa.array([], pa.string())})
    assert near_duplicates(table, idCol="id").num_rows == 0
    assert near_duplicates(spark.createDataFrame([], "id string, hash string"), idCol="id").count() == 0


def test_repeated_and_missing_ids():
    table = pa.table({"id": [1, 1, 2, 3], "hash": ["ff"] * 4})
    pairs = [
        (row["left"], row["right"]) for row in near_duplicates(table, idCol="id", maxDistance=1).to_pylist()
    ]
    assert pairs == [(1, 2), (1, 2), (1, 3), (1, 3), (2, 3)]
    assert near_duplicates(pa.table({"id": [None], "hash": ["ff"]}), idCol="id", maxDistance=1).num_rows == 0


def test_wrong_input_is_one_error(spark):
    table = pa.table({"id": [1, 2], "hash": ["ff00", "ff0g"], "number": [1.0, 2.0]})
    for data in (table, spark.createDataFrame(table.to_pandas())):
        with pytest.raises(SchemaMismatchError, match="column `hash`: has 'ff0g', which is not a hash"):
            near_duplicates(data, idCol="id", maxDistance=1)
        with pytest.raises(
            SchemaMismatchError, match="column `number`: has type double; expected strings or integers"
        ):
            near_duplicates(data, idCol="number")
        with pytest.raises(
            SchemaMismatchError, match="column `number`: has type double; expected strings, as ImageHash"
        ):
            near_duplicates(data, idCol="id", hashCol="number")
        with pytest.raises(ColumnNotFoundError, match="column `path`: not found"):
            near_duplicates(data, idCol="path")
        ended = pa.table({"id": [1], "hash": ["ff00\n"]})
        with pytest.raises(SchemaMismatchError, match=r"column `hash`: has 'ff00\\n', which is not a hash"):
            near_duplicates(
                ended if data is table else spark.createDataFrame(ended.to_pandas()),
                idCol="id",
                maxDistance=1,
            )
    other = pa.table({"id": [1, 2], "hash": ["ff00", "ff0"]})
    good = pa.table({"id": [1, 2], "hash": ["ff00", "ff01"]})
    for convert in (lambda t: t, lambda t: spark.createDataFrame(t.to_pandas())):
        with pytest.raises(SchemaMismatchError, match="hashes of 3 and of 4 digits"):
            near_duplicates(convert(other), idCol="id", maxDistance=1)
        with pytest.raises(InvalidParamError, match=r"`maxDistance` must be less than 4, .* got 4"):
            near_duplicates(convert(good), idCol="id", maxDistance=4)
    for wrong in (-1, 1.5, True, None):
        with pytest.raises(InvalidParamError, match="`maxDistance` must be an integer of at least 0"):
            near_duplicates(good, idCol="id", maxDistance=wrong)
    with pytest.raises(SchemaMismatchError, match="cannot compare the rows of a list"):
        near_duplicates([1], idCol="id")
