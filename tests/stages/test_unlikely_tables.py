"""Every stage on tables as people have them: each result is right, or one error that names the stage."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mmlrs.base import stage_specs
from mmlrs.errors import MmlrsError, SchemaMismatchError
from mmlrs.featurize import Featurize, SummarizeData
from mmlrs.image import UnrollImage
from mmlrs.stages import (
    DropColumns,
    Explode,
    FixedMiniBatchTransformer,
    FlattenBatch,
    RenameColumn,
    SelectColumns,
)
from mmlrs.testing import sample_stage
from mmlrs.testing.checks import assert_same, fit_stage

#: Cells of one column that have no type in common.
MIXED = [{1}, "a", 2, None]


def sample(name: str) -> tuple[Any, pa.Table]:
    return sample_stage(getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name))


def read(stage: Any, data: pa.Table) -> str:
    """Return a column that the stage reads, where it names one."""
    return next((n for n in stage._columns("input") if n in data.column_names), data.column_names[0])


def replaced(stage: Any, data: pa.Table, column: pa.Array) -> pa.Table:
    at = data.column_names.index(read(stage, data))
    return data.set_column(at, data.column_names[at], column)


def mixed(rows: int) -> list[Any]:
    return [MIXED[i % len(MIXED)] for i in range(rows)]


def of_two_kinds(stage: Any, data: pa.Table) -> pd.DataFrame:
    return data.to_pandas().assign(**{read(stage, data): mixed(data.num_rows)})


def levels(stage: Any, data: pa.Table) -> pd.DataFrame:
    frame = data.to_pandas()
    frame.columns = pd.MultiIndex.from_product([frame.columns, ["x"]])
    return frame


def numbered(stage: Any, data: pa.Table) -> pd.DataFrame:
    return data.to_pandas().set_axis(range(data.num_columns), axis=1)


TABLES: dict[str, Callable[[Any, pa.Table], Any]] = {
    "a column twice": lambda stage, data: data.append_column(read(stage, data), data[read(stage, data)]),
    "all columns twice": lambda stage, data: pd.concat([data.to_pandas()] * 2, axis=1),
    "cells of many types": of_two_kinds,
    "no such column": lambda stage, data: pa.table({"nothing": [1, 2, 3]}),
    "a column of another type": lambda s, d: replaced(s, d, pa.array([[{"q": 1}]] * d.num_rows)),
    "a column without values": lambda s, d: replaced(s, d, pa.nulls(d.num_rows)),
    "no rows": lambda stage, data: data.slice(0, 0),
    "no columns": lambda stage, data: pa.table({}),
    "no columns in pandas": lambda stage, data: pd.DataFrame(),
    "rows without columns": lambda stage, data: pd.DataFrame(index=range(3)),
    "numbers as names": numbered,
    "names of two levels": levels,
}

NO_TABLES: dict[str, Callable[[pa.Table], Any]] = {
    "None": lambda data: None,
    "dicts": lambda data: data.to_pylist(),
    "a dict": lambda data: data.to_pydict(),
    "a column of pandas": lambda data: data.to_pandas().iloc[:, 0],
    "a column of polars": lambda data: pl.from_arrow(data).to_series(0),
    "a column of Arrow": lambda data: data.column(0),
    "a matrix": lambda data: np.zeros((3, 2)),
    "a lazy frame": lambda data: pl.from_arrow(data).lazy(),
    "a path": lambda data: "data.csv",
    "groups": lambda data: data.to_pandas().assign(k=1).groupby("k"),
    "a class": lambda data: pa.Table,
}


def fails_well(work: Callable[[], Any]) -> bool:
    """Run `work`; returns whether it failed, which it may with one error that names the stage, or a stage in it."""
    message = None
    try:
        work()
    except MmlrsError as error:
        message = str(error)
    if message is not None:
        assert message.split(":")[0] in stage_specs(), message
        assert "\n" not in message, message
    return message is not None


STAGES = [name for name, spec in stage_specs().items() if "requires_spark" not in spec["tags"]]


@pytest.mark.filterwarnings("ignore:.*it is left out of the features")
@pytest.mark.parametrize("name", STAGES)
def test_an_unlikely_table_gives_a_result_or_an_error_that_names_the_stage(name):
    stage, data = sample(name)
    model = fit_stage(stage, data)
    for what, table in TABLES.items():
        given = table(stage, data)
        if hasattr(stage, "fit"):
            fails_well(lambda given=given: stage.fit(given))
        failed = fails_well(lambda given=given: model.transform(given))
        if what == "a column twice" and stage._columns("input") and "cols" not in model.params:
            assert failed or read(stage, data) not in model._columns("input"), what


@pytest.mark.parametrize("name", STAGES)
def test_what_is_no_table_is_refused_with_what_makes_one_of_it(name):
    stage, data = sample(name)
    model = fit_stage(stage, data)
    for what, make in NO_TABLES.items():
        given = make(data)
        assert fails_well(lambda given=given: model.transform(given)), what
        if hasattr(stage, "fit"):
            assert fails_well(lambda given=given: stage.fit(given)), what


REMEDIES = {
    "dicts": "pyarrow.Table.from_pylist",
    "a dict": "pyarrow.table(data)",
    "a column of pandas": "to_frame()",
    "a column of polars": "to_frame()",
    "a column of Arrow": 'pyarrow.table({"name": column})',
    "a matrix": "pandas.DataFrame(data, columns=",
    "a lazy frame": "collect() it first",
    "groups": "aggregate it first",
    "a class": "the class Table",
}


@pytest.mark.parametrize("what", REMEDIES)
def test_the_remedy_fits_what_was_given(what):
    with pytest.raises(SchemaMismatchError) as caught:
        SelectColumns(cols=["a"]).transform(NO_TABLES[what](pa.table({"a": [1, 2]})))
    assert REMEDIES[what] in str(caught.value)


#: Stages whose sample does not keep the other columns, needs what pandas does not carry, or takes columns by their names.
OTHERS_LEFT_OUT = {"EnsembleByKey", "IndexToValue", "Lambda"}
KEEPING = [n for n in STAGES if stage_specs()[n]["columns"] == "kept" and n not in OTHERS_LEFT_OUT]


@pytest.mark.parametrize("name", KEEPING)
def test_columns_that_no_stage_reads_may_hold_anything(name):
    """Cells of any types, names of any kind and the index come back as they were, and the result is that without them."""
    stage, data = sample(name)
    model = fit_stage(stage, data)
    plain = model.transform(data.to_pandas())
    other = mixed(data.num_rows)
    frame = data.to_pandas()
    frame["__other__"], frame[7], frame[("a", 1)] = other, range(data.num_rows), [1j] * data.num_rows
    frame = pd.concat([frame, frame[[7]]], axis=1)
    frame.index = [f"r{i}" for i in range(data.num_rows)]
    made = model.transform(frame)
    assert [n for n in made.columns if n in plain.columns] == list(plain.columns)
    same = made[list(plain.columns)].reset_index(drop=True)
    assert_same(pa.Table.from_pandas(same), pa.Table.from_pandas(plain.reset_index(drop=True)))
    assert list(made.columns).count(7) == 2
    if len(made) == data.num_rows and "Batch" not in name and name != "PartitionSample":
        assert made["__other__"].tolist() == other
        assert made[("a", 1)].tolist() == [1j] * data.num_rows
        assert made.index.tolist() == frame.index.tolist()
    elif "Batch" not in name:
        assert set(made.index) <= set(frame.index)
        assert all(made["__other__"].tolist()[i] == other[int(r[1:])] for i, r in enumerate(made.index))


# -- what stays with pandas and polars ---------------------------------------------------------------------------------


def test_objects_follow_their_rows_through_batches_and_back():
    objects = [{1}, "x", 2.5]
    frame = pd.DataFrame({"n": [1, 2, 3], "o": objects}, index=["p", "q", "r"])
    batches = FixedMiniBatchTransformer(batchSize=2).transform(frame)
    assert batches["o"].tolist() == [[{1}, "x"], [2.5]]
    rows = Explode(inputCol="l", outputCol="e").transform(frame.assign(l=[[1, 2], [], [3]]))
    assert rows["o"].tolist() == [{1}, {1}, 2.5]
    assert rows.index.tolist() == ["p", "p", "r"]
    assert RenameColumn(inputCol="o", outputCol="u").transform(frame)["u"].tolist() == objects


def test_objects_of_polars_come_back_as_objects():
    objects = pl.Series("o", [{1}, "x"], dtype=pl.Object)
    frame = pl.DataFrame({"l": [[1, 2], [3]], "s": ["a", "b"]}).with_columns(objects)
    made = Explode(inputCol="l", outputCol="e").transform(frame)
    assert made["o"].to_list() == [{1}, {1}, "x"]
    assert made["s"].to_list() == ["a", "a", "b"]
    with pytest.raises(
        SchemaMismatchError, match="Featurize: column `o`: holds values that Arrow cannot hold"
    ):
        Featurize(inputCols=["o"]).fit(frame)


def test_rows_of_polars_with_text_can_be_dropped(jpeg):
    frame = pl.DataFrame({"image": [jpeg, b"no image"], "name": ["a", "b"]})
    made = UnrollImage(outputCol="v", handleInvalid="skip").transform(frame)
    assert made["name"].to_list() == ["a"]


def test_a_column_of_many_types_that_is_read_says_how_to_make_it_one():
    frame = pd.DataFrame({"o": [{1}, "x", 2]})
    with pytest.raises(
        SchemaMismatchError, match=r"holds values that Arrow cannot hold: int, set, str; .*astype\(str\)"
    ):
        Featurize(inputCols=["o"]).fit(frame)


def test_the_index_is_no_column():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0]})
    some = frame[frame["a"] != 2]
    assert SummarizeData().transform(some)["Feature"].tolist() == ["a", "b"]
    assert DropColumns(cols=["a"]).transform(some).equals(some[["b"]])
    seen = Featurize(inputCols=["a", "b"], outputCol="f").fit(some).transform(some)
    assert seen.index.tolist() == [0, 2]


def test_labels_of_pandas_stay_what_they_are():
    frame = pd.DataFrame({0: [1, 2], "x": [3, 4]})
    assert SelectColumns(cols=["0"]).transform(frame).columns.tolist() == [0]
    frame.columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    made = RenameColumn(inputCol="('a', 'x')", outputCol="b").transform(frame)
    assert made.columns.tolist() == [("b", ""), ("a", "y")]


def test_types_of_pandas_survive_odd_labels():
    frame = pd.DataFrame({0: pd.array([1, None], "Int64"), "s": pd.Series(["a", None], dtype="string")})
    made = SelectColumns(cols=["0", "s"]).transform(frame)
    assert made.dtypes.tolist() == frame.dtypes.tolist()
    assert made[0].tolist() == [1, pd.NA]


def test_sparse_columns_of_pandas_are_read():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 0.0, 3.0])})
    made = Featurize(inputCols=["a"], outputCol="f").fit(frame).transform(frame)
    assert made["a"].tolist() == [0.0, 0.0, 3.0]


def test_a_name_that_two_columns_have_is_told_where_it_matters():
    table = pa.table([[1], [2], [[3, 4]]], names=["a", "a", "l"])
    with pytest.raises(
        SchemaMismatchError, match="SelectColumns: column `a`: 2 columns have this name; rename"
    ):
        SelectColumns(cols=["a"]).transform(table)
    assert FlattenBatch().transform(table).to_pydict() == {"a": [2, 2], "l": [3, 4]}
    assert FlattenBatch().transform(table).column_names == ["a", "a", "l"]
