"""Fine tuners: the head and the features are those of other stages, the file equals the model, labels, Spark, errors."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import networks
import numpy as np
import onnx
import onnxruntime
import pictures
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from trained import values

from mmlrs import _native
from mmlrs.ann import (
    DeepTextClassifier,
    DeepVisionClassifier,
    FineTunedModel,
    FineTuner,
    MultilayerPerceptronClassifier,
)
from mmlrs.errors import DecodeError, InvalidParamError, MmlrsError, ModelLoadError, SchemaMismatchError
from mmlrs.image import ImageClassifier, ImageFeaturizer, decode_to_tensor
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_model, sample_stage
from mmlrs.text import HuggingFaceTokenizer, TextEmbedder

RNG = np.random.default_rng(17)
SIDE = 16
SETTINGS = {"height": SIDE, "width": SIDE, "means": [0.5] * 3, "stds": [0.25] * 3, "scale": 1 / 255}
COLOURS = {"blue": (30, 60, 220), "green": (40, 200, 50), "red": (220, 30, 40)}
OUTPUTS = ["probability", "rawPrediction", "prediction", "predictedLabel"]


def backbone(**settings: Any) -> bytes:
    """Return a network that reads pictures."""
    metadata = {"mmlrs.image": json.dumps(SETTINGS | settings)}
    return networks.pictures_network(side=SIDE, metadata=metadata).SerializeToString()


def photographs(rows: int = 24) -> pa.Table:
    """Return noisy pictures of three colours, with the names of the colours."""
    names = [sorted(COLOURS)[i % 3] for i in range(rows)]
    noise = RNG.integers(-25, 25, (rows, SIDE, SIDE, 3))
    pixels = [
        np.clip(np.array(COLOURS[n]) + part, 0, 255).astype(np.uint8)
        for n, part in zip(names, noise, strict=True)
    ]
    return pictures.table(*map(pictures.png, pixels)).append_column("label", pa.array(names))


def vectors(labels: Any, rows: int = 12) -> pa.Table:
    """Return vectors that tell classes apart."""
    x = RNG.normal(size=(rows, 4)).astype(np.float32) + 3 * np.eye(4, dtype=np.float32)[np.arange(rows) % 2]
    array = (
        labels if isinstance(labels, pa.Array) else pa.array([labels[i % len(labels)] for i in range(rows)])
    )
    return pa.table({"x": list(x), "label": array})


def tuned(table: pa.Table, **params: Any) -> FineTunedModel:
    return FineTuner(**{"model": sample_model(), "inputCol": "x", "maxIter": 30, **params}).fit(table)


def run(model: FineTunedModel, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a model's file."""
    content = model.getModel().read()
    onnx.checker.check_model(content, full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def check(model: FineTunedModel, table: pa.Table, **feeds: np.ndarray) -> None:
    """Compare a model with its file."""
    scored, got = model.transform(table), run(model, **feeds)
    assert [name.partition("_")[0] for name in got] == OUTPUTS
    for name, made in zip(OUTPUTS, got.values(), strict=True):
        if name == "predictedLabel":
            expected = [
                value if isinstance(value, str) else json.dumps(value) for value in scored[name].to_pylist()
            ]
            assert made.ravel().tolist() == expected
        else:
            assert np.abs(made - values(scored[name]).reshape(made.shape)).max() <= 1e-5, name


def tensors(table: pa.Table) -> np.ndarray:
    return decode_to_tensor(
        table["image"].combine_chunks(),
        height=SIDE,
        width=SIDE,
        means=[0.5] * 3,
        stds=[0.25] * 3,
        scale=1 / 255,
    )


# -- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tensor", [None, "maps", "convolved", "scores"])
def test_a_head_is_a_perceptron_on_the_features_and_the_file_equals_the_model(tensor: str | None) -> None:
    table = photographs()
    before = _native.counters()["model_rows"]
    model = FineTuner(model=backbone(), featureTensorName=tensor, maxIter=15, seed=3).fit(table)
    assert _native.counters()["model_rows"] - before == table.num_rows, (
        "each row runs through the network once"
    )
    features = ImageFeaturizer(model=backbone(), featureTensorName=tensor, outputCol="features").transform(
        table
    )
    numbers = pa.array([float(sorted(COLOURS).index(label)) for label in table["label"].to_pylist()])
    features = features.set_column(1, "label", numbers)
    size = features["features"].type.list_size
    alone = MultilayerPerceptronClassifier(layers=[size, 3], maxIter=15, seed=3).fit(features)
    assert np.array_equal(model.weights, alone.weights)
    assert model.history["loss"].equals(alone.history["loss"])
    check(model, table, image=tensors(table))
    for name in ("rawPrediction", "probability"):
        assert (
            np.abs(values(model.transform(table)[name]) - values(alone.transform(features)[name])).max()
            <= 1e-5
        )
    assert model.transform(table)["predictedLabel"].to_pylist() == table["label"].to_pylist()


def test_hidden_layers_with_dropout_smoothing_and_weights_of_classes_are_a_part_of_the_file() -> None:
    table = photographs()
    model = DeepVisionClassifier(
        backbone=backbone(),
        hiddenLayers=[7, 5],
        activation="gelu",
        dropout=0.2,
        labelSmoothing=0.1,
        classWeights=[1.0, 2.0, 0.5],
        solver="adam",
        epochs=5,
        stepSize=0.02,
    ).fit(table)
    kinds = [layer["kind"] for layer in model.description["layers"]]
    assert kinds == ["dropout", "dense", "gelu", "dropout", "dense", "gelu", "dropout", "dense"]
    assert model.description["loss"] == {
        "kind": "cross_entropy",
        "smoothing": 0.1,
        "class_weights": [1.0, 2.0, 0.5],
    }
    assert model.history.num_rows == 5
    check(model, table, image=tensors(table))


def test_other_stages_for_images_read_the_file() -> None:
    table = photographs()
    model = FineTuner(
        model=backbone(labels=["a", "b", "c", "d"], layerNames=["scores", "pooled"]), maxIter=20
    ).fit(table)
    answers = ImageClassifier(model=model.getModel(), topK=1, outputCol="answers").transform(table)["answers"]
    assert [answer[0]["class"] for answer in answers.to_pylist()] == table["label"].to_pylist()
    old, new = (
        ImageFeaturizer(model=m, outputCol="y").transform(table)["y"] for m in (backbone(), model.getModel())
    )
    assert np.array_equal(values(old), values(new))


def test_a_tuned_network_can_be_tuned_again() -> None:
    table = photographs()
    first = FineTuner(model=backbone(), hiddenLayers=[6], maxIter=5).fit(table)
    again = FineTuner(model=first.getModel(), featureTensorName="probability", maxIter=5).fit(table)
    check(again, table, image=tensors(table))
    check(FineTuner(model=first.getModel(), maxIter=5).fit(table), table, image=tensors(table))


def test_a_training_continues_from_a_model() -> None:
    table = photographs()
    first = FineTuner(model=backbone(), maxIter=5, seed=1).fit(table)
    then = FineTuner(model=backbone(), maxIter=1, initialWeights=first, seed=2).fit(table)
    assert then.history["loss"][0].as_py() == pytest.approx(first.history["loss"][-1].as_py(), rel=1e-5)


# -- texts ------------------------------------------------------------------------------------------------------------


def test_texts_are_read_by_the_file_as_by_the_embedder() -> None:
    stage, table = sample_stage(DeepTextClassifier)
    model = stage.fit(table)
    network, tokenizer = stage.getBackbone(), stage.getTokenizer()
    embedder = TextEmbedder(
        model=network, tokenizer=tokenizer, inputCol="text", outputCol="features", maxLength=32
    )
    features = embedder.transform(table)
    numbers = [float(label == "b") for label in table["label"].to_pylist()]
    features = features.set_column(1, "label", pa.array(numbers))
    alone = MultilayerPerceptronClassifier(layers=[8, 2], maxIter=5).fit(features)
    assert np.array_equal(model.weights, alone.weights)
    tokens = HuggingFaceTokenizer(
        tokenizer=tokenizer, inputCol="text", inputIdsCol="ids", attentionMaskCol="mask"
    ).transform(table)
    rows = tokens["ids"].to_pylist()
    widest = max(map(len, rows)) + 3
    ids = np.array([row + [0] * (widest - len(row)) for row in rows], dtype=np.int64)
    mask = np.array([[1] * len(row) + [0] * (widest - len(row)) for row in rows], dtype=np.int64)
    check(model, table, input_ids=ids, attention_mask=mask)


def text_network(width: int | str, *, is_vector: bool) -> bytes:
    """Return a network for tokens without a mask."""
    nodes = [networks.node("Gather", ["words", "input_ids"], ["states"])]
    shape: list[int | str] = ["N", width, 6]
    if is_vector:
        nodes.append(networks.node("Gather", ["states", "first"], ["y"], axis=1))
        shape = ["N", 6]
    weights = {"words": RNG.normal(size=(64, 6)).astype(np.float32), "first": np.array(0, dtype=np.int64)}
    ids = networks.value("input_ids", ["N", width], onnx.TensorProto.INT64)
    output = networks.value("y" if is_vector else "states", shape)
    return networks.network(nodes, [ids], [output], weights).SerializeToString()


@pytest.mark.filterwarnings("ignore:.*no better than the frequencies")
@pytest.mark.parametrize("is_vector", [True, False])
def test_texts_without_a_mask_are_read_one_by_one(is_vector: bool) -> None:
    stage, table = sample_stage(DeepTextClassifier)
    network, tokenizer = text_network("T", is_vector=is_vector), stage.getTokenizer()
    model = stage.copy({"backbone": network}).fit(table)
    rows = (
        HuggingFaceTokenizer(tokenizer=tokenizer, inputCol="text").transform(table)["input_ids"].to_pylist()
    )
    for place, row in enumerate(rows):
        check(model, table.slice(place, 1), input_ids=np.array([row], dtype=np.int64))
    with pytest.raises(
        InvalidParamError, match=r"DeepTextClassifier: param `backbone`: .* texts of 9 tokens"
    ):
        stage.copy({"backbone": text_network(9, is_vector=False)}).fit(table)


def test_text_needs_a_network_for_tokens_and_a_tokenizer() -> None:
    stage, table = sample_stage(DeepTextClassifier)
    with pytest.raises(InvalidParamError, match=r"FineTuner: param `model`: .* use DeepTextClassifier"):
        FineTuner(model=stage.getBackbone(), inputCol="text").fit(table)
    with pytest.raises(
        InvalidParamError, match=r"DeepTextClassifier: param `backbone`: .* set param `tokenizer`"
    ):
        DeepTextClassifier(backbone=stage.getBackbone()).fit(table)
    with pytest.raises(InvalidParamError, match=r"column `text` holds text, .* no input `input_ids`.* `x`"):
        FineTuner(model=sample_model(), inputCol="text").fit(table)


# -- vectors and labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["b", "a"], ["a", "b"]),
        ([0, 1, 2], [0, 1, 2]),
        ([7, 3], [3, 7]),
        ([0.5, -1.0], [-1.0, 0.5]),
        ([True, False], [False, True]),
        ([Decimal("2.5"), Decimal("1.5")], [1.5, 2.5]),
        ([dt.date(2026, 2, 1), dt.date(2025, 1, 1)], ["2025-01-01", "2026-02-01"]),
        (
            pa.array([dt.date(2026, 2, 1), dt.date(2025, 1, 1)] * 6).dictionary_encode(),
            ["2025-01-01", "2026-02-01"],
        ),
        (
            [np.datetime64("2026-02-01T10:00:20", "us"), np.datetime64("1960-01-01T00:00:00.12", "us")],
            ["1960-01-01 00:00:00.12", "2026-02-01 10:00:20"],
        ),
    ],
)
def test_labels_of_any_type_are_indexed_in_ascending_order(given: Any, labels: list[Any]) -> None:
    table = vectors(given)
    model = tuned(table)
    assert model.getLabels() == labels
    check(model, table, x=np.array(table["x"].to_pylist(), dtype=np.float32))
    scored = model.transform(table)
    predicted = [labels[int(number)] for number in scored["prediction"].to_pylist()]
    assert scored["predictedLabel"].to_pylist() == predicted
    levels = json.loads(scored.schema.field("prediction").metadata[b"ml_attr"])["vals"]
    assert levels == [label if isinstance(label, str) else json.dumps(label) for label in labels]


