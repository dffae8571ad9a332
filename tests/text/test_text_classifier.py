"""`TextClassifier`: trained classifiers, and models that embed texts and compare them with the labels."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from networks import network, node, value
from onnx import TensorProto, helper

from mmlrs.errors import DecodeError, InvalidParamError
from mmlrs.testing import sample_text_model, sample_tokenizer
from mmlrs.text import TextClassifier, TextEmbedder

TEXTS = ["the cat sat on the mat.", None, "a dog"]
TABLE = pa.table({"text": TEXTS})
LABELS = ["cat", "dog", "mat"]
INTEGERS = TensorProto.INT64


def answers(table: pa.Table = TABLE, **params) -> list:
    known = {"inputCol": "text", "outputCol": "topics", "handleInvalid": "keep"}
    return TextClassifier(**{**known, **params}).transform(table)["topics"].to_pylist()


def trained(output: str = "logits", meta: dict | None = None, rank: int = 2, nan: bool = False):
    """A classifier with the classes 0 and 1: the scores are the number of tokens and twice that, or NaN."""
    nodes = [
        node("Cast", ["input_ids"], ["f"], to=TensorProto.FLOAT),
        node("Sub", ["f", "f"], ["zeros"]),
        node("Add", ["zeros", "one"], ["ones"]),
        node("ReduceSum", ["ones", "axis"], ["count"], keepdims=1),
        node("Mul", ["count", "factors"], ["scores"]),
        node("Unsqueeze", ["scores", "axis"], ["spread"])
        if rank == 3
        else node("Identity", ["scores"], ["spread"]),
        node("Identity", ["spread"], [output]),
    ]
    weights = {
        "one": np.float32([1]),
        "axis": np.int64([1]),
        "factors": np.float32([[np.nan if nan else 0.1, 0.2]]),
    }
    shape = ["N", 2] if rank == 2 else ["N", "T", 2]
    model = network(nodes, [value("input_ids", ["N", "T"], INTEGERS)], [value(output, shape)], weights)
    if meta is not None:
        helper.set_model_props(model, {"mmlrs.image": json.dumps(meta)})
    return model


def of_classifier(model, **params) -> list:
    return answers(model=model, tokenizer=sample_tokenizer(), **params)


def test_zero_shot_scores_are_scaled_cosines_of_texts_and_labels():
    embedder = {"model": sample_text_model(), "tokenizer": sample_tokenizer(), "maxLength": 32}
    rows = answers(labels=LABELS, template="a {}", similarityScale=5.0, **embedder)

    def vectors(texts: list) -> np.ndarray:
        stage = TextEmbedder(inputCol="text", outputCol="v", **embedder)
        return np.array(stage.transform(pa.table({"text": texts}))["v"].to_pylist())

    scores = 5.0 * vectors([TEXTS[0], TEXTS[2]]) @ vectors([f"a {label}" for label in LABELS]).T
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert rows[1] is None
    for row, wanted in zip([rows[0], rows[2]], expected, strict=True):
        found = {answer["class"]: answer["probability"] for answer in row}
        np.testing.assert_allclose([found[label] for label in LABELS], wanted, rtol=1e-4)
        assert [answer["probability"] for answer in row] == sorted(found.values(), reverse=True)


def test_the_default_model_knows_what_texts_are_about():
    table = pa.table({"text": ["The match ended in a draw.", "Shares fell sharply.", "A faster chip."]})
    topics = ["sports", "business", "technology"]
    assert [row[0]["class"] for row in answers(table, labels=topics, topK=1)] == topics


def test_a_trained_classifier_answers_with_its_classes():
    [first, missing, _] = of_classifier(trained(), labels=["short", "long"])
    assert missing is None
    assert [answer["class"] for answer in first] == ["long", "short"]
    assert sum(answer["probability"] for answer in first) == pytest.approx(1)
    [first, *_] = of_classifier(trained("o", meta={"labels": ["short", "long"]}), topK=1)
    assert [answer["class"] for answer in first] == ["long"]
    with pytest.warns(UserWarning, match="the model has no labels"):
        [first, *_] = of_classifier(trained(), topK=1)
    assert first[0]["class"] == "1"
    assert first[0]["description"] is None


def test_scores_that_are_not_finite_are_bad_rows():
    with pytest.raises(DecodeError, match=r"row 0 of the table: .*scores include NaN"):
        answers(
            TABLE.slice(0, 1),
            handleInvalid="error",
            model=trained(nan=True),
            tokenizer=sample_tokenizer(),
            labels=["a", "b"],
        )
    assert of_classifier(trained(nan=True), labels=["a", "b"]) == [None] * 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "param `labels` must be set to the classes: the model embeds texts"),
        ({"labels": []}, "param `labels` must"),
        ({"labels": ["a"], "template": "about"}, r"param `template` must contain `\{\}`"),
        (
            {"labels": ["a"], "method": "scores"},
            "param `model` cannot be used: its output `last_hidden_state`",
        ),
        ({"labels": ["a"], "similarityScale": 0}, "param `similarityScale` must be"),
        ({"labels": ["a"], "topK": 0}, "param `topK` must be at least 1"),
        (
            {"model": trained(), "tokenizer": sample_tokenizer(), "labels": ["a"]},
            "param `labels` has 1 name, but the network has 2 classes",
        ),
        (
            {"model": trained(rank=3), "tokenizer": sample_tokenizer(), "labels": ["a", "b"]},
            "param `model` cannot be used: its output `logits` has values for every token",
        ),
        ({"model": trained(), "labels": ["a", "b"]}, "param `tokenizer` must be set"),
    ],
)
def test_what_does_not_fit_is_an_error_of_the_param(params, message):
    with pytest.raises(InvalidParamError, match="TextClassifier: " + message):
        answers(**params)


def test_a_saved_classifier_answers_the_same(tmp_path):
    path = str(tmp_path / "classifier")
    stage = TextClassifier(inputCol="text", outputCol="topics", handleInvalid="keep", labels=LABELS)
    stage.write().save(path)
    loaded = TextClassifier.load(path).transform(TABLE)["topics"].to_pylist()
    assert loaded == stage.transform(TABLE)["topics"].to_pylist()
