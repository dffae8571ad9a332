"""Writing images, under names that come from data."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from folders import JPEG, PNG, WITH_BAD, put
from pictures import colour, gray, png

from mmlrs.errors import ColumnNotFoundError, InvalidParamError, IoError, SchemaMismatchError
from mmlrs.image import (
    ImageTransformer,
    read_binary_files,
    read_images,
    write_images,
)

pytestmark = pytest.mark.spark


# -- writing ----------------------------------------------------------------------------------------------------------


def test_png_files_keep_every_pixel(spark, tmp_path):
    rgba = np.dstack([colour(20, 30), np.arange(600, dtype=np.uint8).reshape(20, 30)])
    pictures = {"colour.png": colour(20, 30), "gray.png": gray(), "alpha.png": rgba}
    source = put(tmp_path / "in", {name: png(pixels) for name, pixels in pictures.items()})
    files = read_binary_files(spark, source)
    images = ImageTransformer(
        inputCol="content", originCol="path", outputCol="image", alpha="keep"
    ).transform(files)
    assert write_images(images, str(tmp_path / "out")) == 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(pictures)
    for name, pixels in pictures.items():
        assert np.array_equal(cv2.imread(str(tmp_path / "out" / name), cv2.IMREAD_UNCHANGED), pixels)


@pytest.mark.parametrize("quality", [40, 95])
def test_jpeg_files_are_as_good_as_asked_for(spark, tmp_path, quality):
    images = read_images(spark, put(tmp_path / "in", {"a.b.png": png(colour()), "gray.png": png(gray())}))
    assert write_images(images, str(tmp_path / "out"), format="jpeg", quality=quality) == 2
    for name, pixels in (("a.b.jpg", colour()), ("gray.jpg", gray())):
        read = cv2.imread(str(tmp_path / "out" / name), cv2.IMREAD_UNCHANGED)
        assert np.abs(read.astype(int) - pixels).mean() < (8 if quality == 40 else 2.5)
    assert (tmp_path / "out" / "a.b.jpg").stat().st_size < 30_000 * (1 + (quality > 50))


def test_what_was_written_reads_back(spark, photos, tmp_path):
    pictures = ImageTransformer(outputCol="small").resize(12, 16).transform(read_images(spark, photos))
    named = pictures.selectExpr("concat('label=', label, '/', md5(path)) AS name", "small", "label")
    assert write_images(named, str(tmp_path), image_col="small", name_col="name") == 12
    back = read_images(spark, str(tmp_path))
    assert back.count() == 12
    assert {row.label: row["count"] for row in back.groupBy("label").count().collect()} == {
        "cat": 6,
        "dog": 6,
    }
    written = sorted(bytes(row.small.data) for row in named.select("small").collect())
    assert sorted(bytes(row.image.data) for row in back.select("image").collect()) == written


def test_names_come_from_a_column_of_any_type(spark, tmp_path):
    images = read_images(spark, put(tmp_path / "in", {"a.jpg": JPEG, "b.jpg": JPEG}))
    numbered = images.selectExpr("image", "CASE WHEN path LIKE '%a.jpg' THEN 7 ELSE 12 END AS id")
    assert write_images(numbered, str(tmp_path / "out"), name_col="id") == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["12.png", "7.png"]


def test_null_images_are_not_written_and_nothing_half_written_stays(spark, tmp_path):
    images = read_images(spark, put(tmp_path / "in", WITH_BAD))
    assert write_images(images, f"file://{tmp_path}/out") == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "e.png"]
    assert write_images(images.where("path like '%nothing%'"), str(tmp_path / "none")) == 0


def test_images_without_origin_or_name_get_names_of_their_own(spark, tmp_path):
    images = ImageTransformer(inputCol="content", outputCol="image").transform(
        read_binary_files(spark, put(tmp_path / "in", {"a.jpg": JPEG, "b.jpg": JPEG}))
    )
    assert write_images(images, str(tmp_path / "out")) == 2
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"format": "gif"}, 'write_images: param `format` must be one of "png", "jpeg", got "gif"'),
        ({"quality": 0}, "write_images: param `quality` must be between 1 and 100, got 0"),
        ({"quality": 101}, "write_images: param `quality` must be between 1 and 100, got 101"),
    ],
)
def test_a_wrong_argument_of_write_images_is_named(spark, photos, tmp_path, wrong, message):
    with pytest.raises(InvalidParamError) as caught:
        write_images(read_images(spark, photos), str(tmp_path), **wrong)
    assert str(caught.value) == message


def test_a_column_that_is_not_there_is_named(spark, photos, tmp_path):
    with pytest.raises(
        ColumnNotFoundError, match="write_images: column `picture`: not found; the columns are `path`"
    ):
        write_images(read_images(spark, photos), str(tmp_path), image_col="picture")


def test_a_column_that_holds_no_images_is_named(spark, photos, tmp_path):
    with pytest.raises(
        SchemaMismatchError, match="write_images: column `content`: has type binary; expected an image"
    ):
        write_images(read_images(spark, photos), str(tmp_path), image_col="content")


# -- names from data --------------------------------------------------------------------------------------------------


def named(*names: str | None, origins: list[str] | None = None) -> pa.Table:
    """A table of one picture under several names."""
    origins = origins or [None] * len(names)
    contents = pa.table({"content": [PNG] * len(names), "path": pa.array(origins, pa.string())})
    images = ImageTransformer(inputCol="content", originCol="path", outputCol="image").transform(contents)
    return images.append_column("name", pa.array(names, pa.string()))


def written(folder: Path) -> list[str]:
    """The files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_table_is_written_as_a_data_frame_is(tmp_path):
    table = named("a", "b/c", "größe 100% (1)", None, origins=["x", "y", "z", "s3://photos/d.e.png"])
    for path in (
        tmp_path / "one",
        str(tmp_path / "two"),
        f"file:{tmp_path}/three",
        f"file://{tmp_path}/four",
    ):
        assert write_images(table, path, name_col="name") == 4
    for folder in ("one", "two", "three", "four"):
        assert written(tmp_path / folder) == ["a.png", "b/c.png", "d.e.png", "größe 100% (1).png"]
    assert write_images(table.to_pandas(), tmp_path / "five", format="jpeg") == 4
    assert written(tmp_path / "five") == ["d.e.jpg", "x.jpg", "y.jpg", "z.jpg"]
    nothing = table.slice(0, 0)
    assert write_images(nothing, tmp_path / "six") == 0


