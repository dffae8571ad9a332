"""The place of one camera: the ground, what is behind it, and plants and rocks at several distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmlrs.examples.camera_traps import plants, textures
from mmlrs.examples.camera_traps.layers import Canvas, Color, Layer, jittered
from mmlrs.examples.camera_traps.noise import Floats, fractal, resized
from mmlrs.examples.camera_traps.view import View

#: Distance in metres of everything above the horizon.
FAR = 40.0
#: Distances in metres of the layers of plants and rocks, from far to near.
DISTANCES = (22.0, 14.0, 9.0, 6.5, 4.6, 3.3, 2.4, 1.7)


@dataclass(frozen=True)
class Habitat:
    """What grows at a kind of place. Numbers of plants are those per layer, on average."""

    #: Colours of the ground: dark, light, and of bare patches.
    ground: tuple[Color, Color, Color]
    #: Texture of the ground.
    surface: str
    plant: Color
    stone: Color
    tufts: float
    bushes: float
    trunks: float
    rocks: float
    #: Height of grass in metres, at most.
    grass: float
    #: What is above the horizon.
    behind: str


HABITATS = {
    "forest": Habitat(
        ((38, 30, 20), (128, 106, 72), (84, 72, 50)), "gravel", (74, 96, 48), (96, 94, 88),
        tufts=1.5, bushes=1.3, trunks=2.4, rocks=0.3, grass=0.35, behind="wood",
    ),
    "meadow": Habitat(
        ((44, 56, 24), (150, 158, 88), (126, 110, 74)), "grass", (112, 130, 60), (120, 116, 108),
        tufts=9, bushes=0.3, trunks=0.12, rocks=0.15, grass=0.6, behind="hills",
    ),
    "steppe": Habitat(
        ((86, 70, 46), (198, 176, 128), (168, 146, 108)), "grass", (176, 156, 98), (150, 134, 112),
        tufts=5, bushes=0.4, trunks=0, rocks=0.8, grass=0.4, behind="hills",
    ),
    "slope": Habitat(
        ((60, 56, 52), (168, 160, 148), (128, 120, 106)), "gravel", (120, 112, 76), (142, 136, 128),
        tufts=1.6, bushes=0.3, trunks=0, rocks=3.2, grass=0.3, behind="cliff",
    ),
    "snow": Habitat(
        ((168, 174, 184), (236, 238, 242), (132, 124, 116)), "gravel", (128, 116, 92), (116, 112, 110),
        tufts=1.5, bushes=0.5, trunks=0.1, rocks=1.6, grass=0.3, behind="hills",
    ),
    "thicket": Habitat(
        ((34, 36, 20), (122, 118, 72), (100, 86, 56)), "grass", (84, 108, 52), (100, 98, 90),
        tufts=4, bushes=2.2, trunks=0.8, rocks=0.2, grass=0.5, behind="wood",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A place, as seen by its camera and before any light falls on it."""

    view: View
    habitat: Habitat
    #: Colours between 0 and 255 of the ground and the distance: height x width x 3.
    colors: Floats
    #: Distance in metres of every pixel: height x width.
    depth: Floats
    #: From far to near.
    layers: tuple[Layer, ...]


def scene(rng: np.random.Generator, view: View) -> Scene:
    """Return a place."""
    habitat = HABITATS[list(HABITATS)[int(rng.integers(len(HABITATS)))]]
    texture = textures.surface(rng, habitat.surface)
    stone = textures.surface(rng, "gravel")
    rows = view.distances()
    ground = _ground(rng, view, habitat, texture)
    behind = _behind(rng, view, habitat, stone)
    edge = _edge(rng, view)
    colors = np.where(edge[:, :, None], ground, behind)
    depth = np.where(edge, np.minimum(rows, FAR)[:, None], np.float32(FAR))
    lush = float(rng.uniform(0.5, 1.5))
    layers = [_layer(rng, view, habitat, metres, stone, lush) for metres in DISTANCES]
    return Scene(view, habitat, colors.astype(np.float32), depth, tuple(x for found in layers for x in found))