def test_levels_in_the_metadata_of_the_label_win() -> None:
    table = vectors([1.0, 0.0])
    attributes = {"ml_attr": json.dumps({"type": "nominal", "vals": ["no", "yes", "never"]})}
    table = table.cast(
        pa.schema([table.schema.field("x"), table.schema.field("label").with_metadata(attributes)])
    )
    model = tuned(table)
    assert model.getLabels() == ["no", "yes", "never"]
    assert model.transform(table)["predictedLabel"].to_pylist() == ["yes", "no"] * 6


def test_rows_of_weight_0_and_validation_rows_do_not_train() -> None:
    table = vectors(["a", "b"], 40)
    table = table.append_column("weight", pa.array([0.0 if place % 4 == 0 else 1.0 for place in range(40)]))
    table = table.append_column("held out", pa.array([place >= 30 for place in range(40)]))
    model = tuned(table, weightCol="weight", validationIndicatorCol="held out", maxIter=5)
    trained_on = table.slice(0, 30).filter(pc.greater(table["weight"].slice(0, 30), 0))
    alone = tuned(trained_on, maxIter=5)
    assert np.abs(model.weights - alone.weights).max() < 1e-4 * np.abs(alone.weights).max()
    assert model.history["validation_loss"].null_count == 0


def test_thresholds_change_predictions_in_the_model_and_in_the_file() -> None:
    table = vectors(["a", "b"])
    model = tuned(table, thresholds=[1.0, 0.0])
    assert set(model.transform(table)["predictedLabel"].to_pylist()) == {"b"}
    check(model, table, x=np.array(table["x"].to_pylist(), dtype=np.float32))


