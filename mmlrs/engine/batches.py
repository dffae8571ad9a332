"""Convert rows to batches and back, on Arrow data. Spark's workers run these functions on the batches of a partition."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.select import take_rows
from mmlrs.errors import DecodeError

__all__ = [
    "ArrivingBatches",
    "FixedBatches",
    "Flattened",
    "TimedBatches",
    "batch_schema",
    "gathered",
    "is_list",
]


def is_list(kind: pa.DataType) -> bool:
    """Return whether this is a list type, of any width."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def batch_schema(rows: pa.Schema) -> pa.Schema:
    """Return the schema of batches of rows, with a list column for every column."""
    return pa.schema([pa.field(f.name, pa.list_(f.type), metadata=f.metadata) for f in rows], rows.metadata)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def gathered(rows: pa.Table, size: int) -> pa.RecordBatch:
    """Return the rows as batches of `size` rows, the last of which may be smaller."""
    offsets = pa.array(np.append(np.arange(0, rows.num_rows, size), rows.num_rows), pa.int32())
    lists = [pa.ListArray.from_arrays(offsets, _combined(column)) for column in rows.columns]
    return pa.RecordBatch.from_arrays(lists, schema=batch_schema(rows.schema))


@dataclass(frozen=True)
class ArrivingBatches:
    """Makes batches of at most `size` rows from each incoming Arrow batch."""

    size: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as rows of list columns."""
        for batch in batches:
            if batch.num_rows:
                yield gathered(pa.Table.from_batches([batch]), self.size)


@dataclass(frozen=True)
class FixedBatches:
    """Makes batches of `size` rows. The last one may be smaller."""

    size: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as rows of list columns."""
        pending = _Pending(self.size)
        for batch in batches:
            yield from pending.add(batch)
        yield from pending.flush()


@dataclass(frozen=True)
class TimedBatches:
    """Makes batches of the rows that arrive within `seconds`, of at most `size` rows."""

    size: int
    seconds: float

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as rows of list columns."""
        pending, since = _Pending(self.size), 0.0
        for batch in batches:
            now = time.monotonic()
            if pending.count and now - since >= self.seconds:
                yield from pending.flush()
            if not pending.count:
                since = now
            for full in pending.add(batch):
                since = now
                yield full
        yield from pending.flush()


class _Pending:
    """Buffers rows that do not fill a batch yet."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.batches: list[pa.RecordBatch] = []
        self.count = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Add rows, and yield the full batches."""
        if not batch.num_rows:
            return
        self.batches.append(batch)
        self.count += batch.num_rows
        full = self.count - self.count % self.size
        if full:
            rows = pa.Table.from_batches(self.batches)
            self.batches, self.count = rows.slice(full).to_batches(), self.count - full
            yield gathered(rows.slice(0, full), self.size)

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield the remaining rows as a last batch."""
        if self.count:
            rows = pa.Table.from_batches(self.batches)
            self.batches, self.count = [], 0
            yield gathered(rows, self.size)


@dataclass(frozen=True)
class Flattened:
    """Flattens the list columns at some indices into rows. `unit` is where error messages count rows."""

    stage: str
    places: tuple[int, ...]
    unit: Literal["batch", "table"]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        first = 0
        for batch in batches:
            yield self._rows(batch, 0 if self.unit == "batch" else first)
            first += batch.num_rows

    def schema(self, batches: pa.Schema) -> pa.Schema:
        """Return the schema of the rows."""
        fields = [
            pa.field(f.name, f.type.value_type, metadata=f.metadata) if i in self.places else f
            for i, f in enumerate(batches)
        ]
        return pa.schema(fields, batches.metadata)

    def _rows(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        lengths = {
            i: pc.fill_null(pc.list_value_length(batch.column(i)), -1).to_numpy(zero_copy_only=False)
            for i in self.places
        }
        copies = np.maximum.reduce([np.zeros(batch.num_rows, np.int64), *lengths.values()])
        self._check(batch, lengths, copies, first)
        rows = np.repeat(np.arange(batch.num_rows), copies)
        columns = []
        for i, column in enumerate(batch.columns):
            if i not in lengths:
                columns.append(take_rows(column, pa.array(rows)))
                continue
            elements = pc.list_flatten(column)
            valid = lengths[i][rows] >= 0
            if not valid.all():
                elements = take_rows(elements, pa.array(np.cumsum(valid) - 1, mask=~valid))
            columns.append(elements)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema(batch.schema))

    def _check(
        self, batch: pa.RecordBatch, lengths: dict[int, np.ndarray], copies: np.ndarray, first: int
    ) -> None:
        """Raise on lists of different lengths in one row."""
        for i, count in lengths.items():
            mismatches = (count >= 0) & (count != copies)
            if mismatches.any():
                row = int(np.argmax(mismatches))
                longest = next(j for j, c in lengths.items() if c[row] == copies[row])
                names = batch.schema.names
                raise DecodeError(
                    f"{self.stage}: columns `{names[i]}` and `{names[longest]}`, row {first + row} of the {self.unit}: have arrays "
                    f"of different length, {count[row]} and {copies[row]}"
                )
