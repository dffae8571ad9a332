"""`to_onnx` of trained networks: every layer equals the native core, labels, images, compiled models, errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from trained import described, model_with, network_file, random_network, scored, values

import mmlrs
from mmlrs import _native
from mmlrs.ann import MultilayerPerceptronClassificationModel, MultilayerPerceptronClassifier
from mmlrs.ann._onnx_layers import LAYERS
from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, MissingPackageError, MmlrsError
from mmlrs.featurize import FastVectorAssembler, IndexToValue, ValueIndexer
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.onnx import ONNXModel

RNG = np.random.default_rng(17)
IMAGE = (7, 6, 3)


def layer(kind: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, **settings}


def conv(channels: int = 4, kernel: tuple[int, int] = (3, 3), **settings: Any) -> dict[str, Any]:
    return layer("convolution", channels=channels, kernel=list(kernel), **settings)


def dense(size: int) -> dict[str, Any]:
    return layer("dense", size=size)


FLATTEN = layer("flatten")
NORMAL = layer("batch_normalization")


def run(content: bytes, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of an ONNX model."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: rows}), strict=True))


def check(layers: list[dict[str, Any]], shape: tuple[int, ...], **params: Any) -> dict[str, np.ndarray]:
    """Compare the ONNX form of a network with native scoring, and return its outputs."""
    model = model_with(random_network(described(layers, shape)), **params)
    content = model.to_onnx()
    onnx.checker.check_model(content, full_check=True)
    rows = RNG.normal(size=(9, *shape)).astype(np.float32)
    got = run(content, rows.transpose(0, 3, 1, 2) if len(shape) == 3 else rows)
    for name, expected in scored(model, rows).items():
        assert got[name].shape == expected.shape
        scale = max(1.0, np.abs(expected).max())
        assert np.abs(got[name] - expected).max() <= 1e-5 * scale, name
    return got


# -- layers -----------------------------------------------------------------------------------------------------------


def test_every_layer_of_the_native_core_is_exported() -> None:
    with pytest.raises(MmlrsError) as caught:
        _native.network_info(json.dumps(described([layer("none")], [4])))
    assert set(re.findall(r"`(\w+)`", str(caught.value).split("expected one of")[1])) == set(LAYERS)


@pytest.mark.parametrize("shape", [(5,), IMAGE], ids=["vectors", "images"])
@pytest.mark.parametrize(
    "kind", ["sigmoid", "relu", "tanh", "gelu", "softmax", "dropout", "batch_normalization"]
)
def test_layers_that_keep_the_shape(kind: str, shape: tuple[int, ...]) -> None:
    settings = (
        {"rate": 0.5} if kind == "dropout" else {"epsilon": 0.25} if kind == "batch_normalization" else {}
    )
    check([layer(kind, **settings), FLATTEN, dense(3)], shape)


def test_dense_layers() -> None:
    check([dense(4)], (1,))
    check([dense(8), layer("relu"), dense(1), layer("tanh"), dense(3)], (5,))
    # No layer, or none that does anything.
    check([layer("dropout", rate=0.5)], (3,))


PADDINGS = ["valid", "same", [1, 0, 0, 2], [0, 1, 1, 0]]
WINDOWS = [((3, 3), (1, 1)), ((2, 3), (2, 2)), ((3, 2), (1, 2)), ((1, 1), (1, 1)), ((2, 2), (3, 3))]


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_windows(padding: Any) -> None:
    for kernel, stride in WINDOWS:
        if isinstance(padding, list) and max(padding) >= min(kernel):
            continue
        window = {"kernel": list(kernel), "stride": list(stride), "padding": padding}
        for layers in (
            [conv(4, **window)],
            [layer("depthwise", **window)],
            [layer("max_pooling", **window)],
            [layer("average_pooling", **window)],
        ):
            # The last one has images as its output, whose values have an order too.
            check([*layers, FLATTEN, dense(3)], IMAGE)
            check(layers, IMAGE)


def test_windows_without_a_stride_move_by_one_or_by_their_size() -> None:
    check([conv(2), layer("depthwise", kernel=[2, 2]), FLATTEN], IMAGE)
    check([layer("max_pooling", kernel=[2, 3]), layer("average_pooling", kernel=[2, 1])], IMAGE)


@pytest.mark.parametrize("shape", [(7, 6, 1), (1, 1, 5), (1, 6, 2), (6, 1, 2)], ids=str)
def test_images_with_one_channel_row_or_pixel(shape: tuple[int, ...]) -> None:
    check([conv(3, (1, 1)), layer("relu"), FLATTEN, dense(3)], shape)
    check([layer("global_pooling"), dense(3)], shape)
    check([FLATTEN, NORMAL, dense(3)], shape)


def test_residuals_with_batch_normalization() -> None:
    block = [
        conv(4, padding="same"),
        NORMAL,
        layer("relu"),
        layer("residual", layers=[layer("depthwise", kernel=[3, 3], padding="same"), NORMAL]),
    ]
    layers = [
        conv(4),
        NORMAL,
        layer("residual", layers=block),
        layer("gelu"),
        layer("global_pooling"),
        dense(3),
    ]
    check(layers, IMAGE)
    check([dense(4), layer("residual", layers=[dense(6), layer("tanh"), NORMAL, dense(4)]), dense(2)], (3,))


# -- outputs ----------------------------------------------------------------------------------------------------------


def digits() -> tuple[pa.Table, np.ndarray]:
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = (data.data / 16).astype(np.float32)
    table = pa.table(
        {"features": pa.array(list(rows.astype(np.float64))), "name": [f"digit {n}" for n in data.target]}
    )
    return ValueIndexer(inputCol="name", outputCol="label").fit(table).transform(table), rows


def test_a_trained_perceptron_comes_back_as_an_onnx_model(tmp_path: Any) -> None:
    table, rows = digits()
    model = MultilayerPerceptronClassifier(layers=[64, 32, 0], maxIter=30, seed=3, activation="relu").fit(
        table
    )
    path = tmp_path / "digits.onnx"
    content = model.to_onnx(path)
    assert path.read_bytes() == content
    expected = model.transform(table)
    stage = ONNXModel(
        model=str(path),
        fetchDict={"p": "probability", "class": "prediction"},
        topKDict={"p": "answers"},
        topK=1,
    )
    got = stage.transform(table)
    assert np.abs(mmlrs.to_numpy(got["p"]) - mmlrs.to_numpy(expected["probability"])).max() < 1e-5
    assert mmlrs.to_numpy(got["class"]).ravel().tolist() == expected["prediction"].to_pylist()
    answers = [row[0]["class"] for row in got["answers"].to_pylist()]
    labels = run(content, rows)["predictedLabel"].ravel().tolist()
    assert answers == labels
    assert np.mean(np.array(labels) == np.array(table["name"].to_pylist())) > 0.95


def test_thresholds_move_the_predictions() -> None:
    layers = [dense(3)]
    plain = check(layers, (4,))["prediction"]
    for thresholds in ([0.0, 1.0, 1.0], [0.9, 0.05, 0.2]):
        moved = check(layers, (4,), thresholds=thresholds)["prediction"]
        assert moved.tolist() != plain.tolist()
    # The first of equal classes.
    model = model_with(
        network_file(json.dumps(described([dense(3)], [2])), np.zeros(9)), thresholds=[2.0, 1.0, 1.0]
    )
    assert run(model.to_onnx(), np.zeros((1, 2), np.float32))["prediction"].tolist() == [[1.0]]


def test_columns_and_labels_name_the_outputs() -> None:
    names = {
        "featuresCol": "x",
        "probabilityCol": "p",
        "rawPredictionCol": "r",
        "predictionCol": "y",
        "labels": [True, 2, 0.5],
    }
    model = model_with(random_network(described([dense(3)], [2])), **names)
    content = model.to_onnx()
    graph = onnx.load_from_string(content).graph
    assert [item.name for item in graph.input] == ["x"]
    assert [item.name for item in graph.output] == ["p", "r", "y", "predictedLabel"]
    made = model.transform(pa.table({"x": [[0.0, 0.0]]}))
    levels = json.loads(made.schema.field("y").metadata[b"ml_attr"])["vals"]
    table = pa.table({"x": RNG.normal(size=(40, 2)).tolist()})
    answers = ONNXModel(model=content, fetchDict={"p": "p"}, topKDict={"p": "a"}, topK=3).transform(table)[
        "a"
    ]
    assert {answer["class"] for answer in answers[0].as_py()} == set(levels)
    got = run(content, np.array(table["x"].to_pylist(), np.float32))
    assert got["predictedLabel"].ravel().tolist() == [levels[int(n)] for n in got["y"].ravel()]


def test_rows_that_the_model_refuses_are_blank() -> None:
    model = model_with(random_network(described([layer("relu"), dense(2)], [2])), labels=["a", "b"])
    rows = np.array([[1, 2], [np.nan, 0], [0, -np.inf], [-1, 0]], np.float32)
    got = run(model.to_onnx(), rows)
    for name in ("probability", "rawPrediction", "prediction"):
        assert np.isnan(got[name]).all(axis=1).tolist() == [False, True, True, False]
    assert [text != "" for text in got["predictedLabel"].ravel()] == [True, False, False, True]
    pooled = model_with(
        random_network(described([layer("max_pooling", kernel=[2, 2]), FLATTEN, dense(2)], [2, 2, 1]))
    )
    image = np.array([[[[np.nan, 1], [2, 3]]], [[[0, 1], [2, 3]]]], np.float32)
    assert np.isnan(run(pooled.to_onnx(), image)["probability"]).all(axis=1).tolist() == [True, False]
    empty = run(model.to_onnx(), np.zeros((0, 2), np.float32))
    assert [values.shape for values in empty.values()] == [(0, 2), (0, 2), (0, 1), (0, 1)]


class ValueModel(MultilayerPerceptronClassificationModel):
    """A model without columns of classes."""

    def hasParam(self, paramName: str) -> bool:
        return paramName != "probabilityCol" and super().hasParam(paramName)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "sigmoid_cross_entropy"])
def test_networks_of_values_have_one_output(loss: str) -> None:
    network = random_network(described([layer("tanh"), dense(2)], [3], loss))
    rows = RNG.normal(size=(5, 3)).astype(np.float32)
    got = run(ValueModel(network=network).to_onnx(), rows)
    assert list(got) == ["prediction"]
    expected = scored(model_with(network), rows)["rawPrediction"]
    if loss == "sigmoid_cross_entropy":
        expected = 1 / (1 + np.exp(-expected))
    assert np.abs(got["prediction"] - expected).max() < 1e-5


# -- images -----------------------------------------------------------------------------------------------------------


def test_networks_for_images_run_in_the_stages_for_images() -> None:
    layers = [
        conv(4, padding="same"),
        layer("relu"),
        layer("global_pooling"),
        dense(5),
        layer("tanh"),
        dense(2),
    ]
    network = random_network(described(layers, IMAGE), scale=0.02)
    model = model_with(network, labels=["owl", "cat"])
    content = model.to_onnx()
    pixels = RNG.integers(0, 256, size=(3, *IMAGE), dtype=np.uint8)
    table = pa.table({"image": [png(image) for image in pixels]})
    answers = (
        ImageClassifier(model=content, inputCol="image", outputCol="a", topK=2)
        .transform(table)["a"]
        .to_pylist()
    )
    expected = scored(model, pixels)["probability"]
    for answer, shares in zip(answers, expected, strict=True):
        found = {item["class"]: item["probability"] for item in answer}
        assert found == pytest.approx({"owl": shares[0], "cat": shares[1]}, abs=1e-5)
    sizes = []
    for cut in (1, 2):
        stage = ImageFeaturizer(model=content, inputCol="image", outputCol="f", cutOutputLayers=cut)
        sizes.append(mmlrs.to_numpy(stage.transform(table)["f"]).shape[1])
    assert sizes == [5, 4]


def png(image: np.ndarray) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


# -- compiled models --------------------------------------------------------------------------------------------------


def test_a_chain_with_a_network_is_compiled_and_exported() -> None:
    model = model_with(
        random_network(described([dense(3), layer("relu"), dense(2)], [2])), labels=["no", "yes"]
    )
    table = pa.table({"a": [0.5, -1.0, 2.0, float("nan"), 1e300], "b": [1.0, 0.0, -2.0, 1.0, 0.0]})
    good = table.slice(0, 3)
    for last in ([], [IndexToValue(inputCol="prediction", outputCol="answer", levels=["no", "yes"])]):
        assembler = FastVectorAssembler(inputCols=["a", "b"], outputCol="features", handleInvalid="keep")
        compiled = mmlrs.compile([assembler, model, *last])
        made = compiled.transform(good)
        label = "answer" if last else "predictedLabel"
        assert made.column_names[-1] == label
        one = compiled.predict_one({"a": 0.5, "b": 1.0})
        assert one[label] == made[label][0].as_py()
        assert list(one["probabilities"]) == ["no", "yes"]
        content = compiled.to_onnx()
        onnx.checker.check_model(content, full_check=True)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        assert set(names) == {"rawPrediction", "probability", "prediction", label}
        feeds = {name: table[name].to_numpy()[:, None] for name in "ab"}
        got = dict(zip(names, session.run(names, feeds), strict=True))
        for name in ("rawPrediction", "probability", "prediction"):
            assert np.abs(got[name][:3] - values(made[name])).max() < 1e-5
            assert np.isnan(got[name][3:]).all()
        assert got[label].ravel().tolist() == [*made[label].to_pylist(), "", ""]


@pytest.mark.parametrize("size", [1, 2])
def test_a_network_of_values_in_a_chain(size: int) -> None:
    network = random_network(described([dense(size)], [3], "squared_error"))
    rows = RNG.normal(size=(5, 3))
    content = mmlrs.compile(ValueModel(network=network), outputCols=["prediction"]).to_onnx()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    [got] = session.run(["prediction"], {"features": rows})
    assert got.dtype == np.float64
    assert np.abs(got - scored(model_with(network), rows)["rawPrediction"]).max() < 1e-5


def test_a_saved_compiled_model_still_exports_its_network(tmp_path: Any) -> None:
    compiled = mmlrs.compile(small(labels=["no", "yes"]))
    compiled.save(str(tmp_path / "model"))
    program = (
        "import sys; from mmlrs.compiled import CompiledModel; "
        "sys.stdout.buffer.write(CompiledModel.load(sys.argv[1]).to_onnx())"
    )
    again = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model")], capture_output=True, check=True
    ).stdout
    assert again == compiled.to_onnx()


def test_a_network_for_images_in_a_chain_reads_vectors() -> None:
    layers = [conv(3), layer("relu"), FLATTEN, dense(3)]
    model = model_with(random_network(described(layers, (4, 3, 2))), handleInvalid="keep")
    rows = RNG.normal(size=(4, 24))
    compiled = mmlrs.compile(model, outputCols=["probability"])
    session = onnxruntime.InferenceSession(compiled.to_onnx(), providers=["CPUExecutionProvider"])
    [got] = session.run(["probability"], {"features": rows})
    assert np.abs(got - scored(model, rows)["probability"]).max() < 1e-5


def test_a_pipeline_of_spark_with_a_network_is_compiled(spark: Any) -> None:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import StringIndexerModel, VectorAssembler

    rows = [(float(i % 5), float(i % 3), "yes" if i % 2 else "no") for i in range(30)]
    frame = spark.createDataFrame(rows, "a double, b double, answer string").coalesce(1)
    fitted = PipelineModel(
        stages=[
            StringIndexerModel.from_labels(["no", "yes"], inputCol="answer", outputCol="label"),
            VectorAssembler(inputCols=["a", "b"], outputCol="features"),
            small(labels=["no", "yes"]),
        ]
    )
    compiled = mmlrs.compile(fitted)
    expected = fitted.transform(frame).select("prediction", "probability").toArrow()
    on_spark = compiled.transform(frame).select("prediction", "probability", "predictedLabel").toArrow()
    table = pa.table(dict(zip(["a", "b", "answer"], map(list, zip(*rows, strict=True)), strict=True)))
    on_table = compiled.transform(table)
    for made in (on_spark, on_table):
        for name in ("prediction", "probability"):
            assert np.array_equal(values(made[name]), values(expected[name]))
        labels = [["no", "yes"][int(number)] for number in made["prediction"].to_pylist()]
        assert made["predictedLabel"].to_pylist() == labels
    assert set(labels) == {"no", "yes"}


# -- errors -----------------------------------------------------------------------------------------------------------


def small(**params: Any) -> MultilayerPerceptronClassificationModel:
    return model_with(random_network(described([dense(2)], [2])), **params)


def test_networks_that_cannot_be_read() -> None:
    with pytest.raises(InvalidParamError, match="MultilayerPerceptronClassificationModel: param `network`"):
        MultilayerPerceptronClassificationModel().to_onnx()
    broken = network_file(json.dumps(described([dense(2)], [2])), np.zeros(5))
    with pytest.raises(InvalidParamError, match="5 parameters, but its layers have 6"):
        model_with(broken).to_onnx()


def test_names_that_are_taken() -> None:
    for params in ({"predictionCol": "predictedLabel", "labels": ["a", "b"]}, {"featuresCol": "probability"}):
        name = next(iter(params.values()))
        with pytest.raises(
            InvalidParamError, match=rf"to_onnx: `{name}` names two of the input and the outputs"
        ):
            small(**params).to_onnx()


def test_paths_that_cannot_be_written(tmp_path: Any) -> None:
    with pytest.raises(IoError, match=r"ClassificationModel: to_onnx: .*none/net\.onnx cannot be written"):
        small().to_onnx(tmp_path / "none" / "net.onnx")
    with pytest.raises(InvalidParamError, match="must be a local path"):
        small().to_onnx("s3://bucket/net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_too_large_for_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.checker, "MAXIMUM_PROTOBUF", 20)
    with pytest.raises(
        LimitExceededError, match="has 6 parameters; an ONNX file without side files holds at most 5"
    ):
        small().to_onnx()


def test_without_the_package_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    words = r'MultilayerPerceptronClassificationModel: to_onnx: onnx cannot be imported .*pip install "mmlrs\[quantize\]"'
    with pytest.raises(MissingPackageError, match=words):
        small().to_onnx()