@pytest.mark.parametrize("batch", [1, "N"])
def test_networks_with_old_operators_and_a_fixed_batch_are_merged(batch: int | str) -> None:
    network = networks.network(
        [networks.node("Gemm", ["in", "w", "b"], ["h"]), networks.node("Relu", ["h"], ["probability"])],
        [networks.value("in", [batch, 4])],
        [networks.value("probability", [batch, 3])],
        {"w": RNG.normal(size=(4, 3)).astype(np.float32), "b": np.ones(3, np.float32)},
    )
    network.opset_import[0].version = 9
    table = vectors(["a", "b"])
    model = tuned(table, model=network.SerializeToString(), featureTensorName="probability")
    scored = model.transform(table)
    got = run(model, **{"in": np.array(table["x"].to_pylist()[:1], dtype=np.float32)})
    assert list(got) == ["probability_2", "rawPrediction", "prediction", "predictedLabel"]
    assert np.abs(got["probability_2"] - values(scored["probability"])[:1]).max() <= 1e-5


def test_vectors_of_spark_ml_in_tables_are_read_and_bad_rows_follow_the_policy() -> None:
    stage, table = sample_stage(FineTuner)
    model = stage.fit(table)
    column = table["features"].combine_chunks()
    broken = pa.concat_tables(
        [table, pa.table({"features": pa.nulls(1, column.type), "label": ["a"]}, schema=table.schema)]
    )
    with pytest.raises(DecodeError, match="FineTunedModel: column `features`, row 5"):
        model.transform(broken)
    kept = model.setHandleInvalid("keep").transform(broken)
    assert kept.slice(5).select(OUTPUTS).to_pylist() == [dict.fromkeys(OUTPUTS)]
    assert model.setHandleInvalid("skip").transform(broken).num_rows == 5
    with pytest.raises(DecodeError, match="FineTuner: column `features`, row 5"):
        stage.fit(broken)
    skipped = stage.copy({"handleInvalid": "skip"}).fit(broken)
    assert np.array_equal(skipped.weights, model.weights)


