"""The stages on tables: any kind of table in, the same kind out, the same values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pictures import colour, jpeg, png

from mmlrs.errors import SchemaMismatchError
from mmlrs.image import (
    ImageFeaturizer,
    ImageSetAugmenter,
    ImageTransformer,
    UnrollBinaryImage,
    UnrollImage,
)
from mmlrs.onnx import ONNXModel
from mmlrs.stages import DropColumns, Explode, RenameColumn, SelectColumns
from mmlrs.testing import sample_model
from mmlrs.testing.checks import assert_same

IMAGES = [jpeg(colour(40 + 5 * i, 60 - 3 * i)) for i in range(4)] + [png(colour(20, 30))]
NUMBERS = [[float(i), 0.5, -1.0, 2.0 * i] for i in range(5)]

STAGES = {
    "ImageTransformer": ImageTransformer(outputCol="out").resize(8, 9).flip(1),
    "tensor": ImageTransformer(outputCol="out").resize(4, 5).normalize([0.5], [0.2], 1 / 255),
    "UnrollImage": UnrollImage(outputCol="out"),
    "UnrollBinaryImage": UnrollBinaryImage(outputCol="out", height=4, width=4, nChannels=1),
    "ImageSetAugmenter": ImageSetAugmenter(outputCol="out", flipUpDown=True),
    "ImageFeaturizer": ImageFeaturizer(outputCol="out"),
    "ONNXModel": ONNXModel(model=sample_model(), feedDict={"x": "numbers"}, fetchDict={"out": "features"}),
    "SelectColumns": SelectColumns(cols=["id", "numbers"]),
    "DropColumns": DropColumns(cols=["image"]),
    "RenameColumn": RenameColumn(inputCol="id", outputCol="key"),
}


@pytest.fixture(params=STAGES)
def stage(request) -> Any:
    return STAGES[request.param]


def data() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(5), pa.int64()),
            "image": pa.array(IMAGES, pa.binary()),
            "numbers": pa.array(NUMBERS, pa.list_(pa.float32())),
        }
    )


class Stream:
    """What any library with the Arrow PyCapsule interface gives: duckdb, polars, ibis, nanoarrow."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    """The same for one batch."""

    def __init__(self, table: pa.Table) -> None:
        self.batch = table.combine_chunks().to_batches()[0]

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.batch.__arrow_c_array__(requested_schema)


# -- kinds of tables --------------------------------------------------------------------------------------------------


def test_a_table_gives_a_table(stage):
    made = stage.transform(data())
    assert type(made) is pa.Table
    assert made.num_rows in (5, 15)


def test_a_record_batch_gives_a_record_batch(stage):
    made = stage.transform(data().combine_chunks().to_batches()[0])
    assert type(made) is pa.RecordBatch
    assert_same(pa.Table.from_batches([made]), stage.transform(data()))


def test_an_empty_record_batch_gives_an_empty_record_batch(stage):
    made = stage.transform(pa.RecordBatch.from_pylist([], schema=data().schema))
    assert type(made) is pa.RecordBatch
    assert made.num_rows == 0
    assert made.schema == stage.transform(data()).schema


@pytest.mark.parametrize("kind", [Stream, Batch])
def test_an_object_with_the_capsule_interface_gives_a_table(stage, kind):
    made = stage.transform(kind(data()))
    assert type(made) is pa.Table
    assert_same(made, stage.transform(data()))


def test_a_stream_of_several_batches_is_read_to_its_end(stage):
    parts = pa.concat_tables([data().slice(0, 2), data().slice(2, 0), data().slice(2)])
    assert_same(stage.transform(Stream(parts)), stage.transform(data()))


def test_polars_gives_polars(stage):
    made = stage.transform(pl.from_arrow(data()))
    assert type(made) is pl.DataFrame
    assert_same(made.to_arrow(), stage.transform(data()))


def test_pandas_gives_pandas(stage):
    made = stage.transform(data().to_pandas())
    assert type(made) is pd.DataFrame
    assert_same(pa.Table.from_pandas(made, preserve_index=False), stage.transform(data()))


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary_view()], ids=str)
def test_images_may_be_bytes_of_any_arrow_width(kind):
    table = data().set_column(1, "image", data()["image"].cast(kind))
    made = STAGES["ImageTransformer"].transform(table)
    assert made["out"].to_pylist() == STAGES["ImageTransformer"].transform(data())["out"].to_pylist()


def test_a_sliced_and_chunked_table_gives_the_same_rows(stage):
    expected = stage.transform(data())
    chunks = pa.concat_tables([data().slice(i, 1) for i in range(5)])
    assert_same(stage.transform(chunks), expected)
    if not isinstance(stage, ImageSetAugmenter):  # its copies follow one another
        assert_same(stage.transform(data().slice(1, 3)), expected.slice(1, 3))


def test_more_rows_than_a_batch_holds_keep_their_order():
    many = pa.table({"id": range(10_000), "image": pa.array([IMAGES[4], None] * 5_000, pa.binary())})
    stage = UnrollBinaryImage(outputCol="out", height=1, width=1, nChannels=1, handleInvalid="skip")
    assert stage.transform(many)["id"].to_pylist() == list(range(0, 10_000, 2))


def test_the_metadata_of_the_table_stays():
    table = data().replace_schema_metadata({"made by": "a test"})
    assert STAGES["UnrollImage"].transform(table).schema.metadata == {b"made by": b"a test"}


def test_a_vector_column_tells_its_size():
    made = STAGES["UnrollBinaryImage"].transform(data())
    assert made["out"].type.list_size == 16
    assert json.loads(made.schema.field("out").metadata[b"ml_attr"])["num_attrs"] == 16


@pytest.mark.parametrize("wrong", [[1, 2], {"image": [b""]}, "table", 3, None, np.zeros(3), pd.Series([1])])
def test_what_is_no_table_is_an_error_that_names_it(stage, wrong):
    with pytest.raises(SchemaMismatchError, match=f"{type(stage).__name__}: cannot transform a "):
        stage.transform(wrong)


# -- pandas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a", "b", "c", "d", "e"], name="key"),
        pd.Index([7, 5, 3, 1, 9]),
        pd.RangeIndex(10, 15),
        pd.MultiIndex.from_product([["x"], range(5)], names=["one", "two"]),
        pd.date_range("2020-01-01", periods=5, name="day"),
    ],
    ids=["named", "unnamed", "range", "multi", "dates"],
)
def test_the_index_of_a_pandas_frame_stays(index):
    frame = data().to_pandas().set_index(index)
    made = STAGES["UnrollBinaryImage"].transform(frame)
    pd.testing.assert_index_equal(made.index, index)
    assert list(made.columns) == ["id", "image", "numbers", "out"]


def test_dropped_rows_leave_the_index_of_the_others():
    frame = data().to_pandas().set_index(pd.Index(list("abcde")))
    frame.loc["b", "image"] = b"no image"
    frame.loc["d", "image"] = None
    made = UnrollImage(outputCol="out", handleInvalid="skip").transform(frame)
    assert list(made.index) == ["a", "c", "e"]
    assert list(made["id"]) == [0, 2, 4]
    assert list(made.columns) == ["id", "image", "numbers", "out"]


def test_copied_rows_repeat_the_index():
    frame = data().to_pandas().set_index(pd.Index(list("abcde")))
    assert list(STAGES["ImageSetAugmenter"].transform(frame).index) == list("abcde") * 3


def test_nulls_of_pandas_are_nulls():
    frame = pd.DataFrame({"image": [IMAGES[0], None, np.nan, IMAGES[1]], "n": [1.0, None, 3.0, 4.0]})
    frame["image"] = frame["image"].astype(object).where(frame["image"].notna(), None)
    made = UnrollImage(outputCol="out", handleInvalid="keep", errorCol="why").transform(frame)
    assert list(made["out"].isna()) == [False, True, True, False]
    assert list(made["why"].isna()) == [True, False, False, True]
    assert list(made["n"].isna()) == [False, True, False, False]


def test_the_frame_that_came_in_is_left_alone(stage):
    frame = data().to_pandas()
    before = frame.copy(deep=True)
    stage.transform(frame)
    assert list(frame.columns) == list(before.columns)
    assert list(frame["id"]) == list(before["id"])


def test_lists_and_structs_of_arrow_in_pandas_keep_their_types_when_rows_move():
    table = pa.table(
        {"words": [["x", "y"], None, ["z"]], "about": [{"a": 1}, None, {"a": 3}], "n": [1, 2, 3]}
    )
    frame = table.to_pandas(types_mapper=pd.ArrowDtype).set_index("n")
    made = Explode(inputCol="words", outputCol="word").transform(frame)
    assert made["word"].tolist() == ["x", "y", "z"]
    assert [str(made[name].dtype) for name in ("words", "about")] == [
        "list<item: string>[pyarrow]",
        "struct<a: int64>[pyarrow]",
    ]
    assert made["about"].tolist() == [{"a": 1}, {"a": 1}, {"a": 3}]
    assert made.index.tolist() == [1, 1, 3]
