"""Grass, bushes, trunks and rocks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mmlrs.examples.camera_traps.layers import Canvas, Color, Points, jittered
from mmlrs.examples.camera_traps.noise import Floats, fractal

#: Where along a blade its outline has corners.
_ALONG = np.array([0.0, 0.4, 0.75, 1.0], np.float32)


def blades(rng: np.random.Generator, roots: Points, heights: Floats, width: float) -> Points:
    """Return the outlines of bent blades of grass: count x 8 x 2.

    Parameters
    ----------
    rng
        Source of randomness.
    roots
        Rows of x and y, in pixels.
    heights
        Height in pixels of each blade.
    width
        Width in pixels at the root.
    """
    count = len(heights)
    lean = rng.normal(0, 0.18, (count, 1)).astype(np.float32)
    bend = rng.normal(0, 0.35, (count, 1)).astype(np.float32)
    x = roots[:, :1] + heights[:, None] * (lean * _ALONG + bend * _ALONG**2)
    y = roots[:, 1:] - heights[:, None] * (_ALONG - 0.25 * np.abs(bend) * _ALONG**2)
    half = (0.5 * width * rng.uniform(0.6, 1.4, (count, 1)) * (1.05 - _ALONG)).astype(np.float32)
    left, right = np.stack([x - half, y], -1), np.stack([x + half, y], -1)
    return np.concatenate([left, right[:, ::-1]], axis=1).astype(np.float32)


def tuft(
    canvas: Canvas,
    rng: np.random.Generator,
    root: tuple[float, float],
    height: float,
    count: int,
    color: Color,
) -> None:
    """Draw a tuft of grass. `height` is that of its largest blades in pixels."""
    roots = np.array(root, np.float32) + rng.normal(0, 1, (count, 2)) * (0.28 * height, 0.03 * height)
    heights = (height * rng.beta(3, 2, count)).astype(np.float32)
    width = max(height * float(rng.uniform(0.012, 0.03)), 1.0)
    for outline in blades(rng, roots.astype(np.float32), heights, width):
        canvas.polygon(outline, jittered(rng, color, 0.22))


def bush(
    canvas: Canvas, rng: np.random.Generator, root: tuple[float, float], height: float, color: Color
) -> None:
    """Draw a bush of twigs and leaves."""
    twigs = int(rng.integers(5, 10))
    ends = np.stack([rng.normal(0, 0.35, twigs), -rng.uniform(0.45, 0.95, twigs)], 1) * height + root
    wood = jittered(rng, (70, 55, 40), 0.2)
    for end in ends:
        side = np.array([max(0.012 * height, 0.8), 0.0])
        canvas.polygon(np.array([root - side, root + side, end]).astype(np.float32), wood)
    leaf = min(float(rng.uniform(0.015, 0.05)) * height, 11.0)
    count = int(np.clip(1.6 * height, 40, 700))
    # Along the twigs, more of them near the ends.
    share = rng.beta(3, 1.2, (count, 1))
    centers = ends[rng.integers(twigs, size=count)] * share + np.asarray(root) * (1 - share)
    centers += rng.normal(0, 0.09 * height, (count, 2))
    angles = rng.uniform(0, np.pi, count)
    lengths = leaf * rng.uniform(0.6, 1.3, count)
    along = np.stack([np.cos(angles), np.sin(angles)], 1) * lengths[:, None]
    across = np.stack([-np.sin(angles), np.cos(angles)], 1) * (0.45 * lengths[:, None])
    outlines = np.stack([centers - along, centers - across, centers + along, centers + across], 1)
    for outline in outlines[np.argsort(-centers[:, 1])]:
        canvas.polygon(outline.astype(np.float32), jittered(rng, color, 0.2))


def trunk(
    canvas: Canvas,
    rng: np.random.Generator,
    root: tuple[float, float],
    width: float,
    bark: Floats,
    color: Color,
) -> None:
    """Draw a trunk from its root to beyond the upper edge. `width` is that at the root, in pixels."""
    height = max(int(root[1] + 0.2 * width), 1)
    across = max(int(width * 1.5), 2)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, across, dtype=np.float32)[None, :]
    center = float(rng.normal(0, 0.12)) * (1 - rows) + 0.03 * np.sin(rows * float(rng.uniform(3, 8)))
    half = 0.48 + 0.2 * rows + 0.25 * np.clip(rows - 0.93, 0, 1) * 4
    inside = (columns - center) / half
    # A cylinder, lit from one side.
    round_ = np.sqrt(np.clip(1 - inside**2, 0, 1)) * 0.65 + 0.35 + 0.2 * float(rng.uniform(-1, 1)) * inside
    grown = fractal(rng, (across, height), max(width / 5, 2), 4, 0.7, stretch=6)
    spots = np.asarray(
        Image.fromarray(bark, "F").resize((across, height), Image.Resampling.BILINEAR), np.float32
    )
    value = np.clip(round_ * (0.5 + 0.6 * grown + 0.25 * spots), 0, 1.6)[:, :, None]
    pixels = np.clip(value * np.asarray(color, np.float32), 0, 255).astype(np.uint8)
    # Its foot is round, as seen from above.
    foot = height - 0.12 * across * (1 - np.sqrt(np.clip(1 - inside**2, 0, 1)))
    solid = (np.abs(inside) < 1) & (np.arange(height)[:, None] < foot)
    mask = Image.fromarray((solid * 255).astype(np.uint8))
    canvas.paste(Image.fromarray(pixels), mask, (int(root[0] - across / 2), int(root[1]) - height + 1))


def rock(
    canvas: Canvas,
    rng: np.random.Generator,
    root: tuple[float, float],
    size: tuple[float, float],
    texture: Floats,
    color: Color,
) -> None:
    """Draw a rock, lit from above. `size` is its width and height in pixels."""
    width, height = max(int(size[0]), 3), max(int(size[1]), 3)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    corners = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    radius = np.interp(angles, corners, 0.42 + 0.035 * rng.standard_normal(9), period=2 * np.pi)
    radius += 0.006 * rng.standard_normal(40)
    outline = np.stack([np.cos(angles) * radius * width, np.sin(angles) * radius * height], 1)
    outline += (width / 2, height / 2)
    # It lies on the ground.
    outline[:, 1] = np.minimum(outline[:, 1], 0.82 * height)
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(0.8))
    side = int(rng.integers(100, 400))
    top, left = (int(v) for v in rng.integers(0, texture.shape[0] - side, 2))
    part = Image.fromarray(np.ascontiguousarray(texture[top : top + side, left : left + side]), "F")
    grains = np.asarray(part.resize((width, height), Image.Resampling.BILINEAR))
    shape = fractal(rng, (width, height), max(width / 2, 3), 4, 0.6)
    light = np.linspace(1.15, 0.45, height, dtype=np.float32)[:, None]
    value = (light * (0.45 + 0.55 * shape) * (0.85 + 0.2 * grains))[:, :, None]
    pixels = np.clip(value * np.asarray(color, np.float32) * 1.3, 0, 255).astype(np.uint8)
    canvas.paste(Image.fromarray(pixels), mask, (int(root[0] - width / 2), int(root[1] - 0.8 * height)))
