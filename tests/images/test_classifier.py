"""`ImageClassifier`: names, probabilities, and what it says about labels and networks that do not fit."""

from __future__ import annotations

import json

import networks
import numpy as np
import pyarrow as pa
import pytest
from networks import network, node, value
from onnx import helper, numpy_helper

from mmlrs.errors import DecodeError, InvalidParamError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.testing import sample_image

LABELS = ["red", "green", "blue"]
TABLE = pa.table({"image": [sample_image("jpeg"), None, sample_image("png")]})


def means(last: str | None = None, meta: dict | None = None):
    """A network whose scores are the means of the channels, with an activation at the end."""
    nodes = [
        node("GlobalAveragePool", ["x"], ["pooled"]),
        node("Flatten", ["pooled"], ["scores"]),
    ]
    if last == "written softmax":
        nodes += [
            node("Exp", ["scores"], ["exponentials"]),
            node("ReduceSum", ["exponentials", "axis"], ["sum"]),
            node("Div", ["exponentials", "sum"], ["probabilities"]),
        ]
    elif last is not None:
        nodes += [node(last, ["scores"], ["probabilities"])]
    output = "scores" if last is None else "probabilities"
    weights = {"axis": np.int64([1])} if last == "written softmax" else {}
    model = network(nodes, [value("x", ["N", 3, 8, 8])], [value(output, ["N", 3])], weights)
    if meta is not None:
        helper.set_model_props(model, {"mmlrs.image": json.dumps(meta)})
    return model


def classifier(model=None, **params) -> ImageClassifier:
    known = {"outputCol": "objects", "handleInvalid": "keep", "channelNormalizationMeans": [0.0] * 3}
    plain = {"channelNormalizationStds": [0.1] * 3}
    return ImageClassifier(model=means() if model is None else model, **{**known, **plain, **params})


def answers(stage: ImageClassifier) -> list:
    return stage.transform(TABLE)["objects"].to_pylist()


def scores(model) -> np.ndarray:
    """The scores of the first row, as ImageFeaturizer returns them."""
    stage = ImageFeaturizer(
        model=model,
        outputCol="s",
        headless=False,
        channelNormalizationMeans=[0.0] * 3,
        channelNormalizationStds=[0.1] * 3,
    )
    return np.array(stage.transform(TABLE.slice(0, 1))["s"][0].as_py())


def softmax(values: np.ndarray) -> np.ndarray:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def as_list(row: list) -> list[tuple[str, float]]:
    return [(answer["description"], answer["probability"]) for answer in row]


def test_answers_are_the_largest_probabilities_with_their_names():
    first, null, third = answers(classifier(labels=LABELS, topK=2))
    expected = softmax(scores(means()))
    order = np.argsort(-expected)[:2]
    assert [name for name, _ in as_list(first)] == [LABELS[i] for i in order]
    np.testing.assert_allclose([p for _, p in as_list(first)], expected[order], rtol=1e-5)
    assert null is None
    assert len(third) == 2
    assert all(answer["class"] == answer["description"] for answer in first)


@pytest.mark.parametrize(
    ("last", "meta", "activation", "function"),
    [
        (None, None, "auto", softmax),
        ("Softmax", None, "auto", lambda s: s),
        ("Sigmoid", None, "auto", lambda s: s),
        ("written softmax", None, "auto", lambda s: s),
        ("Relu", None, "auto", softmax),
        (None, {"scores": "probabilities"}, "auto", lambda s: s),
        ("Softmax", {"scores": "logits"}, "auto", softmax),
        ("Softmax", None, "softmax", softmax),
        (None, None, "none", lambda s: s),
        (None, None, "sigmoid", lambda s: 1 / (1 + np.exp(-s))),
    ],
)
def test_the_activation_follows_from_param_metadata_and_graph(last, meta, activation, function):
    model = means(last, meta)
    first = answers(classifier(model, labels=LABELS, activation=activation))[0]
    expected = function(scores(model))
    np.testing.assert_allclose([p for _, p in as_list(first)], np.sort(expected)[::-1], rtol=1e-5)


def test_probabilities_are_recognized_behind_a_quantization():
    model = means("Softmax")
    model.graph.node.extend(
        [
            node("QuantizeLinear", ["probabilities", "scale", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "scale", "zero"], ["out"]),
        ]
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "zero"),
        ]
    )
    model.graph.output[0].name = "out"
    first = answers(classifier(model, labels=LABELS))[0]
    np.testing.assert_allclose(
        [p for _, p in as_list(first)], np.sort(softmax(scores(means())))[::-1], atol=0.003
    )


