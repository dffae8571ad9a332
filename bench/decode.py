"""JPEG files to network input on one thread, against its peers and its limit, and the loss of the reduced-scale decode."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench import peers, pictures
from bench.measure import Figure, Setting, required, side_by_side
from bench.networks import MEANS, STDS

#: Number of files in one timed call at a width of 2048 pixels; more for smaller files.
FILES = 24
#: Pictures of a mini-batch of `ImageFeaturizer` on the CPU.
BATCH = 8
#: Width, height, and the target ratios against cv2 and Pillow.
SIZES = ((2048, 1536, 3.0, 1.2), (600, 400, 1.3, 1.6))
#: The usual size of a picture of ImageNet.
IMAGENET = (500, 375)
#: Number of its files in one timed call.
MANY = 200


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


def tensor_with_simplejpeg(files: Sequence[bytes]) -> NDArray[np.float32]:
    """Decode JPEG files to [n, 3, 224, 224] with simplejpeg and OpenCV."""
    decoder = required("simplejpeg")
    out = np.empty((len(files), 3, peers.SIDE, peers.SIDE), dtype=np.float32)
    for i, file in enumerate(files):
        decoded = decoder.decode_jpeg(file, colorspace="RGB")
        peers.normalize_into(out[i], peers.shrink(decoded))
    return out


def pixels_with_simplejpeg(files: Sequence[bytes]) -> None:
    """Decode JPEG files to RGB with simplejpeg, which calls libjpeg-turbo, and discard the pixels."""
    decoder = required("simplejpeg")
    for file in files:
        decoder.decode_jpeg(file, colorspace="RGB")


def pixels_with_torchvision(files: Sequence[bytes]) -> None:
    """Decode JPEG files to RGB with torchvision, and discard the pixels."""
    torch, decoder = import_module("torch"), import_module("torchvision.io")
    torch.set_num_threads(1)
    for file in files:
        decoder.decode_jpeg(
            torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=decoder.ImageReadMode.RGB
        )


def in_batches(column: pa.Array) -> None:
    """Decode to tensors of a mini-batch each, and discard them, as `ImageFeaturizer` does on the CPU.

    The peers discard each picture, too. One tensor of all pictures would be new memory, which takes longer to get than to fill.
    """
    for start in range(0, len(column), BATCH):
        tensor_with_mmlrs(column[start : start + BATCH])


def pixels(setting: Setting) -> Iterator[Figure]:
    """JPEG to 224x224 float NCHW, one thread, against decoding alone, which is the limit."""
    width, height = IMAGENET
    files = pictures.repeated(pictures.jpegs(width, height), MANY // 4 if setting.quick else MANY)
    column = pa.array(files, pa.binary())
    alike = psnr(
        *(
            255 * peers.denormalized(tensors)
            for tensors in (tensor_with_mmlrs(column[:8]), tensor_with_simplejpeg(files[:8]))
        )
    )
    if alike < 40:
        raise AssertionError(f"the tensors differ from those of simplejpeg and cv2: PSNR {alike:.1f} dB")
    what = f"JPEG {width}x{height} to 224x224 float NCHW in batches of {BATCH}, one thread, against the decoding alone of"
    timed = side_by_side(
        partial(in_batches, column), partial(pixels_with_simplejpeg, files), setting.pairs(11)
    )
    has_torchvision = find_spec("torchvision") is not None
    note = "" if has_torchvision else "; torchvision is not installed, so its decoding was not measured"
    detail = f"{timed.detail(len(files), 'simplejpeg')}; PSNR {alike:.1f} dB against simplejpeg and cv2{note}"
    yield Figure(f"{what} simplejpeg", timed.ratio, target=0.75, detail=detail)
    if has_torchvision:
        timed = side_by_side(
            partial(in_batches, column), partial(pixels_with_torchvision, files), setting.pairs(11)
        )
        yield Figure(f"{what} torchvision", timed.ratio, detail=timed.detail(len(files), "torchvision"))


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
