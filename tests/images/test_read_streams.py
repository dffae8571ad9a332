"""Reading streams of images."""

from __future__ import annotations

import pytest
from folders import JPEG, PNG, WITH_BAD, archive, names, put

from mmlrs.image import (
    read_binary_files,
    read_binary_stream,
    read_image_stream,
    read_images,
)

pytestmark = pytest.mark.spark


def test_a_stream_reads_every_file_of_a_growing_folder_once(spark, tmp_path):
    source, checkpoint, target = (tmp_path / name for name in ("source", "checkpoint", "target"))
    put(source, {"1.jpg": JPEG, "sub/2.png": PNG, "bad.txt": b"text", "a.zip": archive({"3.jpg": JPEG})})

    def run() -> list[str]:
        stream = read_image_stream(spark, str(source), error_col="why", max_files_per_trigger=2)
        rows = stream.selectExpr("path", "image.height", "image.origin", "why")
        query = (
            rows.writeStream.format("parquet")
            .option("checkpointLocation", str(checkpoint))
            .trigger(availableNow=True)
            .start(str(target))
        )
        query.awaitTermination()
        return names(spark.read.parquet(str(target)), source)

    assert run() == ["1.jpg", "a.zip/3.jpg", "bad.txt", "sub/2.png"]
    put(source, {"4.jpg": JPEG, "sub/5.jpg": JPEG, "sub/b.zip": archive({"6.jpg": JPEG})})
    assert run() == [
        "1.jpg",
        "4.jpg",
        "a.zip/3.jpg",
        "bad.txt",
        "sub/2.png",
        "sub/5.jpg",
        "sub/b.zip/6.jpg",
    ]
    found = {row.path.rsplit("/", 1)[1]: row for row in spark.read.parquet(str(target)).collect()}
    assert (found["5.jpg"].height, found["5.jpg"].origin) == (20, found["5.jpg"].path)
    assert found["bad.txt"].why.startswith("not an image")


def test_a_stream_has_the_columns_of_the_batch_and_drops_what_is_no_image(spark, tmp_path):
    put(tmp_path / "in", WITH_BAD)
    stream = read_image_stream(spark, str(tmp_path / "in"), drop_invalid=True, sample_ratio=1.0)
    assert stream.isStreaming
    assert stream.columns == read_images(spark, str(tmp_path / "in")).columns
    query = stream.writeStream.format("memory").queryName("only_images").trigger(availableNow=True).start()
    query.awaitTermination()
    assert names(spark.table("only_images"), tmp_path / "in") == ["a.jpg", "e.png"]


def test_a_stream_gives_the_rows_of_the_batch_with_archives_labels_and_reasons(spark, tmp_path):
    source = put(
        tmp_path / "in",
        {
            "label=cat/year=1/a.jpg": JPEG,
            "label=dog/year=2/a.zip": archive({"b.jpg": JPEG, "c/d.txt": b"text", "large.bin": bytes(2000)}),
            "label=dog/year=3/broken.zip": b"PK is not enough",
        },
    )
    options = {"error_col": "why", "max_bytes": 1000}
    for name, batch, stream in (
        ("images", read_images, read_image_stream),
        ("files", read_binary_files, read_binary_stream),
    ):
        expected, made = batch(spark, source, **options), stream(spark, source, **options)
        assert made.schema == expected.schema
        query = made.writeStream.format("memory").queryName(name).trigger(availableNow=True).start()
        query.awaitTermination()
        rows = sorted(spark.table(name).collect(), key=lambda row: row.path)
        assert rows == sorted(expected.collect(), key=lambda row: row.path)
        assert len(rows) == 5
        assert {(row.label, row.year) for row in rows} == {("cat", 1), ("dog", 2), ("dog", 3)}


def test_a_stream_over_an_empty_folder_takes_its_labels_from_the_caller(spark, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    stream = read_binary_stream(spark, source, partition_schema="label string", inspect_zip=False)
    assert stream.columns == ["path", "length", "content", "label"]
    put(source, {"label=7/a.jpg": JPEG})
    query = stream.writeStream.format("memory").queryName("labels").trigger(availableNow=True).start()
    query.awaitTermination()
    assert [row.label for row in spark.table("labels").collect()] == ["7"]
