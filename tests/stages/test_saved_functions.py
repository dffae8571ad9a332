"""Saving and loading stages that hold functions."""

from __future__ import annotations

import functools
import json
import operator
import sys
import types
from pathlib import Path

import pyarrow as pa
import pytest

import mmlrs
from mmlrs.errors import (
    InvalidParamError,
    IoError,
)
from mmlrs.stages import Lambda, Timer, UDFTransformer

TABLE = pa.table({"i": [1, 2, None, 4], "name": ["ada", None, "grace", ""]})


@pytest.fixture(autouse=True, scope="module")
def functions_travel():
    """Send the functions of this module to Spark's workers, which cannot import it."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def head(rows):
    """A function that can be imported."""
    return rows.limit(2) if hasattr(rows, "limit") else rows.slice(0, 2)


def size(name):
    return None if name is None else len(name)


class Text:
    @staticmethod
    def shout(name):
        return name and name.upper()


def metadata_of(path: Path) -> dict:
    return json.loads(next((path / "metadata").glob("part-*")).read_text())


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (size, f"{__name__}:size"),
        (Text.shout, f"{__name__}:Text.shout"),
        (json.dumps, "json:dumps"),
        (operator.neg, "_operator:neg"),
        (len, "builtins:len"),
        (str.upper, "builtins:str.upper"),
        (Text, f"{__name__}:Text"),
    ],
)
def test_a_function_is_saved_by_its_name(function, name, tmp_path):
    stage = UDFTransformer(inputCol="name", udf=function, returnType="string")
    stage.save(str(tmp_path / "stage"))
    assert metadata_of(tmp_path / "stage")["paramMap"]["udf"] == {"function": name}
    assert not (tmp_path / "stage" / "models").exists()
    loaded = UDFTransformer.load(str(tmp_path / "stage"), allow_functions=[name])
    assert loaded.getUdf() is function


def nested():
    def inner(x):
        return x

    return inner


def renamed(x):
    return x


REPLACED = renamed


def renamed(x):
    return -x


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x, "is a lambda"),
        (nested(), r"nested\.<locals>\.inner is defined inside another function"),
        (REPLACED, r"cannot be imported as \S+:renamed"),
        (functools.partial(size, "abc"), "cannot be imported as functools:<partial>"),
        ("abc".count, r"cannot be imported as \?:str\.count"),
    ],
)
def test_a_function_without_a_name_is_refused_with_the_reason(function, reason, tmp_path):
    stage = UDFTransformer(inputCol="name", udf=function, returnType="string")
    with pytest.raises(
        InvalidParamError,
        match=rf"UDFTransformer: param `udf` cannot be saved: the function {reason}; define it in a module that can be "
        "imported, or save it as a pickle with allow_pickle=True",
    ):
        stage.save(str(tmp_path / "stage"))
    assert not (tmp_path / "stage").exists()


def test_a_function_of_a_script_is_refused(tmp_path, monkeypatch):
    function = types.FunctionType(size.__code__, globals(), "main_size")
    function.__module__, function.__qualname__ = "__main__", "main_size"
    monkeypatch.setattr(sys.modules["__main__"], "main_size", function, raising=False)
    with pytest.raises(InvalidParamError, match="main_size is defined in the script or notebook itself"):
        Lambda(transformFunc=function).save(str(tmp_path / "stage"))


def renamed_in(path: Path, name: str) -> None:
    """Let a saved `Lambda` of `head` name another function."""
    part = next((path / "metadata").glob("part-*"))
    part.write_text(part.read_text().replace(f"{__name__}:head", name))
    part.with_name(f".{part.name}.crc").unlink(missing_ok=True)


def test_loading_imports_no_module_that_is_not_allowed(tmp_path, monkeypatch):
    (tmp_path / "their_module.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    Lambda(transformFunc=head).save(str(tmp_path / "stage"))
    renamed_in(tmp_path / "stage", "their_module:f")
    with pytest.raises(IoError, match="Lambda: param `transformFunc` names the function their_module:f"):
        Lambda.load(str(tmp_path / "stage"))
    with pytest.raises(IoError, match="their_module:f is in a module that cannot be imported: imported"):
        Lambda.load(str(tmp_path / "stage"), allow_functions=["their_module"])


@pytest.mark.parametrize(
    "name",
    [
        "json:nothing",
        "json:codecs.open",
        "json:__name__",
        "json:",
        "json",
        ":",
        "mmlrs.nothing:f",
        "mmlrs.stages:_no",
        "json:dumps.__call__",
    ],
)
def test_a_name_that_leads_to_no_function_of_that_module_is_refused(name, tmp_path):
    Lambda(transformFunc=head).save(str(tmp_path / "stage"))
    renamed_in(tmp_path / "stage", name)
    with pytest.raises(IoError, match="Lambda: param `transformFunc` must be a function, but"):
        Lambda.load(str(tmp_path / "stage"), allow_functions=["json", "mmlrs"])


def test_a_pickle_is_saved_and_loaded_only_when_allowed(tmp_path):
    path = str(tmp_path / "stage")
    offset = 10
    stage = UDFTransformer(inputCol="i", outputCol="y", udf=lambda i: i and i + offset, returnType="bigint")
    stage.save(path, allow_pickle=True)
    with pytest.raises(
        IoError,
        match=r"UDFTransformer: param `udf` is a pickle, which runs code when it is loaded; .*allow_pickle=True",
    ):
        UDFTransformer.load(path)
    loaded = UDFTransformer.load(path, allow_pickle=True)
    assert loaded.transform(TABLE)["y"].to_pylist() == [11, 12, None, 14]
    with pytest.raises(IoError, match="is a pickle"):
        UDFTransformer.load(path)
    stage.write().allow_pickle().overwrite().save(path)
    assert UDFTransformer.read().allow_pickle().load(path).uid == stage.uid


def test_a_function_with_a_name_is_no_pickle_even_when_allowed(tmp_path):
    Lambda(transformFunc=head).save(str(tmp_path / "stage"), allow_pickle=True)
    loaded = Lambda.load(str(tmp_path / "stage"), allow_functions=[f"{__name__}.head"])
    assert loaded.getTransformFunc() is head


class Trap:
    """Unpickling this leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))

    def __call__(self, rows):
        return rows


