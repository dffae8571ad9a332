"""What files that are no images, damaged, too large or of a rare kind get: the right picture, or one clear answer."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import zlib

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pictures import colour, file, gray, jpeg, most_different, pixels_of, png, table, transformed
from PIL import Image, ImageOps

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
        "SVG image: this format is not decoded",
    ),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0", DecodeError, "AVIF image: this format is not decoded"),
    "heic": (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
        DecodeError,
        "HEIC image: this format is not decoded",
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
        (("a", 2, 2, 3, 16, b""), "holds no pixels"),
        (("a", 2, 2, 3, 16, bytes(11)), "11"),
        (("a", 2, 2, 3, 16, bytes(13)), "13"),
        (("a", 2, 2, 2, 8, bytes(8)), "mode 8 is not supported"),
        (("a", 2, 2, 3, 21, bytes(48)), "mode 21 is not supported"),
        (("a", None, 2, 3, 16, bytes(12)), "marked as not decodable"),
        (("a", 0, 0, 3, 16, b""), "holds no pixels"),
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


# -- rare kinds of files ----------------------------------------------------------------------------------------------


def bgr(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))[..., ::-1]


@pytest.mark.parametrize("options", [{"quality": 100, "subsampling": 0}, {"quality": 90}])
def test_a_cmyk_jpeg_has_the_right_colours(options):
    encoded = file(PICTURE.convert("CMYK"), "JPEG", **options)
    made = transformed(ImageTransformer(), encoded)
    with Image.open(io.BytesIO(encoded)) as opened:
        assert opened.mode == "CMYK"
        assert most_different(made, bgr(opened)) <= 2
    assert np.abs(made.astype(int) - bgr(PICTURE)).mean() < 6


def test_a_cmyk_jpeg_has_the_right_colours_in_a_tensor_too():
    encoded = file(PICTURE.convert("CMYK"), "JPEG", quality=95)
    (made,) = decode_to_tensor([encoded], height=120, width=160, means=(0, 0, 0), stds=(1, 1, 1), scale=1.0)
    assert np.abs(made[::-1].transpose(1, 2, 0) - transformed(ImageTransformer(), encoded)).max() < 1


def test_of_16_bits_the_high_ones_stay_as_in_opencv():
    values = (np.arange(120 * 160 * 3, dtype=np.uint32).reshape(120, 160, 3) * 7919 % 65536).astype(np.uint16)
    for pixels, flag in ((values, cv2.IMREAD_COLOR), (values[..., 0], cv2.IMREAD_GRAYSCALE)):
        made = transformed(ImageTransformer(), png(pixels))
        assert np.array_equal(made, pixels >> 8)
        assert np.array_equal(made, cv2.imdecode(np.frombuffer(png(pixels), np.uint8), flag))


@pytest.mark.parametrize("colours", [2, 16, 256])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_a_palette_is_expanded(colours, kind):
    picture = PICTURE.quantize(colours)
    assert picture.mode == "P"
    assert np.array_equal(transformed(ImageTransformer(), file(picture, kind)), bgr(picture))


def test_a_picture_of_one_bit_is_gray():
    picture = PICTURE.convert("1")
    made = transformed(ImageTransformer(), file(picture, "PNG"))
    assert np.array_equal(made, np.asarray(picture) * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_gray_picture_stays_one_channel_unless_colour_is_asked_for(kind):
    encoded = file(Image.fromarray(gray()), kind)
    made = transformed(ImageTransformer(), encoded)
    assert made.ndim == 2
    assert np.array_equal(
        transformed(ImageTransformer(autoConvertToColor=True), encoded), np.stack([made] * 3, axis=-1)
    )


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha.astype(float) / 255
    return values * share + 255 * (1 - share)


def with_alpha(mode: str) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """A picture with alpha, its values in OpenCV's order, and its alpha."""
    alpha = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
    picture = PICTURE.convert("RGB" if mode == "RGBA" else "L")
    values = np.asarray(picture)
    picture.putalpha(Image.fromarray(alpha))
    assert picture.mode == mode
    return picture, values[..., ::-1] if mode == "RGBA" else values, alpha


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("RGBA", "TIFF"), ("LA", "PNG")])
def test_alpha_is_dropped_composited_or_kept(mode, kind):
    picture, values, alpha = with_alpha(mode)
    encoded = file(picture, kind)
    assert np.array_equal(transformed(ImageTransformer(), encoded), values)
    composite = transformed(ImageTransformer(alpha="composite"), encoded)
    expected = over_white(values, alpha if mode == "LA" else alpha[..., None])
    assert composite.shape == values.shape
    assert np.abs(composite - expected).max() <= 0.51
    colours = values if mode == "RGBA" else np.stack([values] * 3, axis=-1)
    assert np.array_equal(transformed(ImageTransformer(alpha="keep"), encoded), np.dstack([colours, alpha]))


