"""The check of targets that the sigmoid loss reads."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.ann._specification import Specification
from mmlrs.errors import DecodeError

__all__ = ["check_targets"]

#: How far rounding may take a scaled number out of the interval from 0 to 1.
_ROUNDING = 1e-6


def check_targets(specification: Specification, batch: pa.RecordBatch, first: int | None = None) -> None:
    """Check that the targets of rows are from 0 to 1 if the loss is the cross-entropy of sigmoids.

    `first` is the number of the batch's first row in a table, if it is part of one.

    Raises
    ------
    DecodeError
        A number is below 0 or above 1.
    """
    if json.loads(specification.network)["loss"]["kind"] != "sigmoid_cross_entropy":
        return
    columns = json.loads(specification.columns)
    is_input = columns["labels"] == "input"
    name = columns["features" if is_input else "label"]
    array = batch.column(name)
    if _outside(array) is None:
        return
    row, value = next(
        (row, value) for row in range(len(array)) if (value := _outside(array.slice(row, 1))) is not None
    )
    place = f"row {row} of the batch" if first is None else f"row {first + row} of the table"
    remedy = "`dataIn01Interval` to False" if is_input else '`loss` to "squared"'
    raise DecodeError(
        f"{specification.stage}: column `{name}`, {place}: has {value:g}, but the loss needs numbers from 0 to 1; scale the column, or "
        f"set {remedy}"
    )


def _outside(array: pa.Array) -> float | None:
    """Return a number of the array below 0 or above 1, if there is one. The array has numbers, lists or vectors."""
    while not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        if pa.types.is_struct(array.type) and array.type.get_field_index("values") >= 0:
            array = pc.struct_field(array, "values")
        elif hasattr(array, "flatten") and hasattr(array.type, "value_type"):
            array = array.flatten()
        else:
            return None
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    ends = pc.min_max(array)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is None:
        return None
    return float(low) if low < -_ROUNDING else float(high) if high > 1 + _ROUNDING else None