def test_a_refused_pickle_runs_nothing(tmp_path):
    mark = tmp_path / "mark"
    Lambda(transformFunc=Trap(mark)).save(str(tmp_path / "stage"), allow_pickle=True)
    with pytest.raises(IoError, match="is a pickle"):
        Lambda.load(str(tmp_path / "stage"))
    assert not mark.exists()
    with pytest.raises(IoError, match="param `transformFunc` must be a function, got None"):
        Lambda.load(str(tmp_path / "stage"), allow_pickle=True)
    assert mark.exists()


def test_a_pickle_of_another_python_or_a_damaged_one_is_refused(tmp_path):
    import pyarrow.parquet as pq

    Lambda(transformFunc=lambda rows: rows).save(str(tmp_path / "stage"), allow_pickle=True)
    part = next((tmp_path / "stage" / "metadata").glob("part-*"))
    part.with_name(f".{part.name}.crc").unlink(missing_ok=True)
    text = part.read_text()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    part.write_text(text.replace(f'"python": "{version}"', '"python": "2.7"'))
    with pytest.raises(IoError, match=r"was pickled by Python 2\.7; this is Python 3"):
        Lambda.load(str(tmp_path / "stage"), allow_pickle=True)
    part.write_text(text)
    [file] = (tmp_path / "stage" / "models").glob("*.parquet")
    table = pq.read_table(file)
    pq.write_table(table.set_column(2, table.schema.field("data"), [[b"other"]]), file)
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
    with pytest.raises(IoError, match="missing or damaged"):
        Lambda.load(str(tmp_path / "stage"), allow_pickle=True)


def test_what_cannot_be_pickled_is_told(tmp_path):
    import threading

    lock = threading.Lock()
    with pytest.raises(
        InvalidParamError, match=r"Lambda: param `transformFunc` cannot be saved as a pickle: .*lock"
    ):
        Lambda(transformFunc=lambda rows: (lock, rows)[1]).save(str(tmp_path / "stage"), allow_pickle=True)


def test_a_function_inside_a_stage_inside_a_stage_is_kept_to_the_same_rule(tmp_path):
    stage = Timer(stage=Lambda(transformFunc=lambda rows: rows.slice(1)))
    with pytest.raises(
        InvalidParamError, match="Lambda: param `transformFunc` cannot be saved: the function is a lambda"
    ):
        stage.save(str(tmp_path / "refused"))
    stage.save(str(tmp_path / "stage"), allow_pickle=True)
    with pytest.raises(IoError, match="Lambda: param `transformFunc` is a pickle"):
        Timer.load(str(tmp_path / "stage"))
    loaded = Timer.load(str(tmp_path / "stage"), allow_pickle=True)
    assert loaded.fit(TABLE).transform(TABLE).num_rows == 3


@pytest.mark.spark
def test_a_pipeline_with_functions_is_saved_and_loaded(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    df = spark.createDataFrame(TABLE)
    named = [
        Lambda(transformFunc=head),
        UDFTransformer(inputCol="name", outputCol="n", udf=size, returnType="int"),
    ]
    model = Pipeline(stages=named).fit(df)
    model.save(str(tmp_path / "named"))
    with pytest.raises(IoError, match=rf"names the function {__name__}:head.* `with mmlrs.allow_functions\("):
        PipelineModel.load(str(tmp_path / "named"))
    with mmlrs.allow_functions(__name__):
        loaded = PipelineModel.load(str(tmp_path / "named"))
    assert [r.n for r in loaded.transform(df).collect()] == [3, None]
    model = Pipeline(stages=[*named, Lambda(transformFunc=lambda rows: rows.select("n"))]).fit(df)
    with pytest.raises(InvalidParamError, match="the function is a lambda"):
        model.save(str(tmp_path / "refused"))
    with mmlrs.allow_pickle():
        model.save(str(tmp_path / "pickled"))
    with (
        mmlrs.allow_functions(__name__),
        pytest.raises(IoError, match=r"or load a pipeline inside `with mmlrs\.allow_pickle\(\):`"),
    ):
        PipelineModel.load(str(tmp_path / "pickled"))
    with mmlrs.allow_pickle():
        loaded = PipelineModel.load(str(tmp_path / "pickled"))
    assert loaded.transform(df).columns == ["n"]


@pytest.mark.spark
def test_a_udf_of_pyspark_is_no_pickle(spark, tmp_path):
    from pyspark.sql.functions import udf

    stage = UDFTransformer(inputCol="name", udf=udf(size, "int"))
    with pytest.raises(InvalidParamError, match=r"the function cannot be imported as \S+:size"):
        stage.save(str(tmp_path / "stage"))
    with pytest.raises(
        InvalidParamError, match="it is a UDF of PySpark; set the plain function and its type instead"
    ):
        stage.save(str(tmp_path / "stage"), allow_pickle=True)
