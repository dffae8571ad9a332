"""One application: a process of its own with a Spark session, which runs the jobs that a request on its standard input names.

Spark reads the number of executors when a session starts, and a process cannot forget the JVM of an earlier session. So every number
of executors has a process of its own, and none inherits what another has compiled or cached.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlrs.errors import ExecutionError, IoError, MmlrsError
from mmlrs.examples.scaling import events
from mmlrs.examples.scaling.master import conf_for, is_local
from mmlrs.examples.scaling.request import tasks_for
from mmlrs.examples.scaling.runs import Kind, Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["READY", "Spec", "check_count", "is_picture", "partition_bytes"]

#: The line that an application writes when it is warm.
READY = "mmlrs scaling: ready"
_PICTURE = re.compile(r"\.(jpe?g|png|gif|bmp|webp|tiff?)$", re.IGNORECASE)
#: Seconds between two looks for executors.
_PAUSE = 0.1


def is_picture(name: str) -> bool:
    """Return whether a file is named like a picture."""
    return bool(_PICTURE.search(name))


def check_count(folder: str, count: int, sizes: Sequence[int]) -> None:
    """Raise an `IoError` if a folder with so many pictures has none, or too few for these sizes."""
    if not count:
        raise IoError(f"scaling: param `images`: {folder} contains no pictures (.jpg, .png and the like)")
    largest = max(sizes, default=1)
    if largest > count:
        raise IoError(
            f"scaling: param `sizes` asks for {largest:,} pictures, and {folder} contains {count:,}; choose smaller sizes or add "
            "pictures"
        )


@dataclass(frozen=True)
class Spec:
    """What one application does, as plain data."""

    master: str
    images: str
    model: str
    executors: int
    cores: int
    together: int
    sizes: list[int]
    repeats: int
    tasks_per_slot: int
    #: Whether reading alone is measured too.
    reading: bool
    wait: float
    conf: dict[str, str]
    cpus: list[int] | None
    #: Folder for the event log and the result, which no other application uses.
    folder: str


class _Application:
    """A session, its pictures and the jobs so far."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.log = Path(spec.folder, "events")
        self.log.mkdir()
        self.spark = _session(spec, self.log)
        self.spark.sparkContext.setLogLevel("ERROR")
        self._await_executors()
        self.files, self.listing = self._listed()
        self.runs: dict[str, Run] = {}

    def _await_executors(self) -> None:
        """Wait until the application has its executors, or raise an `ExecutionError`."""
        spec, wanted = self.spec, self.spec.executors * self.spec.cores
        until = time.monotonic() + spec.wait
        while sum(events.cores(self.log).values()) < wanted:
            if time.monotonic() > until:
                cores = events.cores(self.log)
                raise ExecutionError(
                    f"scaling: param `executors`: {spec.executors} of {spec.cores} cores each are not available on {spec.master}: "
                    f"after {spec.wait:g} s it has given {len(cores)} with {sum(cores.values())} cores in all; ask for fewer "
                    "or for less memory each (`--conf spark.executor.memory=1g`), or free the cluster"
                )
            time.sleep(_PAUSE)

    def _listed(self) -> tuple[list[tuple[str, int]], float]:
        """Return paths and sizes of the pictures in random order, and the seconds that the driver takes to list one more."""
        rows = self._read(self.spec.images).select("path", "length").collect()
        files = sorted((row.path, row.length) for row in rows if is_picture(row.path))
        check_count(self.spec.images, len(files), self.spec.sizes)
        # The first call has loaded the JVM's classes. A single file shows what a call costs whatever it lists.
        one, every = (self._seconds_to_list(place) for place in (files[0][0], self.spec.images))
        # Neighbours come from one camera. In random order, the pictures of every size are alike. No secret depends on it.
        random.Random(0).shuffle(files)  # noqa: S311
        return files, max(0.0, every - one) / len(rows)

    def _read(self, place: str | list[Any]) -> DataFrame:
        from mmlrs.image import read_binary_files

        return read_binary_files(self.spark, place, inspect_zip=False)

    def _seconds_to_list(self, place: str) -> float:
        start = time.perf_counter()
        self._read(place)
        return time.perf_counter() - start

    def sizes(self) -> list[int]:
        """Return the sizes of the request, or a quarter, half and all of the pictures."""
        count = len(self.files)
        chosen = self.spec.sizes or sorted({max(1, count // 4), max(1, count // 2), count})
        if len(chosen) < 2:
            raise IoError(
                f"scaling: param `images`: {self.spec.images} contains {count} picture, and at least 2 are needed: one size "
                "cannot tell the fixed cost from the cost of a picture"
            )
        return chosen

    def frame(self, pictures: int) -> DataFrame:
        """Return the first pictures. Spark lists them here."""
        from mmlrs.image import read_binary_files

        paths: list[Any] = [path for path, _ in self.files[:pictures]]
        return read_binary_files(self.spark, paths, inspect_zip=False, recursive=False)

    def _divide(self, pictures: int) -> None:
        """Have Spark divide these pictures into the tasks of the request."""
        sizes = [size for _, size in self.files[:pictures]]
        tasks = tasks_for(self.spec.tasks_per_slot, self.spec.executors * self.spec.cores, pictures)
        self.spark.conf.set("spark.sql.files.maxPartitionBytes", str(partition_bytes(sizes, tasks)))
        self.spark.conf.set("spark.sql.files.openCostInBytes", "0")
        self.spark.conf.set("spark.sql.files.minPartitionNum", "1")

    def run(self, kind: Kind, repeat: int, pictures: int, frame: DataFrame) -> None:
        """Compute a DataFrame, and remember how long it took."""
        self._divide(pictures)
        group = f"{kind}-{pictures}-{repeat}"
        self.spark.sparkContext.setJobGroup(group, f"{kind}: {pictures:,} pictures")
        start = time.perf_counter()
        frame.write.format("noop").mode("overwrite").save()
        seconds = time.perf_counter() - start
        size = sum(size for _, size in self.files[:pictures])
        spec = self.spec
        self.runs[group] = Run(
            kind, spec.executors, spec.cores, spec.together, repeat, pictures, size, seconds
        )

    def finished(self) -> list[Run]:
        """Stop the session, and return the runs with their tasks."""
        self.spark.stop()
        tasks = events.tasks_of(self.log)
        done = []
        for group, run in self.runs.items():
            own, failures = tasks[group]
            done.append(Run(**{**run.__dict__, "tasks": tuple(own), "failures": failures}))
        return done


def _collector() -> dict[str, str]:
    """Return the settings of one collector for every number of cores, unless the environment names one.

    The JVM's default depends on the cores, so one worker would have another than two. It does not start with two collectors.
    """
    if any("GC" in os.environ.get(name, "") for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")):
        return {}
    return {f"spark.{part}.extraJavaOptions": "-XX:+UseParallelGC" for part in ("driver", "executor")}


def _session(spec: Spec, log: Path) -> SparkSession:
    from pyspark.sql import SparkSession

    import mmlrs

    if spec.cpus is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, spec.cpus)  # the JVM and the workers inherit it
    conf: dict[str, Any] = {
        **mmlrs.recommended_conf(),
        "spark.app.name": f"mmlrs-scaling-{spec.executors}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **_collector(),
        # List the files in the driver: a job of its own for that would count as one of the workers'.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000000",
        **spec.conf,
        **conf_for(spec.master, spec.executors, spec.cores),
        **events.CONF,
        "spark.eventLog.dir": log.as_uri(),
    }
    if is_local(spec.master):
        conf["spark.driver.host"] = conf.get("spark.driver.host", "127.0.0.1")
    return SparkSession.builder.config(map=conf).getOrCreate()


def partition_bytes(sizes: Sequence[int], tasks: int) -> int:
    """Return the least bytes of a partition with which Spark divides files of these sizes into so many tasks, or fewer.

    Spark takes the files from large to small, and closes a partition before the file with which it would exceed its bytes.
    """
    ordered = sorted(sizes, reverse=True)
    low, high = max(1, -(-sum(sizes) // tasks)), max(1, sum(sizes))
    while low < high:
        middle = (low + high) // 2
        used = partitions = 0
        for size in ordered:
            if partitions == 0 or used + size > middle:
                partitions, used = partitions + 1, 0
            used += size
        low, high = (low, middle) if partitions <= tasks else (middle + 1, high)
    return low


def _run(spec: Spec, wait_for_start: Callable[[], None]) -> tuple[list[Run], float]:
    """Run all jobs, and return them with the seconds of listing a picture."""
    from mmlrs.image import ImageFeaturizer

    application = _Application(spec)
    featurizer = ImageFeaturizer(inputCol="content", outputCol="features", model=spec.model)
    plain = {size: application.frame(size) for size in application.sizes()}
    sizes = list(plain)
    features = {size: featurizer.transform(frame).select("features") for size, frame in plain.items()}
    application.run("first", 0, sizes[0], features[sizes[0]])
    wait_for_start()
    for repeat in range(spec.repeats):
        for size in sizes:
            application.run("warm", repeat, size, features[size])
    if spec.reading:
        for repeat in range(spec.repeats):
            for size in sizes:
                application.run("read", repeat, size, plain[size].select("content"))
    return application.finished(), application.listing


def main() -> None:
    """Read the specification, run, and write the result or the error beside the event log."""
    spec = Spec(**json.loads(sys.stdin.readline()))

    def wait_for_start() -> None:
        print(READY, flush=True)
        sys.stdin.readline()

    result: dict[str, Any]
    try:
        runs, listing = _run(spec, wait_for_start)
        result = {"runs": [run.to_json() for run in runs], "listing": listing}
    except MmlrsError as error:
        result = {"error": type(error).__name__, "message": str(error)}
    Path(spec.folder, "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
