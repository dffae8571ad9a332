"""The stages on tables: any kind of table in, the same kind out, the same values; and all of it without Spark."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pictures import colour, jpeg, png
from places import ROOT

from mmlrs.base import stage_specs
from mmlrs.errors import SchemaMismatchError
from mmlrs.image import (
    ImageFeaturizer,
    ImageSetAugmenter,
    ImageTransformer,
    UnrollBinaryImage,
    UnrollImage,
)
from mmlrs.onnx import ONNXModel
from mmlrs.stages import DropColumns, RenameColumn, SelectColumns
from mmlrs.testing import sample_model, sample_stage
from mmlrs.testing.checks import assert_same, run_stage

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


# -- without Spark, without a JVM -------------------------------------------------------------------------------------

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pyspark", "py4j"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(code: str, *arguments: str, blocked: bool = True) -> Any:
    """Run a program in a process without Java, and without pyspark; returns what it prints, as JSON."""
    hidden = {"JAVA_HOME", "SPARK_HOME", "PATH", "PYSPARK_PYTHON"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["PATH"] = "/nonexistent"
    program = (BLOCKED if blocked else "") + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("blocked", [True, False])
def test_importing_mmlrs_imports_little(blocked):
    loaded = run(
        """
        import json, sys
        import mmlrs
        heavy = {"pyspark", "pandas", "onnxruntime", "numpy", "cv2", "polars", "fsspec", "py4j"}
        print(json.dumps(sorted(heavy & set(sys.modules))))
        """,
        blocked=blocked,
    )
    assert loaded == []


def test_using_a_stage_on_a_table_imports_neither_pandas_nor_the_python_runtime():
    """The data comes from the native core: making an Arrow array of Python objects imports pandas by itself."""
    loaded = run(
        """
        import json, sys
        from mmlrs.image import ImageFeaturizer
        from mmlrs.testing import sample_stage
        stage, table = sample_stage(ImageFeaturizer)
        stage.transform(table)
        print(json.dumps(sorted({"pyspark", "pandas", "onnxruntime", "py4j"} & set(sys.modules))))
        """
    )
    assert loaded == []


def test_with_pyspark_installed_a_table_starts_no_jvm():
    found = run(
        """
        import json, sys
        import pyarrow as pa
        from mmlrs.image import UnrollImage
        from mmlrs.testing import sample_image
        UnrollImage(outputCol="out").transform(pa.table({"image": [sample_image("png")]}))
        context = sys.modules.get("pyspark.core.context") or sys.modules.get("pyspark")
        print(json.dumps(context is None or context.SparkContext._gateway is None))
        """,
        blocked=False,
    )
    assert found is True


ALONE = """
import json, pickle, sys
import pyarrow as pa
import pyarrow.parquet as pq
import importlib
from mmlrs.base import stage_specs
from mmlrs.testing import check_stage, sample_stage
from mmlrs.testing.checks import assert_same, run_stage

folder = sys.argv[1]
names = [name for name, spec in stage_specs().items() if "requires_spark" not in spec["tags"]]
for name in names:
    spec = stage_specs()[name]
    cls = getattr(importlib.import_module(f"mmlrs.{spec['module']}"), name)
    stage, data = sample_stage(cls)
    check_stage(stage, data)
    made = run_stage(stage, data)
    stage.save(f"{folder}/{name}")
    again = cls.load(f"{folder}/{name}", allow_functions=["json:dumps"])
    assert again.uid == stage.uid
    assert_same(run_stage(again, data), made)
    assert_same(run_stage(pickle.loads(pickle.dumps(stage)), data), made)
    with pa.OSFile(f"{folder}/{name}.arrow", "wb") as file, pa.ipc.new_file(file, made.schema) as writer:
        writer.write_table(made)
