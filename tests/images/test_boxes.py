"""`crop` and `drawBoxes` of `ImageTransformer`, with a column of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.image import ImageTransformer, ObjectDetector
from mmlrs.stages import Explode
from mmlrs.testing import sample_detector, sample_image

SIDES = ("x", "y", "width", "height")
BOX = pa.struct([(name, pa.float64()) for name in SIDES])
FOUND = pa.list_(
    pa.struct([("label", pa.string()), ("score", pa.float32()), *((name, pa.float32()) for name in SIDES)])
)


def box(*sides: float) -> dict[str, float]:
    return dict(zip(SIDES, sides, strict=True))


def pixels(image: dict) -> NDArray[np.uint8]:
    return np.frombuffer(image["data"], np.uint8).reshape(image["height"], image["width"], image["nChannels"])


def images(stage: ImageTransformer, boxes: list, kind: pa.DataType = BOX) -> list:
    cells = [sample_image("png")] * len(boxes)
    table = pa.table({"image": pa.array(cells, pa.binary()), "box": pa.array(boxes, kind)})
    return stage.transform(table)["out"].to_pylist()


def crop(**params: Any) -> ImageTransformer:
    return ImageTransformer(inputCol="image", outputCol="out", **params).crop(boxCol="box")


@pytest.fixture(scope="module")
def whole() -> NDArray[np.uint8]:
    return pixels(images(ImageTransformer(inputCol="image", outputCol="out"), [None])[0])


def test_each_image_is_cropped_to_the_pixels_that_its_box_touches(whole):
    random = np.random.default_rng(3)
    boxes = [box(*random.uniform(-0.2, 0.9, 2), *random.uniform(0.05, 1, 2)) for _ in range(60)]
    boxes = [b for b in boxes if b["x"] + b["width"] > 0 and b["y"] + b["height"] > 0]
    for margin in (0.0, 0.25):
        stage = ImageTransformer(inputCol="image", outputCol="out").crop(boxCol="box", margin=margin)
        for part, b in zip(images(stage, boxes), boxes, strict=True):
            more = np.array([b["width"], b["height"]]) * margin
            low = (np.array([b["x"], b["y"]]) - more) * [64, 48]
            high = (np.array([b["x"] + b["width"], b["y"] + b["height"]]) + more) * [64, 48]
            (left, top), (right, bottom) = np.maximum(np.floor(low), 0).astype(int), np.ceil(high).astype(int)
            np.testing.assert_array_equal(pixels(part), whole[top:bottom, left:right])


def test_of_several_boxes_the_one_with_the_highest_score_is_taken(whole):
    def several(*scores: float | None) -> list[dict]:
        return [{"label": "a", "score": score, **box(i / 4, 0, 0.25, 1)} for i, score in enumerate(scores)]

    made = images(crop(), [several(0.1, 0.9, 0.9), several(None, 0.2), several(None, None)], FOUND)
    for part, left in zip(made, (16, 16, 0), strict=True):
        np.testing.assert_array_equal(pixels(part), whole[:, left : left + 16])


def test_boxes_may_be_floats_or_integers_of_any_width_and_of_large_lists(whole):
    whole_box = {"x": 0, "y": 0, "width": 1, "height": 1}
    for number in (pa.int8(), pa.uint64(), pa.float32(), pa.float16()):
        kind = pa.struct([(name, number) for name in SIDES])
        values = {k: np.float16(v) for k, v in whole_box.items()} if number == pa.float16() else whole_box
        np.testing.assert_array_equal(pixels(images(crop(), [values], kind)[0]), whole)
        np.testing.assert_array_equal(pixels(images(crop(), [[values]], pa.large_list(kind))[0]), whole)


def test_operations_before_and_after_a_crop_apply():
    stage = (
        ImageTransformer(inputCol="image", outputCol="out")
        .resize(96, 128)
        .crop(boxCol="box")
        .flip(1)
        .resize(8, 8)
    )
    [part] = images(stage, [box(0.5, 0.5, 0.5, 0.5)])
    assert (part["height"], part["width"]) == (8, 8)
    [tensor] = images(
        ImageTransformer(inputCol="image", outputCol="out", toTensor=True).crop(boxCol="box").resize(4, 4),
        [box(0, 0, 0.5, 0.5)],
    )
    assert np.shape(tensor) == (3, 4, 4)


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (None, "the value of column `box` is null"),
        (
            box(2, 0, 1, 1),
            "crop: the box x 2, y 0, width 1, height 1 has no pixel of the image; fractions of the image are",
        ),
        (box(0.5, 0.5, 0, 0), "has no pixel of the image"),
        (box(0, 0, -1, 1), "the box x 0, y 0, width -1, height 1 in column `box` is no rectangle"),
        (box(float("nan"), 0, 1, 1), "the box x NaN, y 0"),
        ({**box(0, 0, 1, 1), "y": None}, "a box in column `box` is null"),
    ],
)
def test_a_bad_box_makes_a_bad_row(bad, cause):
    with pytest.raises(
        DecodeError, match=f"^ImageTransformer: column `image`, row 1 of the table: .*{cause}"
    ):
        images(crop(), [box(0, 0, 1, 1), bad])
    assert [part is None for part in images(crop(handleInvalid="keep"), [bad, box(0, 0, 1, 1)])] == [
        True,
        False,
    ]


def test_an_image_without_boxes_is_a_bad_row_of_a_crop_and_unchanged_by_drawing(whole):
    with pytest.raises(DecodeError, match="the list of boxes in column `box` is empty"):
        images(crop(), [[]], FOUND)
    draw = ImageTransformer(inputCol="image", outputCol="out").drawBoxes("box")
    np.testing.assert_array_equal(pixels(images(draw, [[]], FOUND)[0]), whole)
    with pytest.raises(DecodeError, match="the value of column `box` is null"):
        images(draw, [None], FOUND)
    # The image is null before its box is.
    table = pa.table({"image": pa.array([None], pa.binary()), "box": pa.array([None], BOX)})
    with pytest.raises(DecodeError, match="row 0 of the table: value is null"):
        draw.transform(table)


def test_boxes_are_drawn_with_their_labels(whole):
    found = [{"label": "cat", "score": 0.94, **box(0.25, 0.5, 0.5, 0.25)}]
    stage = ImageTransformer(inputCol="image", outputCol="out")
    plain = pixels(images(stage.copy().drawBoxes("box", labels=False, color=[1, 2, 250]), [found], FOUND)[0])
    frame = np.zeros((48, 64), bool)
    frame[24:36, 16:48] = True
    frame[25:35, 17:47] = False
    assert (plain[frame] == [1, 2, 250]).all()
    np.testing.assert_array_equal(plain[~frame], whole[~frame])
    labelled = pixels(images(stage.copy().drawBoxes("box"), [found], FOUND)[0])
    assert (labelled[~frame] != whole[~frame]).any()
    np.testing.assert_array_equal(labelled[37:], whole[37:])
    assert (labelled == pixels(images(stage.copy().drawBoxes("box"), [found], FOUND)[0])).all()
    [unnamed] = images(stage.copy().drawBoxes("box", thickness=3), [box(0.25, 0.5, 0.5, 0.25)])
    assert (pixels(unnamed) != whole).any(axis=2).sum() > frame.sum()


def test_a_gray_image_is_drawn_on_in_colour():
    stage = ImageTransformer(inputCol="image", outputCol="out").colorFormat("gray").drawBoxes("box")
    [drawn] = images(stage, [box(0, 0, 1, 1)])
    assert drawn["nChannels"] == 3


def test_objects_that_were_found_become_pictures_of_their_own():
    table = pa.table({"id": [1, 2], "image": [sample_image("png"), sample_image("jpeg")]})
    objects = ObjectDetector(inputCol="image", outputCol="objects", model=sample_detector()).transform(table)
    single = Explode(inputCol="objects", outputCol="object").transform(objects)
    parts = ImageTransformer(inputCol="image", outputCol="part").crop(boxCol="object").transform(single)
    sizes = [(row["id"], row["part"]["height"], row["part"]["width"]) for row in parts.to_pylist()]
    assert sizes == [(1, 16, 24), (1, 12, 20), (2, 16, 24), (2, 12, 20)]


@pytest.mark.parametrize(
    ("stages", "params", "error", "cause"),
    [
        (
            [{"action": "crop"}],
            {},
            InvalidParamError,
            r"item 0 \(`crop`\): needs a box .* set boxCol .*, or give x, y, height",
        ),
        (
            [{"action": "drawBoxes"}],
            {},
            InvalidParamError,
            r"item 0 \(`drawBoxes`\): needs a box for each image; set boxCol",
        ),
        ([{"action": "crop", "x": 1}], {"boxCol": "box"}, InvalidParamError, "argument `y` is missing"),
        (
            [{"action": "crop", "margin": -1}],
            {"boxCol": "box"},
            InvalidParamError,
            "argument `margin` must be between 0 and 10",
        ),
        (
            [{"action": "crop", "x": 1, "y": 1, "height": 1, "width": 1, "margin": 1}],
            {},
            InvalidParamError,
            "`margin`",
        ),
        (
            [{"action": "drawBoxes", "color": [1, 2]}],
            {"boxCol": "box"},
            InvalidParamError,
            "`color` must be three numbers",
        ),
        (
            [{"action": "drawBoxes", "color": [1, 2, 256]}],
            {"boxCol": "box"},
            InvalidParamError,
            "`color` must be three numbers",
        ),
        ([{"action": "crop"}], {"boxCol": "boxes"}, ColumnNotFoundError, "column `boxes`"),
        (
            [{"action": "crop"}],
            {"boxCol": "image"},
            SchemaMismatchError,
            "column `image`: must hold boxes: structs with the",
        ),
        ([], {"boxCol": "image"}, SchemaMismatchError, "column `image`: must hold boxes"),
    ],
)
def test_wrong_params_are_named(stages, params, error, cause):
    with pytest.raises(error, match=cause):
        images(
            ImageTransformer(inputCol="image", outputCol="out", stages=stages, **params), [box(0, 0, 1, 1)]
        )


def test_null_and_empty_lists_without_a_type_are_no_boxes(whole):
    """As in a table of pandas without any object."""
    draw = ImageTransformer(inputCol="image", outputCol="out", handleInvalid="keep").drawBoxes("box")
    [drawn] = images(draw, [[]], pa.list_(pa.null()))
    np.testing.assert_array_equal(pixels(drawn), whole)
    assert images(draw, [None], pa.null()) == [None]
    assert images(crop(handleInvalid="keep"), [[]], pa.large_list(pa.null())) == [None]


def test_boxes_in_pixels_are_bad_rows():
    for stage in (crop(), ImageTransformer(inputCol="image", outputCol="out").drawBoxes("box")):
        with pytest.raises(
            DecodeError,
            match="is no rectangle in fractions of the image; divide pixels by its width and height",
        ):
            images(stage, [box(10, 10, 20, 20)])


def test_a_stage_has_one_column_of_boxes():
    stage = ImageTransformer(inputCol="image", outputCol="out").crop(boxCol="a")
    with pytest.raises(
        InvalidParamError,
        match=r"drawBoxes: param `boxCol` is already 'a', .* use a second ImageTransformer for 'b'",
    ):
        stage.drawBoxes("b")
    assert stage.drawBoxes("a").getBoxCol() == "a"


def test_a_column_of_boxes_without_use_is_noted():
    with pytest.warns(
        UserWarning, match="param `boxCol` is not used: no operation crops to a box or draws boxes"
    ):
        images(ImageTransformer(inputCol="image", outputCol="out", boxCol="box"), [box(0, 0, 1, 1)])


@pytest.mark.spark
def test_stages_of_a_pipeline_crop_in_one_pass(spark, whole):
    from plans import passes
    from pyspark.ml import PipelineModel

    schema = "image binary, boxes array<struct<label: string, score: double, x: double, y: double, width: double, height: double>>"
    boxes = [("cat", 0.5, 0.5, 0.0, 0.5, 1.0), ("dog", 0.9, 0.0, 0.0, 0.5, 1.0)]
    df = spark.createDataFrame([(bytearray(sample_image("png")), boxes)], schema)
    stages = [
        ImageTransformer(inputCol="image", outputCol="left").crop(boxCol="boxes"),
        ImageTransformer(inputCol="left", outputCol="out").crop(boxCol="boxes"),
    ]
    made = PipelineModel(stages).transform(df)
    assert passes(made) == 1
    # The box is a fraction of the image that it crops.
    np.testing.assert_array_equal(pixels(made.first().out.asDict()), whole[:, :16])