def test_alpha_of_16_bits_is_kept():
    _, values, alpha = with_alpha("RGBA")
    wide = (np.dstack([values, alpha]).astype(np.uint16) << 8) + 77
    assert np.array_equal(transformed(ImageTransformer(alpha="keep"), png(wide)), np.dstack([values, alpha]))


def test_a_palette_with_a_transparent_colour_has_an_alpha_channel():
    picture = PICTURE.quantize(16)
    made = transformed(ImageTransformer(alpha="keep"), file(picture, "PNG", transparency=3))
    assert np.array_equal(made[..., 3] == 0, np.asarray(picture) == 3)


def test_a_lossless_webp_equals_its_picture():
    assert np.array_equal(transformed(ImageTransformer(), file(PICTURE, "WEBP", lossless=True)), bgr(PICTURE))
    picture, values, alpha = with_alpha("RGBA")
    encoded = file(picture, "WEBP", lossless=True, exact=True)
    assert np.array_equal(transformed(ImageTransformer(alpha="keep"), encoded), np.dstack([values, alpha]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("PPM", {}),
        ("QOI", {}),
        ("ICO", {"sizes": [(160, 120)], "bitmap_format": "bmp"}),
        ("PNG", {"compress_level": 0}),
    ],
)
def test_a_lossless_file_of_another_kind_equals_its_picture(kind, options):
    assert np.array_equal(transformed(ImageTransformer(), file(PICTURE, kind, **options)), bgr(PICTURE))


def test_a_gif_is_its_first_frame():
    frames = [PICTURE.quantize(16), PICTURE.rotate(180).quantize(16)]
    encoded = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(transformed(ImageTransformer(), encoded), bgr(frames[0]))


def test_a_progressive_jpeg_equals_opencvs():
    encoded = file(PICTURE, "JPEG", progressive=True)
    expected = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(transformed(ImageTransformer(), encoded), expected)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm():
    assert np.array_equal(
        transformed(ImageTransformer(), JPEG + bytes(100)), transformed(ImageTransformer(), JPEG)
    )


# -- kinds of TIFF -----------------------------------------------------------------------------------------------------


def tiff(
    pixels: np.ndarray, sample_format: int, *, photometric: int = 1, **more: tuple[int, list[int]]
) -> bytes:
    """An uncompressed TIFF of one strip, whatever the type of the samples; `more` are tags as (type, values)."""
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    height, width = pixels.shape[:2]
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [pixels.dtype.itemsize * 8]), 259: (3, [1]), 262: (3, [photometric]),
        273: (4, [8]), 277: (3, [1 if pixels.ndim == 2 else pixels.shape[2]]), 278: (4, [height]), 279: (4, [len(data)]),
        339: (3, [sample_format]),
    }  # fmt: skip
    tags |= {int(name[1:]): value for name, value in more.items()}
    entries = b"".join(
        struct.pack("<HHI", tag, kind, len(values))
        + struct.pack("<I" if kind == 4 else "<HH", *values, *[0] * (kind == 3))
        for tag, (kind, values) in sorted(tags.items())
    )
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def pillow(encoded: bytes) -> np.ndarray:
    """What Pillow reads, gray where it is gray, else B, G, R."""
    with Image.open(io.BytesIO(encoded)) as opened:
        if opened.mode in ("1", "L", "LA", "I", "F", "I;16"):
            return np.asarray(opened.convert("L"))
        return bgr(opened)


