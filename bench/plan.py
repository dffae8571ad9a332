"""Counts from Spark plans and worker processes: passes, model loads, decodes."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench import pictures
from bench.image_job import write_parquet
from bench.measure import Figure, Setting
from bench.session import run_to_nowhere, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS = 40


def explained(frame: DataFrame) -> str:
    """Return the physical plan as explain() prints it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        frame.explain()
    return out.getvalue()


def four_stages(source: DataFrame) -> DataFrame:
    """Apply four consecutive native stages: resize, blur, mirror, featurize."""
    from pyspark.ml import PipelineModel, Transformer

    from mmlrs.image import ImageFeaturizer, ImageTransformer

    stages: list[Transformer] = [
        ImageTransformer(inputCol="content", outputCol="small").resize(height=128, width=128),
        ImageTransformer(inputCol="small", outputCol="soft").blur(height=3, width=3),
        ImageTransformer(inputCol="soft", outputCol="mirrored").flip(1),
        ImageFeaturizer(inputCol="mirrored", outputCol="features"),
    ]
    return PipelineModel(stages).transform(source)


def plan(setting: Setting) -> Iterator[Figure]:
    """Counts that must be 1."""
    with (
        tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder,
        spark_session(images=True, memory="2g") as spark,
    ):
        write_parquet(Path(folder), pictures.repeated(pictures.jpegs(600, 400), ROWS))
        frame = four_stages(spark.read.parquet(folder))

        passes = explained(frame.select("features")).count("ArrowEvalPython")
        yield Figure(
            "4 native image stages: ArrowEvalPython nodes in the plan", passes, "", 1, at_least=False
        )

        before = counts(spark)
        for _ in range(3):
            run_to_nowhere(frame.select("small", "features"))
        after = counts(spark)
        decodes = sum(c["image_decodes"] for c in after.values()) - sum(
            c["image_decodes"] for c in before.values()
        )
        loads = max(c["model_loads"] for c in after.values())
        yield Figure("model loads per worker process, after 3 jobs", loads, "", 1, at_least=False,
                     detail=f"{len(after)} workers")  # fmt: skip
        yield Figure(
            "decodes per image if an intermediate and the final column are written",
            decodes / (3 * ROWS),
            "",
            1,
            at_least=False,
            detail=f"{decodes} decodes, {3 * ROWS} images",
        )


def counts(spark: SparkSession) -> dict[int, dict[str, int]]:
    """Return the counters of each worker process."""
    from mmlrs.testing import worker_counters

    return {one["pid"]: one for one in worker_counters(spark)}
