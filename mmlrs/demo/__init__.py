"""The main use case on real pictures: ``python -m mmlrs.demo --output demo-output``.

Labelled folders of JPEG and PNG files are read into Spark and decoded. A network computes features, which train a classifier of
pictures that show a face. This is one Pipeline, which is saved, loaded and applied to held-out pictures.

The pictures come from scikit-image: ``lfw_subset`` (100 faces, 100 non-faces, 25 x 25 pixels, gray) and its photographs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

Pixels = NDArray[np.uint8]

SEED = 7
#: Side in pixels of the pictures from lfw_subset, and of the smallest crop of a photograph.
SIDE = 96
#: Number of crops of each photograph, in addition to the photograph itself.
CROPS = 6
#: Photographs that show no human face.
FACELESS = (
    "brick", "cat", "cell", "clock", "coffee", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon",
    "retina", "rocket",
)  # fmt: skip
#: The face in scikit-image's photograph of Eileen Collins: top, left, side in pixels.
ASTRONAUT_FACE = (60, 165, 125)


@dataclass(frozen=True)
class Picture:
    """A picture to write, with its label, its file name without suffix, and its pixels."""

    label: str
    name: str
    pixels: Pixels


# ---- Pictures -----------------------------------------------------------------------------------------------------


def small_pictures() -> Iterator[Picture]:
    """Yield the enlarged pictures of lfw_subset, of which the first hundred are faces."""
    from PIL import Image
    from skimage.data import lfw_subset

    for index, gray in enumerate(lfw_subset()):
        enlarged = Image.fromarray((gray * 255).round().astype(np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        yield Picture("face" if index < 100 else "other", f"lfw{index:03}", np.asarray(enlarged))


def photograph_pictures(rng: np.random.Generator) -> Iterator[Picture]:
    """Yield the photographs without a face and square crops of them, and crops around the one large face."""
    import skimage.data

    for name in FACELESS:
        photograph = getattr(skimage.data, name)()
        yield Picture("other", f"{name}-0", photograph)
        height, width = photograph.shape[:2]
        for crop in range(1, CROPS + 1):
            side = int(rng.integers(SIDE, min(height, width) * 3 // 4))
            top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
            yield Picture("other", f"{name}-{crop}", photograph[top : top + side, left : left + side])
    astronaut = skimage.data.astronaut()
    for crop in range(CROPS):
        top, left, side = (int(edge + rng.integers(-8, 9)) for edge in ASTRONAUT_FACE)
        yield Picture("face", f"astronaut-{crop}", astronaut[top : top + side, left : left + side])


def write_pictures(folder: Path, pictures: Iterable[Picture]) -> dict[str, int]:
    """Write pictures as ``label=face/...`` and ``label=other/...``, alternately JPEG and PNG; return the counts of the labels."""
    from PIL import Image

    counts: dict[str, int] = {}
    for index, picture in enumerate(pictures):
        target = folder / f"label={picture.label}"
        target.mkdir(parents=True, exist_ok=True)
        suffix = "jpg" if index % 2 == 0 else "png"
        Image.fromarray(picture.pixels).save(target / f"{picture.name}.{suffix}", quality=92)
        counts[picture.label] = counts.get(picture.label, 0) + 1
    return counts


# ---- Spark --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def spark_session(log: Path) -> Iterator[SparkSession]:
    """Start Spark on two cores, with its log in a file."""
    from pyspark.sql import SparkSession

    import mmlrs

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("mmlrs-demo")
        .config(map={**mmlrs.recommended_conf()})
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        # Pack small files into one partition per core.
        .config("spark.sql.files.openCostInBytes", "65536")
        .config("spark.log.level", "ERROR")
    )
    with stderr_to(log):
        spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()


@contextlib.contextmanager
def stderr_to(log: Path) -> Iterator[None]:
    """Redirect the standard error of this process and its children to a file within the block."""
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    except Exception:
        os.write(original, log.read_bytes())
        raise
    finally:
        os.dup2(original, 2)
        os.close(original)


def split(pictures: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Split by source, 70 to 30, so that all crops of a photograph are on one side."""
    from pyspark.sql import functions as F

    source = F.regexp_extract("path", r"([^/]+?)(-\d+)?\.(?:jpg|png)$", 1)
    bucket = F.pmod(F.xxhash64(source), F.lit(10))
    return pictures.where(bucket < 7), pictures.where(bucket >= 7)


