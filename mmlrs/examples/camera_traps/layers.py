"""Layers of a scene: what stands at one distance, as colours with a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mmlrs.examples.camera_traps.noise import Floats

Color = tuple[int, int, int]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Plants or rocks at one distance. Outside the box nothing stands."""

    #: Distance from the camera in metres.
    metres: float
    #: Left and top of the box in the drawing.
    place: tuple[int, int]
    #: Colours between 0 and 255: height x width x 3.
    colors: Floats
    #: Opacity, a picture of mode L.
    mask: Image.Image
    #: Row of the box about which the layer sways.
    root: float
    #: How far the layer sways in the wind: shift in pixels per pixel of height. 0 for what is rigid.
    sway: float


class Canvas:
    """Collects the shapes of one layer. Colours cover the whole canvas, so soft edges have no dark rim."""

    def __init__(self, size: tuple[int, int], ground: Color) -> None:
        self.colors = Image.new("RGB", size, ground)
        self.mask = Image.new("L", size)
        self._paint = ImageDraw.Draw(self.colors)
        self._cover = ImageDraw.Draw(self.mask)

    def polygon(self, points: Points, color: Color) -> None:
        """Fill a polygon, given as rows of x and y."""
        corners = [(float(x), float(y)) for x, y in points]
        self._paint.polygon(corners, fill=color)
        self._cover.polygon(corners, fill=255)

    def paste(self, colors: Image.Image, mask: Image.Image, place: tuple[int, int]) -> None:
        """Paste a picture with its mask."""
        self.colors.paste(colors, place, mask)
        self.mask.paste(255, (*place, place[0] + mask.width, place[1] + mask.height), mask)

    def layer(self, metres: float, sway: float, softness: float) -> Layer | None:
        """Return what was drawn, with soft edges; None if nothing was drawn inside."""
        mask = self.mask.filter(ImageFilter.GaussianBlur(softness))
        colors = self.colors.filter(ImageFilter.GaussianBlur(softness))
        box = mask.getbbox()
        if box is None:
            return None
        pixels = np.asarray(colors.crop(box), np.float32)
        return Layer(metres, box[:2], pixels, mask.crop(box), float(box[3] - box[1]), sway)


def jittered(rng: np.random.Generator, color: Color, spread: float, hues: float = 0.05) -> Color:
    """Return a colour of another brightness and hue. `spread` and `hues` are relative standard deviations."""
    factor = float(np.clip(rng.normal(1, spread), 0.3, 1.8))
    hue = rng.normal(1, hues, 3)
    red, green, blue = (int(np.clip(value * factor * h, 4, 250)) for value, h in zip(color, hue))
    return red, green, blue
