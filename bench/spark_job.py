"""The main job on Spark, from JPEG files in parquet to a vector, against predict_batch_udf and against the limit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import peers, pictures
from bench.image_job import BATCH, with_mmlrs, write_parquet
from bench.limit import Limit
from bench.measure import Figure, Setting, side_by_side
from bench.networks import RESNET50, SQUEEZENET, Network
from bench.session import CORES, run_to_nowhere, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Job:
    """One image size and network, with the target."""

    network: Network
    width: int
    height: int
    rows: int
    target: float

    @property
    def name(self) -> str:
        return f"{self.network.name}, {self.width}x{self.height}"


JOBS = (
    Job(SQUEEZENET, 1280, 960, 768, 1.5),
    Job(SQUEEZENET, 2048, 1536, 768, 2.3),
    Job(RESNET50, 1280, 960, 64, 1.07),
)
LIMIT_TARGET = 0.92


def make_predict(network: Network, draft: bool) -> Callable[[], Callable[[np.ndarray], np.ndarray]]:
    """Return the factory that predict_batch_udf expects. It runs once per worker and returns the predict function."""

    def make() -> Callable[[np.ndarray], np.ndarray]:
        running = peers.session(network)

        def predict(files: np.ndarray) -> np.ndarray:
            tensors = peers.tensor_with_pillow(list(files), draft)
            return peers.infer(running, network, tensors, len(tensors))

        return predict

    return make


def with_predict_batch_udf(source: DataFrame, network: Network, draft: bool = False) -> DataFrame:
    """Return the result of the job with pyspark's predict_batch_udf, Pillow and onnxruntime."""
    from pyspark.ml.functions import array_to_vector, predict_batch_udf
    from pyspark.sql.types import ArrayType, FloatType

    classify = predict_batch_udf(
        make_predict(network, draft), return_type=ArrayType(FloatType()), batch_size=BATCH
    )
    return source.select(array_to_vector(classify("content")).alias("features"))


def check_same(ours: DataFrame, theirs: DataFrame) -> None:
    """Check that both jobs return the same scores, apart from the effect of different JPEG scaling on the pixels."""
    a, b = (
        [np.asarray(row.features.toArray()) for row in frame.limit(4).collect()] for frame in (ours, theirs)
    )
    np.testing.assert_allclose(a, b, rtol=0.2, atol=1e-3)


def measure_job(spark: SparkSession, job: Job, setting: Setting) -> Iterator[Figure]:
    """Compare one job with the peer, then with the limit."""
    rows = job.rows // 4 if setting.quick else job.rows
    files = pictures.repeated(pictures.jpegs(job.width, job.height), rows)
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        write_parquet(Path(folder), files)
        source = spark.read.parquet(folder)
        if (partitions := source.rdd.getNumPartitions()) != CORES:
            raise RuntimeError(f"expected {CORES} partitions, got {partitions}")
        ours = with_mmlrs(source, job.network)
        for draft, peer, target in (
            (False, "Pillow", job.target),
            (True, "Pillow in draft mode", None),
        ):
            theirs = with_predict_batch_udf(source, job.network, draft)
            check_same(ours, theirs)
            timed = side_by_side(
                partial(run_to_nowhere, ours), partial(run_to_nowhere, theirs), setting.pairs(7)
            )
            what = f"Spark local[{CORES}], {job.name}, against predict_batch_udf with {peer} and onnxruntime"
            yield Figure(what, timed.ratio, target=target, detail=timed.detail(rows, "the peer"))

        with Limit(job.network, files, CORES, BATCH) as limit:
            for what, decode, target in (
                (
                    "against the limit (decoding to tensors by mmlrs alone + inference alone)",
                    limit.tensors,
                    LIMIT_TARGET,
                ),
                (
                    "against the limit without resize and normalization (JPEG decoding alone + inference alone)",
                    limit.pixels,
                    None,
                ),
            ):

                def bare(decode: Callable[[], None] = decode) -> None:
                    decode()
                    limit.infer()

                timed = side_by_side(lambda: run_to_nowhere(ours), bare, setting.pairs(5))
                yield Figure(
                    f"Spark local[{CORES}], {job.name}, {what}",
                    timed.ratio,
                    target=target,
                    detail=timed.detail(rows, f"{CORES} single-threaded processes"),
                )


def spark_job(setting: Setting) -> Iterator[Figure]:
    """The main job: JPEG files in parquet, ImageFeaturizer, vector."""
    with spark_session(images=True, memory="2g") as spark:
        for job in JOBS:
            yield from measure_job(spark, job, setting)
