"""Columns of any Arrow type that a stage does not read go through it as they are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmlrs.errors import SchemaMismatchError
from mmlrs.featurize import CountSelector, SummarizeData
from mmlrs.stages import EnsembleByKey, Explode, RenameColumn, Repartition
from mmlrs.text import UnicodeNormalize
from mmlrs.train import ComputePerInstanceStatistics

TEXTS = ["a", None, "a text that is longer than a view holds", ""]
NAN = float("nan")


def views(kind: type[pa.Array], items: pa.Array, width: pa.DataType) -> pa.Array:
    """Lists that overlap and do not lie in their order."""
    return kind.from_arrays(pa.array([2, 0, 1, 0], width), pa.array([2, 1, 3, 0], width), items)


ITEMS = pa.array([1.5, NAN, None, 4.0])
TEXT_VIEWS = pa.array(TEXTS, pa.string_view())
COLUMNS = {
    "list view": views(pa.ListViewArray, ITEMS, pa.int32()),
    "large list view of text views": views(pa.LargeListViewArray, TEXT_VIEWS, pa.int64()),
    "list of list views": pa.ListArray.from_arrays(
        pa.array([0, 1, 1, 3, 4], pa.int32()), views(pa.ListViewArray, ITEMS, pa.int32())
    ),
    "text view": TEXT_VIEWS,
    "fixed lists of text views": pa.FixedSizeListArray.from_arrays(pa.concat_arrays([TEXT_VIEWS] * 2), 2),
    "struct of views": pa.StructArray.from_arrays(
        [TEXT_VIEWS, pa.StructArray.from_arrays([TEXT_VIEWS], names=["in"])], names=["t", "s"]
    ),
    "dictionary with a null and twice the same": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None], pa.int8()), pa.array(["a", None, "a"])
    ),
    "dictionary of NaN": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, None]), pa.array([1.0, NAN])),
    "dictionary of narrow floats": pa.DictionaryArray.from_arrays(
        pa.array([1, 0, 1, None], pa.uint16()), pa.array([1.0, 2.0], pa.float16())
    ),
    "dictionary of lists": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, None]), pa.array([[1], [2, 3]])),
    "dictionary of dictionaries": pa.DictionaryArray.from_arrays(
        pa.array([1, 0, 1, None]), pa.array(["x", "y"]).dictionary_encode()
    ),
    "list of dictionaries": pa.ListArray.from_arrays(
        pa.array([0, 2, 2, 3, 3]), pa.array(["x", None, "y"]).dictionary_encode(), mask=pa.array([False] * 3 + [True])
    ),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([1, 4], pa.int32()), pa.array(["x", "y"])),
    "union": pa.UnionArray.from_sparse(pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), TEXT_VIEWS]),
    "extension": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * 4, pa.binary(16))),
    "decimal": pa.array([None, 1, 2, 3], pa.decimal256(60, 2)),
}  # fmt: skip
STAGES = {
    "native": UnicodeNormalize(inputCol="text", outputCol="out"),
    "native that skips": UnicodeNormalize(inputCol="text", outputCol="out", handleInvalid="skip"),
    "Python": RenameColumn(inputCol="text", outputCol="out"),
    "Python, rows as they are": Repartition(n=2),
}


@pytest.mark.parametrize("part", ["whole", "slice"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_goes_through_as_it_is(name, part):
    table = pa.table({"text": ["x", "y", "z", "z"], "odd": COLUMNS[name]})
    table = table if part == "whole" else table.slice(1, 2)
    for stage in STAGES.values():
        made = stage.transform(table)["odd"]
        assert made.type == table["odd"].type
        assert repr(made.to_pylist()) == repr(table["odd"].to_pylist())


@pytest.mark.parametrize("name", COLUMNS)
def test_the_rows_that_are_left_of_a_column_of_any_type_keep_their_values(name):
    table = pa.table({"text": ["x", None, "z", None], "odd": COLUMNS[name]}).slice(1, 3)
    made = STAGES["native that skips"].transform(table)
    assert repr(made["odd"].to_pylist()) == repr([table["odd"].to_pylist()[1]])


def test_views_of_lists_are_read_in_their_order():
    lists = views(pa.ListViewArray, pa.array([1, 2, 3, 4]), pa.int32())
    made = Explode(inputCol="l", outputCol="one").transform(pa.table({"l": lists}))
    assert made["one"].to_pylist() == [3, 4, 1, 2, 3, 4]
    zeros = views(pa.ListViewArray, pa.array([1, 2, 0, 4]), pa.int32())
    assert CountSelector(inputCol="l", outputCol="o").fit(
        pa.table({"l": zeros.slice(0, 1)})
    ).getIndices() == [1]


@pytest.mark.parametrize("name", ["extension", "dictionary of lists", "union", "run ends"])
def test_a_column_of_a_type_that_a_stage_cannot_read_is_one_error(name):
    table = pa.table({"k": COLUMNS[name], "v": [1.0, 2.0, 3.0, 4.0], "s": [[0.5, 0.5]] * 4})
    with pytest.raises(SchemaMismatchError, match=r"column `k`: has type .*; it cannot be a key"):
        EnsembleByKey(keys=["k"], cols=["v"]).transform(table)
    with pytest.raises(SchemaMismatchError, match="column `k`: has type"):
        ComputePerInstanceStatistics(
            evaluationMetric="classification", labelCol="k", scoredLabelsCol="v", scoresCol="s"
        ).transform(table)
    assert SummarizeData(inputCols=["v"]).transform(table).num_rows == 1
