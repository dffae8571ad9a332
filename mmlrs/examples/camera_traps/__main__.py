"""Runs the study: ``python -m mmlrs.examples.camera_traps --images DIR --out DIR``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mmlrs.demo.session import spark_session
from mmlrs.errors import IoError, MmlrsError
from mmlrs.examples.camera_traps.generate import generate
from mmlrs.examples.camera_traps.study import run
from mmlrs.examples.camera_traps.variants import Settings

#: Memory of Spark's process, in which features are kept.
DRIVER_MEMORY = "4g"
#: The set that `--quick` generates, and the iterations of its logistic regressions.
QUICK_FRAMES, QUICK_SIZE, QUICK_CAMERAS = 400, (320, 240), 12
QUICK_ITERATIONS = 15
#: Settings of Spark for `--quick`: what Java's second compiler and compiled queries cost never comes back. Without the second compiler, Java
#: reserves too little memory for compiled code.
QUICK_CONF = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m",
    "spark.sql.codegen.wholeStage": "false",
}


def report(topic: str, text: str) -> None:
    """Print one line."""
    print(f"  {topic:<10} {text}", flush=True)


def main() -> None:
    """Read the command line and run."""
    asked = _parser().parse_args()
    if asked.images is None and not asked.quick:
        sys.exit(
            "camera_traps: param `images` is missing; pass --images DIR, or --quick to try the study on generated pictures"
        )
    start = time.perf_counter()
    out = Path(asked.out).expanduser()
    try:
        images = Path(asked.images) if asked.images is not None else generated(out, asked.target, asked.seed)
        out.mkdir(parents=True, exist_ok=True)
        conf = {"spark.driver.memory": DRIVER_MEMORY, **(QUICK_CONF if asked.quick else {})}
        with spark_session(out / "spark.log", conf) as spark:
            report("spark", f"started after {time.perf_counter() - start:.0f} s")
            run(
                spark,
                images,
                out,
                asked.labels,
                target=asked.target,
                recall=asked.recall,
                seed=asked.seed,
                model=asked.model,
                iterations=QUICK_ITERATIONS if asked.quick else Settings.iterations,
                report=report,
            )
    except (MmlrsError, OSError) as error:
        sys.exit(str(error))
    report("look at", f"{out / 'report.html'}; {time.perf_counter() - start:.0f} s in all")


def generated(out: Path, target: str, seed: int, frames: int | None = None) -> Path:
    """Return the folder `out/pictures` of generated pictures: a small set, or `frames` of the usual size.

    A set of an earlier run is used again.
    """
    folder = out / "pictures"
    if (folder / "labels.csv").exists():
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise IoError(
            f"camera_traps: {folder} holds an unfinished set of pictures; remove it, or pass another --out"
        )
    if frames is None:
        counts = generate(folder, QUICK_FRAMES, QUICK_SIZE, QUICK_CAMERAS, seed, target)
    else:
        counts = generate(folder, frames, seed=seed, target=target)
    report(
        "pictures",
        f"{sum(counts.values()):,} generated in {folder}, {counts.get(target, 0):,} of them with a {target}",
    )
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.examples.camera_traps",
        description="Learn to find a rare animal in camera-trap pictures, test it on other cameras, and write a report.",
    )
    parser.add_argument("--images", help="folder of pictures; its first level of folders are the cameras")
    parser.add_argument(
        "--labels",
        help="JSON of COCO Camera Traps, or CSV with file and label; default: labels.csv or coco.json in --images",
    )
    parser.add_argument("--out", required=True, help="folder for report, scores and model")
    parser.add_argument("--target", default="cat", help="the label to find; default: %(default)s")
    parser.add_argument(
        "--recall", type=float, default=0.95, help="share of the target to find; default: %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the split by camera; default: %(default)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer iterations; without --images, a small generated set"
    )
    parser.add_argument(
        "--model", default="efficientnet-lite0", help="name or path of the network; default: %(default)s"
    )
    return parser


if __name__ == "__main__":
    main()
