"""Damaged stages raise errors of mmlrs that name the path."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from mmlrs.automl import DiscreteHyperParam, HyperparamBuilder, RandomSpace, TuneHyperparameters
from mmlrs.errors import MmlrsError
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Lambda, MultiColumnAdapter, SelectColumns, Timer
from mmlrs.testing import reversed_columns, sample_model
from mmlrs.text import TextFeaturizer, UnicodeNormalize

_JUNK = [
    None,
    -1,
    1e308,
    10**400,
    float("nan"),
    "",
    "\ud800",
    "os:system",
    [],
    ["a"],
    {},
    {"sha256": 5},
    {"stage": "x"},
]
_JUNK += [
    {"stages": 3},
    {"function": "os:system"},
    {"kind": "grid"},
    {"kind": "random", "params": [{}]},
    "\x00",
]


def _places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _damage(folder: Path, rng: random.Random) -> None:
    """Damage one file of a saved stage: its bytes, or its metadata as JSON."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "_SUCCESS")
    file = rng.choice(files)
    data = bytearray(file.read_bytes())
    how = rng.choice(["gone", "cut", "bytes", "json", "json"])
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(data[: rng.randrange(len(data))])
    elif how == "bytes" or file.suffix == ".parquet":
        for _ in range(rng.choice([1, 3, 20])):
            place = rng.randrange(len(data))
            data[place : place + 1] = rng.choice(
                [bytes([rng.randrange(256)]), b"", b'"', b"[" * 9000, b"9" * 5000]
            )
        file.write_bytes(data)
    else:
        metadata = json.loads(data)
        path = rng.choice(list(_places(metadata)))
        target = metadata
        for key in path[:-1]:
            target = target[key]
        if rng.random() < 0.2:
            del target[path[-1]]
        else:
            target[path[-1]] = rng.choice(_JUNK)
        file.write_text(json.dumps(metadata))


def _kinds() -> list:
    stage = TextFeaturizer(inputCol="t")
    values = HyperparamBuilder().addHyperparam(stage, "numFeatures", DiscreteHyperParam([8, 16])).build()
    return [
        SelectColumns(cols=["a"]),
        Lambda(transformFunc=reversed_columns),
        ONNXModel(model=sample_model(), feedDict={"x": "y"}),
        Timer(stage=MultiColumnAdapter(baseStage=UnicodeNormalize(), inputCols=["a"], outputCols=["b"])),
        Timer(stage=ONNXModel(model=sample_model())),
        TuneHyperparameters(models=[stage], paramSpace=RandomSpace(values), labelCol="l"),
    ]


def named_by_its_error(cls, path: Path) -> bool:
    """Load a stage; another error than one of mmlrs fails the test. Was it refused?"""
    try:
        cls.load(path)
    except MmlrsError as error:
        message = str(error)
    else:
        return False
    assert str(path) in message
    return True


def test_a_thousand_damaged_stages_raise_errors_that_name_the_path(tmp_path, no_session):
    rng = random.Random(11)
    kinds = _kinds()
    for i, stage in enumerate(kinds):
        stage.save(tmp_path / f"whole{i}")
    refused = 0
    for n in range(1000):
        i = n % len(kinds)
        path = tmp_path / f"damaged{n}"
        shutil.copytree(tmp_path / f"whole{i}", path)
        _damage(path, rng)
        refused += named_by_its_error(type(kinds[i]), path)
        shutil.rmtree(path)
    assert refused > 600


@pytest.mark.spark
def test_on_spark_too_damaged_stages_raise_errors_that_name_the_path(spark, tmp_path):
    rng = random.Random(11)
    stage = Timer(stage=ONNXModel(model=sample_model()))
    stage.save(tmp_path / "whole")
    for sums in (tmp_path / "whole").rglob(".*.crc"):
        sums.unlink()
    for n in range(8):
        path = tmp_path / f"damaged{n}"
        shutil.copytree(tmp_path / "whole", path)
        _damage(path, rng)
        named_by_its_error(Timer, path)
