"""The frames of a burst: everything is drawn at its distance, and then seen through lens and sensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from mmlrs.examples.camera_traps import noise, weather
from mmlrs.examples.camera_traps.actors import SOLID, Actor, actors, posed
from mmlrs.examples.camera_traps.layers import Layer
from mmlrs.examples.camera_traps.light import FLICKER, Light, Optics, light
from mmlrs.examples.camera_traps.noise import Floats
from mmlrs.examples.camera_traps.scene import Scene

#: Plants beyond this distance in metres do not move visibly.
STILL = 8.0
#: A box: left, top, width and height in pixels.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Shaded:
    """A layer in the light of a burst."""

    layer: Layer
    picture: Image.Image


def frames(
    rng: np.random.Generator,
    scene: Scene,
    camera: Optics,
    grain: Floats,
    size: tuple[int, int],
    burst: tuple[str, str, int, int],
) -> Iterator[tuple[Image.Image, list[Box]]]:
    """Yield the pictures of a burst with the boxes of its animals.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The place.
    camera
        What the camera does to pictures.
    grain
        A sheet of noise, of `noise.grain`.
    size
        Width and height of the pictures.
    burst
        Its light, its label, the number of its frames, and how many of these show the animals.
    """
    mode, label, count, shown = burst
    lit = light(rng, mode, camera, scene)
    ground, layers = _backdrop(scene, lit)
    cast = actors(rng, label, shown, scene, lit, ground) if shown else []
    wind = float(rng.gamma(1.5, 0.012))
    amount = weather.falling(rng)
    for frame in range(count):
        drawing = ground.copy()
        boxes = _draw(rng, drawing, layers, cast if frame < shown else [], frame, lit, wind)
        weather.draw(rng, drawing, amount, mode == "night")
        picture = _developed(rng, drawing, lit, camera, grain, size)
        scale = size[0] / drawing.width, size[1] / drawing.height
        yield picture, [_scaled(box, scale, size) for box in boxes if box is not None]


def _backdrop(scene: Scene, lit: Light) -> tuple[Image.Image, list[Shaded]]:
    """Return the ground with all that neither moves nor is in front of an animal, and the other layers."""
    colors = scene.colors if lit.dapples is None else scene.colors * lit.dapples[:, :, None]
    ground = Image.fromarray(lit.image(colors, scene.depth))
    layers = [Shaded(x, Image.fromarray(lit.image(x.colors, x.metres))) for x in scene.layers]
    while layers and layers[0].layer.metres > 16:
        first = layers.pop(0)
        ground.paste(first.picture, first.layer.place, first.layer.mask)
    return ground, layers


def _draw(
    rng: np.random.Generator,
    drawing: Image.Image,
    layers: list[Shaded],
    cast: list[Actor],
    frame: int,
    lit: Light,
    wind: float,
) -> list[tuple[int, int, int, int] | None]:
    """Draw layers and animals from far to near. Return left, top, right and bottom of the animals."""
    items = sorted(
        [
            *((-x.layer.metres, 0, i) for i, x in enumerate(layers)),
            *((-a.metres, 1, i) for i, a in enumerate(cast)),
        ]
    )
    gust = wind * float(rng.normal(0, 1))
    boxes = []
    for _, animal, index in items:
        if animal:
            boxes.append(_draw_actor(rng, drawing, cast[index], frame, lit))
        else:
            _draw_layer(drawing, layers[index], gust + 0.3 * wind * float(rng.normal(0, 1)))
    return boxes


def _draw_layer(drawing: Image.Image, shaded: Shaded, shear: float) -> None:
    """Draw a layer, bent by the wind about its root."""
    layer = shaded.layer
    if layer.sway == 0 or layer.metres > STILL:
        drawing.paste(shaded.picture, layer.place, layer.mask)
        return
    shear *= layer.sway
    warp = (1, shear, -shear * layer.root, 0, 1, 0)
    size = layer.mask.size
    mask = layer.mask.transform(size, Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR)
    picture = shaded.picture.transform(size, Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR)
    drawing.paste(picture, layer.place, mask)


def _draw_actor(
    rng: np.random.Generator, drawing: Image.Image, actor: Actor, frame: int, lit: Light
) -> tuple[int, int, int, int] | None:
    """Draw an animal and its shadow, and return its box inside the drawing."""
    picture = posed(rng, actor)
    x, y = (float(v) for v in actor.path[frame])
    left, top = round(x - picture.width / 2), round(y - picture.height)
    _draw_shadow(drawing, picture, (left, top), 0.25 if lit.mode == "night" else 0.45)
    alpha = picture.getchannel("A")
    drawing.paste(picture.convert(drawing.mode), (left, top), alpha)
    solid = Image.new("L", drawing.size)
    solid.paste(alpha.point([255 * (value >= SOLID) for value in range(256)]), (left, top))
    if solid.getbbox() is None:  # an animal of a few pixels, all of them soft
        solid.paste(alpha.point([255 * (value > 0) for value in range(256)]), (left, top))
    return solid.getbbox()


def _draw_shadow(drawing: Image.Image, picture: Image.Image, place: tuple[int, int], darkness: float) -> None:
    """Darken the ground below an animal."""
    flat = max(round(0.14 * picture.height), 2)
    margin = flat
    shape = Image.new("L", (picture.width + 2 * margin, flat + 2 * margin))
    shape.paste(
        picture.getchannel("A").resize((picture.width, flat), Image.Resampling.BILINEAR), (margin, margin)
    )
    shape = shape.filter(ImageFilter.GaussianBlur(flat / 2.5)).point(
        [int(value * darkness) for value in range(256)]
    )
    corner = place[0] - margin, place[1] + picture.height - margin - round(0.6 * flat)
    drawing.paste(0 if drawing.mode == "L" else (0, 0, 0), corner, shape)


def _developed(
    rng: np.random.Generator,
    drawing: Image.Image,
    lit: Light,
    camera: Optics,
    grain: Floats,
    size: tuple[int, int],
) -> Image.Image:
    """Return what the camera makes of a drawing: blur, dark corners, exposure, noise."""
    seen = np.asarray(drawing.filter(ImageFilter.GaussianBlur(camera.blur)), np.float32)
    factor = lit.cone * np.float32(1 + FLICKER * rng.normal(0, 1))
    seen = seen * (factor if seen.ndim == 2 else factor[:, :, None])
    dark = 7 if lit.mode == "night" else 3
    enlarged = Image.fromarray(np.clip(seen + dark, 0, 255).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(enlarged, np.float32)
    gray = noise.cut(rng, grain, size) * np.float32(lit.noise)
    if pixels.ndim == 3:
        gray = np.stack(
            [gray, *(0.6 * gray + 0.5 * lit.noise * noise.cut(rng, grain, size) for _ in range(2))], 2
        )
    return Image.fromarray(np.clip(pixels + gray, 0, 255).astype(np.uint8))


def _scaled(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> Box:
    """Return left, top, width and height of a box in the picture, inside of it."""
    left, top = int(box[0] * scale[0]), int(box[1] * scale[1])
    right = min(int(np.ceil(box[2] * scale[0])), size[0])
    bottom = min(int(np.ceil(box[3] * scale[1])), size[1])
    return left, top, right - left, bottom - top
