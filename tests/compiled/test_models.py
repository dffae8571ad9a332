"""Compiled pipelines as stages: in one pass on Spark, on every kind of table, as functions, saved, and for single rows."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from parity import check, compare
from PIL import Image

import mmlrs
from mmlrs.compiled import CompiledModel, CompiledStep
from mmlrs.engine.bridge import collect
from mmlrs.errors import (
    ColumnNotFoundError,
    InvalidParamError,
    IoError,
    MmlrsError,
    SchemaMismatchError,
)

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import (
    IndexToString,
    OneHotEncoder,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
    VectorSizeHint,
    Word2Vec,
)
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 200
    city = rng.choice(["Bern", "Oslo", "Rome"], n, p=[0.5, 0.3, 0.2])
    age, income = rng.normal(40, 10, n).round(1), rng.normal(size=n)
    label = np.where((city == "Bern") + income + rng.normal(size=n) * 0.3 > 0.6, "yes", "no")
    return pd.DataFrame({"city": city, "age": age, "income": income, "label": label})


@pytest.fixture(scope="module")
def df(spark: Any, frame: pd.DataFrame) -> Any:
    return spark.createDataFrame(frame).coalesce(1)


def stages() -> list[Any]:
    return [
        StringIndexer(inputCol="label", outputCol="target"),
        StringIndexer(inputCol="city", outputCol="place"),
        OneHotEncoder(inputCol="place", outputCol="flags"),
        VectorAssembler(inputCols=["flags", "age", "income"], outputCol="raw"),
        StandardScaler(inputCol="raw", outputCol="features"),
    ]


@pytest.fixture(scope="module")
def fitted(df: Any) -> PipelineModel:
    return Pipeline(stages=[*stages(), LogisticRegression(labelCol="target", maxIter=5)]).fit(df)


@pytest.fixture(scope="module")
def compiled(fitted: PipelineModel) -> CompiledModel:
    return mmlrs.compile(fitted)


def plan_of(df: Any) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        df.explain()
    return text.getvalue()


def test_a_pipeline_is_one_python_pass_on_spark(fitted: PipelineModel, df: Any) -> None:
    model = check(fitted, df, on_spark=True)
    assert plan_of(model.transform(df)).count("ArrowEvalPython") == 1
    chosen = mmlrs.compile(fitted, outputCols=["prediction"]).transform(df)
    assert chosen.columns == ["city", "age", "income", "label", "prediction"]
    assert plan_of(chosen).count("pythonUDF0#") == 2


def test_the_predicted_label_and_the_probabilities_have_names(
    compiled: CompiledModel, frame: pd.DataFrame
) -> None:
    rows = compiled.transform(frame)
    names = {0.0: "no", 1.0: "yes"} if (frame.label == "no").sum() > 100 else {0.0: "yes", 1.0: "no"}
    assert (rows.predictedLabel == rows.prediction.map(names)).all()
    one = compiled.predict_one(frame.iloc[0].to_dict())
    assert one["predictedLabel"] == rows.predictedLabel[0]
    assert one["probabilities"][one["predictedLabel"]] == max(one["probability"])
    assert set(one["probabilities"]) == {"yes", "no"}


def test_probabilities_by_name_are_a_column(fitted: PipelineModel, frame: pd.DataFrame, df: Any) -> None:
    model = mmlrs.compile(fitted, outputCols=["probability", "by_name"], probabilitiesCol="by_name")
    table = model.transform(pa.Table.from_pandas(frame))
    for vector, named in zip(table["probability"].to_pylist(), table["by_name"].to_pylist(), strict=True):
        assert list(named.values()) == vector["values"]
        assert set(named) == {"yes", "no"}
    assert mmlrs.compile(fitted, probabilitiesCol="by_name").getAnswerCol() == "predictedLabel"
    assert [r.by_name.yes for r in model.transform(df).collect()] == [
        n["yes"] for n in table["by_name"].to_pylist()
    ]
    with pytest.raises(
        InvalidParamError, match="`probabilitiesCol` must not be set: the model has no classifier"
    ):
        mmlrs.compile(Pipeline(stages=stages()).fit(df), probabilitiesCol="by_name")


def test_data_to_score_may_lack_the_label(compiled: CompiledModel, frame: pd.DataFrame, df: Any) -> None:
    without = compiled.transform(frame.drop(columns="label"))
    assert "target" not in without
    assert (without.prediction == compiled.transform(frame).prediction).all()
    assert (compiled.transform(df.drop("label")).toPandas().prediction == without.prediction).all()
    with pytest.raises(ColumnNotFoundError, match="column `city`: not found"):
        compiled.transform(frame.drop(columns="city"))


def test_every_kind_of_table_is_scored_alike(compiled: CompiledModel, frame: pd.DataFrame) -> None:
    expected = compiled.transform(frame).prediction.tolist()
    table = pa.Table.from_pandas(frame)
    results: list[Any] = [
        compiled.transform(table)["prediction"].to_pylist(),
        compiled.transform(pl.DataFrame(frame.to_dict("list")))["prediction"].to_list(),
        compiled.transform(pa.record_batch(table.to_batches()[0]))["prediction"].to_pylist(),
        [compiled.predict_one(row)["prediction"] for row in frame.to_dict("records")],
    ]
    assert all(result == expected for result in results)
    categories = frame.assign(city=frame.city.astype("category"))
    assert compiled.transform(categories).prediction.tolist() == expected
    empty = compiled.transform(table.slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema.equals(compiled.transform(table).schema)


def test_the_order_and_the_kind_of_other_columns_do_not_matter(
    compiled: CompiledModel, frame: pd.DataFrame
) -> None:
    odd = frame.assign(extra=[{"a": 1}] * len(frame), age=frame.age.astype("float32"))[
        ["income", "extra", "age", "city"]
    ]
    assert compiled.transform(odd).columns[:4].tolist() == ["income", "extra", "age", "city"]
    assert compiled.transform(odd).prediction.mean() == pytest.approx(
        compiled.transform(frame).prediction.mean()
    )


def test_saved_pickled_and_in_a_process_without_java_and_pyspark(
    compiled: CompiledModel, frame: pd.DataFrame, tmp_path: Path
) -> None:
    compiled.save(str(tmp_path / "model"))
    again = CompiledModel.load(str(tmp_path / "model"))
    compare(again.transform(pa.Table.from_pandas(frame)), compiled.transform(pa.Table.from_pandas(frame)))
    assert pickle.loads(pickle.dumps(compiled)).predict_one(frame.iloc[1].to_dict())
    frame.to_parquet(tmp_path / "rows.parquet")
    program = f"""
