"""One row of the sizing table: ``python -m bench.memory_job KIND FOLDER HEAP``, a Spark session of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.session import CORES, run_to_nowhere

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def session(heap: str) -> SparkSession:
    """A session as the guide advises it. The whole heap is touched at the start: what the JVM has beyond it is the rest."""
    from pyspark.sql import SparkSession

    import mmlrs

    spark = (
        SparkSession.builder.master(f"local[{CORES}]")
        .appName("mmlrs-memory")
        .config(map=dict(mmlrs.recommended_conf()))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", heap)
        .config("spark.driver.extraJavaOptions", f"-Xms{heap} -XX:+AlwaysPreTouch")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def frame(spark: SparkSession, kind: str, folder: Path) -> DataFrame:
    """The work of a row, on the data that `bench.memory` wrote."""
    data = str(folder / "data")
    if kind == "nothing":
        # The batches come back as they are: Python starts, and no stage of mmlrs runs.
        return spark.range(10_000).mapInArrow(lambda batches: batches, "id long")
    if kind in ("files", "parquet"):
        from mmlrs.image import ImageFeaturizer, read_images

        column = "image" if kind == "files" else "content"
        source = read_images(spark, data) if kind == "files" else spark.read.parquet(data)
        return ImageFeaturizer(inputCol=column, outputCol="features").transform(source).select("features")
    if kind == "model":
        from mmlrs.onnx import ONNXModel

        model = ONNXModel(model=str(folder / "model.onnx"), feedDict={"x": "x"}, fetchDict={"y": "y"})
        return model.transform(spark.read.parquet(data)).select("y")
    from mmlrs.featurize import FastVectorAssembler, Featurize

    source = spark.read.parquet(data)
    if kind == "featurize":
        featurizer = Featurize(inputCols=source.columns, outputCol="features")
        return featurizer.fit(source).transform(source).select("features")
    assembler = FastVectorAssembler(inputCols=source.columns, outputCol="features")
    return assembler.transform(source).select("features")


def main() -> None:
    kind, folder, heap = sys.argv[1:]
    spark = session(heap)
    for _ in range(2):  # the second pass meets workers that hold a model already
        run_to_nowhere(frame(spark, kind, Path(folder)))
    spark.stop()


if __name__ == "__main__":
    main()
