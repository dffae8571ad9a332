"""What files that are no images, damaged, too large or of a rare kind get: the right picture, or one clear answer."""

from __future__ import annotations

import resource
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from pictures import colour, file, jpeg, png, table, transformed
from PIL import Image

from mmlrs.errors import ColumnNotFoundError, DecodeError, LimitExceededError, MmlrsError, SchemaMismatchError
from mmlrs.image import (
    ImageFeaturizer,
    ImageSetAugmenter,
    ImageTransformer,
    UnrollBinaryImage,
    UnrollImage,
    decode_to_tensor,
)

JPEG = jpeg(colour(120, 160))

PNG = png(colour(120, 160))

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60)

PICTURE = Image.fromarray(np.ascontiguousarray(colour(120, 160)[..., ::-1]))


def huge_jpeg() -> bytes:
    """A JPEG whose header promises 30,000 x 30,000 pixels."""
    data = bytearray(JPEG)
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    return bytes(data)


def huge_png() -> bytes:
    data = bytearray(PNG)
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def huge_bmp() -> bytes:
    data = bytearray(file(PICTURE, "BMP"))
    data[18:26] = struct.pack("<ii", 30_000, 30_000)
    return bytes(data)


def huge_gif() -> bytes:
    data = bytearray(file(PICTURE, "GIF"))
    data[6:10] = struct.pack("<HH", 30_000, 30_000)
    return bytes(data)


#: The file, the exception, and what the message says.
BAD = {
    "null": (None, DecodeError, "value is null"),
    "empty": (b"", DecodeError, "not an image: 0 bytes"),
    "one byte": (b"\xff", DecodeError, "not an image: 1 bytes that start with ff"),
    "zeros": (bytes(1000), DecodeError, "not an image: 1000 bytes that start with 00 00 00 00"),
    "text": (b"no picture at all", DecodeError, "not an image: 17 bytes"),
    "svg": (
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        DecodeError,
        "SVG image: this format is not supported",
    ),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0", DecodeError, "AVIF image: this format is not supported"),
    "heic": (
        HEIC,
        DecodeError,
        "HEIC image: this format is not supported",
    ),
    "beginning of a JPEG": (JPEG[:3], DecodeError, "truncated JPEG"),
    "header of a JPEG": (JPEG[:100], DecodeError, "truncated JPEG"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], DecodeError, "truncated JPEG"),
    "JPEG without its end": (JPEG[:-2], DecodeError, "truncated JPEG"),
    "half a progressive JPEG": (
        file(PICTURE, "JPEG", progressive=True)[:3000],
        DecodeError,
        "truncated JPEG",
    ),
    "signature of a PNG": (PNG[:8], DecodeError, "truncated PNG"),
    "half a PNG": (PNG[: len(PNG) // 2], DecodeError, "truncated PNG"),
    "damaged PNG": (PNG[:200] + bytes([PNG[200] ^ 255]) + PNG[201:], DecodeError, "PNG"),
    "half a WebP": (file(PICTURE, "WEBP")[:50], DecodeError, "truncated WEBP"),
    "half a GIF": (file(PICTURE, "GIF")[:50], DecodeError, "GIF"),
    "half a TIFF": (file(PICTURE, "TIFF")[:50], DecodeError, "truncated TIFF"),
    "half a BMP": (file(PICTURE, "BMP")[:60], DecodeError, "truncated BMP"),
    "huge JPEG": (huge_jpeg(), LimitExceededError, "30000 x 30000 pixels exceeds maxPixels of 100000000"),
    "huge PNG": (huge_png(), LimitExceededError, "30000 x 30000 pixels exceeds maxPixels of 100000000"),
    "huge BMP": (huge_bmp(), LimitExceededError, "30000 x 30000 pixels exceeds maxPixels of 100000000"),
    "huge GIF": (huge_gif(), LimitExceededError, "30000 x 30000 pixels exceeds maxPixels of 100000000"),
}

#: Every stage that reads images.
STAGES = {
    "image": ImageTransformer().resize(16, 16),
    "tensor": ImageTransformer().resize(16, 16).normalize([0.5], [0.5], 1 / 255),
    "UnrollImage": UnrollImage(),
    "UnrollBinaryImage": UnrollBinaryImage(height=8, width=8, nChannels=3),
    "ImageFeaturizer": ImageFeaturizer(),
    "ImageSetAugmenter": ImageSetAugmenter(flipLeftRight=False),
}


@pytest.fixture(params=BAD)
def bad(request):
    return BAD[request.param]


@pytest.fixture(params=STAGES)
def stage(request):
    return STAGES[request.param].copy().setInputCol("image").setOutputCol("out")


# -- one bad file -----------------------------------------------------------------------------------------------------


def test_under_error_the_message_names_stage_column_row_and_cause(stage, bad):
    data, kind, cause = bad
    with pytest.raises(kind) as caught:
        stage.transform(table(JPEG, PNG, data))
    message = str(caught.value)
    name = "ImageTransformer" if isinstance(stage, ImageSetAugmenter) else type(stage).__name__
    assert message.startswith(f"{name}: column `image`, row 2 of the table: ")
    assert cause in message


def test_under_keep_the_row_is_null_with_its_reason(stage, bad):
    data, _, cause = bad
    stage = stage.setHandleInvalid("keep").setErrorCol("why")
    made = stage.transform(table(JPEG, data, PNG, id=[1, 2, 3]))
    good, why = made["out"].is_valid().to_pylist(), made["why"].to_pylist()
    assert made["id"].to_pylist() == [1, 2, 3]
    assert good == [True, False, True]
    assert [w is None for w in why] == [True, False, True]
    assert cause in why[1]


def test_under_skip_the_row_is_dropped(stage, bad):
    made = stage.setHandleInvalid("skip").transform(
        table(bad[0], JPEG, bad[0], bad[0], PNG, bad[0], id=range(6))
    )
    assert made["id"].to_pylist() == [1, 4]
    assert made["out"].null_count == 0


def test_decode_to_tensor_names_row_and_cause(bad):
    data, kind, cause = bad
    with pytest.raises(kind, match="decode_to_tensor: row 1 of the batch: ") as caught:
        decode_to_tensor([JPEG, data], height=8, width=8)
    assert cause in str(caught.value)


def test_an_image_that_is_too_large_is_refused_before_memory_is_taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = ImageTransformer(outputCol="out", handleInvalid="keep").transform(
        table(huge_jpeg(), huge_png(), huge_bmp(), huge_gif())
    )
    assert made["out"].null_count == 4
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    )  # kilobytes; one such image is 2.7 GB


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"maxPixels": 120 * 160 - 1}, "160 x 120 pixels exceeds maxPixels of 19199"),
        ({"maxBytes": 3 * 120 * 160 - 1}, "needs 57600 bytes, more than maxBytes of 57599"),
        ({"maxBytes": 100}, f"encoded image of {len(JPEG)} bytes exceeds maxBytes of 100"),
    ],
)
def test_the_limits_can_be_set(limit, message):
    with pytest.raises(LimitExceededError) as caught:
        transformed(ImageTransformer(**limit), JPEG)
    assert message in str(caught.value)