GRAY = Image.fromarray(gray(45, 67))
BILEVEL = GRAY.convert("1")
TIFFS = {
    "palette of 256": (file(PICTURE.quantize(256), "TIFF"), 0),
    "palette of 16": (file(PICTURE.quantize(16), "TIFF"), 0),
    "palette, LZW": (file(PICTURE.quantize(256), "TIFF", compression="tiff_lzw"), 0),
    "YCbCr": (file(PICTURE.convert("YCbCr"), "TIFF"), 1),
    "YCbCr as JPEG": (file(PICTURE.convert("YCbCr"), "TIFF", compression="jpeg", quality=95), 6),
    "RGB as JPEG": (file(PICTURE, "TIFF", compression="jpeg", quality=95), 6),
    "CMYK": (file(PICTURE.convert("CMYK"), "TIFF"), 1),
    "bilevel": (file(BILEVEL, "TIFF"), 0),
    "group 3": (file(BILEVEL, "TIFF", compression="group3"), 0),
    "group 3, two-dimensional": (file(BILEVEL, "TIFF", compression="group3", tiffinfo={292: 1}), 0),
    "group 3, filled lines": (file(BILEVEL, "TIFF", compression="group3", tiffinfo={292: 4}), 0),
    "group 3, bits reversed": (file(BILEVEL, "TIFF", compression="group3", tiffinfo={266: 2}), 0),
    "group 3, several strips": (file(BILEVEL, "TIFF", compression="group3", tiffinfo={278: 7}), 0),
    "runs without ends of lines": (file(BILEVEL, "TIFF", compression="tiff_ccitt"), 0),
    "group 4": (file(BILEVEL, "TIFF", compression="group4"), 0),
    "group 4, bits reversed": (file(BILEVEL, "TIFF", compression="group4", tiffinfo={266: 2}), 0),
    "zstd": (file(PICTURE, "TIFF", compression="zstd"), 0),
    "BigTIFF": (file(PICTURE, "TIFF", big_tiff=True), 0),
    "BigTIFF, palette": (file(PICTURE.quantize(256), "TIFF", big_tiff=True), 0),
    "white is zero": (tiff(gray(9, 8), 1, photometric=0), 0),
    "signed 8": (tiff(gray(9, 8).view(np.int8), 2), 0),
    "signed 16": (tiff(gray(9, 8).astype(np.int16) * 3 - 200, 2), 0),
    "signed 32": (tiff(gray(9, 8).astype(np.int32) * 3 - 200, 2), 0),
    "float": (tiff(gray(9, 8).astype(np.float32) * 1.7 - 50.3, 3), 0),
}


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_of_any_kind_equals_what_pillow_reads(name):
    encoded, tolerance = TIFFS[name]
    made, expected = transformed(ImageTransformer(), encoded), pillow(encoded)
    assert made.shape == expected.shape
    assert most_different(made, expected) <= tolerance


def test_of_a_tiff_of_16_bits_the_high_ones_stay():
    values = (np.arange(12 * 16, dtype=np.uint32).reshape(12, 16) * 7919 % 65536).astype(np.uint16)
    made = transformed(ImageTransformer(), tiff(values, 1))
    assert np.array_equal(made, values >> 8)
    assert np.array_equal(made, cv2.imdecode(np.frombuffer(tiff(values, 1), np.uint8), cv2.IMREAD_GRAYSCALE))


def test_a_float_that_is_no_number_is_black():
    values = np.float32([[np.nan, -np.inf, np.inf, 0.5, 254.9]])
    assert transformed(ImageTransformer(), tiff(values, 3)).tolist() == [[0, 0, 255, 0, 254]]


def test_gray_with_alpha_and_premultiplied_alpha_in_a_tiff():
    picture, values, alpha = with_alpha("LA")
    encoded = file(picture, "TIFF")
    assert np.array_equal(transformed(ImageTransformer(), encoded), values)
    kept = transformed(ImageTransformer(alpha="keep"), encoded)
    assert np.array_equal(kept, np.dstack([values] * 3 + [alpha]))
    half = np.array([[[100, 50, 0, 128]]], np.uint8)
    encoded = tiff(half, 1, photometric=2, t338=(3, [1]))
    assert np.array_equal(transformed(ImageTransformer(), encoded), pillow(encoded))
    assert transformed(ImageTransformer(), encoded).tolist() == [[[0, 99, 199]]]


