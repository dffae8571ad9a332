"""Models in MLflow: saved, logged and loaded, and scored in a process without Spark and without Java."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from census import fitted, rows
from places import ROOT

import mmlrs
from mmlrs.errors import InvalidParamError, IoError, MissingPackageError, SchemaMismatchError
from mmlrs.featurize import ValueIndexer
from mmlrs.image import ImageFeaturizer
from mmlrs.stages import Query, UDFTransformer
from mmlrs.text import TextPreprocessor

mlflow = pytest.importorskip("mlflow.pyfunc") and pytest.importorskip("mlflow")

from mlflow.exceptions import MlflowException  # noqa: E402

import mmlrs.mlflow as flavor  # noqa: E402

#: MLflow's own code, not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def pipeline(spark: Any) -> Any:
    return fitted(spark)


@pytest.fixture(scope="module")
def compiled(pipeline: Any) -> Any:
    return mmlrs.compile(pipeline)


@pytest.fixture(scope="module")
def saved(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline of Spark ML that was saved as it is, with an example that has the label."""
    path = tmp_path_factory.mktemp("saved") / "model"
    flavor.save_model(pipeline, path, input_example=rows(3))
    return str(path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tracking store in a folder. mlflow-skinny has no database store."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_ARTIFACT_PROGRESS", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"file://{tmp_path}/runs")
    yield mlflow
    mlflow.set_tracking_uri(before)


def same(got: pd.DataFrame, want: pd.DataFrame) -> None:
    """Compare answers with the columns of the compiled model."""
    assert list(got.columns) == ["rawPrediction", "probability", "prediction", "predictedLabel"]
    for name in ("rawPrediction", "probability"):
        np.testing.assert_array_equal(np.stack(list(got[name])), mmlrs.to_numpy(want[name]))
    assert list(got.prediction) == list(want.prediction)
    assert list(got.predictedLabel) == list(want.predictedLabel)


def test_telemetry_is_off():
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert is_telemetry_disabled()


def test_a_pipeline_of_spark_is_compiled_and_its_learner_answers(saved, compiled):
    data = rows().drop(columns="label").iloc[5:25]
    got = mlflow.pyfunc.load_model(saved).predict(data)
    same(got, compiled.transform(data))
    assert list(got.index) == list(data.index)
    loaded = flavor.load_model(saved)
    assert type(loaded) is type(compiled)
    assert loaded.predict_one(data.iloc[0].to_dict()) == compiled.predict_one(data.iloc[0].to_dict())


def test_the_description_names_flavors_schema_and_requirements(saved):
    description = mlflow.models.Model.load(saved)
    assert description.flavors["mmlrs"] == {
        "data": "model",
        "mmlrs_version": mmlrs.__version__,
        "model_class": "mmlrs.compiled.CompiledModel",
    }
    assert description.flavors["python_function"]["loader_module"] == "mmlrs.mlflow"
    # Neither the label, which the model does not need to score, nor what the features are made of.
    assert description.get_input_schema().input_names() == ["city", "x", "y"]
    outputs = description.get_output_schema().to_dict()
    assert [(o["name"], o["type"]) for o in outputs] == [
        ("rawPrediction", "array"),
        ("probability", "array"),
        ("prediction", "double"),
        ("predictedLabel", "string"),
    ]
    assert outputs[0]["items"] == {"type": "double"}
    requirements = Path(saved, "requirements.txt").read_text().split()
    assert [r.partition("==")[0] for r in requirements] == ["mlflow-skinny", "mmlrs", "pandas"]
    assert f"mmlrs=={mmlrs.__version__}" in requirements
    assert not [name for _, _, names in os.walk(saved) for name in names if "pkl" in name or "pickle" in name]


def test_the_example_is_stored_and_can_be_served(saved, compiled):
    scorer = mlflow.pyfunc.load_model(saved)
    want = rows(3).drop(columns="label")
    pd.testing.assert_frame_equal(scorer.input_example, want)
    from mlflow.pyfunc.scoring_server import predictions_to_json

    served = json.loads(Path(saved, "serving_input_example.json").read_text())["dataframe_split"]
    answer = io.StringIO()
    predictions_to_json(scorer.predict(pd.DataFrame(served["data"], columns=served["columns"])), answer)
    rows_of_answer = json.loads(answer.getvalue())["predictions"]
    for row, values in zip(rows_of_answer, want.to_dict("records"), strict=True):
        found = compiled.predict_one(values)
        assert row == {name: found[name] for name in row}
        assert set(row) == {"rawPrediction", "probability", "prediction", "predictedLabel"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"city": "Rome", "x": 1.0}, r"Model is missing inputs \['y'\]"),
        ({"city": "Rome", "x": "much", "y": 1.0}, "Failed to convert column x"),
        ({"city": 5.0, "x": 1.0, "y": 1.0}, "Incompatible input types for column city"),
    ],
)
def test_the_signature_is_enforced(saved, row, message):
    scorer = mlflow.pyfunc.load_model(saved)
    with pytest.raises(MlflowException, match=message):
        scorer.predict(pd.DataFrame([row]))


