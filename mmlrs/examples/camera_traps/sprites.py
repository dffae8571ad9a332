"""Animals cut out of their background: photographs where they are installed, else drawings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from mmlrs.demo import stamps
from mmlrs.errors import IoError
from mmlrs.examples.camera_traps.drawn import drawing
from mmlrs.examples.camera_traps.noise import fractal
from mmlrs.examples.camera_traps.species import SPECIES, Photograph


@dataclass(frozen=True)
class Sprite:
    """One animal, facing right if it walks."""

    #: A picture of mode RGBA without empty borders.
    picture: Image.Image
    #: Height in metres of what it shows.
    metres: float
    #: Whether it walks. What lies or sits stays where it is.
    walks: bool


@lru_cache(maxsize=64)
def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA")
    except OSError as error:
        raise IoError(
            f"camera_traps.generate: {path} cannot be read as a picture ({error}); install Debian's package "
            f"tuxpaint-stamps-default again, or name its unpacked folder stamps in {stamps.VARIABLE}"
        ) from None
    return picture.crop(picture.getchannel("A").getbbox())


def _installed(label: str) -> list[tuple[Path, Photograph]]:
    root = stamps.folder()
    if root is None:
        return []
    paths = ((root / f"{photograph.path}.png", photograph) for photograph in SPECIES[label].photographs)
    return [(path, photograph) for path, photograph in paths if path.is_file()]


def sprite(rng: np.random.Generator, label: str) -> Sprite:
    """Return an animal of a species, of random size and proportions."""
    found = _installed(label)
    if found:
        path, photograph = found[int(rng.integers(len(found)))]
        picture, metres, walks = _read(path), photograph.metres, photograph.heading != 0
        if photograph.heading < 0 or (not walks and rng.random() < 0.5):
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    else:
        picture, metres, walks = *drawing(rng, label), True
    growth = float(np.clip(rng.normal(1, 0.12), 0.65, 1.35))
    return Sprite(_bent(rng, picture), metres * growth, walks)


def _bent(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Return another pose: the picture on a rubber sheet, a little wider or higher, bent and turned."""
    width, height = picture.size
    wide, high = (1 + float(v) for v in rng.normal(0, 0.06, 2))
    size = max(round(width * wide), 2), max(round(height * high), 2)
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)], np.float64)
    corners += rng.normal(0, 0.03, (4, 2)) * (width, height)
    bent = picture.transform(size, Image.Transform.QUAD, tuple(corners.ravel()), Image.Resampling.BICUBIC)
    coat = 1 + 0.25 * (fractal(rng, size, max(size) / 3, 4, 0.6) - 0.5)
    pixels = np.asarray(bent, np.float32) * np.concatenate(
        [coat[:, :, None]] * 3 + [np.ones_like(coat)[:, :, None]], 2
    )
    bent = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return bent.crop(bent.getchannel("A").getbbox())
