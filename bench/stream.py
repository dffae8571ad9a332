"""Pictures that arrive in a folder and are scored by a stream: how long each one waits for its score."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import pictures
from bench.measure import Figure, Setting
from bench.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SECONDS = 60
PER_SECOND = 20
WIDTH, HEIGHT = 640, 480
#: Seconds before the measured ones, in which workers load the network and Java compiles what it runs.
WARM_UP = 15


def compiled(spark: SparkSession) -> Any:
    """Return EfficientNet-Lite0 with a logistic regression, fitted on a few pictures, as one stage."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression

    import mmlrs
    from mmlrs.image import ImageFeaturizer

    rows = [(data, float(place % 2)) for place, data in enumerate(pictures.jpegs(WIDTH, HEIGHT))]
    stages: list[Any] = [
        ImageFeaturizer(inputCol="content", outputCol="features"),
        LogisticRegression(maxIter=5, regParam=0.1),
    ]
    fitted = Pipeline(stages=stages).fit(spark.createDataFrame(rows, "content binary, label double"))
    return mmlrs.compile(fitted, outputCols=["probability"])


class Inbox:
    """A folder in which pictures arrive, and the times at which the stream has scored them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.scored: dict[str, float] = {}
        self._files = pictures.jpegs(WIDTH, HEIGHT)
        self._sent = 0

    def send(self) -> None:
        """Write a picture under a hidden name and rename it, as a camera's gateway should."""
        name = f"{self._sent:06}.jpg"
        hidden = self.folder / f".{name}"
        hidden.write_bytes(self._files[self._sent % len(self._files)])
        os.rename(hidden, self.folder / name)
        self._sent += 1

    def send_for(self, seconds: int) -> None:
        """Send pictures at a steady rate."""
        start = time.monotonic()
        for number in range(seconds * PER_SECOND):
            time.sleep(max(0.0, start + number / PER_SECOND - time.monotonic()))
            self.send()

    def receive(self, batch: DataFrame, _: int) -> None:
        """Take the scores of a micro-batch."""
        rows = batch.select("path", "probability").collect()
        now = time.time()
        for row in rows:
            self.scored[row.path.rpartition("/")[2]] = now

    def wait_for(self, count: int) -> None:
        """Wait until so many pictures have scores."""
        deadline = time.monotonic() + 120
        while len(self.scored) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(self.scored)} of {count} pictures were scored within two minutes")
            time.sleep(0.05)

    def waits(self) -> Any:
        """Return the seconds from the arrival of each measured picture, by the time of its file, to its score."""
        names = sorted(self.scored)[WARM_UP * PER_SECOND :]
        return np.array([self.scored[name] - (self.folder / name).stat().st_mtime for name in names])


def waits(spark: SparkSession, model: Any, seconds: int, trigger: str | None) -> Any:
    """Return how long each picture waited in a stream with a trigger; None starts a micro-batch as soon as the one before is done."""
    from mmlrs.image import read_binary_stream

    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        inbox = Inbox(Path(folder) / "inbox")
        arriving = read_binary_stream(spark, inbox.folder, inspect_zip=False)
        writer = model.transform(arriving).writeStream.foreachBatch(inbox.receive)
        if trigger is not None:
            writer = writer.trigger(processingTime=trigger)
        query = writer.option("checkpointLocation", f"{folder}/checkpoint").start()
        try:
            sender = threading.Thread(target=inbox.send_for, args=(WARM_UP + seconds,))
            sender.start()
            sender.join()
            inbox.wait_for((WARM_UP + seconds) * PER_SECOND)
        finally:
            query.stop()
        return inbox.waits()


def stream(setting: Setting) -> Iterator[Figure]:
    """Pictures of 640x480 that arrive in a folder, 20 a second for 60 s, scored by a stream with EfficientNet-Lite0."""
    seconds = SECONDS // 6 if setting.quick else SECONDS
    with spark_session(images=True) as spark:
        model = compiled(spark)
        for trigger, target in ((None, 2.0), ("1 second", 2.0), ("5 seconds", None)):
            waited = waits(spark, model, seconds, trigger)
            when = "as soon as the batch before is done" if trigger is None else f"every {trigger}"
            yield Figure(
                f"from arrival to score, 95th percentile; a micro-batch starts {when}",
                float(np.percentile(waited, 95)),
                "s",
                target,
                at_least=False,
                detail=f"{len(waited):,} pictures, all scored; median {np.median(waited):.2f} s, longest {waited.max():.2f} s; the limit "
                "is the trigger",
            )