def test_bad_rows_and_arguments_are_one_clear_error(saved):
    scorer = mlflow.pyfunc.load_model(saved)
    with pytest.raises(mmlrs.errors.DecodeError, match=r"column `city`, row 0 .* \"Lima\""):
        scorer.predict({"city": "Lima", "x": 1.0, "y": 1.0})
    with pytest.raises(InvalidParamError, match="has no configuration"):
        flavor._load_pyfunc(saved, {"allow_functions": ["os"]})
    raw = scorer._model_impl
    with pytest.raises(SchemaMismatchError, match="predict: cannot score a int"):
        raw.predict(5)
    with pytest.raises(InvalidParamError, match="the model has no params"):
        raw.predict(rows(1), {"temperature": 1})


def test_without_a_signature_other_kinds_of_rows_are_scored(compiled, tmp_path):
    flavor.save_model(compiled, tmp_path / "model")
    scorer = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert scorer.metadata.signature is None
    data = rows(4).drop(columns="label")
    want = scorer.predict(data)
    same(want, compiled.transform(data))
    pd.testing.assert_frame_equal(scorer.predict(data.to_dict("records")), want)
    pd.testing.assert_frame_equal(scorer.predict(pa.Table.from_pandas(data)), want)
    flavor.save_model(compiled, tmp_path / "none", input_example=data, signature=False)
    assert mlflow.models.Model.load(str(tmp_path / "none")).signature is None


def test_the_columns_of_answers_can_be_chosen(pipeline, tmp_path):
    model = mmlrs.compile(pipeline, outputCols=["probability"])
    flavor.save_model(model, tmp_path / "model", input_example=rows(2))
    assert list(mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(rows(2)).columns) == ["probability"]


def test_a_trained_classifier_is_compiled(spark, tmp_path):
    from pyspark.ml.classification import LogisticRegression

    from mmlrs.train import TrainClassifier

    learner = TrainClassifier(model=LogisticRegression(maxIter=2), labelCol="label")
    trained = learner.fit(spark.createDataFrame(rows(30)))
    flavor.save_model(trained, tmp_path / "model", input_example=rows(2))
    scorer = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert scorer.metadata.get_input_schema().input_names() == ["city", "x", "y"]
    same(scorer.predict(rows(9)), mmlrs.compile(trained).transform(rows(9)))


def test_a_model_is_logged_and_registered(store, compiled):
    data = rows(5).drop(columns="label")
    with store.start_run():
        info = flavor.log_model(
            compiled, name="census", input_example=data, registered_model_name="census", tags={"a": "b"}
        )
    for uri in (info.model_uri, "models:/census/1"):
        same(mlflow.pyfunc.load_model(uri).predict(data), compiled.transform(data))
        assert flavor.load_model(uri).uid == compiled.uid
    assert info.flavors["mmlrs"]["model_class"] == "mmlrs.compiled.CompiledModel"
    assert mlflow.get_logged_model(info.model_id).tags["a"] == "b"


def test_a_network_is_served_with_its_picture_as_the_example(tmp_path, jpeg):
    model = ImageFeaturizer(inputCol="image", outputCol="features")
    flavor.save_model(model, tmp_path / "model", input_example={"image": jpeg})
    scorer = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert scorer.metadata.get_input_schema().to_dict() == [
        {"name": "image", "type": "binary", "required": True}
    ]
    answer = scorer.predict(pd.DataFrame({"image": [jpeg, jpeg]}))
    assert [len(v) for v in answer.features] == [1280, 1280]
    assert scorer.input_example["image"][0] == jpeg
    needs = Path(tmp_path, "model", "requirements.txt").read_text()
    assert "onnxruntime==" in needs
    assert type(flavor.load_model(str(tmp_path / "model"))) is ImageFeaturizer