def test_a_saved_model_has_labels_history_and_weights(tmp_path: Any) -> None:
    table = photographs()
    model = FineTuner(model=backbone(), maxIter=4).fit(table)
    model.save(str(tmp_path / "model"))
    loaded = FineTunedModel.load(str(tmp_path / "model"))
    assert loaded.transform(table).equals(model.transform(table))
    assert loaded.history.equals(model.history)
    assert np.array_equal(loaded.weights, model.weights)


# -- Spark ------------------------------------------------------------------------------------------------------------


def test_spark_trains_and_scores_as_a_table_does(spark: Any) -> None:
    table = photographs(30)
    df = spark.createDataFrame(table.to_pandas()).repartition(3)
    tuner = FineTuner(model=backbone(), maxIter=6, seed=5, tol=0.0)
    local, far = tuner.fit(table), tuner.fit(df)
    assert np.abs(local.weights - far.weights).max() < 1e-3 * np.abs(local.weights).max()
    assert far.getLabels() == sorted(COLOURS)
    scored = local.transform(df)
    assert scored.columns == [
        "image",
        "label",
        "rawPrediction",
        "probability",
        "prediction",
        "predictedLabel",
    ]
    assert scored.schema["prediction"].metadata["ml_attr"]["vals"] == sorted(COLOURS)
    expected = dict(zip(table["image"].to_pylist(), local.transform(table).to_pylist(), strict=True))
    for row in scored.collect():
        one = expected[bytes(row["image"])]
        assert (row["prediction"], row["predictedLabel"]) == (one["prediction"], one["predictedLabel"])
        assert row["probability"].toArray() == pytest.approx(one["probability"], abs=1e-6)
    # The network runs once per row for all of the columns.
    plan = scored._jdf.queryExecution().sparkPlan().toString()
    assert plan.count("ArrowEvalPython [") == 1


