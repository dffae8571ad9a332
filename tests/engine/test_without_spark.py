"""Stages, their params and saved forms in a process without PySpark and without a JVM."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from places import ROOT

from mmlrs.base import stage_specs
from mmlrs.testing import sample_stage
from mmlrs.testing.checks import assert_same, run_stage

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
            lambda: mmlrs.functions.embed_text("text"),
            lambda: read_images(None, "folder"),
        ):
            try:
                work()
            except Exception as error:
                messages.append(f"{type(error).__name__}: {error}")
        print(json.dumps(messages))
        """
    )
    assert len(messages) == 4
    assert all("pyspark" in message for message in messages[:3]), messages


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