assert not {"pyspark", "py4j"} & set(sys.modules)
print(json.dumps(names))
"""


WITHOUT_SPARK = [name for name, spec in stage_specs().items() if "requires_spark" not in spec["tags"]]


@pytest.fixture(scope="module")
def made_alone(tmp_path_factory) -> Path:
    """What every stage of the registry made, and where it was saved, in a process without Spark."""
    folder = tmp_path_factory.mktemp("alone")
    assert run(ALONE, str(folder)) == WITHOUT_SPARK
    return folder


@pytest.mark.parametrize("name", WITHOUT_SPARK)
def test_without_pyspark_every_stage_keeps_its_contract_and_gives_the_same(made_alone, name):
    cls = getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)
    stage, table = sample_stage(cls)
    with pa.memory_map(str(made_alone / f"{name}.arrow")) as file:
        alone = pa.ipc.open_file(file).read_all()
    loaded = cls.load(str(made_alone / name), allow_functions=["json:dumps"])
    made = run_stage(stage, table)
    assert_same(run_stage(loaded, table), alone)
    assert_same(made, alone.rename_columns(made.column_names))


def test_without_pyspark_params_work_as_with_it():
    run(
        """
        import json
        import pyarrow as pa
        from mmlrs.errors import InvalidParamError
        from mmlrs.image import ImageTransformer, UnrollBinaryImage
        from mmlrs.testing import sample_image

        stage = UnrollBinaryImage(inputCol="image", outputCol="out")
        assert stage.setHeight(4).setWidth(5) is stage
        assert (stage.getHeight(), stage.getWidth(), stage.getNChannels()) == (4, 5, None)
        assert stage.isSet(stage.height) and not stage.isSet("nChannels") and stage.hasDefault("handleInvalid")
        assert stage.isDefined("interpolation") and stage.getOrDefault("interpolation") == "linear"
        assert stage.hasParam("errorCol") and not stage.hasParam("errorColumn")
        assert stage.getParam("height").doc.startswith("Height in pixels")

        text = stage.explainParams()
        assert "height: Height in pixels" in text and "current: 4" in text
        assert "default: linear" in text and "undefined" in text
        assert [line.split(":")[0] for line in text.splitlines()] == [p.name for p in stage.params]

        copy = stage.copy({stage.height: 8})
        assert (copy.uid, copy.getHeight(), stage.getHeight()) == (stage.uid, 8, 4)
        copy.clear(copy.height)
        assert copy.getHeight() is None and stage.getHeight() == 4

        table = pa.table({"image": [sample_image("png")]})
        assert len(stage.transform(table)["out"][0].as_py()) == 4 * 5 * 3
        assert len(stage.transform(table, {stage.nChannels: 1})["out"][0].as_py()) == 4 * 5
        assert stage.getNChannels() is None

        for wrong in (lambda: stage.setHeight("four"), lambda: stage.set(stage.height, 4.5)):
            try:
                wrong()
            except InvalidParamError as error:
                assert str(error).startswith("UnrollBinaryImage: param `height` must be an integer, got "), error
            else:
                raise AssertionError("no error")
        try:
            UnrollBinaryImage(heigth=3)
        except TypeError as error:
            assert "heigth" in str(error)
        else:
            raise AssertionError("no error")
        first, second = ImageTransformer(), ImageTransformer()
        assert first.uid != second.uid and first.uid.startswith("ImageTransformer_")
        assert first.getOutputCol() == f"{first.uid}_output"
        print(json.dumps(True))
        """
    )


def test_explain_params_reads_the_same_with_and_without_pyspark():
    """But for the words between the brackets, which are pyspark's."""
    code = """
    import json
    from mmlrs.image import ImageFeaturizer
    stage = ImageFeaturizer(inputCol="image", outputCol="out", miniBatchSize=3)
    print(json.dumps([stage.explainParams().splitlines(), [p.name for p in stage.params]]))
    """
    (alone, names), (with_spark, same_names) = run(code), run(code, blocked=False)
    assert names == same_names
    assert [line.split(" (")[0] for line in alone] == [line.split(" (")[0] for line in with_spark]
    assert [line for line in alone if line.startswith("miniBatchSize")] == [
        line for line in with_spark if line.startswith("miniBatchSize")
    ]


def test_without_pyspark_what_needs_it_says_so():
    messages = run(
        """
        import json
        import mmlrs
        from mmlrs.image import UnrollImage, read_images
        messages = []
        for work in (
            lambda: mmlrs.udf(UnrollImage()),
            lambda: mmlrs.register(None, "f", UnrollImage()),
            lambda: read_images(None, "folder"),
        ):
            try:
                work()
            except Exception as error:
                messages.append(f"{type(error).__name__}: {error}")
        print(json.dumps(messages))
        """
    )
    assert len(messages) == 3
    assert all("pyspark" in message for message in messages[:2]), messages


def test_without_pyspark_versions_can_be_shown():
    text = run(
        """
        import contextlib, io, json
        import mmlrs
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            mmlrs.show_versions()
        assert mmlrs.recommended_conf()
        print(json.dumps(out.getvalue()))
        """
    )
    assert {"mmlrs", "opencv", "onnxruntime", "pyarrow"} <= {line.split()[0] for line in text.splitlines()}