def test_scores_that_look_like_probabilities_are_doubted():
    model = means("Softmax")
    model.graph.node.append(node("Mul", ["probabilities", "one"], ["out"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    model.graph.output[0].name = "out"
    with pytest.warns(
        UserWarning, match='the outputs of the network already are probabilities.*activation="none"'
    ):
        answers(classifier(model, labels=LABELS))


def test_a_single_score_is_a_logit():
    nodes = [
        node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Unsqueeze", ["mean", "at"], ["scores"]),
    ]
    model = network(nodes, [value("x", ["N", 3, 8, 8])], [value("scores", ["N", 1])])
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "at"))
    [[answer], _, _] = answers(classifier(model, labels=["defect"]))
    [score] = scores(model)
    assert answer["probability"] == pytest.approx(1 / (1 + np.exp(-score)), rel=1e-5)
    assert answer["probability"] < 0.9999


def test_scores_that_are_not_numbers_are_a_bad_row():
    model = means()
    model.graph.node.append(node("Mul", ["scores", "nan"], ["out"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
    model.graph.output[0].name = "out"
    out = classifier(model, labels=LABELS, errorCol="why").transform(TABLE)
    assert out["objects"].null_count == 3
    assert "the network's scores include NaN or an infinity" in out["why"][0].as_py()
    with pytest.raises(DecodeError, match=r"ImageClassifier: column `image`, row 0 .* include NaN"):
        classifier(model, labels=LABELS, handleInvalid="error").transform(TABLE.slice(0, 1))


def test_more_classes_than_there_are_means_all():
    assert [len(row) for row in answers(classifier(labels=LABELS, topK=50)) if row is not None] == [3, 3]


def test_labels_come_from_the_metadata():
    model = means(meta={"labels": ["n1", "n2", "n3"], "descriptions": LABELS})
    first = answers(classifier(model))[0]
    assert {answer["class"]: answer["description"] for answer in first} == dict(
        zip(["n1", "n2", "n3"], LABELS, strict=True)
    )
    first = answers(classifier(model, labels=["a", "b", "c"]))[0]
    assert {answer["class"] for answer in first} == {"a", "b", "c"}


def test_without_labels_the_class_is_its_index():
    with pytest.warns(UserWarning, match="ImageClassifier: the model has no labels.*set labels"):
        first = answers(classifier())[0]
    assert {answer["class"] for answer in first} == {"0", "1", "2"}
    assert {answer["description"] for answer in first} == {None}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"labels": ["a", "b"]},
            "param `labels` has 2 names, but the network has 3 classes; set one name per class",
        ),
        ({"labels": []}, "param `labels` has 0 names"),
        ({"topK": 0}, "param `topK` must be at least 1, got 0"),
        ({"activation": "tanh"}, "param `activation` must be one of"),
        ({"model": networks.linear()}, "input `x` is a .* which is not a batch of images"),
        ({"outputTensorName": "none"}, "`none`"),
        ({"outputTensorName": "pooled"}, None),
    ],
)
def test_what_does_not_fit_is_one_clear_error(params, words):
    stage = classifier(**params)
    if words is None:
        assert len(answers(stage)[0]) == 3
        return
    with pytest.raises((InvalidParamError, ModelLoadError), match=f"^ImageClassifier: .*{words}"):
        stage.transform(TABLE)


def test_labels_of_the_metadata_that_do_not_fit_are_an_error():
    model = means(meta={"labels": ["a", "b"]})
    with pytest.raises(
        ModelLoadError, match="2 names of classes are known for this model, but it has 3 classes; set labels"
    ):
        classifier(model).transform(TABLE)
    assert len(answers(classifier(model, labels=LABELS))[0]) == 3


def test_an_output_with_rows_and_columns_is_not_class_scores():
    model = network(
        [node("Relu", ["x"], ["map"])], [value("x", ["N", 3, 8, 8])], [value("map", ["N", 3, 8, 8])]
    )
    with pytest.raises(
        InvalidParamError,
        match=r"`model` cannot be used: .*row shape \[3, 8, 8\], which is not that of class scores",
    ):
        classifier(model).transform(TABLE)


def test_a_bad_row_has_its_reason_and_no_answer():
    table = pa.table({"image": [b"no image", sample_image("png")]})
    out = classifier(labels=LABELS, errorCol="why").transform(table)
    assert out["objects"].is_valid().to_pylist() == [False, True]
    assert "not an image" in out["why"][0].as_py()
    skipped = classifier(labels=LABELS, handleInvalid="skip").transform(table)
    assert skipped.num_rows == 1


def test_answers_on_spark_equal_those_on_a_table(spark, tmp_path):
    stage = classifier(labels=LABELS, topK=2)
    stage.save(str(tmp_path / "saved"))
    loaded = ImageClassifier.load(str(tmp_path / "saved"))
    df = spark.createDataFrame(
        [(bytes(cell) if cell else None,) for cell in TABLE["image"].to_pylist()], "image binary"
    )
    rows = loaded.transform(df).select("objects").collect()
    found = [None if row.objects is None else [answer.asDict() for answer in row.objects] for row in rows]
    assert found == answers(stage)
    assert (
        loaded.transform(df).selectExpr("objects[0].description AS name").where("name IS NULL").count() == 1
    )