def fit(train: DataFrame) -> PipelineModel:
    """Fit the pipeline from pictures to classifier."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer

    from mmlrs.image import ImageFeaturizer

    stages: list[Any] = [
        ImageFeaturizer(inputCol="image", outputCol="features"),
        # In descending order, "other" is 0 and "face", the positive class, is 1.
        StringIndexer(inputCol="label", outputCol="target", stringOrderType="alphabetDesc"),
        LogisticRegression(featuresCol="features", labelCol="target", maxIter=30, regParam=0.1),
    ]
    return Pipeline(stages=stages).fit(train)


@dataclass(frozen=True)
class Scores:
    """The predictions for labelled pictures."""

    paths: list[str]
    is_face: NDArray[np.bool_]
    probability: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each picture is classified as it is labelled."""
        return (self.probability > 0.5) == self.is_face

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates of false and true positives for every threshold, from the strictest on."""
        thresholds = np.r_[np.inf, np.unique(self.probability)[::-1]]
        called = self.probability[None, :] >= thresholds[:, None]
        return called[:, ~self.is_face].mean(axis=1), called[:, self.is_face].mean(axis=1)

    def auc(self) -> float:
        """Area under the ROC curve."""
        false_positives, true_positives = self.roc()
        heights = (true_positives[1:] + true_positives[:-1]) / 2
        return float(np.sum(np.diff(false_positives) * heights))

    def only(self, selected: NDArray[np.bool_]) -> Scores:
        """Return the scores of a selection of pictures."""
        paths = [path for path, is_selected in zip(self.paths, selected, strict=True) if is_selected]
        return Scores(paths, self.is_face[selected], self.probability[selected])

    def summary(self) -> str:
        """Return accuracy and AUC as a sentence."""
        return f"accuracy {self.right.mean():.3f}, AUC {self.auc():.3f} on {len(self.paths)} pictures"


def score(model: PipelineModel, pictures: DataFrame) -> Scores:
    """Apply the pipeline and collect paths and numbers, without the pictures."""
    from pyspark.ml.functions import vector_to_array

    scored = model.transform(pictures)
    probability = vector_to_array(scored["probability"])[1].alias("probability")
    rows = (
        scored.select("path", (scored.target == 1.0).alias("is_face"), probability).orderBy("path").collect()
    )
    return Scores(
        [row.path for row in rows],
        np.array([row.is_face for row in rows]),
        np.array([row.probability for row in rows]),
    )


# ---- Results ------------------------------------------------------------------------------------------------------


def plot_roc(scores: Scores, path: Path) -> None:
    """Draw the ROC curve."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    false_positives, true_positives = scores.roc()
    axes.plot(false_positives, true_positives, linewidth=2, label=f"AUC {scores.auc():.3f}")
    axes.plot([0, 1], [0, 1], color="gray", linestyle=":", linewidth=1)
    axes.set(
        xlabel="false positive rate", ylabel="true positive rate", title="Face or not, held-out pictures"
    )
    axes.set_aspect("equal")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_predictions(scores: Scores, path: Path, rows: int = 4, columns: int = 9) -> None:
    """Draw held-out pictures with the predicted probability of a face, mistakes first and framed in red."""
    from PIL import Image

    plt = pyplot()
    order = np.random.default_rng(SEED).permutation(len(scores.paths))
    order = order[np.argsort(scores.right[order], kind="stable")]
    figure, axes = plt.subplots(rows, columns, figsize=(1.3 * columns, 1.55 * rows), layout="constrained")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis, index in zip(axes.flat, order, strict=False):
        colour = "tab:green" if scores.right[index] else "tab:red"
        with Image.open(scores.paths[index].removeprefix("file:")) as picture:
            axis.imshow(picture.convert("RGB").resize((SIDE, SIDE)))
        axis.set_title(f"face {scores.probability[index]:.0%}", fontsize=9, color=colour)
        axis.spines[:].set(color=colour, linewidth=2)
    figure.suptitle("Held-out pictures and their predicted probability of being a face; mistakes in red")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def pyplot() -> Any:
    """Return matplotlib's pyplot with a backend for files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def rate_on_spark(model: PipelineModel, pictures: DataFrame, count: int) -> float:
    """Return the pictures per second from files to predictions, including the overhead of Spark."""
    start = time.perf_counter()
    model.transform(pictures).select("prediction").write.format("noop").mode("overwrite").save()
    return count / (time.perf_counter() - start)


def rate_on_table(folder: Path) -> float:
    """Return the pictures per second from encoded bytes to features, on a table without Spark."""
    import pyarrow as pa

    from mmlrs.image import ImageFeaturizer

    files = pa.table({"image": [path.read_bytes() for path in sorted(folder.rglob("*.*g"))]})
    featurizer = ImageFeaturizer(inputCol="image", outputCol="features")
    featurizer.transform(files.slice(0, 8))
    start = time.perf_counter()
    featurizer.transform(files)
    return files.num_rows / (time.perf_counter() - start)


# ---- The job ------------------------------------------------------------------------------------------------------


def report(topic: str, text: str) -> None:
    """Print one line of the report."""
    print(f"  {topic:<9} {text}", flush=True)


def run(output: Path) -> Scores:
    """Write the pictures, train, save, load, score, and report."""
    from pyspark.ml import PipelineModel

    from mmlrs.image import read_images

    photos, saved = output / "photos", output / "model"
    for stale in (photos, saved):
        shutil.rmtree(stale, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)

    print("Does a picture show a face? Photographs in, trained classifier out.")
    pictures = chain(small_pictures(), photograph_pictures(np.random.default_rng(SEED)))
    counts = write_pictures(photos, pictures)
    total = sum(counts.values())
    report("pictures", f"{counts['face']} faces and {counts['other']} others in {photos}, JPEG and PNG")

    with spark_session(output / "spark.log") as spark:
        train, test = split(read_images(spark, str(photos)))
        start = time.perf_counter()
        model = fit(train)
        report("trained", f"on {train.count()} pictures in {time.perf_counter() - start:.1f} s")
        model.write().overwrite().save(str(saved))
        model = PipelineModel.load(str(saved))
        report("saved", f"to {saved}, and loaded again for what follows")

        scores = score(model, test)
        report("held out", scores.summary())
        small = np.array(["/lfw" in path for path in scores.paths])
        report("", f"{scores.only(small).summary()} of lfw_subset alone")
        speed = rate_on_spark(model, read_images(spark, str(photos)), total)
    report("speed", f"{speed:.0f} images per second from files to predictions on Spark, two cores")
    report(
        "", f"{rate_on_table(photos):.0f} images per second from bytes to features on a table, without Spark"
    )

    plot_roc(scores, output / "roc.png")
    plot_predictions(scores, output / "predictions.png")
    report("look at", f"{output / 'roc.png'} and {output / 'predictions.png'}")
    return scores


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.demo", description="Train a face classifier on real pictures."
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for pictures, model and plots"
    )
    run(parser.parse_args().output)


if __name__ == "__main__":
    main()
