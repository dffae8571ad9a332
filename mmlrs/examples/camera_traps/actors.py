"""Animals and people in a burst: where they are in each frame and how they look in its light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mmlrs.examples.camera_traps.light import Light
from mmlrs.examples.camera_traps.noise import Floats, fractal
from mmlrs.examples.camera_traps.scene import Scene
from mmlrs.examples.camera_traps.sprites import Sprite, sprite

#: Share of animals whose brightness and contrast are near those of the ground behind them.
CAMOUFLAGED = 0.2
#: Share of bursts with animals in which there are two.
PAIRS = 0.12
#: Height of an animal as a share of the height of the picture: the least and the most.
HEIGHTS = (0.05, 1.25)
#: Part of an animal's width that is inside the picture, at least.
INSIDE = 0.3
#: Farthest distance in metres of an animal.
FARTHEST = 16.0
#: Opacity from which a pixel belongs to an animal's box.
SOLID = 110


@dataclass(frozen=True)
class Actor:
    """One animal in a burst, shaded and of its size in the drawing."""

    #: A picture of mode LA or RGBA.
    picture: Image.Image
    metres: float
    #: Column of its middle and row of its feet, for the frames that show it.
    path: NDArray[np.float64]
    #: Pixels that it moves while a frame is exposed.
    speed: float


def actors(
    rng: np.random.Generator, label: str, shown: int, scene: Scene, light: Light, ground: Image.Image
) -> list[Actor]:
    """Return the animals of a burst, from far to near. They are in its first `shown` frames."""
    count = 2 if rng.random() < PAIRS else 1
    found = [_actor(rng, sprite(rng, label), shown, scene, light, ground) for _ in range(count)]
    return sorted(found, key=lambda actor: -actor.metres)


def _actor(
    rng: np.random.Generator, animal: Sprite, shown: int, scene: Scene, light: Light, ground: Image.Image
) -> Actor:
    view = scene.view
    near = max(view.focal * animal.metres / (HEIGHTS[1] * view.height), 1.1 * view.nearest())
    far = min(view.focal * animal.metres / (HEIGHTS[0] * view.height), FARTHEST)
    if light.mode == "night":
        far = min(far, 2.6 * light.reach)
    metres = float(np.exp(rng.uniform(np.log(near), np.log(max(far, 1.2 * near)))))
    height = max(round(view.pixels(animal.metres, metres)), 3)
    width = max(round(height * animal.picture.width / animal.picture.height), 3)
    heading = 1 if rng.random() < 0.5 else -1
    path, speed = _path(rng, animal, shown, heading, width, metres, scene)
    shaded = _shaded(rng, animal.picture, light, metres)
    if rng.random() < CAMOUFLAGED:
        x, y = path[0]
        place = int(x - width / 2), int(y - height), int(x + width / 2), int(y)
        shaded = _camouflaged(rng, shaded, ground.crop(place))
    if heading < 0:
        shaded = shaded.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    enlarged = shaded.resize((width, height), Image.Resampling.BICUBIC)
    return Actor(_in_grass(rng, enlarged, scene, metres), metres, path, speed)


def _path(
    rng: np.random.Generator,
    animal: Sprite,
    shown: int,
    heading: int,
    width: int,
    metres: float,
    scene: Scene,
) -> tuple[NDArray[np.float64], float]:
    """Return where an animal is in each frame, on a path that plants do not hide, and its speed in pixels."""
    view = scene.view
    reach = view.width / 2 + width * (0.5 - INSIDE)
    pace = float(rng.gamma(1.2, 0.07)) if animal.walks else 0.004
    steps = heading * np.abs(rng.normal(pace, 0.4 * pace, shown)) * view.width
    if rng.random() < 0.35:
        steps *= 0.15  # it stands, feeds or looks into the camera
    along = np.concatenate([[0.0], np.cumsum(steps[1:])])
    # An animal that would leave the picture too early walks slower.
    along *= min(1.0, 2 * reach / max(float(np.abs(along).max()), 1.0))
    low, high = view.width / 2 - reach - along.min(), view.width / 2 + reach - along.max()
    open_ = _open(scene, metres)
    tries = [low + (high - low) * float(rng.beta(1.3, 1.3)) for _ in range(5)]
    seen = [float(np.mean([_seen(open_, x + start, width, view.width) for x in along])) for start in tries]
    good = [start for start, share in zip(tries, seen) if share > 0.45]
    start = good[0] if good else tries[int(np.argmax(seen))]
    feet = view.row(metres) + np.cumsum(rng.normal(0, 0.002, shown)) * view.height
    return np.stack([along + start, feet], 1), float(np.abs(steps).mean())


def _open(scene: Scene, metres: float) -> Floats:
    """Return how much of what is behind them the plants and rocks nearer than `metres` let through, per column."""
    view = scene.view
    open_ = np.ones((view.height, view.width), np.float32)
    for layer in scene.layers:
        if layer.metres < metres:
            left, top = layer.place
            mask = np.asarray(layer.mask, np.float32) / 255
            open_[top : top + mask.shape[0], left : left + mask.shape[1]] *= 1 - mask
    feet = int(np.clip(view.row(metres), 2, view.height))
    return open_[max(feet - round(view.pixels(0.8, metres)), 0) : feet].mean(0)


def _seen(open_: Floats, middle: float, width: int, limit: int) -> float:
    left, right = max(int(middle - width / 2), 0), min(int(middle + width / 2) + 1, limit)
    return float(open_[left:right].sum()) / width if right > left else 0.0


def _shaded(rng: np.random.Generator, picture: Image.Image, light: Light, metres: float) -> Image.Image:
    """Return an animal in the light of a burst. Coats differ in infrared more than in colour."""
    pixels = np.asarray(picture, np.float32)
    colors, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    mean = float((colors * alpha).sum() / max(float(alpha.sum()) * 3, 1.0))
    contrast, gain = float(rng.uniform(0.55, 1)), float(rng.uniform(0.75, 1.2))
    shaded = light.image(np.clip((colors - mean) * contrast + mean, 0, 255) * gain, metres)
    channels = shaded.reshape(*shaded.shape[:2], -1)
    return Image.fromarray(np.concatenate([channels, alpha.astype(np.uint8)], 2))


def _camouflaged(rng: np.random.Generator, picture: Image.Image, ground: Image.Image) -> Image.Image:
    """Return an animal about as bright as the ground behind it, with less contrast."""
    pixels = np.asarray(picture, np.float32)
    alpha = pixels[:, :, -1:]
    behind = np.asarray(ground, np.float32).reshape(-1, pixels.shape[2] - 1).mean(0)
    own = (pixels[:, :, :-1] * alpha).sum((0, 1)) / max(float(alpha.sum()), 1.0)
    contrast = float(rng.uniform(0.55, 0.85))
    mixed = (pixels[:, :, :-1] - own) * contrast + 0.4 * own + 0.6 * behind
    return Image.fromarray(np.concatenate([np.clip(mixed, 0, 255), alpha], 2).astype(np.uint8))


def _in_grass(rng: np.random.Generator, picture: Image.Image, scene: Scene, metres: float) -> Image.Image:
    """Return an animal whose feet are hidden by blades of grass, with fur in the detail that its photograph lacks."""
    pixels = np.asarray(picture, np.float32).copy()
    height, width = pixels.shape[:2]
    hairs = rng.normal(0, 0.5, (height, width)) + fractal(rng, (width, height), 3.3, 2, 0.9) - 0.5
    pixels[:, :, :-1] *= 1 + 0.2 * hairs[:, :, None]
    deep = scene.view.pixels(0.12 if scene.habitat.surface == "grass" else 0.03, metres)
    blades = rng.random(width) ** 1.5 * min(deep, 0.3 * height)
    above = height - np.arange(height, dtype=np.float32)[:, None] - blades[None, :]
    pixels[:, :, -1] *= np.clip(above, 0, 1)
    alpha = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    soft = alpha.getchannel("A").filter(ImageFilter.GaussianBlur(0.6))
    alpha.putalpha(soft)
    return alpha


def posed(rng: np.random.Generator, actor: Actor) -> Image.Image:
    """Return an animal as one frame shows it: a little turned and stretched, and blurred by its motion."""
    picture = actor.picture
    wide, high = (1 + float(v) for v in np.clip(rng.normal(0, 0.025, 2), -0.06, 0.06))
    size = max(round(picture.width * wide), 2), max(round(picture.height * high), 2)
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    picture = picture.rotate(float(rng.normal(0, 1.2)), Image.Resampling.BILINEAR, expand=True)
    radius = min(actor.speed * 0.03, 0.04 * picture.width)
    if radius > 0.5:
        mode = picture.mode
        picture = (
            picture.convert(mode.replace("A", "a")).filter(ImageFilter.BoxBlur((radius, 0))).convert(mode)
        )
    return picture
