"""Textures of the ground, of bark and of rock: photographs of scikit-image where it is installed, else noise."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mmlrs.examples.camera_traps.noise import Floats, fractal

#: Side in pixels of a texture.
SIDE = 512
#: Photographs of scikit-image that come with the package and show natural surfaces.
PHOTOGRAPHS = ("grass", "gravel")


def photograph(name: str) -> Floats | None:
    """Return a photograph of scikit-image as gray values between 0 and 1; None if the package is not installed."""
    try:
        import skimage.data
    except ImportError:
        return None
    pixels = np.asarray(getattr(skimage.data, name)())
    gray = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return equalized(np.asarray(gray, np.float32))


def equalized(field: Floats) -> Floats:
    """Return a field whose 2nd and 98th percentiles are 0 and 1."""
    low, high = np.percentile(field, (2, 98))
    return np.clip((field - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)


def drawn(rng: np.random.Generator, name: str) -> Floats:
    """Return a texture of noise: fibres for grass, grains for gravel."""
    if name == "grass":
        upright = fractal(rng, (SIDE, SIDE), 10, 3, 0.7, stretch=5)
        lying = fractal(rng, (SIDE, SIDE), 40, 4, 0.7, stretch=0.3)
        return equalized(np.maximum(upright, lying))
    grains = fractal(rng, (SIDE, SIDE), 24, 5, 0.75)
    return equalized(np.abs(grains - 0.5) + 0.4 * fractal(rng, (SIDE, SIDE), 90, 4))


def surface(rng: np.random.Generator, name: str) -> Floats:
    """Return a texture that differs in every scene: mirrored, turned, and mixed with noise at random."""
    found = photograph(name)
    texture = drawn(rng, name) if found is None else found
    texture = np.rot90(texture, int(rng.integers(4)))
    if rng.random() < 0.5:
        texture = texture[:, ::-1]
    share = float(rng.uniform(0.1, 0.4))
    mixed = (1 - share) * texture + share * fractal(rng, (SIDE, SIDE), float(rng.uniform(8, 60)), 4, 0.7)
    return equalized(np.ascontiguousarray(mixed ** float(rng.uniform(0.7, 1.4)), np.float32))


def tiled(texture: Floats) -> Floats:
    """Return a texture with its mirror images, which repeats without seams."""
    wide = np.concatenate([texture, texture[:, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]], axis=0)


def blurred(texture: Floats, factor: int) -> Floats:
    """Return a texture of the same size without details below `factor` pixels."""
    height, width = texture.shape
    small = Image.fromarray(texture, "F").resize((width // factor, height // factor), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
