"""Weights of classes."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from mmlrs.errors import (
    ColumnNotFoundError,
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import (
    ClassBalancer,
    ClassBalancerModel,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "values", "unseen"),
    [
        (pa.string(), ["a", "a", "a", "b", None], 'it\'s \\ {new} "one"'),
        (pa.int32(), [1, 1, 1, 2, None], -7),
        (pa.int64(), [2**62, 2**62, 2**62, -(2**62), None], 2**62 + 1),
        (pa.float64(), [0.0, -0.0, 0.0, 1e300, None], 1.5),
        (pa.float32(), [0.1, 0.1, 0.1, 1e30, None], 0.2),
        (pa.bool_(), [True, True, True, False, None], None),
    ],
)
@pytest.mark.parametrize("where", ["table", "spark"])
def test_a_class_weighs_the_more_the_rarer_it_is(request, kind, values, unseen, where, tmp_path):
    def put(rows):
        table = pa.table({"i": range(len(rows)), "y": pa.array(rows, kind)})
        return table if where == "table" else request.getfixturevalue("spark").createDataFrame(table)

    model = ClassBalancer(inputCol="y").fit(put(values))
    model.save(str(tmp_path / "model"))
    for ready in (model, ClassBalancerModel.load(str(tmp_path / "model"))):
        made = ready.transform(put([*values, unseen]))
        rows = made.to_pylist() if where == "table" else [r.asDict() for r in made.sort("i").collect()]
        assert [row["weight"] for row in rows] == [1.0, 1.0, 1.0, 3.0, 1.0, 1.0]


@pytest.mark.parametrize("where", ["table", "spark"])
def test_what_is_not_a_number_is_no_class(request, where):
    data = pa.table({"y": [NAN, NAN, NAN, math.inf, 2.0, 2.0, 3.0]})
    if where == "spark":
        data = request.getfixturevalue("spark").createDataFrame(data)
    model = ClassBalancer(inputCol="y").fit(data)
    assert model.getValues() == [2.0, 3.0]
    made = model.transform(data)
    weights = made["weight"].to_pylist() if where == "table" else [r.weight for r in made.collect()]
    assert weights == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("where", ["table", "spark"])
def test_without_rows_every_label_weighs_one(request, where):
    data = pa.table({"y": pa.array([], pa.string())})
    full = pa.table({"y": ["a"]})
    if where == "spark":
        data, full = (request.getfixturevalue("spark").createDataFrame(t) for t in (data, full))
    made = ClassBalancer(inputCol="y", outputCol="w").fit(data).transform(full)
    assert (made["w"].to_pylist() if where == "table" else [r.w for r in made.collect()]) == [1.0]


@pytest.mark.spark
@pytest.mark.parametrize("broadcast", [True, False])
def test_many_classes_are_joined_and_no_row_is_lost(spark, broadcast):
    table = pa.table({"i": range(6000), "y": [f"c{i % 1500}" if i % 7 else None for i in range(6000)]})
    stage = ClassBalancer(inputCol="y", broadcastJoin=broadcast)
    model = stage.fit(spark.createDataFrame(table))
    expected = stage.fit(table).transform(table)["weight"].to_pylist()
    made = model.transform(spark.createDataFrame(table))
    assert made.columns == ["i", "y", "weight"]
    assert [r.weight for r in made.sort("i").collect()] == expected
    if broadcast:
        assert [r.i for r in made.coalesce(1).collect()] == list(range(6000))


@pytest.mark.spark
def test_a_model_reads_numbers_of_another_width_and_refuses_another_kind(spark):
    model = ClassBalancerModel(inputCol="y", values=[1, 2.5], weights=[4.0, 5.0])
    for table in (pa.table({"y": pa.array([1, 2], pa.int8())}), pa.table({"y": [1.0, 2.5]})):
        expected = [4.0, 1.0] if table["y"].type == pa.int8() else [4.0, 5.0]
        assert model.transform(table)["weight"].to_pylist() == expected
        assert [r.weight for r in model.transform(spark.createDataFrame(table)).collect()] == expected
    for data in (pa.table({"y": ["1"]}), spark.createDataFrame(pa.table({"y": ["1"]}))):
        with pytest.raises(
            SchemaMismatchError, match="column `y`: has type string, which the class 1 does not"
        ):
            model.transform(data)
    with pytest.raises(InvalidParamError, match="param `weights` must have 2 values"):
        model.copy().setWeights([1.0]).transform(pa.table({"y": [1]}))


def test_labels_of_other_types_are_refused():
    with pytest.raises(SchemaMismatchError, match="ClassBalancer: column `y`: has type list"):
        ClassBalancer(inputCol="y").fit(pa.table({"y": [[1]]}))
    with pytest.raises(ColumnNotFoundError, match="ClassBalancer: column `z`: not found"):
        ClassBalancer(inputCol="z").fit(pa.table({"y": [1]}))


def test_labels_of_a_dictionary_are_balanced():
    table = pa.table({"y": pa.array(["a", "a", "b", None]).dictionary_encode()})
    made = ClassBalancer(inputCol="y").fit(table).transform(table)
    assert made["weight"].to_pylist() == [1.0, 1.0, 2.0, 1.0]
