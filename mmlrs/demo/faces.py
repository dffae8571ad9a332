"""Faces and other pictures of scikit-image: `lfw_subset` (25 x 25 pixels, gray) and its photographs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmlrs.demo.pictures import Picture
from mmlrs.errors import MissingPackageError

SEED = 7
#: Side in pixels of the pictures from lfw_subset, and of the smallest crop of a photograph.
SIDE = 96
#: Number of pictures of lfw_subset that show a face. They are the first ones.
FACES = 100
#: Number of crops of each photograph, in addition to the photograph itself.
CROPS = 6
#: Photographs that show no human face.
FACELESS = (
    "brick", "cat", "cell", "clock", "coffee", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon",
    "retina", "rocket",
)  # fmt: skip
#: The face in scikit-image's photograph of Eileen Collins: top, left, side in pixels.
ASTRONAUT_FACE = (60, 165, 125)


def pictures() -> Iterator[Picture]:
    """Yield all pictures with the label "face" or "other"."""
    try:
        import skimage.data  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"mmlrs.demo: scikit-image, whose pictures are used without Tux Paint's, cannot be imported ({error}): "
            "pip install scikit-image"
        ) from None
    yield from _small_pictures()
    yield from _photographs(np.random.default_rng(SEED))


def _small_pictures() -> Iterator[Picture]:
    """Yield the enlarged pictures of lfw_subset."""
    from PIL import Image
    from skimage.data import lfw_subset

    for index, gray in enumerate(lfw_subset()):
        pixels = Image.fromarray((gray * 255).round().astype(np.uint8))
        enlarged = np.asarray(pixels.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        yield Picture("face" if index < FACES else "other", f"lfw{index:03}", enlarged)


def _photographs(rng: np.random.Generator) -> Iterator[Picture]:
    """Yield the photographs without a face and square crops of them, and crops around the one large face."""
    import skimage.data

    for name in FACELESS:
        photograph = getattr(skimage.data, name)()
        yield Picture("other", f"{name}-0", photograph, name)
        height, width = photograph.shape[:2]
        for crop in range(1, CROPS + 1):
            side = int(rng.integers(SIDE, min(height, width) * 3 // 4))
            top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
            yield Picture("other", f"{name}-{crop}", photograph[top : top + side, left : left + side], name)
    astronaut = skimage.data.astronaut()
    for crop in range(CROPS):
        top, left, side = (int(edge + rng.integers(-8, 9)) for edge in ASTRONAUT_FACE)
        pixels = astronaut[top : top + side, left : left + side]
        yield Picture("face", f"astronaut-{crop}", pixels, "astronaut")
