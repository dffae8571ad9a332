"""Pictures with the answers of `ImageClassifier`, single pictures, and probabilities that are none."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from mmlrs.errors import DecodeError
from mmlrs.plot import show_images

ANSWERS = [
    [
        {"class": "n01", "description": "tabby cat", "probability": 0.75},
        {"class": "n02", "description": "dog", "probability": 0.2},
    ],
    [{"class": "n02", "description": "dog", "probability": 0.5}],
    [],
    None,
]
KIND = pa.list_(
    pa.struct([("class", pa.string()), ("description", pa.string()), ("probability", pa.float32())])
)


def picture(colour: int = 9) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), colour, np.uint8)).save(out, "PNG")
    return out.getvalue()


def classified() -> pa.Table:
    return pa.table(
        {
            "image": [picture()] * 4,
            "label": ["n01", "tabby cat", "dog", "dog"],
            "objects": pa.array(ANSWERS, KIND),
        }
    )


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


EXPECTED = ["tabby cat\ntabby cat 75%", "tabby cat\n× dog 50%", "dog\nno prediction", "dog\nno prediction"]


@pytest.mark.parametrize(
    "convert", [lambda t: t, pa.Table.to_pandas, pl.from_arrow], ids=["arrow", "pandas", "polars"]
)
def test_the_answers_of_a_classifier_are_drawn_by_description_and_percent(convert):
    figure = show_images(convert(classified()), labels="label", predictions="objects", size=2)
    assert titles(figure) == EXPECTED
    assert "1 of 4 shown wrong, 2 without" in " ".join(figure.get_supxlabel().split())


def test_an_answer_alone_and_a_given_probability_are_drawn_too():
    first = pa.array([answers[0] if answers else None for answers in ANSWERS], KIND.value_type)
    table = classified().append_column("first", first).append_column("p", pa.array([0.1, 0.2, 0.3, None]))
    assert titles(show_images(table, labels="label", predictions="first", size=2)) == EXPECTED
    figure = show_images(table, predictions="objects", probabilities="p")
    assert titles(figure)[:2] == ["tabby cat 10%", "dog 20%"]
    unnamed = pa.array([[{"class": "7", "description": None, "probability": 1.0}]], KIND)
    assert titles(show_images(pa.table({"image": [picture()], "x": unnamed}), predictions="x")) == ["7 100%"]
    assert titles(show_images([picture()], predictions=ANSWERS[:1])) == ["tabby cat 75%"]


@pytest.mark.spark
def test_answers_on_spark_are_drawn_alike(spark):
    from mmlrs.functions import classify_image

    rows = [(bytearray(picture(colour)), "ball") for colour in (9, 200)]
    df = spark.createDataFrame(rows, "image binary, label string")
    named = df.withColumn("objects", classify_image("image", topK=2)).persist()
    wanted = {
        (answer["description"], f"{answer['probability']:.0%}") for [answer, _] in named.toPandas()["objects"]
    }
    figure = show_images(named, labels="label", predictions="objects", size=4)
    drawn = {tuple(title.split("\n× ")[1].rsplit(" ", 1)) for title in titles(figure)}
    named.unpersist()
    assert drawn == wanted


def test_a_single_picture_is_drawn():
    array = np.full((5, 6, 3), 7, np.uint8)
    for one in (array, array[..., 0], picture(7), Image.fromarray(array)):
        figure = show_images(one, labels="cat", predictions="dog", probabilities=0.25)
        assert titles(figure) == ["cat\n× dog 25%"]
        assert np.asarray(figure.axes[0].images[0].get_array()).max() == 7
    assert titles(show_images(array, labels=["cat"])) == ["cat"]
    assert titles(show_images(picture(), predictions=ANSWERS[0])) == ["tabby cat 75%"]
    assert len(show_images(np.stack([array] * 3)).axes) == 3, "a batch is several pictures"


@pytest.mark.parametrize("wrong", [90.0, -0.5])
def test_a_probability_outside_0_to_1_is_told_in_one_error(wrong):
    message = rf"show_images: column `probability`, row 1: {wrong:.6g} is not a probability, which is between 0 and 1"
    with pytest.raises(DecodeError, match=message):
        show_images([picture()] * 2, predictions=["a", "b"], probabilities=[0.5, wrong])
    frame = pd.DataFrame({"image": [picture()] * 2, "p": ["a", "b"], "s": [[0.5, 0.5], [0.1, wrong]]})
    with pytest.raises(DecodeError, match="column `s`, row 1: "):
        show_images(frame, predictions="p", probabilities="s")


def test_a_rounding_error_is_no_error():
    assert titles(show_images([picture()], predictions=["a"], probabilities=[1.000001])) == ["a 100%"]
