"""Textures of the ground, of bark and of rock: photographs of scikit-image where it is installed, else noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mmlrs.examples.camera_traps.noise import Floats, fractal

#: Side in pixels of a texture.
SIDE = 512
#: Corners of a stone: distance from its middle and angle.
_STONE = ((1.3, 0.0), (0.9, 1.0), (0.8, 2.0), (1.2, 3.1), (0.8, 4.1), (0.9, 5.3))


def photograph(name: str) -> Floats | None:
    """Return a photograph of scikit-image, "grass" or "gravel", as values between 0 and 1; None if it is not installed."""
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
    """Return a drawn texture: blades for grass, stones for gravel."""
    picture = Image.new("L", (SIDE, SIDE), 40)
    draw = ImageDraw.Draw(picture)
    count = 6000 if name == "grass" else 2600
    places = rng.random((count, 2)) * SIDE
    sizes = rng.gamma(4, 1, count) * (12 if name == "grass" else 3.5)
    tones = np.clip(rng.normal(130, 45, count), 0, 255)
    angles = rng.uniform(0, np.pi, count)
    for (x, y), size, tone, angle in zip(places.tolist(), sizes.tolist(), tones.tolist(), angles.tolist()):
        if name == "grass":
            end = x + size * float(np.cos(angle)), y + size * float(np.sin(angle))
            draw.line((x, y, *end), fill=int(tone), width=1 + int(size > 45))
        else:
            corners = [
                (x + size * float(r * np.cos(angle + a)), y + size * float(r * np.sin(angle + a)))
                for r, a in _STONE
            ]
            draw.polygon(corners, fill=int(tone), outline=int(0.4 * tone))
    return equalized(np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8)), np.float32))


def surface(rng: np.random.Generator, name: str) -> Floats:
    """Return a texture of "grass" or "gravel" that differs in every scene: mirrored, turned, mixed with noise."""
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
