"""One row of the sizing table, in its own Spark session: ``python -m bench.memory_job KIND FOLDER HEAP``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.session import CORES, run_to_nowhere

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def session(heap: str) -> SparkSession:
    """Return a session with the recommended settings.

    The whole heap is touched at the start, so the rest of the JVM's resident memory is outside the heap.
    """
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
    """Return the result of a job on the data that `bench.memory` wrote."""
    data = str(folder / "data")
    if kind == "nothing":
        # Batches are returned unchanged: Python starts, but no stage of mmlrs runs.
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
    for _ in range(2):  # in the second pass, the workers already hold the model
        run_to_nowhere(frame(spark, kind, Path(folder)))
    spark.stop()


if __name__ == "__main__":
    main()
