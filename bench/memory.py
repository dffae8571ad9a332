"""How much memory a job takes in the JVM and in each Python worker: the sizing table of the guide."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper

from bench import data, pictures, report
from bench.measure import Figure, Setting
from bench.processes import Peaks, watch
from bench.session import CORES
from bench.spark_job import write_parquet

PAGE = report.PAGE.parent / "guide" / "11-memory.md"
BEGIN, END = "<!-- {}: written by `make bench ARGS=memory` -->", "<!-- end of {} -->"

#: Cores of the executors that the settings are given for.
EXECUTORS = (2, 4, 8)
HEAP_MIB = 1024
#: Width of the layers of the model: one layer is 1 MiB of weights.
LAYER = 512
#: Seconds that a row may take.
TIMEOUT = 240.0


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    what: str
    kind: str
    #: Writes the data into a folder, with so many rows.
    write: Callable[[Path, int], None]
    rows: int


def write_nothing(folder: Path, rows: int) -> None:
    """For the job that only starts the workers."""


def write_files(width: int, height: int, quality: int, noise: float, folder: Path, rows: int) -> None:
    """JPEG files; the noise gives them the size of a camera's."""
    (folder / "data").mkdir()
    for i, file in enumerate(photographs(width, height, quality, noise, rows)):
        (folder / "data" / f"{i:05}.jpg").write_bytes(file)


def write_column(width: int, height: int, quality: int, noise: float, folder: Path, rows: int) -> None:
    """The same files as a column of parquet files."""
    (folder / "data").mkdir()
    write_parquet(folder / "data", photographs(width, height, quality, noise, rows))


@cache
def few(width: int, height: int, quality: int, noise: float) -> tuple[bytes, ...]:
    """JPEG files of this size."""
    found = pictures.photographs()
    return tuple(
        pictures.jpeg(found[name], width, height, quality=quality, noise=noise)
        for name in ("astronaut", "coffee", "cat")
    )


def photographs(width: int, height: int, quality: int, noise: float, rows: int) -> list[bytes]:
    """So many files, from few photographs."""
    return pictures.repeated(few(width, height, quality, noise), rows)


def write_model(layers: int, folder: Path, rows: int) -> None:
    """A chain of matrices, and vectors to send through."""
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    shape: list[str | int | None] = ["N", LAYER]
    names = ["x", *(f"h{i}" for i in range(1, layers)), "y"]
    weights = [
        numpy_helper.from_array((random.normal(size=(LAYER, LAYER)) / LAYER**0.5).astype(np.float32), f"w{i}")
        for i in range(layers)
    ]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(layers)]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    vectors = pa.FixedSizeListArray.from_arrays(random.normal(size=rows * LAYER).astype(np.float32), LAYER)
    data.write(folder / "data", pa.table({"x": vectors.cast(pa.list_(pa.float32()))}))


def write_doubles(columns: int, folder: Path, rows: int) -> None:
    """A table of doubles."""
    (folder / "data").mkdir()
    data.write(folder / "data", pa.table(data.numbers(rows, columns)))


#: Width, height, quality and noise of pictures by about how many MB a file has.
PICTURES = {"0.1": (640, 480, 90, 4.0), "0.5": (1600, 1200, 90, 5.0), "5": (4032, 3024, 95, 6.0)}
PICTURE_ROWS = {"0.1": 600, "0.5": 300, "5": 64}

JOBS = (
    Job("no work: Spark and its workers", "nothing", write_nothing, 10_000),
    *(
        Job(f"pictures of {size} MB, {where}", kind, partial(write, *PICTURES[size]), PICTURE_ROWS[size])
        for size in PICTURES
        for where, kind, write in (("files", "files", write_files), ("parquet", "parquet", write_column))
    ),
    *(Job(f"a model of {mib} MiB", "model", partial(write_model, mib), 2000) for mib in (10, 300)),
    *(
        Job(
            f"{columns:,} columns of doubles, {what}",
            kind,
            partial(write_doubles, columns),
            5_000_000 // columns,
        )
        for columns, what, kind in (
            (1000, "`FastVectorAssembler`", "assemble"),
            (5000, "`FastVectorAssembler`", "assemble"),
            (1000, "`Featurize`", "featurize"),
        )
    ),
)


