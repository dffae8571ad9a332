"""The steps of the demo and its report."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlrs.demo import learning
from mmlrs.demo.pictures import folds, lay_out
from mmlrs.demo.session import spark_session
from mmlrs.demo.sources import Source
from mmlrs.errors import IoError
from mmlrs.plot import plot_confusion_matrix, show_images

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SEED = 7
#: Number of folds of the cross-validation.
FOLDS = 5
#: Number of pictures that the saved model is asked about in a new process.
QUESTIONS = 6


def report(topic: str, text: str) -> None:
    """Print one line of the report."""
    print(f"  {topic:<11} {text}", flush=True)


def run(source: Source, output: Path) -> None:
    """Judge a classifier by cross-validation, save one, and ask it in a new process."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IoError(f"mmlrs.demo: cannot write to {output}: {error.strerror or error}") from None
    folder, saved = output / "pictures", output / "model"
    if saved.exists() and not (saved / "metadata").is_dir():
        raise IoError(f"mmlrs.demo: {saved} exists and is not a model of the demo; choose another --output")
    print(source.question)
    counts = lay_out(folder, folds(source.pictures(), FOLDS, SEED))
    report("pictures", f"{sum(counts.values())} {source.origin}")
    report("", ", ".join(f"{count} {label}" for label, count in counts.items()))
    with spark_session(output / "spark.log") as spark:
        compare(spark, folder, output)
        train_and_save(spark, folder, saved)
    ask(saved, folder / "fold=0", output / "answer.log")


def compare(spark: SparkSession, folder: Path, output: Path) -> None:
    """Judge the learner on features and on pixels, and draw what it gets right and wrong with features."""
    from mmlrs.image import read_images

    start = time.perf_counter()
    table = learning.described(read_images(spark, str(folder))).persist()
    count = table.count()
    report("features", f"of {count} pictures in {time.perf_counter() - start:.1f} s, with EfficientNet-Lite0")
    answers = learning.judged(table, "features", FOLDS).persist()
    share = learning.accuracy(answers)
    pixels = learning.accuracy(learning.judged(table, "pixels", FOLDS))
    report(
        "right",
        f"{share:.1%} of {count}, each judged by a model trained on the other {FOLDS - 1} of {FOLDS} folds",
    )
    report("", f"{pixels:.1%} with the same learner on raw pixels ({learning.SMALL} x {learning.SMALL})")
    draw(answers, output)
    for frame in (answers, table):
        frame.unpersist()


def draw(answers: DataFrame, output: Path) -> None:
    """Draw the confusion matrix, and a random sample of pictures with its share of mistakes."""
    axes = plot_confusion_matrix(answers, "label", "answer", normalize="true")
    axes.set_title(f"held-out pictures\n{axes.get_title()}")
    save(axes.figure, output / "confusion-matrix.png")
    figure = show_images(
        answers,
        "content",
        "label",
        "answer",
        probabilities="certainty",
        columns=8,
        max_images=40,
        size=1.3,
        seed=SEED,
    )
    figure.suptitle("Held-out pictures: the true class, and below it the answer", fontsize=11)
    save(figure, output / "pictures.png")
    report("look at", f"{output / 'confusion-matrix.png'} and {output / 'pictures.png'}")


def save(figure: Any, path: Path) -> None:
    """Write a figure and close it."""
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110)
    plt.close(figure)


def train_and_save(spark: SparkSession, folder: Path, saved: Path) -> None:
    """Train the pipeline without fold 0, and save it."""
    from mmlrs.image import read_images

    pictures = read_images(spark, str(folder))
    start = time.perf_counter()
    model = learning.pipeline().fit(pictures.where(pictures.fold != 0))
    report("trained", f"without fold 0 in {time.perf_counter() - start:.1f} s, from files to model")
    model.write().overwrite().save(str(saved))
    report("saved", f"to {saved}")
    start = time.perf_counter()
    model.transform(pictures).select("answer").write.format("noop").mode("overwrite").save()
    speed = len(list(folder.rglob("*.*g"))) / (time.perf_counter() - start)
    report("speed", f"{speed:.0f} pictures per second from files to answers on two cores")


def ask(saved: Path, folder: Path, log: Path) -> None:
    """Ask the saved model about random pictures of a folder in a new process."""
    files = sorted(folder.rglob("*.*g"))
    drawn = random.Random(SEED).sample(files, min(QUESTIONS, len(files)))  # noqa: S311 (no secret depends on it)
    command = [sys.executable, "-m", "mmlrs.demo.answer", str(saved), *map(str, drawn)]
    report("answers", "of a new process that loads the saved model, about pictures of fold 0:")
    with log.open("wb") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"mmlrs.demo: the new process failed; its errors are in {log}")
    for line in done.stdout.splitlines():
        report("", line)
