"""Generates a labelled set of camera-trap pictures: ``python -m mmlrs.examples.camera_traps.generate --out DIR``.

The set looks like those of the field: most pictures show grass and light that triggered the camera, a tenth shows a rare animal, and
the cameras kept for testing hang at places of their own. The animals are the photographs of Tux Paint where Debian's package
`tuxpaint-stamps-default` is installed, and drawings elsewhere. The ground has the texture of scikit-image's photographs where that
package is installed, and noise elsewhere. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._paths import path_of, with_space
from mmlrs._progress import Bar, progress
from mmlrs.errors import InvalidParamError, IoError, MissingPackageError, MmlrsError
from mmlrs.examples.camera_traps import bursts
from mmlrs.examples.camera_traps.species import SPECIES

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.labels import Row

__all__ = ["generate"]

#: Pixels of a side of the pictures, at least.
MIN_SIDE = 48
#: Pixels of a side of the pictures, at most.
MAX_SIDE = 8192
#: Pictures of a set, at most.
MAX_FRAMES = 10_000_000
#: Threads that draw pictures, at most. Each holds one scene.
MAX_THREADS = 8
_NAME = "camera_traps.generate"


def generate(
    folder: str | os.PathLike[str],
    frames: int = 2000,
    size: tuple[int, int] = (1280, 960),
    cameras: int = 20,
    seed: int = 0,
    target: str = "cat",
) -> dict[str, int]:
    """Write a labelled set of camera-trap pictures, and return how many pictures have each label.

    The set is `folder/<camera>/<burst>/<frame>.jpg` with EXIF data (time, make, model and serial number of the camera), `labels.csv`
    with a line per picture (file, label, location, sequence, frame, time, split), and `coco.json` in the format COCO Camera Traps
    with a box around every animal. About 10% of the pictures show the target, 5% have colours and the others are infrared or gray.
    A picture without animals has the label "empty". A burst has 3 to 10 pictures, or fewer if its camera has fewer in all, 1 to 10
    seconds apart; bursts of a camera are more than 60 seconds apart. A fifth of the cameras has the split "test". Every camera has a
    place and a mix of species of its own.

    Parameters
    ----------
    folder : str or path
        Folder to write to. It is created. If it exists, it must be empty.
    frames : int, default 2000
        Number of pictures, at least one per camera and at most 10 million.
    size : tuple of int, default (1280, 960)
        Width and height of the pictures in pixels, each between 48 and 8192.
    cameras : int, default 20
        Number of cameras, at least 2.
    seed : int, default 0
        The same seed gives the same files, byte for byte, with the same packages and pictures. At least 0.
    target : str, default "cat"
        The rare species: "badger", "bear", "bird", "cat", "cattle", "deer", "dog", "goat", "hare", "horse", "person", "pig" or
        "rodent". The other species occur in fewer pictures.

    Returns
    -------
    dict of str to int
        The number of pictures per label, sorted by label.

    Raises
    ------
    InvalidParamError
        A param has the wrong type or a value that is not allowed.
    IoError
        The folder is not empty or cannot be written, or a picture of Tux Paint cannot be read.
    MissingPackageError
        Pillow 10.1 or newer is not installed.

    Notes
    -----
    Cost: about 40 ms of CPU time per picture of the default size, plus 0.7 s per camera, on as many threads as there are cores, at
    most 8; 0.2 MB of disk per picture. `labels.csv` and `coco.json` are written last, so an interrupted set has none.

    A picture is drawn from far to near: the ground, plants and animals, each as large and as bright as its distance requires. The
    infrared flash, haze, the blur of the lens, dark corners, noise and JPEG compression apply to all of it alike. No animal is
    pasted onto a finished picture. Some animals are hardly visible, as in the field: far away, in the dark or behind plants. Their
    labels are right nevertheless, and boxes include what plants hide.

    A species has two to nine photographs. Cameras of both splits show the same ones, in other poses, sizes and light. So the set
    tests whether a classifier works at new places, but not whether it recognizes animals that it has never seen.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.examples.camera_traps.generate import generate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     counts = generate(folder, frames=12, size=(160, 120), cameras=3)
    >>> sum(counts.values()), "cat" in counts
    (12, True)
    """
    root = _checked(folder, frames, size, cameras, seed, target)
    _require_pillow()
    plan = bursts.cameras(np.random.default_rng(seed), int(frames), int(cameras), target)
    size = int(size[0]), int(size[1])
    from mmlrs.examples.camera_traps.labels import write_coco, write_csv

    try:
        root.mkdir(parents=True, exist_ok=True)
        rows = _drawn(root, plan, size, int(seed))
        write_csv(root / "labels.csv", rows)
        write_coco(root / "coco.json", rows, size)
    except OSError as error:
        if isinstance(error, MmlrsError):
            raise
        message = f"{_NAME}: param `folder`: {root} cannot be written ({error})"
        raise IoError(with_space(message, str(root), error)) from None
    return dict(sorted(Counter(row.label for row in rows).items()))


def _drawn(root: Path, plan: list[bursts.Camera], size: tuple[int, int], seed: int) -> list[Row]:
    """Draw the pictures of all cameras on several threads, and return their rows in the order of the plan."""
    from mmlrs.examples.camera_traps import noise

    grain = noise.grain(np.random.default_rng([seed, 1]), size)
    stop = threading.Event()
    total = sum(len(burst.times) for camera in plan for burst in camera.bursts)
    threads = min(os.cpu_count() or 1, MAX_THREADS, len(plan))
    with progress("pictures", total, "picture") as bar, ThreadPoolExecutor(threads) as pool:
        tasks = [
            pool.submit(_draw_camera, root, camera, [seed, 2, number], grain, size, stop, bar)
            for number, camera in enumerate(plan)
        ]
        try:
            return [row for task in tasks for row in task.result()]
        finally:
            stop.set()  # after an error or Ctrl-C the other threads end at their next picture


def _draw_camera(
    root: Path,
    camera: bursts.Camera,
    seed: list[int],
    grain: Any,
    size: tuple[int, int],
    stop: threading.Event,
    bar: Bar,
) -> list[Row]:
    from mmlrs.examples.camera_traps import light, scene, view

    if stop.is_set():
        return []
    rng = np.random.default_rng(seed)
    place = scene.scene(rng, view.view(rng, size))
    optics = light.optics(rng)
    rows: list[Row] = []
    for number, burst in enumerate(camera.bursts):
        if stop.is_set():
            break
        own = np.random.default_rng([*seed, number])
        for row in _draw_burst(own, root, camera, (number, burst), (place, optics), grain, size):
            rows.append(row)
            bar.update()
            if stop.is_set():
                break
    return rows


def _draw_burst(
    rng: np.random.Generator,
    root: Path,
    camera: bursts.Camera,
    numbered: tuple[int, bursts.Burst],
    seen: tuple[Any, Any],
    grain: Any,
    size: tuple[int, int],
) -> Iterator[Row]:
    from mmlrs.examples.camera_traps.exif import exif
    from mmlrs.examples.camera_traps.frames import frames
    from mmlrs.examples.camera_traps.labels import Row
    from mmlrs.examples.camera_traps.strip import strip

    number, burst = numbered
    place, optics = seen
    name = f"{number + 1:04}"
    folder = root / camera.name / name
    folder.mkdir(parents=True)
    count = len(burst.times)
    pictures = frames(rng, place, optics, grain, size, (burst.mode, burst.label, count, burst.shown))
    for frame, (picture, boxes) in enumerate(pictures):
        time = burst.times[frame]
        band = strip(camera, size, f"{time:%Y-%m-%d  %H:%M:%S}")
        visible = size[1]
        if band is not None:
            visible -= band.height
            picture.paste(band, (0, visible))
        file = f"{camera.name}/{name}/{frame + 1:02}.jpg"
        picture.save(root / file, quality=optics.quality, exif=exif(camera, time))
        kept = tuple((x, y, w, min(h, visible - y)) for x, y, w, h in boxes if y < visible)
        sequence = f"{camera.name}-{name}"
        yield Row(
            file, burst.label_of(frame), camera.name, sequence, frame + 1, count, time, camera.split, kept
        )


def _checked(
    folder: str | os.PathLike[str],
    frames: object,
    size: object,
    cameras: object,
    seed: object,
    target: object,
) -> Path:
    """Return the folder, or raise the error of the first bad param."""
    least = _whole("cameras", cameras, 2, MAX_FRAMES, "with one camera no split by camera is possible")
    count = _whole("frames", frames, 1, MAX_FRAMES, "the pictures of all cameras together")
    if count < least:
        raise InvalidParamError(
            f"{_NAME}: param `frames` must be at least `cameras` ({least:,}), so that each camera takes a picture, got {count:,}"
        )
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise InvalidParamError(f"{_NAME}: param `size` must be (width, height) in pixels, got {shown(size)}")
    for side in size:
        _whole("size", side, MIN_SIDE, MAX_SIDE, "of width and height in pixels")
    _whole("seed", seed, 0, 2**63 - 1, "it starts the random numbers")
    if not isinstance(target, str) or target not in SPECIES:
        raise InvalidParamError(
            f"{_NAME}: param `target` must be one of {', '.join(SPECIES)}, got {shown(target)}"
        )
    root = Path(path_of(folder, f"{_NAME}: param `folder`")).expanduser()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise IoError(
            f"{_NAME}: param `folder`: {root} exists and is not an empty folder; choose another or empty it"
        )
    return root


def _whole(name: str, value: object, least: int, most: int, reason: str) -> int:
    """Return a whole number within its limits. NumPy's are fine, bools are not."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise InvalidParamError(
            f"{_NAME}: param `{name}` must be a whole number between {least:,} and {most:,} ({reason}), got {shown(value)}"
        )
    return int(value)


