"""The light of a burst: an infrared flash at night, gray pictures in twilight, colours by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmlrs.examples.camera_traps.noise import Floats, fractal
from mmlrs.examples.camera_traps.scene import Scene
from mmlrs.examples.camera_traps.view import View

#: Standard deviation of the brightness of the frames of a burst, relative to its mean.
FLICKER = 0.025


@dataclass(frozen=True)
class Optics:
    """What one camera does to every picture."""

    #: Distance in metres at which its flash is half as bright as in front of it.
    reach: float
    #: Radius in pixels of the blur of its lens.
    blur: float
    #: Loss of light in the corners, between 0 and 1.
    vignette: float
    #: Standard deviation of the noise, in gray values, at night and by day.
    noise: tuple[float, float]
    #: Gains of red, green and blue.
    balance: Floats
    quality: int


@dataclass(frozen=True)
class Light:
    """How bright things are at each distance, in one burst."""

    #: "night", "gray" or "color".
    mode: str
    reach: float
    exposure: float
    #: Brightness of the haze and how much of it there is at a great distance.
    haze: tuple[float, float]
    #: Weights of red, green and blue in gray pictures, or the gains of the channels in colour.
    weights: Floats
    #: Standard deviation of the noise.
    noise: float
    #: Factors of all pixels of the drawing: the cone of the flash, and dark corners.
    cone: Floats
    #: Factors of the ground: the shadows of leaves.
    dapples: Floats | None

    def shaded(self, pixels: Floats, metres: float | Floats) -> Floats:
        """Return the brightness of what has colours `pixels` and stands at a distance; gray unless the mode is "color"."""
        if self.mode == "color":
            seen = pixels * self.weights
        else:
            red, green, blue = self.weights
            # Not a matrix product, whose rounding may depend on the number of threads.
            seen = pixels[..., 0] * red + pixels[..., 1] * green + pixels[..., 2] * blue
        distance = np.asarray(metres, np.float32)
        if self.mode == "night":
            # The sensor is sensitive to infrared, in which dark coats and leaves are brighter.
            flash = self.exposure * 1.25 / (1 + (distance / self.reach) ** 2)
            return ((28 + 0.95 * seen) * flash).astype(np.float32)
        tone, most = self.haze
        share = most * (1 - np.exp(-distance / 20))
        if self.mode == "color" and share.ndim:
            share = share[..., None]
        return (seen * self.exposure * (1 - share) + tone * share).astype(np.float32)

    def image(
        self, pixels: Floats, metres: float | Floats
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Return `shaded` as bytes."""
        return np.clip(self.shaded(pixels, metres), 0, 255).astype(np.uint8)


def optics(rng: np.random.Generator) -> Optics:
    """Return the properties of one camera."""
    return Optics(
        reach=float(rng.uniform(3.5, 8)),
        blur=float(rng.uniform(0.2, 0.9)),
        vignette=float(rng.uniform(0.1, 0.4)),
        noise=(float(rng.uniform(5, 11)), float(rng.uniform(2, 5))),
        balance=rng.normal(1, 0.05, 3).astype(np.float32),
        quality=int(rng.integers(68, 91)),
    )


def light(rng: np.random.Generator, mode: str, camera: Optics, scene: Scene) -> Light:
    """Return the light of one burst."""
    night = mode == "night"
    if mode == "color":
        weights = camera.balance * rng.normal(1, 0.03, 3).astype(np.float32)
    else:
        # Leaves are bright in infrared, which cameras without a filter see by day as well.
        infrared = float(rng.uniform(0.4, 1)) if night else float(rng.uniform(0, 0.6))
        seen, invisible = np.array(((0.3, 0.59, 0.11), (0.55, 0.75, -0.2)), np.float32)
        weights = np.float32(1 - infrared) * seen + np.float32(infrared) * invisible
    exposure = float(np.clip(rng.normal(1.05, 0.18), 0.6, 1.6)) * (1.0 if night else 0.95)
    haze = float(rng.uniform(150, 215)), float(rng.beta(1.2, 4)) * 0.9
    return Light(
        mode,
        camera.reach,
        exposure,
        haze,
        weights,
        camera.noise[0 if night else 1] * float(rng.uniform(0.8, 1.2)),
        _cone(rng, scene.view, camera, night),
        _dapples(rng, scene) if not night else None,
    )


def _cone(rng: np.random.Generator, view: View, camera: Optics, night: bool) -> Floats:
    """Return the factors of all pixels: darker corners, and at night what the flash does not reach."""
    x = np.linspace(-1, 1, view.width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, view.height, dtype=np.float32)[:, None] * (view.height / view.width)
    corners = 1 - camera.vignette * (x**2 + y**2) / 1.5
    if not night:
        return corners.astype(np.float32)
    aside, down = (float(v) for v in rng.normal(0, 0.08, 2))
    width = float(rng.uniform(0.75, 1.3))
    flash = np.exp(-(((x - aside) ** 2 + (y - 0.1 - down) ** 2) / width**2))
    return (corners * (0.22 + 0.78 * flash)).astype(np.float32)


def _dapples(rng: np.random.Generator, scene: Scene) -> Floats | None:
    """Return the shadows of leaves on the ground, in sunshine under trees; else None."""
    if scene.habitat.behind != "wood" or rng.random() < 0.5:
        return None
    view = scene.view
    spots = fractal(rng, (view.width, view.height), view.width / 6, 4, 0.65, stretch=0.4)
    low, high = float(rng.uniform(0.45, 0.75)), float(rng.uniform(1.15, 1.7))
    return (low + (high - low) * np.clip((spots - 0.5) * 7, 0, 1)).astype(np.float32)
