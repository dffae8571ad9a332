"""Grids of pictures: what is drawn, marked, sampled and said."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.metrics import roc_auc_score

from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.image import ImageTransformer
from mmlrs.plot import plot_confusion_matrix, plot_importances, plot_roc, show_images
from mmlrs.plot.sample import shares

BLUE, ORANGE = "#0072b2", "#d55e00"


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def plain(colour: tuple[int, ...], height: int = 6, width: int = 8) -> bytes:
    return png(np.full((height, width, len(colour)), colour, np.uint8))


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def caption(figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def pixel(ax) -> list[int]:
    return np.asarray(ax.images[0].get_array())[0, 0].tolist()


def frame(ax) -> tuple[str, float]:
    spine = ax.spines["left"]
    return to_hex(spine.get_edgecolor()), spine.get_linewidth()


def test_wrong_predictions_are_marked_by_colour_frame_and_sign():
    pictures = [plain((255, 0, 0))] * 3
    figure = show_images(
        pictures,
        labels=["cat", "dog", "cat"],
        predictions=["cat", "cat", None],
        probabilities=[0.9, 0.6, 0.5],
    )
    assert titles(figure) == ["cat\ncat 90%", "dog\n× cat 60%", "cat\nno prediction"]
    assert [frame(ax) for ax in figure.axes] == [(BLUE, 1.0), (ORANGE, 3.0), ("#333333", 1.0)]
    assert [ax.title.get_color() for ax in figure.axes[:2]] == [BLUE.upper(), ORANGE.upper()]
    assert caption(figure) == "1 of 3 shown wrong, 1 without label or prediction"


def test_pixels_are_the_pictures_with_alpha_on_white():
    red, half = plain((255, 0, 0)), plain((255, 0, 0, 128))
    structs = ImageTransformer(inputCol="image", outputCol="out", alpha="keep").transform(
        pa.table({"image": [red, half]})
    )
    array = np.zeros((4, 5, 3), np.uint8)
    array[...] = (0, 0, 255)
    gray = plain((7, 7, 7))
    for figure in (show_images([red, half, array, gray]), show_images(structs, "out")):
        assert pixel(figure.axes[0]) == [255, 0, 0]
        assert pixel(figure.axes[1]) == pytest.approx([255, 127, 127], abs=1)
    assert pixel(show_images([array]).axes[0]) == [0, 0, 255]
    assert (
        np.asarray(show_images([np.full((3, 4), 9, np.uint8)]).axes[0].images[0].get_array()).tolist()
        == [[9] * 4] * 3
    )


def test_a_null_or_damaged_picture_is_a_gray_tile_with_its_reason():
    table = pa.table({"image": pa.array([b"junk", None, plain((0, 0, 0))], pa.binary())})
    figure = show_images(table)
    texts = [" ".join(ax.texts[0].get_text().split()) for ax in figure.axes[:2]]
    assert texts[0].startswith("not an image: 4 bytes that start with")
    assert texts[1] == "no picture: null"
    assert caption(figure) == "2 pictures cannot be shown"
    assert len(figure.axes[2].images) == 1
    mixed = show_images([plain((0, 0, 0)), 3])
    assert "got int" in " ".join(mixed.axes[1].texts[0].get_text().split())


def test_large_pictures_are_drawn_small_and_keep_their_ratio():
    figure = show_images([plain((9, 9, 9), 1000, 2000), plain((9, 9, 9), 1, 3000)], size=1)
    assert [np.asarray(ax.images[0].get_array()).shape for ax in figure.axes] == [(75, 150, 3), (1, 150, 3)]


def pictures(wrong: int, rows: int, unknown: int = 0) -> pa.Table:
    """A table in which the picture tells the row, and the last rows are wrong or have no prediction."""
    guess = [1] * (rows - wrong - unknown) + [0] * wrong + [None] * unknown
    return pa.table(
        {
            "image": [plain((row // 256, row % 256, 0), 1, 1) for row in range(rows)],
            "label": [1] * rows,
            "prediction": pa.array(guess, pa.float64()),
        }
    )


@pytest.mark.parametrize(("wrong", "shown_wrong"), [(12, 3), (0, 0), (100, 25), (1, 0)])
def test_a_sample_keeps_the_share_of_mistakes_and_the_caption_gives_the_counts(wrong, shown_wrong):
    figure = show_images(pictures(wrong, 100), labels="label", predictions="prediction", size=0.5)
    assert sum("×" in title for title in titles(figure)) == shown_wrong
    assert caption(figure) == f"{shown_wrong} of 25 shown wrong; {wrong} of 100 in all"


def test_a_sample_depends_on_the_seed_alone_and_is_in_the_order_of_the_rows():
    table = pictures(12, 100)

    def rows(data, **arguments):
        figure = show_images(
            data, labels="label", predictions="prediction", size=0.3, max_images=10, **arguments
        )
        return [pixel(ax)[1] for ax in figure.axes]

    first = rows(table)
    assert first == sorted(first)
    assert rows(table.to_pandas()) == rows(pl.from_arrow(table)) == first
    assert rows(table, seed=1) != first


def test_shares_are_rounded_by_the_largest_remainders():
    assert shares({0: 88, 1: 12}, 25) == {0: 22, 1: 3}
    assert shares({0: 1, 1: 1, -1: 1}, 2) in ({0: 1, 1: 1, -1: 0}, {0: 1, 1: 0, -1: 1}, {0: 0, 1: 1, -1: 1})
    assert shares({0: 3}, 25) == {0: 3}
    for count in range(1, 30):
        assert sum(shares({0: 17, 1: 9, -1: 4}, count).values()) == count


def test_the_probability_of_a_vector_is_that_of_the_prediction():
    table = pa.table(
        {
            "image": [plain((0, 0, 0))] * 3,
            "prediction": [0.0, 1.0, 1.0],
            "probability": [[0.3, 0.7], [0.4, 0.6], None],
        }
    )
    figure = show_images(table, predictions="prediction", probabilities="probability")
    assert titles(figure) == ["0 30%", "1 60%", "1"]


@pytest.mark.parametrize("count", [1, 2, 8, 25])
def test_titles_of_any_length_stay_within_the_figure_and_apart(count):
    names = ["a rather long name of a class" + "!" * (i % 3) for i in range(count)]
    figure = show_images(
        [plain((0, 0, 0))] * count, labels=names, predictions=names[::-1], probabilities=[0.5] * count
    )
    figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert len(boxes) == count
    for a, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 + 1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
        assert not any(box.shrunk(0.98, 0.98).overlaps(other) for other in boxes[:a])


def test_a_given_figure_is_drawn_on():
    figure = plt.figure(layout="constrained")
    left, _ = figure.subfigures(1, 2)
    assert show_images([plain((0, 0, 0))], figure=left) is left
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        (pa.table({"imgae": [b""]}), {}, ColumnNotFoundError, "show_images: column `image`: not found (did you mean `imgae`?)"),
        (pa.table({"image": [1]}), {}, SchemaMismatchError, "show_images: column `image`"),
        (pa.table({"image": pa.array([], pa.binary())}), {}, DecodeError, "the dataset has no rows"),
        ([b""], {"labels": ["a", "b"]}, InvalidParamError, "show_images: the arrays must have one length, got 1 for `image`, 2 for `label`"),
        ([b""], {"labels": "label"}, InvalidParamError, "param `labels` must be a sequence, as the pictures are, got 'label'"),
        (pa.table({"image": [b""]}), {"labels": ["a"]}, InvalidParamError, "param `labels` must be the name of a column of the dataset"),
        ("junk", {}, SchemaMismatchError, "show_images: cannot read a str"),
        ([1, 2], {}, SchemaMismatchError, "show_images: row 0: an image must be"),
        ([b""], {"columns": 0}, InvalidParamError, "param `columns` must be between 1 and 1000, got 0"),
        ([b""], {"max_images": 0}, InvalidParamError, "param `max_images` must be between 1 and 1000, got 0"),
        ([b""], {"size": 0}, InvalidParamError, "param `size` must be above 0 and at most 40 inches, got 0"),
        ([b""], {"figure": 1}, InvalidParamError, "param `figure` must be the Figure of matplotlib, got int"),
        ([b"", b""], {"labels": ["a", "b"], "predictions": [1, 2]}, SchemaMismatchError, "has numbers, but the labels"),
    ],
)  # fmt: skip
def test_a_bad_input_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        show_images(data, **arguments)
    assert message in str(caught.value)
    assert not plt.get_fignums(), "no figure is left behind"


@pytest.mark.spark
def test_a_spark_dataframe_is_drawn_like_a_table(spark):
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.linalg import Vectors
    from pyspark.sql import functions as F

    rng = np.random.default_rng(0)
    share = rng.random(60).round(2)
    rows = pd.DataFrame(
        {"label": np.where(share + rng.normal(0, 0.4, 60) > 0.5, "up", "down"), "x": share, "y": 1.0}
    )
    rows["image"] = [plain((row, 0, 0), 1, 1) for row in range(60)]
    rows["prediction"] = (share > 0.5).astype(float)
    rows["probability"] = [Vectors.dense([1 - one, one]) for one in share]
    mark = {"mmlrs": {"role": "prediction", "kind": "classification", "labels": ["down", "up"]}}
    df = spark.createDataFrame(rows)
    scored = df.withColumn("prediction", F.col("prediction").alias("prediction", metadata=mark))
    guess = np.where(share > 0.5, "up", "down")

    ax = plot_confusion_matrix(scored)
    assert np.asarray(ax.images[0].get_array()).sum() == 60
    wrong = int((guess != rows["label"]).sum())
    assert np.asarray(ax.images[0].get_array())[[0, 1], [1, 0]].sum() == wrong
    area = roc_auc_score(rows["label"] == "up", share)
    assert (
        plot_roc(scored, score_col="probability", labels=["down", "up"])
        .get_legend()
        .get_texts()[0]
        .get_text()
        == f"AUC = {area:.3f}"
    )

    arguments = {
        "labels": "label",
        "predictions": "prediction",
        "probabilities": "probability",
        "max_images": 10,
        "size": 0.5,
    }
    figure = show_images(scored, **arguments)
    assert caption(figure).endswith(f"{wrong} of 60 in all")
    for ax in figure.axes:
        row = rows.iloc[pixel(ax)[0]]
        label, prediction = ax.get_title().split("\n")
        assert label == row["label"]
        assert ("×" in prediction) == (label not in prediction)
    other = show_images(scored.repartition(3, "x"), **arguments)
    assert [pixel(ax) for ax in other.axes] == [pixel(ax) for ax in figure.axes]

    assembled = VectorAssembler(inputCols=["x", "y"], outputCol="features").transform(df)
    names = [label.get_text() for label in plot_importances([2.0, 1.0], assembled).get_yticklabels()]
    assert names == ["x", "y"]