def _require_pillow() -> None:
    try:
        from PIL import ImageFont

        ImageFont.load_default(10)
    except (ImportError, TypeError) as error:
        raise MissingPackageError(
            f'{_NAME}: Pillow 10.1 or newer cannot be used ({error}): pip install "Pillow>=10.1"'
        ) from None


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.examples.camera_traps.generate",
        description="Generate camera-trap pictures with labels.",
    )
    parser.add_argument("--out", required=True, help="folder for the pictures; new or empty")
    parser.add_argument("--frames", type=int, default=2000, help="number of pictures; default: %(default)s")
    parser.add_argument("--size", type=_size, default=(1280, 960), help="width x height; default: 1280x960")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same files; default: %(default)s"
    )
    parser.add_argument("--cameras", type=int, default=20, help="number of cameras; default: %(default)s")
    parser.add_argument(
        "--target", choices=sorted(SPECIES), default="cat", help="the rare animal; default: %(default)s"
    )
    asked = parser.parse_args()
    try:
        counts = generate(asked.out, asked.frames, asked.size, asked.cameras, asked.seed, asked.target)
    except MmlrsError as error:
        sys.exit(str(error))
    print(f"{asked.out}: " + ", ".join(f"{count:,} {label}" for label, count in counts.items()))


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"must be like 1280x960, got {text!r}")
    return int(width), int(height)


if __name__ == "__main__":
    main()
