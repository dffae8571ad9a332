"""The camera-trap study: how long it takes, and what its variants are worth on cameras that they have not seen."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Figure, Setting

FRAMES = 2000
SEEDS = 5
#: Finished studies of `study-seeds`, which are not repeated.
FOLDER = Path(__file__).resolve().parents[1] / "target" / "camera-traps"
PACKAGE = "mmlrs.examples.camera_traps"


def study(setting: Setting) -> Iterator[Figure]:
    """The whole study of 2,000 generated frames of 1280x960, from the start of Python to the report, and its `--quick`."""
    from mmlrs.examples.camera_traps.generate import generate

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if not setting.quick:
            images = out / "pictures"
            generate(images, frames=FRAMES, seed=0)
            seconds = _seconds("--images", str(images), "--out", str(out / "whole"))
            steps = json.loads((out / "whole" / "metrics.json").read_text(encoding="utf-8"))["seconds"]
            detail = ", ".join(f"{name} {taken:.0f} s" for name, taken in steps.items())
            what = f"the whole study, {FRAMES:,} frames of 1280x960, five variants, two cores"
            yield Figure(what, seconds, "s", target=360.0, at_least=False, detail=detail)
        seconds = _seconds("--quick", "--out", str(out / "quick"))
        what = "the study with --quick, with the generation of its pictures"
        yield Figure(what, seconds, "s", target=60.0, at_least=False)


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", PACKAGE, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def seeds(setting: Setting) -> Iterator[Figure]:
    """The areas under the ROC curves of the test cameras, over generated sets with places and animals of their own."""
    from mmlrs.examples.camera_traps.seeds import EXPECTED, gains_of

    frames, count = (120, 2) if setting.quick else (FRAMES, SEEDS)
    folder = FOLDER / f"{frames}-frames"
    command = [
        sys.executable,
        "-m",
        f"{PACKAGE}.seeds",
        "--seeds",
        str(count),
        "--frames",
        str(frames),
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    studies = [
        json.loads((folder / f"seed-{seed}" / "metrics.json").read_text(encoding="utf-8"))
        for seed in range(count)
    ]
    figures = {name: [one["variants"][name]["test"] for one in studies] for name in studies[0]["variants"]}
    for name, tests in figures.items():
        areas, precisions = ([test[which] for test in tests] for which in ("auc", "average_precision"))
        spread = f"standard deviation {statistics.stdev(areas):.3f} over {count} seeds"
        detail = f"{spread}; average precision {statistics.mean(precisions):.3f}"
        yield Figure(f"AUC of {name}, {frames:,} frames", statistics.mean(areas), "", detail=detail)
    for worse, better, equal in EXPECTED:
        gains, held = gains_of(figures, worse, better, equal)
        what = f"mean AUC of {better} less that of {worse}"
        detail = f"{'not worse' if equal else 'better'} in {held} of {count} seeds"
        yield Figure(what, statistics.mean(gains), "", target=0.0, detail=detail)
