"""The geometry of a camera: what is how large at which distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmlrs.examples.camera_traps.noise import Floats

#: Width in pixels in which scenes are drawn before they are enlarged to the size of the pictures.
DRAWN_WIDTH = 800


@dataclass(frozen=True)
class View:
    """A camera above a plane. All pixels are those of the drawing, which may be smaller than the pictures."""

    width: int
    height: int
    #: Row of the horizon.
    horizon: float
    #: Focal length in pixels.
    focal: float
    #: Height of the camera above the ground in metres.
    above: float

    def row(self, metres: float) -> float:
        """Return the row in which the ground is at a distance."""
        return self.horizon + self.focal * self.above / metres

    def pixels(self, length: float, metres: float) -> float:
        """Return the size in pixels of a length in metres at a distance."""
        return self.focal * length / metres

    def nearest(self) -> float:
        """Return the distance in metres of the ground at the lower edge."""
        return self.focal * self.above / (self.height - self.horizon)

    def distances(self) -> Floats:
        """Return the distance in metres of the ground in every row; above the horizon infinity."""
        below = np.arange(self.height, dtype=np.float32) + 0.5 - self.horizon
        with np.errstate(divide="ignore"):
            return np.where(below > 0, self.focal * self.above / below, np.inf).astype(np.float32)


def view(rng: np.random.Generator, size: tuple[int, int]) -> View:
    """Return how one camera hangs, for pictures of width and height `size`."""
    width = min(size[0], DRAWN_WIDTH)
    height = max(round(size[1] * width / size[0]), 1)
    return View(
        width,
        height,
        horizon=height * float(rng.uniform(0.12, 0.42)),
        focal=width * float(rng.uniform(0.95, 1.3)),
        above=float(rng.uniform(0.5, 1.1)),
    )