def test_an_image_at_the_limit_is_read():
    assert transformed(ImageTransformer(maxPixels=120 * 160, maxBytes=3 * 120 * 160), JPEG).shape == (
        120,
        160,
        3,
    )


def test_an_operation_cannot_make_an_image_larger_than_the_limit():
    with pytest.raises(LimitExceededError, match=r"resize: .*30000 x 30000"):
        transformed(ImageTransformer().resize(30_000, 30_000), JPEG)


# -- where a row came from --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if stage.hasParam("originCol")])
def test_the_message_names_the_origin_column(name, bad):
    stage = STAGES[name].copy().setInputCol("image").setOutputCol("out")
    data = table(JPEG, bad[0], where=["a.jpg", "folder/b.jpg"])
    with pytest.raises(MmlrsError, match=r"column `image`, row 1 of the table \(folder/b.jpg\): "):
        stage.setOriginCol("where").transform(data)
    made = stage.setHandleInvalid("keep").setErrorCol("why").transform(data)
    assert made["why"][1].as_py().endswith("(folder/b.jpg)")


def test_the_message_names_the_path_of_a_binary_file(stage):
    files = pa.array(
        [{"path": "a.jpg", "bytes": JPEG}, {"path": "b.jpg", "bytes": b"?"}],
        pa.struct([("path", pa.string()), ("bytes", pa.binary())]),
    )
    with pytest.raises(DecodeError, match=r"row 1 of the table \(b.jpg\): not an image"):
        stage.transform(pa.table({"image": files}))


def test_the_origin_of_an_image_goes_from_stage_to_stage():
    first = ImageTransformer(originCol="path", outputCol="first").resize(10, 10)
    images = first.transform(table(JPEG, path=["a.jpg"]))
    assert images["first"][0]["origin"].as_py() == "a.jpg"
    second = ImageTransformer(inputCol="first", outputCol="second").crop(20, 20, 5, 5)
    with pytest.raises(MmlrsError, match=r"column `first`, row 0 of the table \(a.jpg\): crop"):
        second.transform(images)


# -- good and bad rows side by side -----------------------------------------------------------------------------------


