"""Random fields: fractal noise, and grain for the sensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
#: Extra rows and columns of a sheet of grain, from which every frame cuts another part.
MARGIN = 257


def resized(field: Floats, size: tuple[int, int]) -> Floats:
    """Return a field with bicubic interpolation, of width and height `size`."""
    return np.asarray(Image.fromarray(field, "F").resize(size, Image.Resampling.BICUBIC))


def fractal(
    rng: np.random.Generator,
    size: tuple[int, int],
    cell: float,
    octaves: int = 4,
    roughness: float = 0.55,
    stretch: float = 1.0,
) -> Floats:
    """Return smooth noise between 0 and 1, with details of several scales.

    Parameters
    ----------
    rng
        Source of randomness.
    size
        Width and height in pixels.
    cell
        Size in pixels of the largest details.
    octaves
        Number of scales, each half as large as the one before.
    roughness
        Amplitude of a scale relative to the one before.
    stretch
        Height of the details relative to their width.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        columns, rows = max(int(width / step), 1) + 2, max(int(height / (step * stretch)), 1) + 2
        total += amplitude * resized(rng.random((rows, columns), np.float32), size)
        amplitude *= roughness
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def grain(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Return a sheet of sensor noise with a standard deviation of 1, `MARGIN` larger than `size`.

    A third of its variance is coarse, as in pictures that a camera has interpolated and smoothed.
    """
    shape = size[1] + MARGIN, size[0] + MARGIN
    fine = rng.standard_normal(shape, np.float32)
    coarse = resized(rng.standard_normal((shape[0] // 2, shape[1] // 2), np.float32), (shape[1], shape[0]))
    sheet = 0.8 * fine + 0.6 * coarse / max(float(coarse.std()), 1e-6)
    return (sheet / sheet.std()).astype(np.float32)


def cut(rng: np.random.Generator, sheet: Floats, size: tuple[int, int]) -> Floats:
    """Return a part of a sheet of grain at a random place, mirrored at random."""
    top, left = (int(v) for v in rng.integers(0, MARGIN, 2))
    part = sheet[top : top + size[1], left : left + size[0]]
    across, down = (int(v) for v in rng.choice((-1, 1), 2))
    return part[::down, ::across]
