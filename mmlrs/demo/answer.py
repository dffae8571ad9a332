"""Answers about pictures from a saved model: ``python -m mmlrs.demo.answer demo-output/model PICTURE...``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmlrs.demo.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def answers(spark: SparkSession, model: Path, pictures: Sequence[Path]) -> Iterator[tuple[Path, str, float]]:
    """Yield the path of every picture, the class that the saved pipeline gives it, and the probability of that class."""
    from pyspark.ml import PipelineModel
    from pyspark.sql import functions as F

    from mmlrs.demo.learning import certainty
    from mmlrs.image import read_images

    scored = PipelineModel.load(str(model)).transform(read_images(spark, list(pictures)))
    for row in scored.select("path", "answer", certainty()).orderBy(F.col("path")).collect():
        yield Path(row.path), row.answer, row.certainty


def verdict(path: Path, answer: str) -> str:
    """Return the true class if the answer is another one. The folder of a picture names it, as in `label=bird`."""
    key, _, label = path.parent.name.partition("=")
    return f"   wrong: it is in the folder of {label}" if key == "label" and label != answer else ""


def main() -> None:
    """Read the command line and answer."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.demo.answer",
        description="Name what pictures show, with a model that the demo saved.",
    )
    parser.add_argument("model", type=Path, help="folder of the model, for instance demo-output/model")
    parser.add_argument("pictures", type=Path, nargs="+", help="image files")
    arguments = parser.parse_args()
    with spark_session() as spark:
        for path, answer, share in answers(spark, arguments.model, arguments.pictures):
            print(f"{path.name:<32} {answer:<8} {share:.0%}{verdict(path, answer)}")


if __name__ == "__main__":
    main()