def test_labels_on_spark_are_numbered_as_in_tables(spark: Any) -> None:
    days = [dt.date(2026, 2, 1), dt.date(2025, 1, 1)]
    moments = [np.datetime64("2026-07-01T12:30", "us"), np.datetime64("2025-01-01T00:00:00.0005", "us")]
    zone = pa.timestamp("us", "Europe/Zurich")
    for array, labels in (
        (pa.array(days * 6), ["2025-01-01", "2026-02-01"]),
        (
            pa.array(moments * 6).cast(pa.timestamp("us", "UTC")).cast(zone),
            ["2025-01-01 00:00:00.0005", "2026-07-01 12:30:00"],
        ),
    ):
        table = vectors(array)
        df = spark.createDataFrame(table.set_column(0, "x", table["x"].cast(pa.list_(pa.float64()))))
        assert tuned(df, maxIter=1, numWorkers=1).getLabels() == tuned(table, maxIter=1).getLabels() == labels


# -- errors -----------------------------------------------------------------------------------------------------------


def test_errors_of_rows_name_the_stage_and_the_column_of_the_user() -> None:
    table = vectors(["a", "b"])
    model = tuned(table, maxIter=1)
    bad = table.slice(0, 3).to_pylist()
    bad[2]["x"][1] = float("nan")
    wrong = pa.Table.from_pylist(bad, schema=table.schema)
    fails(DecodeError, r"^FineTuner: the features of column `x`, row 2 .*: has NaN", wrong)
    with pytest.raises(DecodeError, match=r"^FineTunedModel: the values of column `x`, row 2 .*: has NaN"):
        model.transform(wrong)


def exponentials(width: int) -> bytes:
    """Return a network whose output is the exponential function of each number."""
    ends = [networks.value(name, ["N", width]) for name in "py"]
    node = networks.node("Exp", ["p"], ["y"])
    return networks.network([node], [ends[0]], [ends[1]], {}).SerializeToString()


def row_error(work: Any) -> str:
    """Return the error of a stage that Spark reports."""
    with pytest.raises(Exception, match=r"mmlrs\.errors\.DecodeError|^\w+: ") as raised:
        work()
    return str(raised.value).rpartition("mmlrs.errors.DecodeError: ")[2].partition("\n")[0]


