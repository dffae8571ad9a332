"""What earlier releases saved still loads and runs."""

from __future__ import annotations

import importlib
import json

import pytest
from places import TESTS

import mmlrs
from mmlrs.base import stage_specs
from mmlrs.errors import IoError
from mmlrs.testing import sample_stage
from mmlrs.testing.checks import run_stage

GOLDEN = TESTS / "golden"
SAVED = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())


def stage_class(name):
    return getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_stage_saved_by_a_release_loads_and_runs(path, request):
    if "requires_spark" in stage_specs()[path.name]["tags"]:
        request.getfixturevalue("spark")
    cls = stage_class(path.name)
    stage = cls.load(str(path), allow_functions=["json:dumps"])
    [metadata] = (path / "metadata").glob("part-*")  # Spark gives the file a longer name
    saved = json.loads(metadata.read_text())
    _, data = sample_stage(cls)
    outputs = stage._columns("output")
    made = run_stage(stage, data)
    kept = stage_specs()[path.name]["rows"] == "kept"
    assert made.num_rows >= (data.num_rows if kept else 1)
    assert all(name in made.column_names for name in outputs)
    assert {p.name for p in stage._paramMap} == set(saved["paramMap"])


def test_every_stage_is_saved_for_this_release():
    assert {path.name for path in SAVED if path.parent.name == mmlrs.__version__} == set(stage_specs())


def test_a_damaged_model_is_refused(tmp_path):
    import pyarrow.parquet as pq

    cls = stage_class("ONNXModel")
    stage, _ = sample_stage(cls)
    stage.save(str(tmp_path / "stage"))
    [file] = (tmp_path / "stage" / "models").glob("*.parquet")  # written by Spark when a session is active
    table = pq.read_table(file)
    data = bytearray(table["data"][0].as_py())
    data[10] ^= 1
    pq.write_table(table.set_column(2, table.schema.field("data"), [[bytes(data)]]), file)
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
    with pytest.raises(IoError, match="missing or damaged"):
        cls.load(str(tmp_path / "stage"))


def test_a_stage_of_another_class_is_refused(tmp_path):
    stage, _ = sample_stage(stage_class("SelectColumns"))
    stage.save(str(tmp_path / "stage"))
    with pytest.raises(
        IoError, match=r"holds a mmlrs\.stages\.SelectColumns, not a mmlrs\.stages\.DropColumns"
    ):
        stage_class("DropColumns").load(str(tmp_path / "stage"))
