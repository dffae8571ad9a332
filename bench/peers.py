"""The same work with common libraries, written as an expert in them would write it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from bench.networks import MEANS, STDS, Graph

Tensor = NDArray[np.float32]

SIDE = 224


@cache
def affine(means: tuple[float, ...], stds: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return the factor and the offset that compute (pixel / 255 - mean) / std."""
    factor, offset = 1.0 / (255.0 * np.array(stds)), -np.array(means) / np.array(stds)
    return factor.astype(np.float32), offset.astype(np.float32)


def normalize_into(
    out: Tensor, pixels: NDArray[np.uint8], means: tuple[float, ...] = MEANS, stds: tuple[float, ...] = STDS
) -> None:
    """Convert RGB rows to normalized planes."""
    factor, offset = affine(means, stds)
    scaled = np.multiply(pixels, factor, dtype=np.float32)
    scaled += offset
    out[:] = scaled.transpose(2, 0, 1)


def denormalized(tensors: Tensor) -> Tensor:
    """Return normalized planes as values of 0 to 1."""
    return np.asarray(tensors.transpose(0, 2, 3, 1) * STDS + MEANS, dtype=np.float32)


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize to the network's input with OpenCV; each pixel is the mean of those that it covers."""
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def tensor_with_cv2(files: Sequence[bytes]) -> Tensor:
    """Decode JPEG files to [n, 3, 224, 224] with OpenCV."""
    cv2.setNumThreads(1)
    out = np.empty((len(files), 3, SIDE, SIDE), dtype=np.float32)
    for i, file in enumerate(files):
        decoded: Any = cv2.imdecode(np.frombuffer(file, dtype=np.uint8), cv2.IMREAD_COLOR)
        rgb: Any = cv2.cvtColor(shrink(decoded), cv2.COLOR_BGR2RGB)
        normalize_into(out[i], rgb)
    return out


def tensor_with_pillow(
    files: Sequence[bytes],
    draft: bool = True,
    means: tuple[float, ...] = MEANS,
    stds: tuple[float, ...] = STDS,
) -> Tensor:
    """Decode JPEG files to [n, 3, 224, 224] with Pillow.

    With `draft`, Pillow knows the target size and also decodes at a reduced scale.
    """
    out = np.empty((len(files), 3, SIDE, SIDE), dtype=np.float32)
    for i, file in enumerate(files):
        with Image.open(io.BytesIO(file)) as picture:
            if draft:
                picture.draft("RGB", (SIDE, SIDE))
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        normalize_into(out[i], np.asarray(small), means, stds)
    return out


def session(network: Graph, threads: int = 1) -> Any:
    """Return an ONNX Runtime session on the CPU with this number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network.batched(), options, providers=["CPUExecutionProvider"])


def infer(running: Any, network: Graph, tensors: Tensor, batch: int) -> NDArray[np.float32]:
    """Run the network on prepared tensors, batch by batch."""
    parts = [
        running.run([network.output], {network.input: tensors[start : start + batch]})[0]
        for start in range(0, len(tensors), batch)
    ]
    return np.concatenate(parts).reshape(len(tensors), -1)
