"""Repeats the study on generated sets: ``python -m mmlrs.examples.camera_traps.seeds --seeds 5 --frames 2000 --out DIR``.

Each seed has pictures, cameras and a split of its own, so the spread says how much a single study is worth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmlrs._messages import counted
from mmlrs.demo.session import spark_session
from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.examples.camera_traps.__main__ import DRIVER_MEMORY, generated
from mmlrs.examples.camera_traps.study import run
from mmlrs.examples.camera_traps.variants import VARIANTS

__all__ = ["lines"]

#: What is expected of the areas under the ROC curves: the name of a variant, of one that should be better, and whether equal is enough.
EXPECTED = (
    ("LR120", "RN1", False),
    ("LR120", "RN2", False),
    ("RN2", "RN2+A", True),
    ("RN2+A", "RN2+A+E", False),
)


def lines(studies: Sequence[Mapping[str, Any]]) -> list[str]:
    r"""Return what several studies say together, as lines of text.

    Parameters
    ----------
    studies : sequence of mapping
        The content of the `metrics.json` of each study.

    Returns
    -------
    list of str
        The mean and the standard deviation of each variant's area under the ROC curve and average precision, on the test cameras.
        Then how often, and by how much on average, each expected order of the areas holds.

    Raises
    ------
    InvalidParamError
        There are no studies.

    Examples
    --------
    >>> from mmlrs.examples.camera_traps.seeds import lines
    >>> areas = {"LR120": 0.5, "RN1": 0.75, "RN2": 0.75, "RN2+A": 0.8, "RN2+A+E": 0.8}
    >>> variants = {name: {"test": {"auc": area, "average_precision": 0.5}} for name, area in areas.items()}
    >>> print("\n".join(lines([{"variants": variants}])))
    LR120     AUC 0.500 (sd 0.000), average precision 0.500 (sd 0.000)
    RN1       AUC 0.750 (sd 0.000), average precision 0.500 (sd 0.000)
    RN2       AUC 0.750 (sd 0.000), average precision 0.500 (sd 0.000)
    RN2+A     AUC 0.800 (sd 0.000), average precision 0.500 (sd 0.000)
    RN2+A+E   AUC 0.800 (sd 0.000), average precision 0.500 (sd 0.000)
    LR120 below RN1: in 1 of 1 seed, mean difference +0.250
    LR120 below RN2: in 1 of 1 seed, mean difference +0.250
    RN2 not above RN2+A: in 1 of 1 seed, mean difference +0.050
    RN2+A below RN2+A+E: in 0 of 1 seed, mean difference +0.000
    """
    if not studies:
        raise InvalidParamError("camera_traps.seeds: param `studies` is empty; run at least one")
    figures = {
        variant.name: [study["variants"][variant.name]["test"] for study in studies] for variant in VARIANTS
    }
    told = []
    for name, tests in figures.items():
        areas, precisions = ([test[which] for test in tests] for which in ("auc", "average_precision"))
        told.append(f"{name:<9} AUC {_spread(areas)}, average precision {_spread(precisions)}")
    for worse, better, equal in EXPECTED:
        gains, held = gains_of(figures, worse, better, equal)
        words = "not above" if equal else "below"
        told.append(
            f"{worse} {words} {better}: in {held} of {counted(len(gains), 'seed')}, mean difference {statistics.mean(gains):+.3f}"
        )
    return told


def gains_of(
    figures: Mapping[str, Sequence[Mapping[str, float]]], worse: str, better: str, equal: bool
) -> tuple[list[float], int]:
    """Return how much larger the area of a variant is in each study, and in how many it is larger, or not smaller if `equal`."""
    gains = [b["auc"] - a["auc"] for a, b in zip(figures[worse], figures[better], strict=True)]
    return gains, sum(gain >= 0 if equal else gain > 0 for gain in gains)


def _spread(values: Sequence[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} (sd {deviation:.3f})"


def main() -> None:
    """Read the command line, run the studies that are not finished, and print what all say."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.examples.camera_traps.seeds",
        description="Repeat the camera-trap study on generated pictures, and print the mean and spread of each variant.",
    )
    parser.add_argument("--seeds", type=int, default=5, help="number of studies; default: %(default)s")
    parser.add_argument("--frames", type=int, default=2000, help="pictures of each; default: %(default)s")
    parser.add_argument("--target", default="cat", help="the animal to find; default: %(default)s")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder; finished studies in it are not repeated"
    )
    asked = parser.parse_args()
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
        print("\n".join(lines(_studies(asked.out, asked.seeds, asked.frames, asked.target))))
    except (MmlrsError, OSError) as error:
        sys.exit(str(error))


def _studies(out: Path, count: int, frames: int, target: str) -> list[dict[str, Any]]:
    """Return the figures of the studies with the seeds 0, 1, and so on."""
    found = []
    with spark_session(out / "spark.log", {"spark.driver.memory": DRIVER_MEMORY}) as spark:
        for seed in range(count):
            folder = out / f"seed-{seed}"
            metrics = folder / "metrics.json"
            tell = _teller(seed)
            if not metrics.exists():
                images = generated(folder, target, seed, frames)
                run(spark, images, folder, target=target, seed=seed, report=tell)
            found.append(json.loads(metrics.read_text(encoding="utf-8")))
            tell("finished", str(folder))
    return found


def _teller(seed: int) -> Callable[[str, str], None]:
    def tell(topic: str, text: str) -> None:
        print(f"  seed {seed}  {topic:<10} {text}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
