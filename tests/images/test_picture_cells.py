"""Pillow images and NumPy arrays in the cells of a table are pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pictures import colour, gray, most_different, pixels_of, png
from PIL import Image

from mmlrs.errors import SchemaMismatchError
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage, decode_to_tensor
from mmlrs.text import UnicodeNormalize

BGR = colour(24, 32)
RGB = np.ascontiguousarray(BGR[..., ::-1])
ALPHA = np.tile(np.arange(32, dtype=np.uint8) * 8, (24, 1))
PALETTE = Image.fromarray(RGB).quantize(16)
#: A cell, and the picture in OpenCV's order that it is.
CELLS = {
    "PIL RGB": (Image.fromarray(RGB), BGR),
    "PIL gray": (Image.fromarray(gray(24, 32)), gray(24, 32)),
    "PIL palette": (PALETTE, np.asarray(PALETTE.convert("RGB"))[..., ::-1]),
    "PIL bilevel": (Image.fromarray(gray(24, 32) > 99), (gray(24, 32) > 99) * np.uint8(255)),
    "PIL alpha": (Image.fromarray(np.dstack([RGB, ALPHA])), BGR),
    "PIL gray and alpha": (
        Image.merge("LA", [Image.fromarray(gray(24, 32)), Image.fromarray(ALPHA)]),
        gray(24, 32),
    ),
    "PIL 16 bits": (Image.fromarray(gray(24, 32).astype(np.uint16) * 257), gray(24, 32)),
    "NumPy RGB": (RGB, BGR),
    "NumPy not contiguous": (RGB[:, ::-1], BGR[:, ::-1]),
    "NumPy gray": (gray(24, 32), gray(24, 32)),
    "NumPy gray of three axes": (gray(24, 32)[..., None], gray(24, 32)),
    "NumPy RGBA": (np.dstack([RGB, ALPHA]), BGR),
}


def in_pandas(*cells):
    return pd.DataFrame({"image": pd.Series(list(cells), dtype=object), "id": range(len(cells))})


def in_polars(*cells):
    return pl.DataFrame({"image": pl.Series(list(cells), dtype=pl.Object), "id": range(len(cells))})


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("frame", [in_pandas, in_polars])
def test_a_cell_is_the_picture_it_shows(name, frame):
    cell, expected = CELLS[name]
    made = ImageTransformer(outputCol="out").transform(frame(cell, cell))
    assert most_different(pixels_of(made["out"][1]), expected) == 0
    assert type(made) is type(frame(cell))


def test_alpha_of_a_cell_follows_the_param():
    frame = in_pandas(CELLS["PIL alpha"][0], CELLS["NumPy RGBA"][0])
    for image in ImageTransformer(outputCol="out", alpha="keep").transform(frame)["out"]:
        assert np.array_equal(pixels_of(image), np.dstack([BGR, ALPHA]))


def test_cells_of_every_kind_stand_in_one_column_beside_missing_ones():
    frame = in_pandas(None, float("nan"), png(BGR), CELLS["PIL RGB"][0], RGB)
    made = UnrollImage(outputCol="out", handleInvalid="keep").transform(frame)["out"]
    assert [v is None for v in made] == [True, True, False, False, False]
    assert np.array_equal(made[2], made[3])
    assert np.array_equal(made[3], made[4])


def test_the_featurizer_and_decode_to_tensor_take_them():
    frame = in_pandas(Image.fromarray(RGB), RGB, png(BGR))
    vectors = np.stack(list(ImageFeaturizer(outputCol="out").transform(frame)["out"]))
    assert np.array_equal(vectors[0], vectors[1])
    assert np.array_equal(vectors[1], vectors[2])
    tensors = decode_to_tensor([Image.fromarray(RGB), RGB, png(BGR)], height=np.int64(8), width=8)
    assert np.array_equal(tensors[0], tensors[2])
    assert np.array_equal(tensors[1], tensors[2])


@pytest.mark.parametrize(
    ("cell", "cause"),
    [
        (RGB.astype(np.float32) / 255, "got float32 of shape (24, 32, 3); scale the values to 0 to 255"),
        (np.moveaxis(RGB, -1, 0), "got uint8 of shape (3, 24, 32); numpy.moveaxis(a, 0, -1)"),
        (np.zeros((2, 3, 4, 3), np.uint8), "got uint8 of shape (2, 3, 4, 3)"),
        (Image.fromarray(gray(4, 4).astype(np.float32)), "mode 'F' has no fixed range of values"),
    ],
)
@pytest.mark.parametrize("frame", [in_pandas, in_polars])
def test_what_is_no_picture_is_named_with_its_place_and_the_remedy(cell, cause, frame):
    with pytest.raises(SchemaMismatchError) as caught:
        ImageTransformer(outputCol="out").transform(frame(None, cell))
    assert str(caught.value).startswith("ImageTransformer: column `image`, row 1: a")
    assert cause in str(caught.value)


@pytest.mark.parametrize("frame", [in_pandas, in_polars])
def test_what_is_no_picture_among_pictures_is_a_bad_row_with_its_reason(frame):
    cells = ["a.png", RGB, 7, RGB.astype(np.float32), None]
    made = ImageTransformer(outputCol="out", handleInvalid="keep", errorCol="why").transform(frame(*cells))
    reasons = made["why"].to_list()
    assert [made["out"].to_list()[row] is None for row in range(5)] == [True, False, True, True, True]
    assert reasons[0] == "an image must be a Pillow image, a NumPy array or encoded bytes, got str"
    assert reasons[2].endswith("got int")
    assert "scale the values to 0 to 255" in reasons[3]
    assert reasons[4] == "value is null"
    assert all(found is cell for found, cell in zip(made["image"].to_list(), cells, strict=True))
    skipped = ImageTransformer(outputCol="out", handleInvalid="skip").transform(frame(*cells))
    assert skipped["id"].to_list() == [1]


def test_other_python_objects_in_polars_are_refused_rather_than_read_as_addresses():
    with pytest.raises(
        SchemaMismatchError, match=r"column `image`: holds values that Arrow cannot hold: set"
    ):
        ImageTransformer(outputCol="out").transform(in_polars({1}, {2}))


@pytest.mark.parametrize("frame", [in_pandas, in_polars])
@pytest.mark.parametrize("policy", ["keep", "skip"])
def test_pictures_come_back_as_the_objects_that_they_were(frame, policy):
    cells = [Image.fromarray(RGB), b"no picture", RGB]
    made = ImageTransformer(outputCol="out", handleInvalid=policy).transform(frame(*cells))
    kept = [cells[i] for i in made["id"].to_list()]
    assert len(kept) == (3 if policy == "keep" else 2)
    assert all(found is cell for found, cell in zip(made["image"].to_list(), kept, strict=True))


@pytest.mark.parametrize("frame", [in_pandas, in_polars])
def test_objects_that_no_stage_reads_need_not_be_pictures(frame):
    heights = RGB.astype(np.float32)
    made = frame(heights, None)
    word = made["id"].astype(str) if frame is in_pandas else made["id"].cast(pl.String)
    made = made.assign(word=word) if frame is in_pandas else made.with_columns(word.alias("word"))
    out = UnicodeNormalize(inputCol="word", outputCol="out").transform(made)
    assert out["image"].to_list()[0] is heights


def test_a_frame_without_pictures_is_left_alone_and_the_callers_frame_too():
    frame = in_pandas(RGB)
    ImageTransformer(outputCol="out").transform(frame)
    assert frame["image"][0] is RGB
    words = pd.DataFrame({"image": [png(BGR)], "word": ["a"], "vector": [np.zeros(3)]})
    made = ImageTransformer(outputCol="out").transform(words)
    assert made["word"].tolist() == ["a"]
    assert made["vector"][0].tolist() == [0, 0, 0]


def test_the_sizes_of_pictures_are_whole_numbers_beside_a_null_too():
    made = ImageTransformer(outputCol="out", handleInvalid="keep").transform(
        in_pandas(png(BGR), b"no picture")
    )
    assert made["out"][1] is None
    assert [type(made["out"][0][name]) for name in ("height", "width", "nChannels", "mode")] == [int] * 4
