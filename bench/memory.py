"""Memory use of jobs in the JVM and in each Python worker, for the sizing table of the guide."""

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
from bench.image_job import write_parquet
from bench.measure import Figure, Setting
from bench.processes import Peaks, watch
from bench.session import CORES

PAGE = report.PAGE.parent / "guide" / "11-memory.md"
BEGIN, END = "<!-- {}: written by `make bench ARGS=memory` -->", "<!-- end of {} -->"

#: Numbers of executor cores for which the guide lists settings.
EXECUTORS = (2, 4, 8)
HEAP_MIB = 1024
#: Width of the layers of the model; one layer has 1 MiB of weights.
LAYER = 512
#: Maximum number of seconds for a row.
TIMEOUT = 240.0


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    what: str
    kind: str
    #: Writes the data with the given number of rows into a folder.
    write: Callable[[Path, int], None]
    rows: int


def write_nothing(folder: Path, rows: int) -> None:
    """Write no data, for the job that only starts the workers."""


def write_files(width: int, height: int, quality: int, noise: float, folder: Path, rows: int) -> None:
    """Write JPEG files; the noise makes them as large as those of a camera."""
    (folder / "data").mkdir()
    for i, file in enumerate(photographs(width, height, quality, noise, rows)):
        (folder / "data" / f"{i:05}.jpg").write_bytes(file)


def write_column(width: int, height: int, quality: int, noise: float, folder: Path, rows: int) -> None:
    """Write the same files as a column of parquet files."""
    (folder / "data").mkdir()
    write_parquet(folder / "data", photographs(width, height, quality, noise, rows))


@cache
def few(width: int, height: int, quality: int, noise: float) -> tuple[bytes, ...]:
    """Return JPEG files of this size."""
    photos = pictures.photographs()
    return tuple(
        pictures.jpeg(photos[name], width, height, quality=quality, noise=noise)
        for name in ("astronaut", "coffee", "cat")
    )


def photographs(width: int, height: int, quality: int, noise: float, rows: int) -> list[bytes]:
    """Return the given number of files, table from a few photographs."""
    return pictures.repeated(few(width, height, quality, noise), rows)


def write_model(layers: int, folder: Path, rows: int) -> None:
    """Write a model that is a chain of matrices, and input vectors."""
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
    """Write a table of doubles."""
    (folder / "data").mkdir()
    data.write(folder / "data", pa.table(data.numbers(rows, columns)))


#: Width, height, quality and noise of images by approximate file size in MB.
PICTURES = {"0.1": (640, 480, 90, 4.0), "0.5": (1600, 1200, 90, 5.0), "5": (4032, 3024, 95, 6.0)}
PICTURE_ROWS = {"0.1": 600, "0.5": 300, "5": 64}

JOBS = (
    Job("no work: Spark and its workers", "nothing", write_nothing, 10_000),
    *(
        Job(f"images of {size} MB, {where}", kind, partial(write, *PICTURES[size]), PICTURE_ROWS[size])
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
    """Run one row in a separate process."""
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        job.write(Path(folder), rows)
        program = [sys.executable, "-m", "bench.memory_job", job.kind, folder, f"{HEAP_MIB}m"]
        return watch(program, TIMEOUT)[0]


def mib(kib: int) -> int:
    return round(kib / 1024)


def beyond_heap(peaks: Peaks) -> int:
    """Return the MiB of the JVM outside its heap; the whole heap is resident."""
    return mib(peaks.jvm) - HEAP_MIB


def measured_table(rows: Sequence[tuple[Job, Peaks]]) -> str:
    """Return the table of measurements."""
    heads = (
        "job",
        "rows",
        "JVM outside its heap",
        "largest Python worker, resident",
        "the same worker, shared pages divided",
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
    """Return the MiB for `spark.executor.memoryOverhead` and, for those who set it, `spark.executor.pyspark.memory`."""
    overhead = beyond_heap(peaks) + cores * mib(peaks.worker)
    return _up(overhead), _up(cores * mib(peaks.worker_space))


def _up(size: int) -> int:
    """Add a quarter and round up to a multiple of 128 MiB."""
    return math.ceil(size * 1.25 / 128) * 128


def settings_table(rows: Sequence[tuple[Job, Peaks]]) -> str:
    """Return the table of settings for executors with different numbers of cores."""
    heads = (
        "job",
        *(f"`memoryOverhead`, {cores} cores" for cores in EXECUTORS),
        "`pyspark.memory` per core",
    )
    lines = [
        f"| {job.what} | "
        + " | ".join(f"{settings(peaks, cores)[0]}m" for cores in EXECUTORS)
        + f" | {f'{settings(peaks, 1)[1]}m' if peaks.worker else 'none'} |"
        for job, peaks in rows
    ]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines])


def written(text: str, rows: Sequence[tuple[Job, Peaks]]) -> str:
    """Return the guide page with the tables of these rows."""
    machine = "\n".join(f"* {line}" for line in report.machine())
    for name, table in (
        ("measured", f"{measured_table(rows)}\n\n{machine}"),
        ("settings", settings_table(rows)),
    ):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"
    return text


def memory(setting: Setting) -> Iterator[Figure]:
    """Memory of the JVM and the Python workers; a full run writes the tables of the guide."""
    done: list[tuple[Job, Peaks]] = []
    for job in JOBS:
        peaks = measured(job, job.rows // 4 if setting.quick else job.rows)
        done.append((job, peaks))
        yield Figure(
            f"memory of a Python worker, {job.what}",
            mib(peaks.worker),
            "MiB",
            detail=f"{beyond_heap(peaks)} MiB in the JVM outside its heap of {HEAP_MIB} MiB, {mib(peaks.workers_pss)} MiB in "
            f"{len(peaks.pids)} workers and their daemon, {mib(peaks.client)} MiB in the client; local[{CORES}]",
        )
    if not setting.quick:
        PAGE.write_text(written(PAGE.read_text(), done))