def mixed() -> tuple[pa.Table, list[bool]]:
    """Every bad file between good ones of different sizes."""
    files: list[bytes | None] = []
    for i, (data, _, _) in enumerate(BAD.values()):
        files += [data, png(colour(20 + i, 30 + i))]
    return table(*files, id=range(len(files))), [False, True] * len(BAD)


def test_a_mixed_column_keeps_its_order_and_every_good_row(stage):
    data, good = mixed()
    kept = stage.copy({stage.handleInvalid: "keep", stage.errorCol: "why"}).transform(data)
    assert kept["id"].to_pylist() == list(range(len(good)))
    assert kept["out"].is_valid().to_pylist() == good
    assert kept["why"].is_null().to_pylist() == good
    skipped = stage.copy({stage.handleInvalid: "skip"}).transform(data)
    assert skipped["id"].to_pylist() == [i for i, g in enumerate(good) if g]
    assert skipped["out"].to_pylist() == [v for v, g in zip(kept["out"].to_pylist(), good) if g]


def test_the_good_rows_of_a_mixed_column_are_as_without_the_bad_ones(stage):
    data, good = mixed()
    alone = data.filter(pa.array(good))
    skipped = stage.copy({stage.handleInvalid: "skip"}).transform(data)
    assert skipped["out"].to_pylist() == stage.transform(alone)["out"].to_pylist()


def test_a_column_of_only_bad_rows_gives_only_nulls_or_nothing(stage):
    data = table(*(data for data, _, _ in BAD.values()))
    assert stage.copy({stage.handleInvalid: "keep"}).transform(data)["out"].null_count == len(BAD)
    skipped = stage.copy({stage.handleInvalid: "skip"}).transform(data)
    assert skipped.num_rows == 0
    assert skipped.schema == stage.transform(table(JPEG)).schema


def test_an_empty_table_gives_an_empty_table(stage):
    for policy in ("error", "keep", "skip"):
        made = stage.copy({stage.handleInvalid: policy}).transform(table())
        assert made.num_rows == 0
        assert made.schema == stage.transform(table(JPEG)).schema


# -- wrong columns ----------------------------------------------------------------------------------------------------


def test_a_column_without_values_and_without_a_type_is_refused_with_advice():
    with pytest.raises(
        SchemaMismatchError, match=r"column `image`: has type null; .*is the list of values empty"
    ):
        ImageFeaturizer(inputCol="image").transform(pa.table({"image": []}))


def test_a_missing_column_is_named_with_those_that_there_are(stage):
    with pytest.raises(ColumnNotFoundError) as caught:
        stage.setInputCol("picture").transform(table(JPEG, id=[1]))
    assert "column `picture`: not found; the columns are `image`, `id`" in str(caught.value)


@pytest.mark.parametrize("values", [["text"], [1], [[1, 2]], [{"a": 1}], [True]])
def test_a_column_of_another_type_is_named_with_what_is_expected(stage, values):
    with pytest.raises(SchemaMismatchError) as caught:
        stage.transform(pa.table({"image": values}))
    message = str(caught.value)
    assert "column `image`: has type " in message
    assert "reads image struct, encoded bytes, struct(path, bytes)" in message


def test_an_output_column_that_exists_is_named(stage):
    with pytest.raises(SchemaMismatchError, match="column `out` already exists"):
        stage.transform(table(JPEG, out=[1]))
    with pytest.raises(SchemaMismatchError, match="column `why` already exists"):
        stage.setErrorCol("why").transform(table(JPEG, why=[1]))


def test_an_output_and_an_error_column_of_one_name_are_an_error(stage):
    with pytest.raises(SchemaMismatchError, match="column `out`"):
        stage.setErrorCol("out").transform(table(JPEG))


IMAGE = pa.struct(
    [
        ("origin", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("nChannels", pa.int32()),
        ("mode", pa.int32()),
        ("data", pa.binary()),
    ]
)


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (("a", -1, -1, -1, -1, b""), "marked as not decodable"),
        (("a", 2, 2, 3, 16, b""), "has no pixels"),
        (("a", 2, 2, 3, 16, bytes(11)), "11"),
        (("a", 2, 2, 3, 16, bytes(13)), "13"),
        (("a", 2, 2, 2, 8, bytes(8)), "mode 8 is not supported"),
        (("a", 2, 2, 3, 21, bytes(48)), "mode 21 is not supported"),
        (("a", None, 2, 3, 16, bytes(12)), "marked as not decodable"),
        (("a", 0, 0, 3, 16, b""), "has no pixels"),
    ],
)
def test_an_image_struct_that_holds_no_image_is_a_bad_row(stage, image, cause):
    good = ("b", 1, 1, 3, 16, b"\1\2\3")
    rows = [dict(zip(IMAGE.names, row)) for row in (good, image)]
    data = pa.table({"image": pa.array(rows, IMAGE)})
    with pytest.raises(DecodeError, match=r"row 1 of the table \(a\): ") as caught:
        stage.transform(data)
    assert cause in str(caught.value)
    kept = stage.setHandleInvalid("keep").transform(data)
    assert kept["out"].is_valid().to_pylist() == [True, False]


