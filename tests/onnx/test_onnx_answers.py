"""`topKDict` and `labels` of ONNXModel: the most probable classes of an output, with their names."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from networks import network, node, value, zip_map
from onnx import TensorProto, helper

from mmlrs.errors import DecodeError, InvalidParamError, ModelLoadError
from mmlrs.onnx import ONNXModel

TABLE = pa.table({"x": [[0.0, 3.0, 1.0], [2.0, 2.0, -1.0]]})
LABELS = ["red", "green", "blue"]


def identity(shape=("N", 3), *, last: str = "Identity", meta: dict | None = None, kind=TensorProto.FLOAT):
    model = network([node(last, ["x"], ["s"])], [value("x", shape, kind)], [value("s", shape, kind)])
    if meta is not None:
        helper.set_model_props(model, {"mmlrs.image": json.dumps(meta)})
    return model


def stage(model=None, **params) -> ONNXModel:
    known = {"inputCol": "x", "outputCol": "s", "topKDict": {"s": "best"}}
    return ONNXModel(model=identity() if model is None else model, **{**known, **params})


def answers(stage: ONNXModel, table: pa.Table = TABLE) -> list:
    return stage.transform(table)["best"].to_pylist()


def names(rows: list) -> list:
    return [[answer["class"] for answer in row] for row in rows]


def softmax(row) -> np.ndarray:
    return np.exp(row) / np.exp(row).sum()


def test_the_answers_have_names_and_probabilities():
    rows = answers(stage(labels=LABELS, topK=2))
    assert names(rows) == [["green", "blue"], ["red", "green"]]
    assert rows[0][0]["description"] == "green"
    assert rows[0][0]["probability"] == pytest.approx(softmax([0, 3, 1])[1])


def test_a_k_beyond_the_classes_gives_all_of_them():
    assert [len(row) for row in answers(stage(topK=50))] == [3, 3]


def test_labels_come_from_the_metadata_and_else_are_the_numbers_of_the_classes():
    assert names(answers(stage(identity(meta={"labels": LABELS}), topK=1))) == [["green"], ["red"]]
    assert answers(stage(topK=1))[0] == [
        {"class": "1", "description": None, "probability": pytest.approx(softmax([0, 3, 1])[1])}
    ]


def test_the_activation_is_that_of_the_graph_or_of_the_param():
    assert answers(stage(identity(last="Softmax"), topK=1))[0][0]["probability"] == pytest.approx(
        softmax([0, 3, 1])[1]
    )
    assert answers(stage(activation="none", topK=1))[0][0]["probability"] == 3.0
    assert answers(stage(activation="sigmoid", topK=1))[0][0]["probability"] == pytest.approx(
        1 / (1 + np.exp(-3))
    )


def test_classes_that_the_graph_does_not_declare_are_counted_in_the_data():
    open_shape = identity(("N", "C"))
    assert names(answers(stage(open_shape, labels=LABELS, topK=1))) == [["green"], ["red"]]
    with pytest.raises(InvalidParamError, match="param `labels` has 2 names, but the network has 3 classes"):
        answers(stage(open_shape, labels=["a", "b"]))


def test_maps_answer_with_their_keys():
    model, fetch = zip_map(strings=["no", "maybe", "yes"]), {"s": "probabilities"}
    [row] = answers(
        ONNXModel(model=model, inputCol="x", fetchDict=fetch, topKDict={"s": "best"}, topK=2),
        TABLE.slice(0, 1),
    )
    assert row == [
        {"class": "maybe", "description": None, "probability": pytest.approx(softmax([0, 3, 1])[1])},
        {"class": "yes", "description": None, "probability": pytest.approx(softmax([0, 3, 1])[2])},
    ]
    with pytest.raises(InvalidParamError, match=r"param `labels` is set, but output .* has maps"):
        answers(ONNXModel(model=model, inputCol="x", fetchDict=fetch, topKDict={"s": "b"}, labels=["a"]))


def test_a_row_whose_scores_are_not_finite_is_a_bad_row():
    table = pa.table({"x": [[0.0, float("nan"), 1.0], [2.0, 2.0, -1.0]]})
    with pytest.raises(DecodeError, match="row 0 of the table: the scores `s` include NaN"):
        answers(stage(), table)
    rows = stage(handleInvalid="keep", errorCol="why").transform(table)
    assert rows["best"].is_null().to_pylist() == [True, False]
    assert "NaN" in rows["why"][0].as_py()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"labels": ["a"]}, "param `labels` has 1 name, but the network has 3 classes"),
        (
            {"labels": LABELS, "topKDict": {}},
            r"param `labels` is set, but .* set topKDict=\{\"s\": \"answers\"\}",
        ),
        ({"topK": 0}, "param `topK` must be at least 1, got 0"),
        ({"topKDict": {"best": "s"}}, r"param `topKDict` maps .* write \{\"s\": \"best\"\}"),
        ({"topKDict": {"s": "s"}}, "param `topKDict` names the new column `s` a second time"),
        (
            {"model": identity(("N", 2, 3))},
            r"param `topKDict`: output `s` has row shape \[2, 3\], not one score",
        ),
        ({"model": identity(kind=TensorProto.INT64)}, "param `topKDict`: output `s` is a .*, not floats"),
    ],
)
def test_what_does_not_fit_is_an_error_of_the_param(params, message):
    with pytest.raises(InvalidParamError, match="ONNXModel: " + message.replace("`:", "`.*")):
        answers(stage(**params))


def test_metadata_that_cannot_be_read_is_an_error():
    with pytest.raises(ModelLoadError, match=r"metadata `mmlrs.image` cannot be read: .*expected"):
        answers(stage(identity(meta={"labels": "red"})))


def test_answers_on_spark(spark):
    rows = stage(labels=LABELS, topK=1).transform(spark.createDataFrame(TABLE)).select("best").collect()
    assert [row.best[0]["class"] for row in rows] == ["green", "red"]
