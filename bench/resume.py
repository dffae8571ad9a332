"""Scoring a folder that is interrupted: what is in the result, and what the interruptions cost."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from bench.measure import Figure, Setting

PICTURES = 20_000
DAMAGED = 50
KILLS = 2
WIDTH, HEIGHT = 320, 240
ROOT = Path(__file__).resolve().parents[1]


def picture(number: int) -> bytes:
    """Return a JPEG that no other number gives. Odd ones are brighter."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 120, (6, 8, 3)) + (100 if number % 2 else 20)
    out = io.BytesIO()
    resized = Image.fromarray(coarse.astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    resized.save(out, "JPEG", quality=85)
    return out.getvalue()


def fill(card: Path, count: int) -> set[str]:
    """Write the pictures of 20 cameras, and return the names of the damaged ones: empty, cut off and no picture."""
    damaged = set(random.Random(0).sample(range(count), DAMAGED))
    names = set()
    for number in range(count):
        path = card / f"camera-{number % 20:02}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = picture(number)
        if number in damaged:
            names.add(path.relative_to(card).as_posix())
            content = (b"", content[: len(content) // 3], b"no picture")[number % 3]
        path.write_bytes(content)
    return names


def save_model(folder: Path) -> None:
    """Write a model of 40x30 pixels with a logistic regression of scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    import mmlrs
    from mmlrs.examples.camera_traps.saved_study import StudyModel
    from mmlrs.image import ImageTransformer, UnrollImage

    small = ImageTransformer(inputCol="image", outputCol="small").resize(30, 40)
    pixels = UnrollImage(inputCol="small", outputCol="features")
    table = pa.table({"image": pa.array([picture(number) for number in range(100)], pa.binary())})
    features = np.stack(pixels.transform(small.transform(table))["features"].to_numpy())
    learner = LogisticRegression(C=1e-6, solver="liblinear").fit(features, np.arange(100) % 2)
    chain = mmlrs.compile([small, pixels, mmlrs.from_estimator(learner, featuresCol="features")])
    StudyModel(chain, "cat").write(folder)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class Run:
    """The command that scores the card."""

    def __init__(self, model: Path, card: Path, out: Path) -> None:
        self.out = out
        self.journal = Path(f"{out}.partial")
        program = [sys.executable, "-m", "mmlrs.examples.camera_traps.score"]
        self.command = [*program, f"--model={model}", f"--images={card}", f"--out={out}", "--format=csv"]

    def finish(self) -> float:
        """Run to the end, and return the seconds that it took."""
        start = time.perf_counter()
        subprocess.run(self.command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    def kill_after(self, batches: int, pause: float) -> float:
        """Run until there are so many new batches and a moment has passed; kill; and return the seconds that it took."""
        start, before = time.perf_counter(), len(list(self.journal.glob("batch-*")))
        with subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            while len(list(self.journal.glob("batch-*"))) < before + batches:
                if process.poll() is not None:
                    raise RuntimeError("the process ended before it was killed")
                time.sleep(0.005)
            time.sleep(pause)
            os.kill(process.pid, signal.SIGKILL)
        return time.perf_counter() - start


def resume(setting: Setting) -> Iterator[Figure]:
    """`score_folder` of 20,000 pictures of 320x240, 50 of them damaged, killed twice on the way and continued."""
    count = PICTURES // 10 if setting.quick else PICTURES
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as place:
        folder = Path(place)
        damaged = fill(folder / "card", count)
        save_model(folder / "model")
        whole = Run(folder / "model", folder / "card", folder / "whole.csv")
        whole.finish()  # fills the disk cache
        undisturbed = whole.finish()
        killed = Run(folder / "model", folder / "card", folder / "killed.csv")
        share = count // 256 // (KILLS + 1)
        spent = sum(
            killed.kill_after(chance.randint(1, max(share, 1)), chance.random() / 5) for _ in range(KILLS)
        )
        done = len(list(killed.journal.glob("batch-*")))
        spent += killed.finish()
        rows, expected = rows_of(killed.out), rows_of(whole.out)
    times = Counter(row["file"] for row in rows)
    what = f"{count:,} pictures, {DAMAGED} damaged, killed {KILLS} times and continued"
    yield Figure(
        f"{what}: pictures that are once in the result",
        sum(times[row["file"]] == 1 for row in expected),
        "",
        count,
        detail=f"{done} batches were done when it was continued for the last time",
    )
    failed = {row["file"] for row in rows if row["failure"]}
    yield Figure("damaged pictures with a reason in place of a score", len(failed & damaged), "", DAMAGED)
    yield Figure("good pictures that failed", len(failed - damaged), "", 0, at_least=False)
    pairs = zip(rows, expected, strict=True)
    different = sum(row != other for row, other in pairs)
    yield Figure("rows that differ from those of an undisturbed run", different, "", 0, at_least=False)
    yield Figure(
        "time lost by the interruptions",
        spent - undisturbed,
        "s",
        detail=f"{spent:.1f} s in all against {undisturbed:.1f} s undisturbed, {count / undisturbed:,.0f} pictures a second; three "
        "starts of a process instead of one, and two unfinished batches",
    )
