"""Rare kinds of image files, among them TIFF, and formats that are not decoded."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pictures import colour, file, gray, jpeg, most_different, pixels_of, png, table, transformed
from PIL import Image

from mmlrs.image import (
    ImageTransformer,
    decode_to_tensor,
)

JPEG = jpeg(colour(120, 160))

PNG = png(colour(120, 160))

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60)

PICTURE = Image.fromarray(np.ascontiguousarray(colour(120, 160)[..., ::-1]))


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


# -- kinds of TIFF ----------------------------------------------------------------------------------------------------


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


# -- formats that are not decoded -------------------------------------------------------------------------------------


def test_the_reason_counts_by_the_name_of_the_format():
    jpeg_ls = b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\0\0"
    files = {
        "HEIC image": HEIC,
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


# -- on Spark ---------------------------------------------------------------------------------------------------------


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