def test_a_list_of_stages_and_functions_by_name(tmp_path):
    table = pa.table({"tags": [["a"], ["b", "c"]], "size": ["S", "L"]})
    write = UDFTransformer(inputCol="tags", outputCol="json", udf=json.dumps, returnType="string")
    stages = [ValueIndexer(inputCol="size", outputCol="index").fit(table), write]
    stages.append(TextPreprocessor(inputCol="json", outputCol="text", normFunc="lowerCase"))
    path = str(tmp_path / "model")
    flavor.save_model(stages, path)
    for load in (flavor.load_model, mlflow.pyfunc.load_model):
        with pytest.raises(IoError, match=r'allow_functions=\["json:dumps"\]'):
            load(path)
    loaded = flavor.load_model(path, allow_functions=["json:dumps"])
    assert [type(stage).__name__ for stage in loaded] == ["CompiledModel", "UDFTransformer", "CompiledModel"]
    with mmlrs.allow_functions("json:dumps"):
        answer = mlflow.pyfunc.load_model(path).predict(table)
    assert answer.to_dict("list") == {
        "index": [1.0, 0.0],
        "json": ['["a"]', '["b", "c"]'],
        "text": ['["a"]', '["b", "c"]'],
    }


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (5, "must be a fitted stage or a list of these, got 5"),
        (ValueIndexer(inputCol="a", outputCol="b"), "is not fitted"),
        ([], "has no stage that computes a column"),
        (Query(statement="SELECT 1 FROM __THIS__"), "needs Spark: the session runs the SQL"),
        (
            UDFTransformer(inputCol="a", outputCol="b", udf=lambda a: a, returnType="int"),
            "lambda",
        ),
    ],
    ids=["number", "estimator", "empty", "needs Spark", "lambda"],
)
def test_what_cannot_be_saved_is_named(tmp_path, model, message):
    with pytest.raises(InvalidParamError, match=message):
        flavor.save_model(model, tmp_path / "model")


def test_a_folder_that_is_no_model_of_ours_is_named(tmp_path, saved):
    with pytest.raises(MlflowException, match="is not empty"):
        flavor.save_model(TextPreprocessor(inputCol="a", outputCol="b"), saved)
    other = mlflow.models.Model()
    other.save(str(tmp_path / "MLmodel"))
    with pytest.raises(IoError, match="has no flavor `mmlrs`"):
        flavor.load_model(str(tmp_path))
    with pytest.raises(IoError, match="has no stages numbered from 0"):
        flavor._load_pyfunc(str(tmp_path))


def test_without_mlflow_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", None)
    with pytest.raises(MissingPackageError, match=r'save_model: .*pip install "mmlrs\[mlflow\]"'):
        flavor.save_model(TextPreprocessor(inputCol="a", outputCol="b"), tmp_path / "model")


ALONE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pyspark", "py4j"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import mlflow, pandas
scorer = mlflow.pyfunc.load_model(sys.argv[1])
print(scorer.predict(pandas.read_json(sys.argv[2])).to_json(double_precision=15))
assert not {"pyspark", "py4j"} & set(sys.modules)
"""


def test_it_scores_in_a_process_without_pyspark_and_java(saved, compiled, tmp_path):
    data = rows(10).drop(columns="label")
    data.to_json(tmp_path / "rows.json", double_precision=15)
    environment = {
        k: v for k, v in os.environ.items() if k not in {"JAVA_HOME", "SPARK_HOME", "PYSPARK_PYTHON"}
    }
    environment["PATH"] = "/nonexistent"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ALONE), saved, str(tmp_path / "rows.json")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    got = pd.read_json(io.StringIO(done.stdout.splitlines()[-1]))
    want = compiled.transform(data)
    np.testing.assert_allclose(np.stack(list(got.probability)), mmlrs.to_numpy(want.probability), atol=1e-14)
    assert list(got.predictedLabel) == list(want.predictedLabel)


def test_a_udf_of_the_pyfunc_gives_the_same_on_spark(spark, saved, compiled):
    data = rows(20).drop(columns="label")
    score = mlflow.pyfunc.spark_udf(spark, saved, env_manager="local")
    answers = spark.createDataFrame(data).select(score("city", "x", "y").alias("a")).select("a.*").toPandas()
    same(answers, compiled.transform(data))


def test_mlflow_spark_keeps_a_pipeline_of_both_libraries(spark, pipeline, store, tmp_path):
    """With mlflow-skinny, and a local folder for files of Spark."""
    import mlflow.spark as of_spark

    data = spark.createDataFrame(rows(20))
    want = pipeline.transform(data).select("probability", "prediction").collect()
    # Without requirements, MLflow would load the model in another process with Spark, to see what it imports.
    needs = ["pyspark", "mmlrs"]
    with store.start_run():
        info = of_spark.log_model(
            pipeline, artifact_path="model", dfs_tmpdir=str(tmp_path / "dfs"), pip_requirements=needs
        )
    loaded = of_spark.load_model(info.model_uri, dfs_tmpdir=str(tmp_path / "dfs"))
    assert [type(stage) for stage in loaded.stages] == [type(stage) for stage in pipeline.stages]
    assert loaded.transform(data).select("probability", "prediction").collect() == want