# -- on Spark ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def frame(spark):
    data, _ = mixed()
    return spark.createDataFrame(data)


def rows(df):
    return sorted(df.collect(), key=lambda row: row.id)


@pytest.mark.spark
@pytest.mark.parametrize("name", ["image", "tensor", "UnrollImage", "ImageFeaturizer"])
def test_on_spark_a_bad_row_is_null_with_its_reason_or_dropped(frame, name):
    good = mixed()[1]
    stage = STAGES[name].copy().setInputCol("image").setOutputCol("out")
    kept = rows(
        stage.copy({stage.handleInvalid: "keep", stage.errorCol: "why"})
        .transform(frame)
        .select("id", "out", "why")
    )
    assert [row.out is not None for row in kept] == good
    causes = [cause for _, _, cause in BAD.values()]
    assert all(cause in row.why for cause, row in zip(causes, kept[::2], strict=True))
    assert all(row.why is None for row in kept[1::2])
    skipped = rows(stage.copy({stage.handleInvalid: "skip"}).transform(frame).select("id", "out"))
    assert [row.id for row in skipped] == [i for i, g in enumerate(good) if g]


@pytest.mark.spark
@pytest.mark.parametrize("name", ["image", "UnrollBinaryImage", "ImageFeaturizer"])
def test_on_spark_the_error_names_stage_column_row_origin_and_cause(spark, name):
    stage = STAGES[name].copy().setInputCol("image").setOutputCol("out")
    data = spark.createDataFrame(
        pa.table(
            {
                "image": pa.array(
                    [{"path": "a.jpg", "bytes": JPEG}, {"path": "b.jpg", "bytes": JPEG[:2000]}],
                    pa.struct([("path", pa.string()), ("bytes", pa.binary())]),
                )
            }
        )
    ).coalesce(1)
    with pytest.raises(Exception, match="truncated JPEG") as caught:
        stage.transform(data).select("out").collect()
    text = str(caught.value)
    assert (
        f"DecodeError: {type(stage).__name__}: column `image`, row 1 of the batch (b.jpg): truncated JPEG"
        in text
    )


@pytest.mark.spark
def test_on_spark_wrong_columns_are_told_before_a_job_runs(spark):
    df = spark.createDataFrame(table(JPEG, id=[1]))
    stage = ImageTransformer(inputCol="image", outputCol="out")
    with pytest.raises(
        ColumnNotFoundError, match="column `picture`: not found; the columns are `image`, `id`"
    ):
        stage.copy({stage.inputCol: "picture"}).transform(df)
    with pytest.raises(
        SchemaMismatchError, match="column `id`: has type int64; ImageTransformer reads image struct"
    ):
        stage.copy({stage.inputCol: "id"}).transform(df)
    with pytest.raises(SchemaMismatchError, match="column `id` already exists"):
        stage.copy({stage.outputCol: "id"}).transform(df)
    with pytest.raises(SchemaMismatchError, match="column `ID` already exists"):
        stage.copy({stage.outputCol: "ID"}).transform(df)


@pytest.mark.spark
@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
def test_on_spark_empty_frames_and_empty_partitions_work(spark, policy):
    df = spark.createDataFrame(table(JPEG, PNG, id=[1, 2]))
    stage = UnrollBinaryImage(outputCol="out", height=4, width=4, nChannels=3, handleInvalid=policy)
    assert stage.transform(df.limit(0)).collect() == []
    assert stage.transform(df.where("id > 5")).count() == 0
    assert [len(row.out) for row in rows(stage.transform(df.repartition(7)))] == [48, 48]


@pytest.mark.spark
def test_on_spark_sparks_own_undecodable_image_is_a_bad_row(spark, tmp_path):
    (tmp_path / "good.jpg").write_bytes(JPEG)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    read = spark.read.format("image").load(str(tmp_path))
    stage = ImageTransformer(outputCol="out", handleInvalid="keep", errorCol="why").resize(5, 5)
    found = {row.image.origin.rsplit("/", 1)[1]: row for row in stage.transform(read).collect()}
    assert found["good.jpg"].out.height == 5
    assert found["bad.jpg"].out is None
    assert "not decodable" in found["bad.jpg"].why
