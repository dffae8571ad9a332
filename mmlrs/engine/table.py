"""Stages on Arrow tables and objects that convert to tables, without a JVM or pyspark."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._progress import Bar, progress
from mmlrs._warnings import warn_once
from mmlrs.engine.categories import decoded, restored
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_pandas, is_polars, is_spark, is_table, refused
from mmlrs.engine.expr import Source
from mmlrs.engine.frames import from_pandas, from_polars, refuse_aside, to_pandas, to_polars
from mmlrs.engine.plan import plan_stage
from mmlrs.engine.select import crossing, filtered, without_views
from mmlrs.errors import BatchTooLargeError, LimitExceededError

if TYPE_CHECKING:
    from mmlrs._types import Dataset, FrameOrTable
    from mmlrs.base import NativeAggregate, NativeTransformer

__all__ = ["TableProgram", "from_table", "to_rows", "to_table", "transform"]

#: Maximum number of rows of a batch, in a transform and in a fit; and of a batch of images, which become large when decoded.
BATCH_ROWS = 16_384
PICTURES_ROWS = 4096
FIT_ROWS = 65_536
#: Chunks with fewer rows are combined into a batch.
_FEW_ROWS = 256
#: Number of rows of the first batch, which shows how many bytes a row yields; and of the first batch of images.
_FIRST_ROWS = 256
_FIRST_PICTURES = 16
#: Seconds after which work on a table shows a progress bar.
_BAR_AFTER = 1.5
#: Bytes that a batch should not exceed, in the input columns and in the output columns. A single row may exceed it.
BATCH_BYTES = 64 << 20


def to_table(dataset: Dataset) -> pa.Table:
    """Convert a tabular object to a `pyarrow.Table`; Arrow data is not copied, dictionary columns become their values."""
    return decoded(_as_arrow(dataset))


def to_rows(dataset: Dataset, stage: str, work: str) -> FrameOrTable:
    """Return a Spark DataFrame unchanged, and any other dataset as a table without views. Raise on other objects.

    `work` says in the error what `stage` does, such as "fit on".
    """
    if is_spark(dataset):
        return dataset
    if is_table(dataset):
        return without_views(to_table(dataset))
    raise refused(stage, work, dataset)


def _as_arrow(dataset: Dataset, *, index: bool = False) -> pa.Table:
    """Convert a tabular object to a `pyarrow.Table` without decoding; `index` keeps the index of pandas."""
    if isinstance(dataset, pa.Table):
        return dataset
    if isinstance(dataset, pa.RecordBatch):
        return pa.Table.from_batches([dataset])
    if is_pandas(dataset):
        return _with_images(from_pandas(dataset, index=index))
    if is_polars(dataset):
        return from_polars(dataset, index=index)
    if hasattr(dataset, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(dataset).read_all()
    return pa.Table.from_batches([pa.record_batch(dataset)])


_IMAGE = pa.struct(
    [
        ("origin", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("nChannels", pa.int32()),
        ("mode", pa.int32()),
        ("data", pa.binary()),
    ]
)


def _with_images(table: pa.Table) -> pa.Table:
    """Restore the types of image structs: in pandas they are dicts, whose numbers have no width."""
    names = {field.name for field in _IMAGE}
    for i, field in enumerate(table.schema):
        if pa.types.is_struct(field.type) and {member.name for member in field.type} == names:
            table = table.set_column(i, field.with_type(_IMAGE), table.column(i).cast(_IMAGE))
    return table


def from_table(table: pa.Table, like: Any, before: pa.Table | None = None) -> Any:
    """Convert a table back to the kind of object that the user passed. `before` is that object as a table."""
    if isinstance(like, pa.RecordBatch):
        return _one_batch(table)
    if is_pandas(like):
        return to_pandas(table, like, before)
    if is_polars(like):
        return to_polars(table, like)
    return table


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise LimitExceededError(
            f"the result has {table.nbytes} bytes, more than one RecordBatch can hold: pass a pyarrow.Table, which can have "
            "several batches"
        )
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def transform(stage: NativeTransformer, table: pa.Table) -> pa.Table:
    """Run a native stage on a table."""
    native = stage._core()
    columns = Columns.of(table, stage._stage)
    inputs = columns.bind(native.inputs(), {})
    sources = [expr.column for _, expr in inputs if isinstance(expr, Source)]
    read = pa.schema([refuse_aside(stage._stage, table.schema.field(name)) for name in sources])
    types = pa.schema([field.with_name(name) for field, (name, _) in zip(read, inputs, strict=True)])
    plan = plan_stage(stage, native, inputs, types, portable=False)
    columns.check_new(field.name for field in plan.fields)
    program = plan.native.program(errors=plan.native.error_col is not None, mask=plan.skips)
    work = TableProgram(stage._stage, program, sources, read, plan.fields, skips=plan.skips)
    return work.on(table)


@dataclass(frozen=True)
class TableProgram:
    """A program for tables, with the columns that it reads and adds."""

    #: What a progress bar shows.
    name: str
    program: _native.Program
    #: The columns to read, and their fields.
    sources: list[str]
    read: pa.Schema
    #: The fields of the columns to add.
    outputs: list[pa.Field]
    #: Whether the last output is a mask of the rows to keep.
    skips: bool

    def on(self, table: pa.Table) -> pa.Table:
        """Return a table with the added columns."""
        places = [table.schema.get_field_index(name) for name in self.sources]
        schema = pa.schema([*table.schema, *self.outputs], metadata=table.schema.metadata)
        watched = interruptible()

        def run(batch: pa.RecordBatch, first: int) -> tuple[pa.RecordBatch, int]:
            arrays = [crossing(batch.column(place)) for place in places]
            rows = pa.RecordBatch.from_arrays(arrays, schema=self.read)
            made = self.program.run(rows, 0, False, first=first, interruptible=watched)
            added = [_as_type(made.column(i), field.type) for i, field in enumerate(self.outputs)]
            result = pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)
            return filtered(result, made.column(len(self.outputs))) if self.skips else result, made.nbytes

        pictures = any(_holds_pictures(field.type) for field in self.read)
        pace = (_FIRST_PICTURES, PICTURES_ROWS) if pictures else (_FIRST_ROWS, BATCH_ROWS)
        with _shown(self.name, table) as bar:
            return pa.Table.from_batches(list(_paced(table, run, places, pace, bar)), schema=schema)


def _shown(name: str, table: pa.Table) -> AbstractContextManager[Bar]:
    """Return the bar of the rows of a table, which is shown if the work lasts."""
    return progress(name, table.num_rows, "row", scale=True, delay=_BAR_AFTER)


def _paced(
    table: pa.Table,
    run: Callable[[pa.RecordBatch, int], tuple[pa.RecordBatch, int]],
    columns: list[int],
    pace: tuple[int, int],
    bar: Bar,
) -> Iterator[pa.RecordBatch]:
    """Yield the results of `run` on batches; the size of earlier results decides the rows of the next batch.

    `run` returns a result and the size of its new columns in bytes; `columns` are the columns that it reads. `pace` is the number
    of rows of the first batch, and their maximum.
    """
    first, columns = 0, _counted(table.schema, columns)
    rows, most = pace
    for chunk in batches_of(table, table.num_rows):
        done = 0
        while done < chunk.num_rows:
            batch = _within_bytes(chunk.slice(done, min(rows, most)), columns)
            try:
                made, size = run(batch, first + done)
            except BatchTooLargeError as error:
                if batch.num_rows == 1:
                    raise LimitExceededError(_of_one_row(str(error), first + done)) from None
                rows = batch.num_rows // 2
                continue
            yield made
            done += batch.num_rows
            bar.update(batch.num_rows)
            rows = max(1, BATCH_BYTES * batch.num_rows // max(size, 1))
        first += chunk.num_rows


def _of_one_row(message: str, row: int) -> str:
    """Return the message about a batch as a message about one row of a table, where batches cannot be made smaller."""
    return f"{message.partition('; make batches smaller')[0]}; the batch is only row {row}"


def _within_bytes(batch: pa.RecordBatch, columns: Iterable[int]) -> pa.RecordBatch:
    """Return the first rows of a batch, at least one, whose bytes in `columns` do not exceed `BATCH_BYTES`."""
    while batch.num_rows > 1 and sum(batch.column(i).nbytes for i in columns) > BATCH_BYTES:
        batch = batch.slice(0, (batch.num_rows + 1) // 2)
    return batch


def _counted(schema: pa.Schema, columns: Iterable[int]) -> list[int]:
    """Return the columns whose slices have their own bytes; slices of views and dictionaries share theirs."""
    kinds = [str(kind) for kind in schema.types]
    return [i for i in columns if "view" not in kinds[i] and "dictionary" not in kinds[i]]


def _holds_pictures(kind: pa.DataType) -> bool:
    """Return whether a column of this type may hold images, encoded or as structs."""
    if pa.types.is_struct(kind):
        return any(_holds_pictures(member.type) for member in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view()


def interruptible() -> bool:
    """Return whether work of this thread can be interrupted; only the main thread receives signals."""
    return threading.current_thread() is threading.main_thread()


def fit(stage: NativeAggregate, table: pa.Table) -> str:
    """Run a native estimator or summary on a table; return the result of its state, as JSON."""
    native = stage._core()
    inputs = native.inputs()
    columns = Columns.of(table, stage._stage).resolve_all(inputs)
    fields = [refuse_aside(stage._stage, table.schema.field(c)) for c in columns]
    schema = pa.schema([field.with_name(n) for field, n in zip(fields, inputs, strict=True)])
    fit = native.fit(schema)
    watched, first, counted = interruptible(), 0, _counted(schema, range(len(schema)))
    with _shown(stage._stage, table) as bar:
        for chunk in batches_of(table.select(columns), FIT_ROWS):
            done = 0
            while done < chunk.num_rows:
                batch = _within_bytes(chunk.slice(done), counted)
                read = pa.RecordBatch.from_arrays([crossing(c) for c in batch.columns], schema=batch.schema)
                fit.update(read, 0, first=first + done, interruptible=watched)
                done += batch.num_rows
                bar.update(batch.num_rows)
            first += chunk.num_rows
    result = fit.finish()
    warn_once(fit.notes())
    return result


def _as_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type == kind else array.cast(kind)


def batches_of(table: pa.Table, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """Yield the table in batches of at most `rows` rows. Small chunks are combined; others are not copied."""
    few: list[pa.RecordBatch] = []
    count = size = 0
    for batch in table.to_batches(max_chunksize=max(rows, 1)):
        if batch.num_rows >= _FEW_ROWS or count + batch.num_rows > rows or size + batch.nbytes > BATCH_BYTES:
            yield from _together(few)
            few, count, size = [], 0, 0
        if batch.num_rows >= _FEW_ROWS:
            yield batch
        elif batch.num_rows:
            few.append(batch)
            count, size = count + batch.num_rows, size + batch.nbytes
    yield from _together(few)


def _together(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return batches as one batch if their types can be concatenated."""
    if len(batches) < 2:
        return batches
    try:
        return [pa.concat_batches(batches)]
    except (
        pa.ArrowInvalid,
        pa.ArrowNotImplementedError,
    ):  # dictionaries with more levels in total than their index type can number
        return batches


def on_table(dataset: Dataset, work: Callable[[pa.Table], pa.Table], *, moves: bool = False) -> Any:
    """Run `work` on a tabular object and return the same kind of object, with unchanged columns as they were.

    `moves` says that the result may have other rows.
    """
    before = _as_arrow(dataset, index=moves)
    plain = decoded(before)
    return from_table(restored(work(plain), before, plain), dataset, before)
