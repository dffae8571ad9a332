"""Pictures are turned upright, wherever their files say how."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from pictures import colour, file, transformed
from PIL import Image, ImageOps

from mmlrs.image import (
    ImageTransformer,
    decode_to_tensor,
)

PICTURE = Image.fromarray(np.ascontiguousarray(colour(120, 160)[..., ::-1]))


# -- rare kinds of files ----------------------------------------------------------------------------------------------


def bgr(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))[..., ::-1]


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
