"""What image files say about themselves, against Pillow, and files that say it wrongly."""

# ruff: noqa: DTZ001 - the clock of a camera has no time zone
from __future__ import annotations

import datetime as dt
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from mmlrs import _native
from mmlrs.errors import MmlrsError, SchemaMismatchError
from mmlrs.image import ImageMetadata, ImageTransformer

CAMERA, GPS = 0x8769, 0x8825


def picture(kind="JPEG", exif=None, size=(40, 30), mode="RGB", **params):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(
        out, kind, **({} if exif is None else {"exif": exif}), **params
    )
    return out.getvalue()


def exif(taken=None, fraction=None, digitized=None, changed=None, gps=None, serial=None, **tags):
    block = Image.Exif()
    names = {"make": 0x010F, "model": 0x0110, "orientation": 0x0112}
    for name, value in tags.items():
        block[names[name]] = value
    camera = block.get_ifd(CAMERA)
    for tag, value in ((0x9003, taken), (0x9291, fraction), (0x9004, digitized), (0xA431, serial)):
        if value is not None:
            camera[tag] = value
    if changed is not None:
        block[0x0132] = changed
    if gps is not None:
        block.get_ifd(GPS).update(gps)
    return block


def facts(*files, **params):
    table = pa.table({"image": pa.array(files, pa.binary())})
    return ImageMetadata(outputCol="facts", **params).transform(table)["facts"].to_pylist()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA"])
def test_format_and_size_are_those_of_pillow_and_no_pixel_is_decoded(kind):
    file = picture(kind)
    before = _native.counters()["image_decodes"]
    (found,) = facts(file)
    assert _native.counters()["image_decodes"] == before
    image = Image.open(io.BytesIO(file))
    assert (found["width"], found["height"], found["bytes"]) == (*image.size, len(file))
    assert found["format"] == {"PPM": "pnm"}.get(kind, kind.lower())
    assert found["orientation"] == 1
    assert found["time"] is None


def test_the_tags_of_a_tiff_are_those_of_the_file():
    # Pillow writes no directory of the camera into TIFF files.
    (found,) = facts(picture("TIFF", exif(make="X", model="Y", changed="2024:01:02 03:04:05", orientation=3)))
    assert (found["make"], found["model"], found["orientation"]) == ("X", "Y", 3)
    assert found["time"] == dt.datetime(2024, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_facts_of_the_camera_are_those_that_pillow_wrote(kind):
    gps = {1: "S", 2: (12.0, 30.0, 36.0), 3: "W", 4: (77.0, 1.5, 0.0), 5: b"\x01", 6: 12.5}
    block = exif(
        taken="2024:05:31 18:00:59", fraction="25", digitized="2020:01:01 00:00:00", changed="2025:01:01 00:00:00",
        gps=gps, serial="H500", make="RECONYX", model="HYPERFIRE 2 COVERT with a long name", orientation=6,
    )  # fmt: skip
    (found,) = facts(picture(kind, block))
    assert found["time"] == dt.datetime(2024, 5, 31, 18, 0, 59, 250_000)
    assert (found["make"], found["model"]) == ("RECONYX", "HYPERFIRE 2 COVERT with a long name")
    assert found["serial"] == "H500"
    assert (found["latitude"], found["longitude"], found["altitude"]) == pytest.approx(
        (-12.51, -77.025, -12.5)
    )
    # The size is that of the upright image.
    assert (found["orientation"], found["height"], found["width"]) == (6, 40, 30)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"taken": "2099:12:31 23:59:59"}, dt.datetime(2099, 12, 31, 23, 59, 59)),
        ({"taken": "0000:00:00 00:00:00"}, None),
        ({"taken": "    :  :     :  :  ", "changed": "2024:01:02 03:04:05"}, dt.datetime(2024, 1, 2, 3, 4, 5)),
        ({"digitized": "2024:01:02 03:04:05", "changed": "2025:01:02 03:04:05"}, dt.datetime(2024, 1, 2, 3, 4, 5)),
        ({"taken": "2024:02:30 03:04:05", "changed": "2025:01:02 03:04:05"}, None),
        ({"taken": "2024-01-02T03:04:05Z"}, dt.datetime(2024, 1, 2, 3, 4, 5)),
        ({"taken": "yesterday"}, None),
        ({"taken": "2024:01:02 03:04:05 PM"}, None),
        ({"taken": "2024:01:02 03:04:05", "fraction": "x"}, dt.datetime(2024, 1, 2, 3, 4, 5)),
    ],
)  # fmt: skip
def test_times_that_are_odd_are_read_or_null(block, expected):
    assert facts(picture(exif=exif(**block)))[0]["time"] == expected


def test_positions_that_make_no_sense_are_null():
    for gps in (
        {2: (12.0, 0.0, 0.0), 4: (1.0, 0.0, 0.0)},  # without hemispheres
        {1: "N", 2: (92.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 3: "E"},
        {1: "X", 2: (12.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (12.0, 99.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
    ):
        (found,) = facts(picture(exif=exif(gps=gps)))
        assert found["latitude"] is None
        assert found["longitude"] is None


def test_damaged_exif_is_unknown_and_a_damaged_header_is_a_bad_row():
    file = picture(exif=exif(taken="2024:05:31 18:00:59", make="X"))
    start = file.index(b"Exif\0\0") + 6
    for place in range(start, start + 60):
        broken = file[:place] + b"\xff" + file[place + 1 :]
        (found,) = facts(broken)
        assert (found["height"], found["width"]) == (30, 40)
    flat = picture("TIFF", size=(1, 1)).replace(
        b"\x00\x01\x04\x00\x01\x00\x00\x00\x01", b"\x00\x01\x04\x00\x01\x00\x00\x00\x00", 1
    )
    assert flat != picture("TIFF", size=(1, 1))
    with pytest.raises(MmlrsError, match="TIFF: its size is 0 x 1 pixels"):
        facts(flat)
    table = pa.table({"image": [file[:200], b"<html></html>", None, file]})
    kept = ImageMetadata(outputCol="facts", handleInvalid="keep", errorCol="why").transform(table)
    assert [row is not None for row in kept["facts"].to_pylist()] == [False, False, False, True]
    why = kept["why"].to_pylist()
    assert why[0].startswith("truncated JPEG")
    assert "a web page" in why[1]
    assert why[2] == "value is null"
    with pytest.raises(MmlrsError, match="column `image`, row 1 of the table: not an image"):
        facts(file, b"<html></html>")


def test_decoded_images_have_no_header():
    decoded = ImageTransformer(outputCol="decoded").resize(8, 8).transform(pa.table({"image": [picture()]}))
    with pytest.raises(
        SchemaMismatchError,
        match="column `decoded`: has type image struct; ImageMetadata reads encoded bytes",
    ):
        ImageMetadata(inputCol="decoded").transform(decoded)


def test_pandas_and_spark_get_the_same(spark):
    block = exif(taken="2024:05:31 18:00:59", fraction="25", make="X")
    frame = pd.DataFrame({"image": [picture(exif=block), picture("PNG")]})
    stage = ImageMetadata(inputCol="image", outputCol="facts", handleInvalid="keep")
    expected = [stage.transform(pa.table({"image": [file]}))["facts"][0].as_py() for file in frame["image"]]
    assert stage.transform(frame)["facts"].tolist() == expected
    rows = stage.transform(spark.createDataFrame(frame)).select("facts.*").collect()
    assert [row.asDict() for row in rows] == expected
