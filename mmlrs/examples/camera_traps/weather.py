"""Rain and snow in front of the lens. At night the flash makes bright spots of them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

#: Share of bursts in rain or snow.
SHARE = 0.06


def falling(rng: np.random.Generator) -> float:
    """Return how many drops or flakes a frame of a burst has, on average; mostly 0."""
    return float(rng.uniform(15, 120)) if rng.random() < SHARE else 0.0


def draw(rng: np.random.Generator, drawing: Image.Image, amount: float, night: bool) -> None:
    """Draw drops or flakes, near ones large and out of focus."""
    count = int(rng.poisson(amount))
    if count == 0:
        return
    width, height = drawing.size
    mask = Image.new("L", drawing.size)
    brush = ImageDraw.Draw(mask)
    places = rng.random((count, 2)) * (width, height)
    radii = (0.0015 + 0.004 * rng.random(count) ** 4) * width
    for (x, y), radius, value in zip(places, radii, rng.uniform(40, 170, count)):
        fall = radius * float(rng.uniform(1.0, 1.8))
        box = float(x - radius), float(y - fall), float(x + radius), float(y + fall)
        brush.ellipse(box, fill=int(value * (1 if night else 0.6)))
    mask = mask.filter(ImageFilter.GaussianBlur(0.0012 * width))
    drawing.paste(235 if drawing.mode == "L" else (235, 235, 235), (0, 0), mask)