def _edge(rng: np.random.Generator, view: View) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which pixels show the ground: it ends in an uneven line a little below the horizon."""
    line = fractal(rng, (view.width, 4), view.width / 3, 5, 0.55)[0]
    first = view.row(FAR) + view.height * 0.03 * line
    return np.arange(view.height)[:, None] >= first[None, :]


def _ground(rng: np.random.Generator, view: View, habitat: Habitat, texture: Floats) -> Floats:
    """Return the ground in perspective. Its texture is smoother where it is far, as through a lens."""
    rows = np.clip(view.distances(), 0.1, FAR)[:, None]
    side = (np.arange(view.width, dtype=np.float32)[None, :] - view.width / 2) * rows / view.focal
    value = np.zeros((view.height, view.width), np.float32)
    # Pixels of the texture per metre.
    finer = 2.5 if habitat.surface == "gravel" else 1.0
    scales = finer * rng.uniform(180, 420), finer * rng.uniform(40, 110)
    for scale, weight in zip(scales, (0.65, 0.35)):
        across = (side * scale + rng.uniform(0, 1000)).astype(np.int32)
        along = np.broadcast_to((rows * scale + rng.uniform(0, 1000)).astype(np.int32), across.shape)
        # Pixels of the texture per pixel of the picture, down the rows.
        step = scale * rows[:, 0] ** 2 / (view.focal * view.above)
        for level, factor in enumerate((1, 4, 16, 64)):
            chosen = np.clip(np.log2(np.maximum(step, 1)) / 2, 0, 3).round() == level
            if chosen.any():
                sheet = textures.tiled(textures.blurred(texture, factor) if factor > 1 else texture)
                span = sheet.shape[0]
                value[chosen] += weight * sheet[along[chosen] % span, across[chosen] % span]
    patches = _on_ground(rng, view, float(rng.uniform(0.6, 2.5)))
    bare = np.clip((patches - float(rng.uniform(0.45, 0.8))) * 6, 0, 1)[:, :, None]
    dark, light, soil = (np.asarray(jittered(rng, c, 0.12, 0.03), np.float32) for c in habitat.ground)
    value = textures.equalized(value)[:, :, None]
    grown = dark + (light - dark) * value
    mixed = grown * (1 - 0.8 * bare) + 0.8 * bare * soil * (0.7 + 0.5 * value)
    return (mixed * (0.7 + 0.5 * _on_ground(rng, view, 0.5)[:, :, None])).astype(np.float32)


def _on_ground(rng: np.random.Generator, view: View, metres: float) -> Floats:
    """Return smooth noise between 0 and 1 on the ground, whose details are `metres` large."""
    side = 256
    sheet = textures.tiled(fractal(rng, (side, side), 48, 4, 0.6))
    rows = np.clip(view.distances(), 0.1, FAR)[:, None]
    scale = 48 / metres
    across = (np.arange(view.width, dtype=np.float32)[None, :] - view.width / 2) * rows / view.focal * scale
    return sheet[(rows * scale).astype(np.int32) % (2 * side), across.astype(np.int32) % (2 * side)]


def _behind(rng: np.random.Generator, view: View, habitat: Habitat, stone: Floats) -> Floats:
    """Return what is above the horizon."""
    size = view.width, view.height
    if habitat.behind == "cliff":
        folds = fractal(rng, size, view.width / 4, 6, 0.65, stretch=0.5)
        cracks = np.abs(fractal(rng, size, view.width / 6, 5, 0.7, stretch=0.4) - 0.5)
        value = (
            (0.25 + 0.9 * folds) * (0.55 + 1.6 * np.minimum(cracks, 0.3)) * (0.8 + 0.3 * resized(stone, size))
        )
        return value[:, :, None] * np.asarray(jittered(rng, habitat.stone, 0.1, 0.02), np.float32)
    if habitat.behind == "hills":
        return _hills(rng, view, habitat)
    leaves = fractal(rng, size, view.width / 12, 5, 0.85)
    gaps = np.clip((fractal(rng, size, view.width / 10, 5, 0.8) - 0.72) * 8, 0, 1)[:, :, None]
    dark = np.asarray(jittered(rng, habitat.plant, 0.1), np.float32) * 0.75
    return (0.25 + 1.1 * leaves[:, :, None]) * dark * (1 - gaps) + gaps * np.float32(210)


def _hills(rng: np.random.Generator, view: View, habitat: Habitat) -> Floats:
    """Return the sky, and hills in front of each other."""
    height, width = view.height, view.width
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.asarray((188, 200, 214), np.float32) * (1 - fade) + np.float32(225) * fade
    colors = np.broadcast_to(sky, (height, width, 3)).copy()
    rows = np.arange(height)[:, None]
    for number in range(3):
        line = fractal(rng, (width, 4), width / (1.5 + number), 6, 0.5)[0]
        top = view.horizon * (0.25 + 0.25 * number + 0.5 * (line - 0.5)) + 0.1 * number * view.horizon
        rough = fractal(rng, (width, height), 24, 4, 0.7)[:, :, None]
        tone = np.asarray(jittered(rng, habitat.plant, 0.1), np.float32) * (0.45 + 0.6 * rough)
        hazy = 0.55 - 0.2 * number
        colors = np.where((rows >= top)[:, :, None], tone * (1 - hazy) + 205 * hazy, colors)
    return colors.astype(np.float32)


def _layer(
    rng: np.random.Generator, view: View, habitat: Habitat, metres: float, stone: Floats, lush: float
) -> list[Layer]:
    """Return what stands about one distance: a rigid layer, and one that sways, where they are not empty."""
    if metres < 0.8 * view.nearest():
        return []
    size = view.width, view.height
    rigid, soft = (Canvas(size, habitat.stone), Canvas(size, habitat.plant))
    # As many per square metre far away as near, but no more than can be told apart.
    more = float(np.clip(metres / 5, 0.45, 2.2))

    def place(distance: float) -> tuple[float, float]:
        return float(rng.uniform(-0.1, 1.1)) * view.width, view.row(distance)

    def distances(mean: float) -> list[float]:
        return sorted((metres * rng.uniform(0.87, 1.13, rng.poisson(mean))).tolist(), reverse=True)

    for distance in distances(habitat.rocks * more):
        across = view.pixels(float(rng.uniform(0.15, 0.9)), distance)
        plants.rock(rigid, rng, place(distance), (across, across * float(rng.uniform(0.4, 0.8))), stone, jittered(rng, habitat.stone, 0.15, 0.02))  # fmt: skip
    # A trunk just in front of the camera would hide everything: nobody hangs a camera there.
    for distance in distances(habitat.trunks * more * (metres > 3.2)):
        width = view.pixels(float(rng.uniform(0.12, 0.5)), distance)
        plants.trunk(rigid, rng, place(distance), width, stone, jittered(rng, (98, 84, 68), 0.25, 0.03))
    for distance in distances(habitat.bushes * more * (0.3 if metres < 3 else 1) * lush):
        height = view.pixels(float(rng.uniform(0.3, 1.3)), distance)
        plants.bush(soft, rng, place(distance), height, jittered(rng, habitat.plant, 0.15))
    for distance in distances(habitat.tufts * more * (0.6 if metres < 3 else 1.6) * lush):
        height = view.pixels(habitat.grass * float(rng.uniform(0.4, 1)), distance)
        plants.tuft(
            soft, rng, place(distance), height, int(rng.integers(12, 32)), jittered(rng, habitat.plant, 0.15)
        )
    # The lens is focused on a few metres; what is nearer is blurred.
    softness = 0.6 + 1.5 * max(2.6 - metres, 0)
    found = rigid.layer(metres, 0.0, softness), soft.layer(metres, 1.0, softness)
    return [layer for layer in found if layer is not None]