def measured(job: Job, rows: int) -> Peaks:
    """Run one row in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        job.write(Path(folder), rows)
        program = [sys.executable, "-m", "bench.memory_job", job.kind, folder, f"{HEAP_MIB}m"]
        return watch(program, TIMEOUT)[0]


def mib(kib: int) -> int:
    return round(kib / 1024)


def beyond_heap(peaks: Peaks) -> int:
    """MiB of the JVM that are not its heap, all of which is resident."""
    return mib(peaks.jvm) - HEAP_MIB


def measured_table(rows: Sequence[tuple[Job, Peaks]]) -> str:
    """What was measured."""
    heads = (
        "job",
        "rows",
        "JVM beyond its heap",
        "largest Python worker, resident",
        "the same, shared pages divided",
        "its address space",
        "all workers and their daemon",
        "client",
    )
    lines = []
    for job, peaks in rows:
        python = (peaks.worker, peaks.worker_pss, peaks.worker_space, peaks.workers_pss)
        sizes = [
            f"{beyond_heap(peaks):,}",
            *(f"{mib(size):,}" if size else "none" for size in python),
            f"{mib(peaks.client):,}",
        ]
        lines.append(f"| {job.what} | {job.rows:,} | {' | '.join(sizes)} |")
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines])


def settings(peaks: Peaks, cores: int) -> tuple[int, int]:
    """MiB of `spark.executor.memoryOverhead` and, for those who set it, `spark.executor.pyspark.memory` that follow."""
    overhead = beyond_heap(peaks) + cores * mib(peaks.worker)
    return _up(overhead), _up(cores * mib(peaks.worker_space))


def _up(size: int) -> int:
    """A quarter more, in whole steps of 128 MiB."""
    return math.ceil(size * 1.25 / 128) * 128


def settings_table(rows: Sequence[tuple[Job, Peaks]]) -> str:
    """The settings that follow for executors of some cores."""
    heads = (
        "job",
        *(f"`memoryOverhead`, {cores} cores" for cores in EXECUTORS),
        "`pyspark.memory` for each core",
    )
    lines = [
        f"| {job.what} | "
        + " | ".join(f"{settings(peaks, cores)[0]}m" for cores in EXECUTORS)
        + f" | {f'{settings(peaks, 1)[1]}m' if peaks.worker else 'none'} |"
        for job, peaks in rows
    ]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines])


def written(text: str, rows: Sequence[tuple[Job, Peaks]]) -> str:
    """The guide's page with the tables of these rows."""
    machine = "\n".join(f"* {line}" for line in report.machine())
    for name, made in (
        ("measured", f"{measured_table(rows)}\n\n{machine}"),
        ("settings", settings_table(rows)),
    ):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{made}\n\n{end}{rest.split(end)[1]}"
    return text


def memory(setting: Setting) -> Iterator[Figure]:
    """Every row; a full run writes the guide's tables."""
    done: list[tuple[Job, Peaks]] = []
    for job in JOBS:
        peaks = measured(job, job.rows // 4 if setting.quick else job.rows)
        done.append((job, peaks))
        yield Figure(
            f"memory of a Python worker, {job.what}",
            mib(peaks.worker),
            "MiB",
            detail=f"{beyond_heap(peaks)} MiB in the JVM beyond its heap of {HEAP_MIB} MiB, {mib(peaks.workers_pss)} MiB in "
            f"{len(peaks.pids)} workers and their daemon, {mib(peaks.client)} MiB in the client; local[{CORES}]",
        )
    if not setting.quick:
        PAGE.write_text(written(PAGE.read_text(), done))