@pytest.mark.parametrize("name", TIFFS)
def test_a_damaged_tiff_is_a_bad_row_or_a_picture(name):
    encoded = TIFFS[name][0]
    rng = np.random.default_rng(5)
    files = [encoded[:n] for n in rng.integers(0, len(encoded), 12)]
    for _ in range(24):
        damaged = bytearray(encoded)
        for place in rng.integers(0, len(encoded), 3):
            damaged[place] = rng.integers(0, 256)
        files.append(bytes(damaged))
    stage = ImageTransformer(outputCol="out", handleInvalid="keep", errorCol="why", maxPixels=1_000_000)
    made = stage.transform(table(*files))
    assert made["out"].is_valid().to_pylist() == made["why"].is_null().to_pylist()
    assert made["out"].null_count > 0


# -- formats that are not decoded --------------------------------------------------------------------------------------


def test_the_reason_counts_by_the_name_of_the_format():
    jpeg_ls = b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\0\0"
    files = {
        "HEIC image": BAD["heic"][0],
        "AVIF image": file(PICTURE, "AVIF"),
        "JPEG 2000 image": file(PICTURE, "JPEG2000"),
        "JPEG XL image": b"\xff\x0a" + bytes(40),
        "JPEG-LS image": jpeg_ls,
        "PSD image": b"8BPS\0\1" + bytes(40),
        "SVG image": b"<?xml version='1.0'?><svg/>",
        "not an image": b"<!DOCTYPE html><html></html>",
        "value is null": None,
    }
    stage = ImageTransformer(outputCol="out", handleInvalid="keep", errorCol="why")
    reasons = stage.transform(table(*files.values()))["why"].to_pylist()
    assert [reason.split(":")[0] for reason in reasons] == list(files)
    assert all(
        "convert it" in reason or "render it" in reason or "export it" in reason for reason in reasons[:7]
    )
    assert "a web page (HTML)" in reasons[7]


@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}])
def test_a_tga_is_read_with_and_without_its_signature(options):
    encoded = file(PICTURE, "TGA", **options)
    for data in (encoded, encoded.removesuffix(b"\0" * 8 + b"TRUEVISION-XFILE.\0")):
        assert np.array_equal(transformed(ImageTransformer(), data), bgr(PICTURE))


# -- orientation ------------------------------------------------------------------------------------------------------


def oriented(orientation: int, kind: str) -> tuple[bytes, np.ndarray]:
    """A file with an EXIF orientation, and the picture as Pillow turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = file(PICTURE, kind, exif=exif)
    with Image.open(io.BytesIO(encoded)) as opened:
        return encoded, bgr(ImageOps.exif_transpose(opened))


def exif(value: int, *, kind: int = 3, count: int = 1, order: str = "<", tag: int = 0x0112) -> bytes:
    """An EXIF block of one entry whose values, where they have no room in it, lie behind it."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    values = struct.pack(f"{order}{count}{ {1: 'B', 3: 'H', 4: 'I'}[kind] }", *[value] + [1] * (count - 1))
    entry = struct.pack(f"{order}HHHI", 1, tag, kind, count)
    inline = values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", 26)
    return b"Exif\0\0" + head + entry + inline + bytes(4) + (values if len(values) > 4 else b"")


def app1(*blocks: bytes) -> bytes:
    """The JPEG with these blocks in front."""
    plain = file(PICTURE, "JPEG")
    return plain[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(b) + 2) + b for b in blocks) + plain[2:]


XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.mark.parametrize(
    "encoded",
    {
        "short": app1(exif(6)),
        "big-endian": app1(exif(6, order=">")),
        "long": app1(exif(6, kind=4)),
        "long, big-endian": app1(exif(6, kind=4, order=">")),
        "count 2": app1(exif(6, count=2)),
        "longs, count 2": app1(exif(6, kind=4, count=2, order=">")),
        "first of two blocks": app1(exif(6), exif(1)),
        "first of two, the second without": app1(exif(6), exif(9, tag=0x0100)),
        "behind an XMP packet": app1(XMP % 1, exif(6)),
        "only in XMP": app1(XMP % 6),
    }.items(),
    ids=lambda item: item[0],
)
def test_an_orientation_is_applied_however_it_is_written(encoded):
    data = encoded[1]
    warned = pytest.warns(match="too many entries") if "count 2" in encoded[0] else contextlib.nullcontext()
    with warned, Image.open(io.BytesIO(data)) as opened:
        upright = bgr(ImageOps.exif_transpose(opened))
    assert upright.shape == (160, 120, 3)
    assert np.array_equal(transformed(ImageTransformer(), data), upright)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_webp_and_tiff_are_turned_upright(kind):
    block = Image.Exif()
    block[0x0112] = 6
    encoded = file(PICTURE, kind, exif=block, lossless=True)
    upright = np.rot90(bgr(PICTURE), -1)
    assert np.array_equal(transformed(ImageTransformer(), encoded), upright)
    assert np.array_equal(transformed(ImageTransformer(applyExifOrientation=False), encoded), bgr(PICTURE))


def test_a_png_says_its_orientation_before_or_behind_its_pixels():
    plain = file(PICTURE, "PNG")
    block = exif(6)[6:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    for place in (33, len(plain) - 12):
        encoded = plain[:place] + chunk + plain[place:]
        assert np.array_equal(transformed(ImageTransformer(), encoded), np.rot90(bgr(PICTURE), -1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_is_turned_upright(orientation, kind):
    encoded, upright = oriented(orientation, kind)
    assert upright.shape == ((160, 120, 3) if orientation >= 5 else (120, 160, 3))
    assert np.array_equal(transformed(ImageTransformer(), encoded), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("scaled", [True, False])
def test_a_picture_is_turned_upright_on_the_way_to_a_tensor(orientation, scaled):
    encoded, upright = oriented(orientation, "JPEG")
    plain = {"height": 40, "width": 32, "means": (0, 0, 0), "stds": (1, 1, 1), "scale": 1.0}
    (made,) = decode_to_tensor([encoded], **plain, scaled_decode=scaled)
    expected = cv2.resize(upright.astype(np.float32), (32, 40), interpolation=cv2.INTER_AREA)
    assert np.abs(made[::-1].transpose(1, 2, 0) - expected).mean() < 2
    for turn in (np.rot90(expected, 2), expected[:, ::-1], expected[::-1]):
        assert np.abs(made[::-1].transpose(1, 2, 0) - turn).mean() > 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_resize_is_of_the_upright_picture(orientation):
    encoded, upright = oriented(orientation, "JPEG")
    stage = ImageTransformer(interpolation="area").resize(size=30)
    made = transformed(stage, encoded)
    assert made.shape == ((40, 30, 3) if orientation >= 5 else (30, 40, 3))
    expected = cv2.resize(upright, made.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(made.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("orientation", [0, 1, 6, 9, 200])
def test_the_orientation_can_be_left_alone_and_an_impossible_one_is(orientation):
    encoded, _ = oriented(orientation, "JPEG")
    apply = orientation > 8 or orientation == 0
    made = transformed(ImageTransformer(applyExifOrientation=apply), encoded)
    assert np.array_equal(made, transformed(ImageTransformer(), file(PICTURE, "JPEG")))


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


def test_pixels_keep_their_place():
    """The helper of these tests reads what a table holds."""
    assert np.array_equal(
        pixels_of(ImageTransformer(outputCol="o").transform(table(PNG))["o"][0].as_py()), colour(120, 160)
    )


def test_a_tiff_of_gray_with_alpha_in_jpeg_is_named_as_not_decoded():
    halves = Image.fromarray(np.full((48, 48), 60, np.uint8))
    content = file(Image.merge("LA", (halves, halves)), "TIFF", compression="jpeg")
    stage = ImageTransformer(handleInvalid="keep", errorCol="why", outputCol="out")
    made = stage.transform(pa.table({"image": [content]}))
    assert "gray with alpha in JPEG" in made["why"][0].as_py()
