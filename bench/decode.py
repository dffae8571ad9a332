"""JPEG files to network input on one thread, and the quality loss of the reduced-scale decode."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench import peers, pictures
from bench.measure import Figure, Setting, side_by_side
from bench.networks import MEANS, STDS

#: Number of files in one timed call at a width of 2048 pixels; more for smaller files.
FILES = 24
#: Width, height, and the target ratios against cv2 and Pillow.
SIZES = ((2048, 1536, 3.0, 1.2), (600, 400, 1.3, 1.6))


def tensor_with_mmlrs(files: Sequence[bytes] | pa.Array) -> NDArray[np.float32]:
    """Decode JPEG files to [n, 3, 224, 224] on one thread."""
    from mmlrs.image import decode_to_tensor

    return decode_to_tensor(
        files,
        height=peers.SIDE,
        width=peers.SIDE,
        means=MEANS,
        stds=STDS,
        scale=1.0 / 255.0,
        threads=1,
        scaled_decode=True,
    )


def decode(setting: Setting) -> Iterator[Figure]:
    """JPEG to 224x224 float NCHW, one thread, against cv2 and Pillow."""
    for width, height, cv2_target, pillow_target in SIZES:
        files = pictures.repeated(pictures.jpegs(width, height), FILES * 2048 // width)
        column = pa.array(files, pa.binary())
        for peer, run, target in (
            ("cv2", peers.tensor_with_cv2, cv2_target),
            ("Pillow with draft", peers.tensor_with_pillow, pillow_target),
        ):
            timed = side_by_side(partial(tensor_with_mmlrs, column), partial(run, files), setting.pairs(11))
            what = f"JPEG {width}x{height} to 224x224 float NCHW, one thread, against {peer}"
            yield Figure(what, timed.ratio, target=target, detail=timed.detail(len(files), peer))


def psnr(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the peak signal-to-noise ratio of pixels from 0 to 255 in dB; 99 for equal images."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 99.0 if error == 0 else min(99.0, 10 * np.log10(255.0**2 / error))


def quality(setting: Setting) -> Iterator[Figure]:
    """Reduced-scale decode against full decode, over every photograph at the timed sizes and at its original size."""
    from mmlrs.image import decode_to_tensor

    psnrs: list[tuple[float, str]] = []
    for size in ((2048, 1536), (1280, 960), (600, 400), None):
        for name, pixels in pictures.photographs().items():
            file = [pictures.jpeg(pixels, *(size or ()))]
            reduced, full = (
                decode_to_tensor(
                    file,
                    height=224,
                    width=224,
                    means=(0, 0, 0),
                    stds=(1, 1, 1),
                    scale=1.0,
                    threads=1,
                    scaled_decode=scaled,
                )
                for scaled in (True, False)
            )
            if not np.array_equal(reduced, full):
                width, height = size or pixels.shape[1::-1]
                psnrs.append((psnr(reduced, full), f"{name} {width}x{height}"))
    if not psnrs:
        psnrs.append((99.0, "all images: no reduced scale was used"))
    median, worst = statistics.median(value for value, _ in psnrs), min(psnrs)
    note = f"{len(psnrs)} images decoded at a reduced scale, {len(pictures.photographs())} photographs"
    yield Figure("PSNR of the reduced-scale decode, median", median, "dB", 40.0, detail=note)
    yield Figure("PSNR of the reduced-scale decode, worst", worst[0], "dB", 34.0, detail=worst[1])