import sys
sys.modules["pyspark"] = None
import pyarrow.parquet as pq
from mmlrs.compiled import CompiledModel
model = CompiledModel.load({str(tmp_path / "model")!r})
table = pq.read_table({str(tmp_path / "rows.parquet")!r})
print(model.transform(table)["predictedLabel"].to_pylist()[:5])
print(model.predict_one(table.slice(0, 1).to_pylist()[0])["prediction"])
"""
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PATH": ""}, check=False
    )
    assert out.returncode == 0, out.stderr
    expected = compiled.transform(frame)
    assert out.stdout.splitlines() == [str(expected.predictedLabel.tolist()[:5]), str(expected.prediction[0])]


def test_a_pipeline_becomes_a_sql_function_by_itself(
    spark: Any, fitted: PipelineModel, frame: pd.DataFrame, df: Any
) -> None:
    expected = mmlrs.compile(fitted).transform(frame)
    mmlrs.register(spark, "answer", fitted)
    df.createOrReplaceTempView("people")
    rows = spark.sql("SELECT answer(city, age, income) AS a FROM people").toPandas()
    assert rows.a.tolist() == expected.predictedLabel.tolist()
    number = mmlrs.udf(mmlrs.compile(fitted, outputCols=["prediction"]))
    assert (
        df.select(number("city", "age", "income").alias("p")).toPandas().p.tolist()
        == expected.prediction.tolist()
    )
    score = mmlrs.pandas_udf(mmlrs.compile(fitted, predictedLabelCol=None))
    assert (
        df.select(score("city", "age", "income").alias("p")).toPandas().p.tolist()
        == expected.prediction.tolist()
    )


def test_a_function_of_a_model_without_a_classifier_returns_the_last_column(spark: Any, df: Any) -> None:
    model = Pipeline(stages=stages()[1:]).fit(df)
    mmlrs.register(spark, "features_of", model)
    df.createOrReplaceTempView("people")
    (row,) = spark.sql("SELECT features_of(city, age, income) AS f FROM people LIMIT 1").collect()
    assert row.f == model.transform(df).first().features


def test_searches_and_trained_models_are_compiled(df: Any, frame: pd.DataFrame) -> None:
    learner = LogisticRegression(labelCol="target", maxIter=3)
    grid = ParamGridBuilder().addGrid(learner.regParam, [0.0, 0.3]).build()
    judge = MulticlassClassificationEvaluator(labelCol="target")
    steps = Pipeline(stages=[*stages(), learner])
    check(CrossValidator(estimator=steps, estimatorParamMaps=grid, evaluator=judge, numFolds=2).fit(df), df)
    check(TrainValidationSplit(estimator=steps, estimatorParamMaps=grid[:1], evaluator=judge).fit(df), df)


@pytest.mark.parametrize("trees", [False, True])
def test_trained_classifiers_are_compiled(df: Any, frame: pd.DataFrame, trees: bool) -> None:
    from mmlrs.automl import FindBestModel
    from mmlrs.train import TrainClassifier

    learner = RandomForestClassifier(numTrees=3) if trees else LogisticRegression(maxIter=3)
    trained = TrainClassifier(model=learner, labelCol="label").fit(df)
    compiled = check(trained, df, on_spark=True)
    assert compiled.transform(frame).columns.tolist() == trained.transform(df).columns
    one = compiled.predict_one(frame.iloc[0].to_dict())
    assert one["probabilities"].keys() == {"yes", "no"}
    assert one["predictedLabel"] == max(one["probabilities"], key=one["probabilities"].get)
    best = FindBestModel(models=[trained], evaluationMetric="accuracy").fit(df)
    compare(mmlrs.compile(best).transform(pa.Table.from_pandas(frame)), collect(trained.transform(df)))


def test_pictures_to_labels_in_one_pass(spark: Any, photos: str) -> None:
    import networks

    from mmlrs.image import ImageFeaturizer

    pictures = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(photos)
    pictures = (
        pictures.selectExpr("content AS image", "regexp_extract(path, 'label=([a-z]+)', 1) AS label")
        .coalesce(1)
        .cache()
    )
    featurizer = ImageFeaturizer(
        inputCol="image", outputCol="features", model=networks.pictures_network().SerializeToString()
    )
    steps = [
        featurizer,
        StringIndexer(inputCol="label", outputCol="target"),
        LogisticRegression(labelCol="target", maxIter=3),
    ]
    model = Pipeline(stages=steps).fit(pictures)
    compiled = mmlrs.compile(model)
    scored = compiled.transform(pictures)
    assert plan_of(scored.select("predictedLabel")).count("EvalPython") == 1
    assert [r.prediction for r in scored.collect()] == [
        r.prediction for r in model.transform(pictures).collect()
    ]
    picture = bytes(pictures.first().image)
    one = compiled.predict_one({"image": picture})
    assert one["predictedLabel"] in ("cat", "dog")
    opened = Image.open(io.BytesIO(picture)).convert("RGB")
    assert compiled.predict_one({"image": np.asarray(opened)}) == compiled.predict_one({"image": opened})


def test_indices_become_labels_again(df: Any) -> None:
    indexer = StringIndexer(inputCol="label", outputCol="target").fit(df)
    back = IndexToString(inputCol="prediction", outputCol="answer", labels=list(indexer.labels))
    steps = [indexer, *stages()[1:], LogisticRegression(labelCol="target", maxIter=3), back]
    compiled = check(Pipeline(stages=steps).fit(df), df)
    assert "predictedLabel" not in compiled._columns("output")


def test_a_skipped_row_is_dropped_and_one_alone_is_an_error(df: Any, frame: pd.DataFrame) -> None:
    steps = [StringIndexer(inputCol="city", outputCol="place", handleInvalid="skip"), *stages()[2:]]
    model = Pipeline(stages=steps).fit(df.where("city != 'Rome'"))
    check(model, df, on_spark=True)
    compiled = mmlrs.compile(model)
    with pytest.raises(InvalidParamError, match='drops this row, because a stage has handleInvalid="skip"'):
        compiled.predict_one({"city": "Rome", "age": 1.0, "income": 0.0})
    assert compiled.predict_one({"city": "Bern", "age": 1.0, "income": 0.0})["place"] == 0.0
    with pytest.raises(InvalidParamError, match=r"must be .error. or .keep. in a function"):
        mmlrs.udf(compiled)


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"city": "Paris", "age": 1.0, "income": 0.0}, MmlrsError, 'StringIndexerModel: column `city`: has the value "Paris", which did not occur in the fit$'),
        ({"city": "Bern", "age": None, "income": 0.0}, MmlrsError, "FastVectorAssembler: column `age`: is null or NaN$"),
        ({"city": "Bern", "age": float("nan"), "income": 0.0}, MmlrsError, "column `age`: is null or NaN"),
        ({"city": "Bern", "age": 1.0}, ColumnNotFoundError, "column `income`: not found"),
        ({"city": "Bern", "age": "old", "income": 0.0}, SchemaMismatchError, "column `age`: has type string"),
        ({"city": "Bern", "age": object(), "income": 0.0}, SchemaMismatchError, "column `age`: cannot read <object"),
        ([("city", "Bern")], InvalidParamError, "param `row` must be a dict"),
    ],
)  # fmt: skip
def test_odd_rows_get_one_clear_error(
    compiled: CompiledModel, row: Any, error: type[Exception], message: str
) -> None:
    compiled.predict_one({"city": "Bern", "age": 1.0, "income": 0.0})
    with pytest.raises(error, match=message):
        compiled.predict_one(row)


def test_types_of_rows_may_change_between_calls(compiled: CompiledModel) -> None:
    first = compiled.predict_one({"city": "Bern", "age": 1.0, "income": 2.0})
    assert compiled.predict_one({"city": "Bern", "age": 1, "income": np.float64(2.0)}) == first
    assert compiled.predict_one({"income": 2.0, "city": "Bern", "age": True, "other": [1, "a"]}) == first
    assert compiled.predict_one({"income": np.array(2.0), "city": "Bern", "age": np.int32(1)}) == first


def test_vectors_of_pyspark_are_vectors_in_rows_and_in_pandas(spark: Any) -> None:
    vectors = [Vectors.dense([1.0, 0.0]), Vectors.sparse(2, [1], [4.0]), None]
    scaler = StandardScaler(inputCol="v", outputCol="scaled").fit(
        spark.createDataFrame([(v,) for v in vectors[:2]], ["v"])
    )
    compiled = mmlrs.compile(scaler)
    plain = compiled.transform(pa.table({"v": [[1.0, 0.0], [0.0, 4.0]]}))
    frame = pd.DataFrame({"v": vectors[:2], "n": [1, 2]})
    scored = compiled.transform(frame)
    assert np.array_equal(mmlrs.to_numpy(scored["scaled"]), mmlrs.to_numpy(plain["scaled"]))
    assert scored["v"].tolist() == vectors[:2]
    for row, vector in enumerate(vectors[:2]):
        expected = mmlrs.to_numpy(plain["scaled"])[row].tolist()
        assert compiled.predict_one({"v": vector})["scaled"] == expected
        assert compiled.predict_one({"v": np.asarray(vector.toArray())})["scaled"] == expected
    with pytest.raises(MmlrsError, match="StandardScalerModel: column `v`, row 2 of the table: is null"):
        compiled.transform(pd.DataFrame({"v": vectors}))


def test_damaged_and_unordered_vectors_are_one_error(spark: Any) -> None:
    scaler = StandardScaler(inputCol="v", outputCol="s").fit(
        spark.createDataFrame([(Vectors.dense([1.0, 2.0]),)], ["v"])
    )
    compiled = mmlrs.compile(scaler)
    damaged, fraction = Vectors.dense(1, 2), Vectors.sparse(2, [1], [1.0])
    damaged.array = np.ones((2, 1))
    fraction.indices = np.array([0.9])
    for vector in (damaged, fraction, {1.0, 2.0}, np.ma.array([1.0, 2.0], mask=[0, 1])):
        with pytest.raises(SchemaMismatchError, match="CompiledModel: column `v`: cannot read"):
            compiled.predict_one({"v": vector})
        with pytest.raises(SchemaMismatchError, match="column `v`: holds values that Arrow cannot hold"):
            compiled.transform(pd.DataFrame({"v": pd.Series([vector], dtype=object)}))


def test_a_vector_that_is_null_at_first_is_null(spark: Any) -> None:
    hint = VectorSizeHint(inputCol="v", size=2, handleInvalid="optimistic")
    assembler = VectorAssembler(inputCols=["v", "n"], outputCol="f", handleInvalid="keep")
    compiled = mmlrs.compile(PipelineModel([hint, assembler]))
    first = compiled.predict_one({"v": None, "n": 1.0})
    compiled.predict_one({"v": [1.0, 2.0], "n": 1.0})
    for found in (first, compiled.predict_one({"v": None, "n": 1.0})):
        assert np.array_equal(found["f"], [np.nan, np.nan, 1.0], equal_nan=True)
    table = compiled.transform(pd.DataFrame({"v": [None], "n": [1.0]}))
    assert mmlrs.to_numpy(table["f"]).shape == (1, 3)


def test_one_row_may_come_from_pandas_and_misspelt_names_get_a_hint(compiled: CompiledModel, df: Any) -> None:
    indexer = StringIndexer(inputCol="city", outputCol="place", handleInvalid="keep").fit(df)
    kept = mmlrs.compile(indexer)
    assert kept.predict_one({"city": float("nan")}) == kept.predict_one({"city": None})
    with pytest.raises(
        ColumnNotFoundError, match=r"did you mean `City`\?\); the columns are `City`, `age`, `income`"
    ):
        compiled.predict_one({"City": "Bern", "age": 1.0, "income": 1.0})


def test_a_missing_column_is_looked_for_among_those_of_the_dataset(compiled: CompiledModel, df: Any) -> None:
    message = (
        r"column `city`: not found \(did you mean `cityy`\?\); the columns are `age`, `cityy`, `income`$"
    )
    with pytest.raises(ColumnNotFoundError, match=rf"^StringIndexerModel: {message}"):
        compiled.transform(pa.table({"age": [1.0], "cityy": ["Bern"], "income": [1.0]}))
    with pytest.raises(ColumnNotFoundError, match=r"^StringIndexerModel: column `city`: not found"):
        compiled.transform(df.drop("city"))


def test_what_cannot_be_compiled_is_named_with_its_place(df: Any, fitted: PipelineModel, spark: Any) -> None:
    from mmlrs.stages import Lambda
    from mmlrs.testing import reversed_columns

    words = spark.createDataFrame([(["a", "b"],)], ["words"])
    other = Word2Vec(inputCol="words", outputCol="w", minCount=0, vectorSize=2).fit(words)
    with pytest.raises(
        InvalidParamError,
        match=r"stage 2 of 2 of the pipeline, stage 1 of 1 of the pipeline, the Word2VecModel",
    ):
        mmlrs.compile(PipelineModel([fitted, PipelineModel([other])]))
    with pytest.raises(InvalidParamError, match=r"Lambda .* cannot be compiled: it runs a Python function"):
        mmlrs.compile(Lambda(transformFunc=reversed_columns))
    with pytest.raises(InvalidParamError, match="is not fitted; call its fit"):
        mmlrs.compile(Pipeline(stages=stages()))
    with pytest.raises(InvalidParamError, match="must be a fitted stage, got 3"):
        mmlrs.compile(3)
    with pytest.raises(InvalidParamError, match="has no stage that computes a column"):
        mmlrs.compile(PipelineModel([]))


def test_a_folder_that_spark_cannot_write_is_an_error(df: Any, tmp_path: Path) -> None:
    steps = [*stages(), RandomForestClassifier(labelCol="target", numTrees=2)]
    model = Pipeline(stages=steps).fit(df)
    (tmp_path / "file").write_text("")
    with pytest.raises(IoError, match="set `workDir` to a folder that all nodes of the session can reach"):
        mmlrs.compile(model, workDir=str(tmp_path / "file"))
    mmlrs.compile(model, workDir=str(tmp_path / "new"))
    assert not list((tmp_path / "new").iterdir())


def step(definition: dict[str, Any], **params: Any) -> CompiledStep:
    given = {"inputCols": ["v"], "outputCols": ["o"], "origin": "Model", **params}
    return CompiledStep(definition=json.dumps(definition).encode(), **given)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"kind": "affine"}, "is damaged: it has no version"),
        (
            {"version": 9, "kind": "affine"},
            "has version 9, and this mmlrs reads versions up to 1; update mmlrs",
        ),
        ({"version": 1, "kind": "magic"}, "is damaged: unknown variant `magic`"),
        ({"version": 1, "kind": "affine", "scale": [1.0], "more": 1}, "is damaged: unknown field `more`"),
        ({"version": 1, "kind": "affine", "scale": {"base64": "?"}}, "is damaged"),
        ({"version": 1, "kind": "affine", "scale": [1.0], "shift": [1.0, 2.0]}, "different sizes"),
        ({"version": 1, "kind": "project", "matrix": [1.0], "size": 0}, "does not have the given size"),
        ({"version": 1, "kind": "polynomial", "degree": 0}, "its degree is 0"),
    ],
)
def test_damaged_and_newer_definitions_are_refused(definition: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParamError, match=f"CompiledStep: param `definition` .*{message}"):
        step(definition).transform(pa.table({"v": [[1.0]]}))


def test_vectors_of_another_size_are_an_error_that_names_both(compiled: CompiledModel) -> None:
    scaled = step({"version": 1, "kind": "affine", "scale": [1.0, 2.0]})
    with pytest.raises(
        MmlrsError,
        match=r"Model: column `v`, row 1 of the table: has a vector of size 1; the fitted stage needs 2",
    ):
        scaled.transform(pa.table({"v": [[1.0, 2.0], [1.0]]}))
    kept = step({"version": 1, "kind": "affine", "scale": [1.0, 2.0]}, handleInvalid="keep", errorCol="why")
    rows = kept.transform(pa.table({"v": [[1.0, 2.0], None]}))
    assert rows["o"].is_null().to_pylist() == [False, True]
    assert rows["why"].to_pylist() == [None, "is null"]


def test_columns_are_selected_and_named_between_the_stages(df: Any, frame: pd.DataFrame) -> None:
    from mmlrs.stages import DropColumns, RenameColumn, SelectColumns

    indexer = StringIndexer(inputCol="town", outputCol="place").fit(df.withColumnRenamed("city", "town"))
    steps = [RenameColumn(inputCol="city", outputCol="town"), indexer, DropColumns(cols=["town"]),
             RenameColumn(inputCol="place", outputCol="town"), SelectColumns(cols=["town", "age"])]  # fmt: skip
    model = PipelineModel(steps)
    compiled = check(model, df, on_spark=True)
    assert compiled.transform(frame).columns.tolist() == ["age", "town"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputCols": "prediction"}, "`outputCols` must be a list of names of columns, got 'prediction'"),
        (
            {"outputCols": ["predicton"]},
            "`outputCols` names 'predicton', which the model does not add; it adds target, ",
        ),
        (
            {"predictedLabelCol": "flags"},
            "`predictedLabelCol` must be a new column; the model adds 'flags' already",
        ),
    ],
)
def test_odd_options_are_refused_at_once(
    fitted: PipelineModel, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParamError, match=f"compile: param {message}"):
        mmlrs.compile(fitted, **options)


def test_what_the_core_cannot_run_is_refused_at_once() -> None:
    from pyspark.ml.feature import RegexTokenizer

    with pytest.raises(
        InvalidParamError, match="compile: the RegexTokenizer cannot be compiled: its pattern"
    ):
        mmlrs.compile(RegexTokenizer(inputCol="t", outputCol="o", pattern="(?<=a)-"))


def test_a_stage_may_fill_a_column_in_place(spark: Any) -> None:
    from pyspark.ml.feature import Imputer

    rows = spark.createDataFrame([(1.0, 2.0), (None, 3.0), (5.0, None)], "x double, y double").coalesce(1)
    model = Imputer(inputCols=["x", "y"], outputCols=["x", "filled"]).fit(rows)
    compiled = check(model, rows, on_spark=True)
    chosen = mmlrs.compile(model, outputCols=["filled"])
    assert chosen.transform(collect(rows))["x"].to_pylist() == [1.0, 3.0, 5.0]
    assert compiled.predict_one({"x": None, "y": 1.0}) == {"x": 3.0, "filled": 1.0}
    # A single row and a table of the same types compute different columns.
    again = mmlrs.compile(model, outputCols=["filled"])
    assert again.predict_one({"x": 1.0, "y": 2.0}) == {"filled": 2.0}
    table = again.transform(pa.table({"x": [None, 4.0], "y": [1.0, None]}))
    assert table.to_pydict() == {"y": [1.0, None], "x": [3.0, 4.0], "filled": [1.0, 2.5]}


def test_an_output_that_exists_already_is_an_error(
    compiled: CompiledModel, frame: pd.DataFrame, df: Any
) -> None:
    with pytest.raises(SchemaMismatchError, match="column `prediction` already exists"):
        compiled.transform(frame.assign(prediction=1.0))
    with pytest.raises(
        ColumnNotFoundError, match=r"column `predicton`: not found \(did you mean `prediction`\?\)"
    ):
        CompiledModel(stages=compiled.getStages(), outputCols=["predicton"]).transform(frame)
