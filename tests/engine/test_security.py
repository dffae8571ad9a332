"""What docs/security.md says: nothing runs, and nothing is imported, that the caller did not allow."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from places import ROOT

import mmlrs
import mmlrs._allowed as allowed
from mmlrs.automl import DiscreteHyperParam, HyperparamBuilder, RandomSpace, TuneHyperparameters
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Lambda, Query, Timer, UDFTransformer
from mmlrs.testing import reversed_columns, sample_model
from mmlrs.text import TextPreprocessor, UnicodeNormalize

TABLE = pa.table({"a": ["x", "y"]})
SECURITY = ROOT / "docs" / "security.md"


def test_the_page_names_what_the_code_allows_and_refuses():
    text = SECURITY.read_text()
    assert {f"`{name.replace(':', '.')}`" for name in allowed._OWN} == set(
        re.findall(r"`mmlrs\.testing\.\w+`", text)
    )
    for word in ("java_method", "reflect", "IDENTIFIER", "TRANSFORM ... USING"):
        assert f"`{word}" in text


def double(value):
    return value * 2


class Tools:
    @staticmethod
    def double(value):
        return value * 2


def rewrite(folder: Path, change) -> None:
    """Change the metadata of a saved stage, of Spark too, as an attacker would."""
    [part] = (folder / "metadata").glob("part-*")
    metadata = json.loads(part.read_text())
    change(metadata)
    part.write_text(json.dumps(metadata))
    part.with_name(f".{part.name}.crc").unlink(missing_ok=True)


def saved_udf(path: Path, name: str) -> Path:
    """Save a stage that calls the function of a name."""
    UDFTransformer(inputCol="a", outputCol="b", udf=double, returnType="string").save(path)
    rewrite(path, lambda saved: saved["paramMap"].update(udf={"function": name}))
    return path


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "posix:system",
        "builtins:eval",
        "builtins:exec",
        "operator:attrgetter",
        "functools:reduce",
        "subprocess:run",
        "json:dumps",
        f"{__name__}:double",
        "mmlrs.models:_fetch",
        "mmlrs.writers:write_images",
        "mmlrs.params.functions:_unpickled",
        "mmlrs.testing:worker_counters",
        "mmlrs.base:json.loads",
    ],
)
def test_a_function_that_nobody_allowed_is_refused_with_its_name_and_the_way_to_allow_it(
    name, tmp_path, no_session
):
    path = saved_udf(tmp_path / "stage", name)
    with pytest.raises(IoError) as caught:
        UDFTransformer.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: UDFTransformer: param `udf` names the function {name}, ")
    assert f'allow_functions=["{name}"]' in message
    assert f'with mmlrs.allow_functions("{name}"):' in message


@pytest.mark.parametrize(
    "allowed",
    [__name__, f"{__name__}:double", f"{__name__}.double", "json"],
)
def test_an_allowed_function_is_called(allowed, tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", f"{__name__}:double")
    names = [allowed, __name__] if allowed == "json" else [allowed]
    assert UDFTransformer.load(path, allow_functions=names).transform(TABLE)["b"].to_pylist() == ["xx", "yy"]
    with mmlrs.allow_functions(*names):
        assert UDFTransformer.load(path).getUdf() is double
    assert UDFTransformer.read().allow_functions(*names).load(path).getUdf() is double
    with pytest.raises(IoError, match="names the function"):
        UDFTransformer.load(path)


@pytest.mark.parametrize(
    "allowed", ["json", f"{__name__}:Tools", f"{__name__}.double2", f"{__name__}s", "test"]
)
def test_what_is_allowed_allows_nothing_beside_it(allowed, tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", f"{__name__}:double")
    with pytest.raises(IoError, match="names the function"):
        UDFTransformer.load(path, allow_functions=[allowed])


def test_blocks_within_blocks_add_up(tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", f"{__name__}:Tools.double")
    with mmlrs.allow_functions(__name__), mmlrs.allow_functions("json"):
        assert UDFTransformer.load(path).getUdf() is Tools.double


@pytest.mark.parametrize(
    "name", [f"{__name__}:os.system", f"{__name__}:mmlrs.testing", f"{__name__}:shutil.rmtree"]
)
def test_an_allowed_module_does_not_lead_to_what_it_imports(name, tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", name)
    with pytest.raises(IoError, match="must be a function, but there is no "):
        UDFTransformer.load(path, allow_functions=[__name__])


@pytest.mark.parametrize("name", [f"{__name__}:{what}" for what in ("sample_model", "Path", "Query")])
def test_an_allowed_module_allows_only_what_it_defines(name, tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", name)
    with pytest.raises(IoError, match=f"must be a function that {__name__} defines, but {name} is"):
        UDFTransformer.load(path, allow_functions=[__name__])


@pytest.mark.parametrize(
    "bad", ["*", "os.*", "", "os:", ":system", "os:system:x", "os system", 3, None, os.system]
)
def test_what_is_no_name_cannot_be_allowed(bad, tmp_path):
    with pytest.raises(InvalidParamError, match="allow_functions: expected names of modules and functions"):
        UDFTransformer.load(tmp_path, allow_functions=[bad])
    with (
        pytest.raises(InvalidParamError, match="there are no wildcards"),
        mmlrs.allow_functions(bad),
    ):
        pass


def test_a_text_is_no_list_of_names(tmp_path):
    with pytest.raises(InvalidParamError, match="allow_functions: expected a list of names, got 'json'"):
        UDFTransformer.load(tmp_path, allow_functions="json")


def test_an_allowed_module_is_imported_and_no_other(tmp_path, monkeypatch, no_session):
    package = tmp_path / "their_features"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "clean.py").write_text("def strip(value):\n    return value.strip()\n")
    (package / "trap.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = saved_udf(tmp_path / "stage", "their_features.clean:strip")
    trap = saved_udf(tmp_path / "trap", "their_features.trap:strip")
    with pytest.raises(IoError, match="names the function"):
        UDFTransformer.load(path)
    assert "their_features" not in sys.modules
    with pytest.raises(IoError, match=r"names the function their_features\.trap:strip"):
        UDFTransformer.load(trap, allow_functions=["their_features.clean"])
    try:
        made = UDFTransformer.load(path, allow_functions=["their_features"]).transform(
            pa.table({"a": [" x "]})
        )
        assert made["b"].to_pylist() == ["x"]
    finally:
        for name in ("their_features.clean", "their_features"):
            sys.modules.pop(name, None)


def test_a_function_that_mmlrs_ships_for_stages_needs_no_word(tmp_path, no_session):
    Lambda(transformFunc=reversed_columns).save(tmp_path / "stage")
    assert Lambda.load(tmp_path / "stage").getTransformFunc() is reversed_columns


def test_a_map_of_the_name_of_a_function_needs_the_word_too():
    with pytest.raises(InvalidParamError, match="param `udf` names the function os:system"):
        UDFTransformer(udf={"function": "os:system"})
    with mmlrs.allow_functions("json"):
        assert UDFTransformer(udf={"function": "json:dumps"}).getUdf() is json.dumps


def test_a_function_in_a_stage_in_a_stage_needs_the_word_of_the_one_who_loads(tmp_path, no_session):
    inner = UDFTransformer(inputCol="a", outputCol="b", udf=double, returnType="string")
    path = tmp_path / "stage"
    Timer(stage=Timer(stage=inner)).save(path)
    with pytest.raises(IoError, match="UDFTransformer: param `udf` names the function"):
        Timer.load(path)
    loaded = Timer.load(path, allow_functions=[__name__])
    assert loaded.getStage().getStage().getUdf() is double


def test_who_allows_pickles_allows_names(tmp_path, no_session):
    path = saved_udf(tmp_path / "stage", f"{__name__}:double")
    assert UDFTransformer.load(path, allow_pickle=True).getUdf() is double


def test_a_map_is_a_map_whatever_its_key(tmp_path, no_session):
    for words in ({"stage": "mmlrs.stages.Timer"}, {"sha256": "0" * 64}, {"function": "os:system"}):
        TextPreprocessor(inputCol="a", map=words).save(tmp_path / next(iter(words)))
        assert TextPreprocessor.load(tmp_path / next(iter(words))).getMap() == words


# -- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "antigravity.Stage",
        "os.system",
        "builtins.eval",
        "mmlrs.persistence.StageReader",
        "mmlrs.base.json",
        "mmlrs.demo.job.run",
        "mmlrs.nothing.Timer",
        "pyspark.ml.tests.test_base.Stage",
        "pyspark.mllib.feature.HashingTF",
        "subprocess.Popen",
        "Timer",
        "",
        "...",
    ],
)
def test_a_class_in_metadata_that_is_no_stage_is_refused_and_not_imported(name, tmp_path, no_session):
    path = tmp_path / "stage"
    Timer(stage=UnicodeNormalize()).save(path)
    inner = path / "stages" / "stage"
    rewrite(inner, lambda saved: saved.update({"class": name}))
    before = set(sys.modules)
    with pytest.raises(IoError, match=r"stages/stage: the class must be a stage, but "):
        Timer.load(path)
    rewrite(path, lambda saved: saved.update({"class": name}))
    with pytest.raises(IoError) as caught:
        Timer.load(path)
    assert str(path) in str(caught.value)
    assert {n for n in set(sys.modules) - before if not n.startswith("pyspark.ml")} == set()


def test_a_class_of_an_allowed_module_is_imported(tmp_path, monkeypatch, no_session):
    (tmp_path / "their_stages.py").write_text(
        "from mmlrs.text import UnicodeNormalize\n\n\nclass Theirs(UnicodeNormalize):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "stage"
    Timer(stage=UnicodeNormalize()).save(path)
    rewrite(path / "stages" / "stage", lambda saved: saved.update({"class": "their_stages.Theirs"}))
    with pytest.raises(
        IoError, match=r"their_stages\.Theirs is not a known stage; import their_stages first"
    ):
        Timer.load(path)
    try:
        loaded = Timer.load(path, allow_functions=["their_stages"])
        assert type(loaded.getStage()).__name__ == "Theirs"
    finally:
        sys.modules.pop("their_stages", None)


# -- searches and SQL -------------------------------------------------------------------------------------------------


def saved_search(path: Path, stage, param: str, value) -> Path:
    """Save a search whose space holds a value that no space is saved with."""
    builder = HyperparamBuilder().addHyperparam(stage, param, DiscreteHyperParam(["x"]))
    search = TuneHyperparameters(models=[stage], paramSpace=RandomSpace(builder.build()), labelCol="l")
    search.save(path)

    def change(saved):
        [tuned] = saved["paramMap"]["paramSpace"]["params"]
        tuned["values"]["values"] = [value]

    rewrite(path, change)
    return path


def test_a_saved_space_names_no_file_and_no_function(tmp_path, no_session):
    stage = UDFTransformer(inputCol="a", udf=reversed_columns, returnType="string")
    path = saved_search(tmp_path / "search", stage, "outputCol", {"function": "os:system"})
    with pytest.raises(IoError, match=r"the values of UDFTransformer\.outputCol are maps"):
        TuneHyperparameters.load(path)
    rewrite(path, lambda saved: saved["paramMap"]["paramSpace"]["params"][0].update(param="udf"))
    with pytest.raises(
        IoError, match=r"the values of UDFTransformer\.udf are models, files, functions or stages"
    ):
        TuneHyperparameters.load(path)


def test_a_space_of_models_is_refused_when_it_is_saved(tmp_path, no_session):
    model = ONNXModel(model=sample_model())
    builder = HyperparamBuilder().addHyperparam(model, "model", DiscreteHyperParam(["a.onnx", "b.onnx"]))
    search = TuneHyperparameters(models=[model], paramSpace=RandomSpace(builder.build()), labelCol="l")
    with pytest.raises(
        InvalidParamError, match=r"the values of ONNXModel\.model cannot be saved: they are models"
    ):
        search.save(tmp_path / "search")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT TRANSFORM (a) USING 'touch /tmp/x' AS b FROM __THIS__",
        "SELECT TRANSFORM (a) using\n-- (\n 'sh' AS b FROM __THIS__",
        "SELECT TRANSFORM (a) USING /* /* ( */ ( */ 'sh' AS b FROM __THIS__",
        'FROM __THIS__ MAP a USING "sh" AS b',
        "SELECT java_method('java.lang.System', 'exit', 3) FROM __THIS__",
        "SELECT `Reflect` ('java.lang.System', 'exit', 3) FROM __THIS__",
        "SELECT system.builtin.try_reflect/**/('java.lang.System', 'exit', 3) FROM __THIS__",
        "SELECT IDENTIFIER('ref' || 'lect')('java.lang.System', 'exit', 3) FROM __THIS__",
        "EXECUTE /* */ IMMEDIATE 'SELECT TRANSFORM (a) US' 'ING ''sh'' AS b FROM t' /* __THIS__ */",
    ],
)
def test_saved_sql_that_runs_programs_is_refused(statement, tmp_path, no_session):
    path = tmp_path / "stage"
    Query(statement=statement).save(path)
    with pytest.raises(IoError, match="Query: param `statement` is SQL that can run programs"):
        Query.load(path)
    assert Query.load(path, allow_pickle=True).getStatement() == statement
    search = saved_search(
        tmp_path / "search", Query(statement="SELECT * FROM __THIS__"), "statement", statement
    )
    with pytest.raises(IoError, match="is SQL that can run programs"):
        TuneHyperparameters.load(search)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT transform(a, x -> x + 1), identifier, reflect FROM __THIS__ JOIN t USING (id)",
        "SELECT * FROM __THIS__ t JOIN u USING\n(id) WHERE identifier > 3",
    ],
)
def test_saved_sql_that_is_a_query_loads(statement, tmp_path, no_session):
    Query(statement=statement).save(tmp_path / "stage")
    assert Query.load(tmp_path / "stage").getStatement() == statement


# -- on Spark ---------------------------------------------------------------------------------------------------------


@pytest.mark.spark
def test_within_pipelines_and_searches_of_spark_nothing_runs_uninvited(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.evaluation import RegressionEvaluator
    from pyspark.ml.feature import SQLTransformer
    from pyspark.ml.regression import LinearRegression
    from pyspark.ml.tuning import CrossValidator

    model = Pipeline(stages=[UDFTransformer(inputCol="a", outputCol="b", udf=double, returnType="string")])
    inner = tmp_path / "timer"
    Timer(stage=model).save(inner)
    with pytest.raises(IoError, match="param `udf` names the function"):
        Timer.load(inner)
    with mmlrs.allow_functions(f"{__name__}:double"):
        [udf] = Timer.load(inner).getStage().getStages()
    assert udf.getUdf() is double

    pipeline = tmp_path / "pipeline"
    PipelineModel(stages=[udf]).save(str(pipeline))
    with pytest.raises(IoError, match="param `udf` names the function"):
        PipelineModel.load(str(pipeline))

    regression = LinearRegression()
    cross = CrossValidator(
        estimator=Pipeline(stages=[udf, regression]),
        evaluator=RegressionEvaluator(),
        estimatorParamMaps=[{regression.regParam: 0.1}],
    )
    cross.save(str(tmp_path / "cross"))
    with mmlrs.allow_functions(__name__):
        assert CrossValidator.load(str(tmp_path / "cross")).getEstimator().getStages()[0].getUdf() is double

    # Spark's own reader would import what the metadata within name.
    (tmp_path / "their_trap.py").write_text("raise RuntimeError('imported')\n")
    [place] = (inner / "stages" / "stage" / "stages").iterdir()
    rewrite(place, lambda saved: saved.update({"class": "their_trap.Stage"}))
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(
            IoError, match=r"the class must be a stage, but their_trap\.Stage is not a known stage"
        ):
            Timer.load(inner, allow_functions=[__name__])
        # Spark reads metadata that are one file, too.
        [part] = (place / "metadata").glob("part-*")
        text = part.read_text()
        shutil.rmtree(place / "metadata")
        (place / "metadata").write_text(text)
        with pytest.raises(
            IoError, match=r"the class must be a stage, but their_trap\.Stage is not a known stage"
        ):
            Timer.load(inner, allow_functions=[__name__])
    finally:
        sys.path.remove(str(tmp_path))
    rewrite(
        inner / "stages" / "stage",
        lambda saved: saved["paramMap"].update(stageUids=["x/../../../../elsewhere"]),
    )
    (place / "metadata").write_text(text.replace("their_trap.Stage", "mmlrs.stages.UDFTransformer"))
    with pytest.raises(IoError, match="is not the uid of a stage"):
        Timer.load(inner, allow_functions=[__name__])

    # A statement counts where it is a default, too.
    Timer(stage=SQLTransformer(statement="SELECT * FROM __THIS__")).save(tmp_path / "sql")
    program = "SELECT TRANSFORM (a) USING 'sh' AS b FROM __THIS__"
    rewrite(
        tmp_path / "sql" / "stages" / "stage",
        lambda saved: saved.update(paramMap={}, defaultParamMap={"statement": program}),
    )
    with pytest.raises(IoError, match=r"SQL that can run programs \(USING\)"):
        Timer.load(tmp_path / "sql")


@pytest.mark.spark
def test_a_query_runs_no_command(spark, tmp_path):
    df = spark.createDataFrame([("x",)], "a string")
    for command in (
        "CREATE TABLE taken AS SELECT * FROM __THIS__",
        "INSERT INTO taken SELECT * FROM __THIS__",
        "/* a */ EXECUTE IMMEDIATE 'CREATE TABLE taken AS SELECT 1 AS a' /* __THIS__ */",
        "--a\\\nselect\nEXECUTE IMMEDIATE 'CREATE TABLE taken AS SELECT 1 AS a' /* __THIS__ */",
    ):
        with pytest.raises(
            InvalidParamError, match="Query: param `statement` cannot be run: it is a command"
        ):
            Query(statement=command).transform(df)
    assert not spark.catalog.tableExists("taken")
    assert [r.a for r in Query(statement="SELECT * FROM __THIS__ ORDER BY a; ").transform(df).collect()] == [
        "x"
    ]