def test_errors_of_rows_on_spark_name_the_stage_that_the_user_wrote(spark: Any) -> None:
    null = 'is null; handleInvalid="skip" drops such rows'
    of_vectors = "x array<double>, label string"
    good = [[[1.0, 2.0, 3.0, 4.0], "a"], [[4.0, 3.0, 2.0, 1.0], "b"]]
    bad = spark.createDataFrame([*good, [None, "a"]], of_vectors).coalesce(1)
    tuner = FineTuner(model=sample_model(), inputCol="x", maxIter=1, numWorkers=1)
    assert row_error(lambda: tuner.fit(bad)) == f"FineTuner: column `x`, row 2 of the batch: {null}"
    scored = tuner.fit(vectors(["a", "b"])).transform(bad)  # how the model was trained does not matter
    assert row_error(scored.collect) == f"FineTunedModel: column `x`, row 2 of the batch: {null}"
    # A stage before it, even of the class that the fine tuner uses, keeps its name.
    before = ONNXModel(model=sample_model(), inputCol="x", fetchDict={"y": "scores"}, outputType="vector")
    after = tuner.copy({"inputCol": "y", "model": exponentials(3), "featureTensorName": "y"})
    assert row_error(lambda: after.fit(before.transform(bad))) == (
        f"ONNXModel: column `x`, row 2 of the batch: {null}"
    )
    kept = before.copy({"handleInvalid": "keep"}).transform(bad)
    assert row_error(lambda: after.fit(kept)) == f"FineTuner: column `y`, row 2 of the batch: {null}"

    colours = list(zip(*photographs(3).to_pydict().values(), strict=True))
    images = spark.createDataFrame([*colours, (b"no picture", "red")], "image binary, label string")
    vision = DeepVisionClassifier(backbone=backbone(), maxIter=1, numWorkers=1)
    found = row_error(lambda: vision.fit(images.coalesce(1)))
    assert found.startswith(
        "DeepVisionClassifier: column `image`, row 3 of the batch: not an image: 10 bytes"
    )

    stage, table = sample_stage(DeepTextClassifier)
    texts = spark.createDataFrame(
        [*map(tuple, map(dict.values, table.to_pylist())), (None, "a")], table.column_names
    )
    found = row_error(lambda: stage.copy({"numWorkers": 1}).fit(texts.coalesce(1)))
    assert found == f"DeepTextClassifier: column `text`, row {table.num_rows} of the batch: {null}"


def fails(kind: type[MmlrsError], words: str, table: pa.Table | None = None, **params: Any) -> None:
    with pytest.raises(kind, match=words):
        tuned(vectors(["a", "b"]) if table is None else table, **params)


def test_wrong_labels_are_one_error_each() -> None:
    where = "FineTuner: column `label`: "
    fails(DecodeError, where + "has only one class, 'a'", vectors(["a"]))
    fails(DecodeError, where + "has no value", vectors(pa.nulls(12, pa.string())), handleInvalid="skip")
    fails(
        DecodeError,
        where[:-2] + ", row 3 of the table: is null or NaN",
        vectors(pa.array(["a", "b", "a", None] * 3)),
    )
    fails(SchemaMismatchError, where + "has type list.*; a label is text", vectors([[1], [2]]))
    fails(SchemaMismatchError, where + "has type binary; a label is text", vectors([b"a", b"b"]))
    fails(
        SchemaMismatchError, where + "has type time64.*; a label is text", vectors([dt.time(1), dt.time(2)])
    )
    skipped = tuned(vectors(pa.array(["a", "b", "a", None] * 3)), handleInvalid="skip")
    assert skipped.getLabels() == ["a", "b"]


def test_wrong_networks_and_params_are_one_error_each() -> None:
    fails(
        InvalidParamError,
        "FineTuner: param `featureTensorName`: .*no tensor `featurs`.* are `scores`, .* `features`",
        featureTensorName="featurs",
    )
    two = networks.network(
        [networks.node("Add", ["p", "q"], ["y"])],
        [networks.value("p", ["N", 4]), networks.value("q", ["N", 4])],
        [networks.value("y", ["N", 4])],
        {},
    ).SerializeToString()
    fails(InvalidParamError, "FineTuner: param `model`: .* must have one input .*`p`, `q`", model=two)
    fails(InvalidParamError, "param `featureTensorName` must be set: .* `y`", model=exponentials(4))
    fails(ModelLoadError, "FineTuner: the model with SHA-256 .* is not an ONNX model", model=b"no network")
    fails(InvalidParamError, "param `hiddenLayers` must have numbers of at least 1", hiddenLayers=[4, 0])
    fails(InvalidParamError, "dropout needs batches", dropout=0.5)
    fails(InvalidParamError, "param `classWeights` must have one number .* 2 classes", classWeights=[1.0])


def test_a_network_without_a_head_has_no_weights() -> None:
    model = FineTunedModel(model=sample_model(), labels=["a", "b", "c"], inputKind="vector")
    with pytest.raises(
        InvalidParamError, match="FineTunedModel: param `model`: the network has no trained head"
    ):
        _ = model.weights
