"""Small pictures of every format and kind, made by other libraries."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
import tifffile
from PIL import Image

_TIFF_KINDS: list[dict[str, Any]] = [
    {},
    {"compression": "tiff_lzw"},
    {"compression": "tiff_adobe_deflate"},
    {"compression": "packbits"},
    {"compression": "jpeg"},
]


def picture(mode: str, height: int = 19, width: int = 27) -> Image.Image:
    """A picture with slopes, edges and noise."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    pixels = np.stack([x * 8 % 256, y * 12 % 256, (x * y) % 200 + noise % 50, 255 - x * 5 % 256], -1).astype(
        np.uint8
    )
    image = Image.fromarray(pixels, "RGBA")
    if mode == "I;16":
        return Image.fromarray((y * 3000 + x * 7).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((y * 0.1 + x).astype(np.float32))
    if mode == "CMYK":
        return image.convert("RGB").convert("CMYK")
    if mode in ("P", "1", "L"):
        return image.convert("RGB").convert(mode)
    return image.convert(mode)


def _saved(mode: str, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture(mode).save(out, kind, **options)
    return out.getvalue()


def jpegs() -> list[bytes]:
    return [
        _saved("RGB", "JPEG", quality=80),
        _saved("RGB", "JPEG", progressive=True),
        _saved("L", "JPEG"),
        _saved("CMYK", "JPEG"),
        _saved("RGB", "JPEG", subsampling=0, restart_marker_blocks=1),
    ]


def pngs() -> list[bytes]:
    return [*(_saved(mode, "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")), _animated("PNG")]


def _animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [picture("RGB"), picture("RGB").rotate(90), picture("RGB").rotate(180)]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=20)
    return out.getvalue()


def gifs() -> list[bytes]:
    return [
        _saved("P", "GIF"),
        _saved("RGB", "GIF", interlace=0),
        _animated("GIF"),
        _saved("P", "GIF", transparency=3),
    ]


def bmps() -> list[bytes]:
    return [_saved(mode, "BMP") for mode in ("RGB", "RGBA", "L", "P", "1")]


def webps() -> list[bytes]:
    return [
        _saved("RGB", "WEBP"),
        _saved("RGBA", "WEBP"),
        _saved("RGB", "WEBP", lossless=True),
        _saved("RGBA", "WEBP", lossless=True),
        _animated("WEBP"),
    ]


def tiffs() -> list[bytes]:
    made = [_saved("RGB", "TIFF", **how) for how in _TIFF_KINDS]
    made += [_saved(mode, "TIFF") for mode in ("L", "RGBA", "P", "1", "CMYK", "I;16", "F")]
    made += [_saved("1", "TIFF", compression=kind) for kind in ("group3", "group4", "tiff_ccitt")]
    pixels = np.asarray(picture("RGB"))
    for options in (
        {"planarconfig": "separate", "photometric": "rgb"},
        {"tile": (16, 16), "photometric": "rgb"},
        {"bigtiff": True, "photometric": "rgb"},
        {"byteorder": ">", "photometric": "rgb", "rowsperstrip": 3},
        {"compression": "zlib", "predictor": True, "photometric": "rgb"},
    ):
        made.append(_tiff(pixels, **options))
    wide = pixels[..., 0]
    for kind in (np.uint32, np.int16, np.float32, np.float64, np.int8):
        made.append(_tiff(wide.astype(kind)))
    made.append(_tiff(np.stack([pixels, pixels]), photometric="rgb"))
    return made


def _tiff(pixels: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


def others() -> list[bytes]:
    """Portable maps, TGA, ICO and QOI."""
    pixels = np.asarray(picture("RGB"))
    gray = np.asarray(picture("L"))
    head = f"{pixels.shape[1]} {pixels.shape[0]}\n"
    return [
        f"P6\n{head}255\n".encode() + pixels.tobytes(),
        f"P5\n# a note\n{head}255\n".encode() + gray.tobytes(),
        f"P6\n{head}65535\n".encode() + pixels.astype(">u2").tobytes(),
        f"P4\n{head}".encode() + np.packbits(gray > 90, axis=1).tobytes(),
        f"P3\n{head}255\n".encode() + " ".join(map(str, pixels.ravel())).encode(),
        f"P2\n{head}255\n".encode() + " ".join(map(str, gray.ravel())).encode(),
        f"P1\n{head}".encode() + " ".join(map(str, (gray > 90).astype(int).ravel())).encode(),
        f"P7\nWIDTH {pixels.shape[1]}\nHEIGHT {pixels.shape[0]}\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n".encode()
        + pixels.tobytes(),
        _saved("RGB", "TGA"),
        _saved("RGBA", "TGA", compression="tga_rle"),
        _saved("P", "TGA"),
        _saved("RGBA", "ICO", sizes=[(16, 16)]),
        _saved("RGB", "QOI"),
    ]


@lru_cache
def pictures() -> dict[str, list[bytes]]:
    return {
        "jpeg": jpegs(),
        "png": pngs(),
        "gif": gifs(),
        "bmp": bmps(),
        "webp": webps(),
        "tiff": tiffs(),
        "other": others(),
    }
