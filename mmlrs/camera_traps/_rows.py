"""The rows of a table that is written: their columns, with one error for what cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import shown
from mmlrs.camera_traps._documents import first_few
from mmlrs.engine.columns import Columns
from mmlrs.engine.table import to_rows
from mmlrs.errors import InvalidParamError, SchemaMismatchError

__all__ = ["BOX", "Lists", "Rows", "box_problem"]

#: The members of a box.
BOX = ("x", "y", "width", "height")

_STRINGS = "strings"
_KINDS = {
    _STRINGS: pa.string(),
    "whole numbers": pa.int32(),
    "numbers": pa.float64(),
    "booleans": pa.bool_(),
    "times": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Lists:
    """A column of lists: the number of values of each row, -1 for null, and the values of all rows."""

    lengths: npt.NDArray[np.int64]
    values: pa.Array

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Return the place of each row's first value."""
        lengths = np.maximum(self.lengths, 0)
        return np.asarray(np.cumsum(lengths) - lengths)

    def row_of(self, place: int) -> int:
        """Return the row of a value."""
        return int(np.searchsorted(np.cumsum(np.maximum(self.lengths, 0)), place, side="right"))

    def per_row(self, items: Sequence[Any]) -> list[list[Any] | None]:
        """Return the items, one for each value, as a list per row."""
        ends = self.starts + np.maximum(self.lengths, 0)
        return [
            None if length < 0 else list(items[start:end])
            for length, start, end in zip(self.lengths.tolist(), self.starts.tolist(), ends.tolist())
        ]


class Rows:
    """The columns of a table by name. A Spark DataFrame is collected.

    Parameters
    ----------
    function : str
        The function that errors name.
    dataset : table
        What the user passed.
    """

    def __init__(self, function: str, dataset: Any) -> None:
        data = to_rows(dataset, function, "write")
        if not isinstance(data, pa.Table):
            from mmlrs.engine.versions import table_of

            data = table_of(data)
        self.function = function
        self.table = data
        self._columns = Columns.of(data, function)
        self.files = self._checked_files()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, name: str) -> bool:
        """Return whether there is a column of that name."""
        return name in self.table.column_names

    def fail(self, row: int, problem: str) -> NoReturn:
        """Raise the error of a row."""
        file = f" ({shown(self.files[row])})" if hasattr(self, "files") else ""
        raise InvalidParamError(f"{self.function}: row {row}{file}: {problem}")

    def _checked_files(self) -> list[str]:
        files = self.values("file", required=True)
        seen: set[str] = set()
        twice = []
        for row, file in enumerate(files):
            if not file or not file.strip():
                self.fail(row, f"`file` must be the name of a picture, got {shown(file)}")
            if file in seen:
                twice.append(file)
            seen.add(file)
        if twice:
            raise InvalidParamError(
                f"{self.function}: column `file`: a picture must have one row; repeated: {first_few(twice)}"
            )
        return files

    def column(self, name: str) -> pa.Array:
        """Return a column as one array."""
        column = self.table.column(self._columns.resolve(name)).combine_chunks()
        return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column

    def wrong(self, name: str, expected: str, kind: pa.DataType) -> SchemaMismatchError:
        """Return the error of a column of another type."""
        return SchemaMismatchError(f"{self.function}: column `{name}` must be {expected}, got {kind}")

    def values(self, name: str, kind: str = _STRINGS, *, required: bool = False) -> list[Any]:
        """Return the values of a column; None for each row if the column is missing and not required."""
        if not required and not self.has(name):
            return [None] * len(self)
        found: list[Any] = self.cast(name, self.column(name), kind).to_pylist()
        return found

    def cast(self, name: str, array: pa.Array, kind: str) -> pa.Array:
        """Return values as one of the kinds. NaN is null where it is no number, as in pandas."""
        if pa.types.is_null(array.type):
            return array.cast(_KINDS[kind])
        if not _fits(array.type, kind):
            raise self.wrong(name, kind, array.type)
        if kind == "times":
            array = pc.local_timestamp(array) if array.type.tz is not None else array
            return array.cast(_KINDS[kind], safe=False)
        if pa.types.is_floating(array.type) and kind != "numbers":
            array = pc.if_else(pc.is_nan(array), None, array)
        if pa.types.is_float32(array.type) and kind == "numbers":
            # As its shortest text: 0.9 rather than 0.8999999762.
            array = array.cast(pa.string())
        try:
            return array.cast(_KINDS[kind])
        except pa.ArrowInvalid as error:
            raise SchemaMismatchError(f"{self.function}: column `{name}` must be {kind}: {error}") from None

    def lists(self, name: str, *, of: str, required: bool = False) -> Lists | None:
        """Return a column of lists, or None if it is missing and not required. `of` says in errors what the lists hold."""
        if not required and not self.has(name):
            return None
        array = self.column(name)
        if pa.types.is_null(array.type):
            return Lists(np.full(len(self), -1), pa.nulls(0))
        if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
            raise self.wrong(name, f"lists of {of}", array.type)
        lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), -1)
        lists = Lists(lengths.to_numpy(zero_copy_only=False), array.flatten())
        if lists.values.null_count and not pa.types.is_null(lists.values.type):
            place = pc.index(pc.is_null(lists.values), True).as_py()
            self.fail(lists.row_of(place), f"`{name}` holds a null; it must hold {of}")
        return lists

    def members(self, name: str, lists: Lists, needed: Sequence[str]) -> dict[str, pa.Array]:
        """Return the members of structs: `label` as strings, all others as numbers."""
        kind = lists.values.type
        if pa.types.is_null(kind):
            return {member: pa.nulls(0, _KINDS[_kind_of(member)]) for member in needed}
        if not pa.types.is_struct(kind) or any(kind.get_field_index(member) < 0 for member in needed):
            raise self.wrong(name, f"lists of structs with {', '.join(needed)}", kind)
        found = {}
        for member in needed:
            array = self.cast(f"{name}.{member}", pc.struct_field(lists.values, [member]), _kind_of(member))
            if array.null_count:
                place = pc.index(pc.is_null(array), True).as_py()
                self.fail(lists.row_of(place), f"`{name}` has a null `{member}`")
            found[member] = array
        return found


def _kind_of(member: str) -> str:
    return _STRINGS if member == "label" else "numbers"


def _fits(kind: pa.DataType, wanted: str) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if wanted == _STRINGS:
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if wanted == "times":
        return bool(pa.types.is_timestamp(kind))
    return bool(pa.types.is_boolean(kind)) if wanted == "booleans" else bool(number)


def box_problem(boxes: npt.NDArray[np.float64], *, tolerance: float | None) -> tuple[int, str] | None:
    """Return the place of the first wrong box and what is wrong, or None.

    `boxes` has the columns x, y, width, height, relative to the picture. A box may exceed the picture by `tolerance`, or without
    one by any amount.
    """
    if not len(boxes):
        return None
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    sized = np.asarray((boxes[:, 2:] >= 0).all(axis=1))
    good = finite & sized
    if tolerance is not None:
        corners = (boxes[:, :2] >= -tolerance) & (boxes[:, :2] + boxes[:, 2:] <= 1 + tolerance)
        good &= np.asarray(corners.all(axis=1))
    if good.all():
        return None
    place = int(np.argmin(good))
    if not finite[place]:
        problem = "is not finite"
    elif not sized[place]:
        problem = "has a negative size"
    else:
        problem = "is not inside the picture; coordinates are relative to it, from 0 to 1"
    x, y, width, height = (float(f"{value:.6g}") for value in boxes[place])
    return place, f"box x {x}, y {y}, width {width}, height {height} {problem}"
