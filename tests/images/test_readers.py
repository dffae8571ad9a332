"""Reading folders, files and archives of images."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import JPEG, PNG, WITH_BAD, archive, names, put
from pictures import colour, most_different, pixels_of
from PIL import Image

from mmlrs.errors import InvalidParamError, IoError
from mmlrs.image import (
    ImageTransformer,
    UnrollImage,
    read_binary_files,
    read_binary_stream,
    read_image_stream,
    read_images,
    readImages,
)

pytestmark = pytest.mark.spark


def plan(df: Any) -> str:
    text = io.StringIO()
    with redirect_stdout(text):
        df.explain()
    return text.getvalue()


# -- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_of_images_has_one_row_per_file(spark, tmp_path):
    folder = put(tmp_path, {"a.jpg": JPEG, "b.png": PNG})
    df = read_images(spark, folder)
    assert df.columns == ["path", "length", "content", "image"]
    first, second = sorted(df.collect(), key=lambda row: row.path)
    assert (first.path, first.length, first.content) == (f"file:{folder}/a.jpg", len(JPEG), JPEG)
    assert second.image.origin == second.path == f"file:{folder}/b.png"
    assert most_different(pixels_of(second.image), colour(20, 30)) == 0
    assert (second.image.mode, second.image.nChannels) == (16, 3)


def test_the_image_column_is_sparks_own_type(spark, tmp_path):
    from pyspark.ml.image import ImageSchema

    df = read_images(spark, put(tmp_path, {"a.jpg": JPEG}))
    ours, sparks = df.schema["image"].dataType, ImageSchema.imageSchema["image"].dataType
    assert [(f.name, f.dataType) for f in ours] == [(f.name, f.dataType) for f in sparks]


def test_a_binary_file_is_not_decoded(spark, tmp_path):
    df = read_binary_files(spark, put(tmp_path, {"a.jpg": JPEG, "b.txt": b"text"}))
    assert df.columns == ["path", "length", "content"]
    assert sorted((row.length, row.content) for row in df.collect()) == sorted(
        [(len(JPEG), JPEG), (4, b"text")]
    )


def test_folders_named_for_a_label_give_a_column(spark, photos):
    df = read_images(spark, photos)
    assert df.columns == ["path", "length", "content", "label", "image"]
    assert {(row.label, row["count"]) for row in df.groupBy("label").count().collect()} == {
        ("cat", 6),
        ("dog", 6),
    }
    assert all(f"/label={row.label}/" in row.path for row in df.select("path", "label").collect())


def test_labels_may_nest_and_hold_plain_folders(spark, tmp_path):
    folder = put(tmp_path, {"site=a/label=cat/1.jpg": JPEG, "site=b/label=dog/more/2.jpg": JPEG})
    df = read_images(spark, folder)
    found = {(row.site, row.label) for row in df.select("site", "label").collect()}
    assert found == {("a", "cat"), ("b", "dog")}


NESTED = {"1.jpg": JPEG, "a/2.jpg": JPEG, "a/b/3.jpg": JPEG, "c.d/4.jpg": JPEG}


@pytest.mark.parametrize(("recursive", "expected"), [(True, sorted(NESTED)), (False, ["1.jpg"])])
def test_plain_sub_folders_are_read_only_if_recursive(spark, tmp_path, recursive, expected):
    assert names(read_images(spark, put(tmp_path, NESTED), recursive=recursive), tmp_path) == expected


def test_a_path_may_be_a_file_a_glob_or_a_list(spark, tmp_path):
    put(tmp_path, NESTED)
    assert names(read_images(spark, f"{tmp_path}/a/2.jpg"), tmp_path) == ["a/2.jpg"]
    assert names(read_images(spark, f"{tmp_path}/*.jpg"), tmp_path) == ["1.jpg"]
    several = [f"{tmp_path}/a/b", f"{tmp_path}/c.d"]
    assert names(read_images(spark, several), tmp_path) == ["a/b/3.jpg", "c.d/4.jpg"]


def test_a_file_name_may_hold_any_character(spark, tmp_path):
    odd = ["ein Bild.jpg", "größe.jpg", "100%.jpg", "a+b&c.jpg", "plain.jpg"]
    df = read_images(spark, put(tmp_path, dict.fromkeys(odd, JPEG)))
    assert df.where("image is null").count() == 0
    assert df.count() == len(odd)


def test_an_empty_folder_gives_no_rows(spark, tmp_path):
    df = read_images(spark, str(tmp_path), error_col="why")
    assert df.columns == ["path", "length", "content", "image", "why"]
    assert df.count() == 0
    assert df.collect() == []


def test_a_folder_that_does_not_exist_is_an_error_that_names_it(spark, tmp_path):
    for reader in (read_images, read_binary_files, read_image_stream, read_binary_stream):
        with pytest.raises(IoError, match=rf"param `path` does not exist: file:{tmp_path}/nothing") as caught:
            reader(spark, f"{tmp_path}/nothing")
        assert str(caught.value).startswith(f"{reader.__name__}: param `path` ")
        assert "\n" not in str(caught.value)


def test_a_path_may_be_an_object_and_begin_at_home(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / "photos", {"a.jpg": JPEG})
    put(tmp_path / "more", {"b.jpg": JPEG})
    found = read_binary_files(spark, [tmp_path / "photos", Path("~/more")])
    assert names(found, tmp_path) == ["more/b.jpg", "photos/a.jpg"]
    assert read_image_stream(spark, Path("~/photos")).isStreaming
    with pytest.raises(InvalidParamError, match="read_images: param `path` must be a path, got int 7"):
        read_images(spark, 7)


def test_the_number_of_partitions_can_be_set(spark, photos):
    assert read_images(spark, photos, num_partitions=5).rdd.getNumPartitions() == 5
    assert read_images(spark, photos, num_partitions=5).count() == 12


@pytest.mark.parametrize("reader", [read_binary_files, read_images, read_image_stream, read_binary_stream])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sample_ratio": 1.5}, "param `sample_ratio` must be a number between 0 and 1, got 1.5"),
        ({"sample_ratio": -0.1}, "param `sample_ratio` must be a number between 0 and 1, got -0.1"),
        ({"max_bytes": 0}, "param `max_bytes` must be an integer of at least 1, got 0"),
        ({"sample_ratio": "half"}, "param `sample_ratio` must be a number between 0 and 1, got 'half'"),
    ],
)
def test_a_wrong_argument_is_named_with_its_reader(spark, tmp_path, reader, wrong, message):
    with pytest.raises(InvalidParamError) as caught:
        reader(spark, str(tmp_path), **wrong)
    assert str(caught.value) == f"{reader.__name__}: {message}"


@pytest.mark.parametrize("reader", [read_binary_files, read_images, read_image_stream, read_binary_stream])
def test_a_reader_needs_a_session(tmp_path, reader):
    message = f"{reader.__name__}: param `spark` must be a SparkSession, got NoneType; call {reader.__name__}(spark, path)"
    with pytest.raises(InvalidParamError) as caught:
        reader(None, str(tmp_path))
    assert str(caught.value) == message


# -- files that are no images -----------------------------------------------------------------------------------------


def test_a_file_that_is_no_image_is_a_row_with_a_null_image(spark, tmp_path):
    df = read_images(spark, put(tmp_path, WITH_BAD))
    assert names(df, tmp_path) == sorted(WITH_BAD)
    assert names(df.where("image is null"), tmp_path) == ["b.jpg", "c.txt", "d.txt"]
    assert df.where("content is null").count() == 0


def test_the_failures_are_counted_with_sql(spark, tmp_path):
    read_images(spark, put(tmp_path, WITH_BAD), error_col="why").createOrReplaceTempView("files_with_bad")
    counts = spark.sql(
        "SELECT split_part(why, ':', 1) AS cause, count(*) AS n FROM files_with_bad WHERE why IS NOT NULL GROUP BY 1"
    )
    assert {row.cause: row.n for row in counts.collect()} == {"not an image": 2, "truncated JPEG": 1}
    reasons = [
        row.why for row in spark.sql("SELECT why FROM files_with_bad WHERE path LIKE '%/b.jpg'").collect()
    ]
    assert len(reasons) == 1
    assert reasons[0].endswith(f"(file:{tmp_path}/b.jpg)")


def test_files_that_are_no_images_are_dropped_on_request(spark, tmp_path):
    df = read_images(spark, put(tmp_path, WITH_BAD), drop_invalid=True)
    assert names(df, tmp_path) == ["a.jpg", "e.png"]
    assert all(row.image is not None for row in df.select("image").collect())


def test_a_file_larger_than_max_bytes_has_no_content(spark, tmp_path):
    put(tmp_path, {"small.jpg": JPEG, "large.bmp": bytes(len(JPEG) + 1)})
    df = read_images(spark, str(tmp_path), max_bytes=len(JPEG), error_col="why")
    found = {row.path.rsplit("/", 1)[1]: row for row in df.collect()}
    assert found["small.jpg"].content == JPEG
    assert (found["large.bmp"].length, found["large.bmp"].content) == (len(JPEG) + 1, None)
    assert found["large.bmp"].why == (
        f"too large: {len(JPEG) + 1} bytes exceed max_bytes of {len(JPEG)} (file:{tmp_path}/large.bmp)"
    )
    assert found["small.jpg"].why is None


def test_a_file_of_no_bytes_is_left_out_as_by_every_file_source_of_spark(spark, tmp_path):
    assert names(read_images(spark, put(tmp_path, {"a.jpg": JPEG, "empty.jpg": b""})), tmp_path) == ["a.jpg"]


# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    put(folder, {f"{i:03}.bin": b"x" for i in range(200)})
    put(folder, {"all.zip": archive({f"{i:03}.bin": b"x" for i in range(200)})})
    return folder


def test_a_sample_is_the_same_in_every_run_and_another_with_another_seed(spark, many):
    first, again, other = (
        names(read_binary_files(spark, str(many), sample_ratio=0.5, seed=seed), many) for seed in (1, 1, 2)
    )
    assert first == again != other
    for found in (first, other):
        entries = [name for name in found if name.startswith("all.zip/")]
        assert 70 <= len(entries) <= 130
        assert 70 <= len(found) - len(entries) <= 130


def test_the_entries_of_an_archive_are_sampled_one_by_one(spark, many):
    df = read_binary_files(spark, f"{many}/all.zip", sample_ratio=0.25, seed=3)
    assert 25 <= len(names(df, many)) <= 75


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0), (0, 0), (1, 400), (1.0, 400)])
def test_a_sample_of_nothing_and_of_everything(spark, many, ratio, expected):
    assert read_binary_files(spark, str(many), sample_ratio=ratio).count() == expected


def test_a_larger_sample_holds_the_smaller_one(spark, many):
    small, large = (
        set(names(read_binary_files(spark, str(many), sample_ratio=ratio), many)) for ratio in (0.2, 0.6)
    )
    assert small < large


# -- archives ---------------------------------------------------------------------------------------------------------


def test_the_entries_of_an_archive_are_files_with_the_archive_in_their_path(spark, tmp_path):
    zipped = archive({"b/c.jpg": JPEG, "d.png": PNG, "e/": b"", "note.txt": b"text"})
    put(tmp_path, {"label=x/a.zip": zipped, "label=y/UPPER.ZIP": zipped, "label=x/plain.jpg": JPEG})
    df = read_images(spark, str(tmp_path), error_col="why")
    entries = ["b/c.jpg", "d.png", "note.txt"]
    assert names(df, tmp_path) == sorted(
        [
            *(f"label=x/a.zip/{e}" for e in entries),
            "label=x/plain.jpg",
            *(f"label=y/UPPER.ZIP/{e}" for e in entries),
        ]
    )
    found = {row.path: row for row in df.collect()}
    entry = found[f"file:{tmp_path}/label=x/a.zip/b/c.jpg"]
    assert (entry.label, entry.length, entry.content) == ("x", len(JPEG), JPEG)
    assert entry.image.origin == entry.path
    text = found[f"file:{tmp_path}/label=y/UPPER.ZIP/note.txt"]
    assert (text.label, text.image, text.content) == ("y", None, b"text")
    assert text.why.startswith("not an image")


def test_an_archive_may_be_read_as_the_file_it_is(spark, tmp_path):
    put(tmp_path, {"a.zip": archive({"b.jpg": JPEG}), "c.jpg": JPEG})
    df = read_binary_files(spark, str(tmp_path), inspect_zip=False)
    assert names(df, tmp_path) == ["a.zip", "c.jpg"]


def test_a_folder_of_nothing_but_archives(spark, tmp_path):
    put(tmp_path, {"a.zip": archive({"1.jpg": JPEG}), "b.zip": archive({"1.jpg": PNG, "2.jpg": JPEG})})
    df = read_images(spark, str(tmp_path))
    assert names(df, tmp_path) == ["a.zip/1.jpg", "b.zip/1.jpg", "b.zip/2.jpg"]
    assert df.where("image is null").count() == 0


def test_a_broken_archive_is_one_row_without_content(spark, tmp_path):
    put(tmp_path, {"broken.zip": b"PK is not enough", "good.zip": archive({"1.jpg": JPEG})})
    df = read_images(spark, str(tmp_path), error_col="why")
    assert names(df, tmp_path) == ["broken.zip", "good.zip/1.jpg"]
    row = df.where("path like '%broken.zip'").first()
    assert (row.content, row.image, row.length) == (None, None, 16)
    assert row.why == (
        f"damaged archive: 16 bytes that are not a zip file, or a truncated one (file:{tmp_path}/broken.zip)"
    )


def test_a_damaged_or_encrypted_entry_has_no_content_and_the_others_have(spark, tmp_path):
    noise = np.random.default_rng(1).bytes(500)
    zipped = bytearray(archive({"1.jpg": JPEG, "2.bin": noise, "3.jpg": JPEG, "4.jpg": JPEG}))
    starts = [m.start() for m in re.finditer(b"PK\3\4", zipped)]
    directory = [m.start() for m in re.finditer(b"PK\1\2", zipped)]
    zipped[starts[1] + 40 : starts[1] + 45] = b"wrong"
    zipped[starts[2] + 6] |= 1  # the flag of an encrypted entry, in both places where it stands
    zipped[directory[2] + 8] |= 1
    put(tmp_path, {"a.zip": bytes(zipped)})
    df = read_binary_files(spark, str(tmp_path), error_col="why")
    assert df.columns == ["path", "length", "content", "why"]
    found = {row.path.rsplit("/", 1)[1]: row for row in df.collect()}
    contents = {name: row.content for name, row in found.items()}
    assert contents == {"1.jpg": JPEG, "2.bin": None, "3.jpg": None, "4.jpg": JPEG}
    causes = {name: row.why and row.why.split(":")[0] for name, row in found.items()}
    assert causes == {
        "1.jpg": None,
        "2.bin": "damaged archive entry",
        "3.jpg": "encrypted archive entry",
        "4.jpg": None,
    }
    assert found["2.bin"].why.endswith(f"(file:{tmp_path}/a.zip/2.bin)")


def test_an_entry_larger_than_max_bytes_has_no_content(spark, tmp_path):
    put(tmp_path, {"a.zip": archive({"1.jpg": JPEG, "bomb.bin": bytes(5_000_000)})})
    df = read_binary_files(spark, str(tmp_path), max_bytes=1_000_000)
    found = {row.path.rsplit("/", 1)[1]: (row.length, row.content is None) for row in df.collect()}
    assert found == {"1.jpg": (len(JPEG), False), "bomb.bin": (5_000_000, True)}


# -- what is not read is not read -------------------------------------------------------------------------------------


def read_schema(df: Any) -> set[str]:
    """The columns that the scans of a plan read."""
    schemas = re.findall(r"ReadSchema: struct<([^>]*)>", plan(df))
    assert schemas
    return {column.split(":")[0] for schema in schemas for column in schema.split(",")}


def test_content_and_image_cost_nothing_until_they_are_read(spark, photos):
    df = read_images(spark, photos)
    assert read_schema(df.select("path", "label")) == {"path"}
    assert "ArrowEvalPython" not in plan(df.select("path", "label"))
    assert read_schema(df.select("path", "length")) == {"path", "length"}
    assert "ArrowEvalPython" not in plan(df.select("path", "content"))
    assert read_schema(df.select("image")) == {"path", "length", "content"}


def test_a_stage_decodes_straight_from_the_files(spark, photos):
    vectors = UnrollImage(outputCol="v").transform(
        ImageTransformer(inputCol="image", outputCol="small")
        .resize(4, 4)
        .transform(read_images(spark, photos))
    )
    assert plan(vectors.select("v")).count("ArrowEvalPython") == 1


@pytest.mark.parametrize(("alpha", "channels"), [("drop", 3), ("composite", 3), ("keep", 4)])
def test_an_alpha_channel_is_decoded_as_requested(spark, tmp_path, alpha, channels):
    pixels = np.zeros((4, 4, 4), np.uint8)  # black, and transparent
    Image.fromarray(pixels).save(tmp_path / "a.png")
    row = read_images(spark, str(tmp_path), alpha=alpha).select("image.*").first()
    assert row.nChannels == channels
    assert set(row.data[:3]) == ({255} if alpha == "composite" else {0})


def test_an_unknown_handling_of_alpha_is_an_error(spark, tmp_path):
    with pytest.raises(
        InvalidParamError, match='read_images: param `alpha` must be one of "drop", "composite"'
    ):
        read_images(spark, str(tmp_path), alpha="white")


def test_the_older_name_reads_with_the_active_session(spark, tmp_path):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert readImages(str(tmp_path), numPartition=2).count() == 1
    with pytest.raises(InvalidParamError, match="readImages: there is no param `num_partitions`"):
        readImages(str(tmp_path), num_partitions=2)
