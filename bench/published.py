"""The image classification of the published comparison of Daft, Ray and Spark, as its Spark version does it, against mmlrs.

The published job is `benchmarking/ai/image_classification/spark.ipynb` in the repository of Daft. A pandas UDF decodes each
picture with Pillow and returns a list of 150,528 floats, nulls are filtered out, and a second pandas UDF runs the network. Spark's
optimizer moves the filter below the first function, which then runs twice for each picture. The job is therefore also measured
without the filter. Then Spark calls one function after the other in the worker, and the lists stay there. Instead of torchvision
and PyTorch, the first function here uses Pillow and NumPy, which take less time, and the second one ONNX Runtime on one thread per
task. Both sides read JPEG files of the usual size of ImageNet from parquet and return the name of the class.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench import peers, pictures
from bench.decode import IMAGENET
from bench.image_job import write_parquet
from bench.limit import Limit
from bench.measure import Figure, Setting, seconds, side_by_side
from bench.networks import Classifier, free, lite0
from bench.session import CORES, run_to_nowhere, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs.image import ImageClassifier

#: The published job holds all floats of a partition as Python objects, 5 MB for each picture.
ROWS = 512
#: Rows per run of the network in the limit: on one thread, EfficientNet-Lite0 takes least time per picture with this batch.
LIMIT_BATCH = 8
LIMIT_TARGET = 0.92
#: The share of equal answers of both sides. Their pixels differ a little, so a picture between two classes may get either.
ALIKE = 0.8


def floats(file: bytes, network: Classifier) -> list[float]:
    """Decode, resize and normalize a picture with Pillow, as a list of numbers."""
    tensors = peers.tensor_with_pillow([file], draft=False, means=network.means, stds=network.stds)
    return tensors.ravel().tolist()


@cache
def running(network: Classifier) -> Any:
    """Return the session of this worker."""
    return peers.session(network)


def names(tensors: Sequence[Sequence[float]], network: Classifier) -> list[str]:
    """Return the name of the most probable class of each tensor."""
    batch = np.vstack(tensors).reshape(-1, 3, peers.SIDE, peers.SIDE).astype(np.float32)
    scores = peers.infer(running(network), network, batch, len(batch))
    return [network.labels[i] for i in scores.argmax(axis=1)]


def as_published(source: DataFrame, network: Classifier, *, filtered: bool = True) -> DataFrame:
    """Return the result of the published job, with its filter of nulls or without."""
    from pyspark.sql.pandas.functions import pandas_udf
    from pyspark.sql.types import ArrayType, FloatType, StringType

    def decode_and_preprocess(files: pd.Series) -> pd.Series:
        return pd.Series([None if file is None else floats(file, network) for file in files])

    def predict(tensors: pd.Series) -> pd.Series:
        return pd.Series(names(tensors.tolist(), network))

    first = pandas_udf(decode_and_preprocess, returnType=ArrayType(FloatType()))  # type: ignore[call-overload]
    second = pandas_udf(predict, returnType=StringType())  # type: ignore[call-overload]
    processed = source.withColumn("processed", first("content"))
    if filtered:
        processed = processed.where(processed["processed"].isNotNull())
    return processed.select(second("processed").alias("label"))


def classifier(network: Classifier) -> ImageClassifier:
    """Return the stage with its defaults. Labels and normalization are metadata of a network that mmlrs.models knows."""
    from mmlrs.image import ImageClassifier

    what: dict[str, Any] = (
        {"model": network.model}
        if network.model is not None
        else {"model": str(network.path), "labels": list(network.labels)}
    )
    return ImageClassifier(inputCol="content", outputCol="classes", topK=1, **what)


def with_mmlrs(source: DataFrame, network: Classifier) -> DataFrame:
    """Return the result of the job with ImageClassifier."""
    from pyspark.sql import functions as F

    best = F.col("classes")[0]
    return classifier(network).transform(source).select(best["description"].alias("label"))


def agreement(ours: DataFrame, theirs: DataFrame) -> float:
    """Return the share of rows with the same name on both sides."""
    a, b = ([row.label for row in frame.collect()] for frame in (ours, theirs))
    share = statistics.mean(x == y for x, y in zip(a, b, strict=True))
    if share < ALIKE:
        raise AssertionError(f"only {share:.0%} of the pictures have the same class on both sides")
    return share


def title(network: Classifier) -> str:
    width, height = IMAGENET
    return f"Spark local[{CORES}], {network.name}, {width}x{height}"


def against_peer(
    source: DataFrame, network: Classifier, rows: int, target: float, setting: Setting
) -> Iterator[Figure]:
    """Compare with the published job, and with the same job without its filter."""
    ours = with_mmlrs(source, network)
    for filtered, what in (
        (True, "the published job"),
        (False, "the published job without its filter of nulls"),
    ):
        theirs = as_published(source, network, filtered=filtered)
        share = agreement(ours, theirs)
        timed = side_by_side(
            partial(run_to_nowhere, ours),
            partial(run_to_nowhere, theirs),
            setting.pairs(5),
            warm_up=False,  # the comparison of the answers was the warm-up
        )
        detail = f"{timed.detail(rows, 'the peer')}; the same class for {share:.0%} of the pictures"
        yield Figure(f"{title(network)}, against {what}", timed.ratio, target=target, detail=detail)


def against_limit(
    source: DataFrame, network: Classifier, limit: Limit, rows: int, setting: Setting
) -> Figure:
    """Compare with decoding to tensors alone plus the network alone."""

    def bare() -> None:
        limit.tensors()
        limit.infer()

    ours = with_mmlrs(source, network)
    timed = side_by_side(lambda: run_to_nowhere(ours), bare, setting.pairs(5))
    what = f"{title(network)}, against the limit (decoding to tensors by mmlrs alone + inference alone)"
    detail = timed.detail(rows, f"{CORES} single-threaded processes")
    return Figure(what, timed.ratio, target=LIMIT_TARGET, detail=detail)


def lengths(source: DataFrame) -> DataFrame:
    """Return the size of each file, which a function in the worker counts: the files cross to Python, and nothing else is done."""
    from pyspark.sql.pandas.functions import arrow_udf

    def length(files: pa.Array) -> pa.Array:
        return pc.binary_length(files)

    size = arrow_udf(length, returnType="int")  # type: ignore[call-overload]
    return source.select(size("content").alias("length"))


def parts(
    source: DataFrame, network: Classifier, limit: Limit, files: list[bytes], setting: Setting
) -> Iterator[Figure]:
    """Report where the time of the job goes, per picture and core."""
    ours, crossing = with_mmlrs(source, network), lengths(source)
    work: dict[str, Callable[[], None]] = {
        "job": lambda: run_to_nowhere(ours),
        "crossing": lambda: run_to_nowhere(crossing),
        "pixels": limit.pixels,
        "tensors": limit.tensors,
        "network": limit.infer,
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for run in work.values():
        run()  # warm-up
    for _ in range(setting.pairs(5)):
        for name, run in work.items():
            times[name].append(1e3 * seconds(run) * CORES / len(files))
    ms = {name: statistics.median(runs) for name, runs in times.items()}
    megabytes = sum(map(len, files)) / len(files) / 1e6
    per_megabyte = f"{1e3 * megabytes:.0f} kB a picture, {ms['crossing'] / megabytes:.1f} ms a megabyte"
    rest = ms["job"] - ms["crossing"] - ms["tensors"] - ms["network"]
    for what, value, detail in (
        ("the whole job", ms["job"], f"median of {setting.pairs(5)}, as in the rows below"),
        ("decoding", ms["pixels"], "cv2 alone"),
        (
            "resize and normalization",
            ms["tensors"] - ms["pixels"],
            "the tensors by mmlrs alone, less the decoding",
        ),
        ("the network", ms["network"], f"onnxruntime alone, batches of {LIMIT_BATCH}"),
        ("reading parquet and the crossing to Python", ms["crossing"], per_megabyte),
        ("everything else", rest, "the whole job less the other parts"),
    ):
        yield Figure(f"{title(network)}, time per picture and core: {what}", value, "ms", detail=detail)


def published(setting: Setting) -> Iterator[Figure]:
    """The image classification of the published comparison of Daft, Ray and Spark, as its Spark version does it."""
    rows = ROWS // 8 if setting.quick else ROWS
    files = pictures.repeated(pictures.jpegs(*IMAGENET), rows)
    with (
        spark_session(images=True, memory="2g") as spark,
        tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as place,
    ):
        folder = Path(place)
        (folder / "pictures").mkdir()
        write_parquet(folder / "pictures", files)
        source = spark.read.parquet(str(folder / "pictures"))
        trained = lite0(folder)
        for network, target in ((free(folder), 6.0), (trained, 2.0)):
            yield from against_peer(source, network, rows, target, setting)
        with Limit(trained, files, CORES, LIMIT_BATCH) as limit:
            yield against_limit(source, trained, limit, rows, setting)
            yield from parts(source, trained, limit, files, setting)