UNSAFE = {
    "../../escaped": "contains the part `..`",
    "a/../../escaped": "contains the part `..`",
    "..": "contains the part `..`",
    " .": "not a valid name on Windows",
    "./a": "contains the part `.`",
    "/etc/escaped": "is not a relative path",
    "~/escaped": "is not a relative path",
    "C:/escaped": "begins with a drive letter",
    "c:escaped": "begins with a drive letter",
    "..\\escaped": "contains a backslash",
    "\\\\server\\escaped": "contains a backslash",
    "a\0b": "contains a control character",
    "a\nb": "contains a control character",
    "": "is empty",
    "a//b": "contains an empty folder name",
    "a/": "contains an empty folder name",
    "CON": "is a device on Windows",
    "nul.txt": "is a device on Windows",
    "a/com1/b": "is a device on Windows",
    "x" * 300: "is too long",
    "ä" * 127: "is too long",
}


@pytest.mark.parametrize("name", UNSAFE, ids=range(len(UNSAFE)))
def test_a_name_that_leaves_the_folder_is_one_error_and_nothing_is_written(tmp_path, name):
    target = tmp_path / "x" / "y" / "out"
    with pytest.raises(InvalidParamError) as caught:
        write_images(named("good", name), target, name_col="name")
    message = str(caught.value)
    assert message.startswith("write_images: column `name`, row 1 of the batch: the name ")
    assert UNSAFE[name] in message
    assert message.endswith("use another name")
    assert written(tmp_path) == []


def test_an_origin_gives_no_name_that_leaves_the_folder(tmp_path):
    origins = ["zip/../../a.png", "C:\\photos\\b.png", "file:/x/..c.png", "plain"]
    assert write_images(named(*[None] * 4, origins=origins), tmp_path / "out") == 4
    assert written(tmp_path) == ["out/..c.png", "out/a.png", "out/b.png", "out/plain.png"]
    for origin in ("/photos/..", "/photos/CON.png", "a\0.png"):
        with pytest.raises(InvalidParamError, match=r"write_images: the image's origin .* set `name_col`"):
            write_images(named(None, origins=[origin]), tmp_path / "out")


def test_a_data_frame_has_the_same_error(spark, tmp_path):
    df = read_images(spark, put(tmp_path / "in", {"a.png": PNG})).selectExpr("image", "'../../b' AS name")
    with pytest.raises(
        Exception, match=r"column `name`, row 0 of the batch: the name '../../b' contains the part"
    ):
        write_images(df, tmp_path / "x" / "out", name_col="name")
    assert written(tmp_path) == ["in/a.png"]


def test_several_images_of_one_name_are_an_error(spark, tmp_path):
    message = r"write_images: 3 images have only 2 names; several are named `b\.png`, for example\. .* as `name_col`"
    with pytest.raises(InvalidParamError, match=message):
        write_images(named("a", "b", "b"), tmp_path / "table", name_col="name")
    put(tmp_path / "in", {"x/b.png": PNG, "y/b.png": PNG, "a.png": PNG})
    with pytest.raises(InvalidParamError, match=message):
        write_images(read_images(spark, tmp_path / "in"), tmp_path / "frame")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IoError, match=rf"write_images: {tmp_path}/file: cannot be written"):
        write_images(named("a"), tmp_path / "file", name_col="name")
