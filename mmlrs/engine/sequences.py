"""Sequences of pictures by location and time, on Spark and on tables."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["sequences_of_frame", "sequences_of_table"]

#: Year, month, day, hour, minute, second and fraction of a time. What follows, such as a time zone, is ignored.
_TIME = r"^\s*(\d{4})[-:/.](\d{2})[-:/.](\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?"
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - on the clock of a camera, which has no zone
_SECOND = 1_000_000


def _refused(stage: str, column: str, kind: object, expected: str) -> SchemaMismatchError:
    return SchemaMismatchError(f"{stage}: column `{column}`: has type {kind}; expected {expected}")


_NAMES, _TIMES = "strings or integers", "timestamps or strings"


# -- tables -----------------------------------------------------------------------------------------------------------


def sequences_of_table(
    stage: str, table: pa.Table, location: str, time: str, id_column: str | None, gap: float
) -> pa.Array:
    """Return the names of the sequences of the rows."""
    places = _names(stage, table.column(location), location)
    ids = [None] * len(table) if id_column is None else _names(stage, table.column(id_column), id_column)
    micros, texts = _moments(stage, table.column(time), time)
    known = np.array([place is not None for place in places], bool) & (micros != _UNKNOWN)
    codes = np.unique([place or "" for place in places], return_inverse=True)[1]
    order = np.lexsort((micros, codes))
    order = order[known[order]]
    far = np.diff(micros[order]) > gap * _SECOND
    starts = np.concatenate([[True], far | (np.diff(codes[order]) != 0)])[: len(order)]
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
    names = [None if own is None else f"{place or ''}?{own}" for place, own in zip(places, ids, strict=True)]
    for row, head in zip(order.tolist(), first.tolist(), strict=True):
        names[row] = f"{places[row]}@{texts[head]}"
    return pa.array(names, pa.string())


#: The microseconds of a time that is not valid.
_UNKNOWN = np.iinfo(np.int64).min


def _names(stage: str, column: pa.ChunkedArray, name: str) -> list[str | None]:
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (is_text or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise _refused(stage, name, kind, _NAMES)
    return [None if place is None else str(place) for place in column.to_pylist()]


def _moments(stage: str, column: pa.ChunkedArray, name: str) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return the microseconds and the text of each time."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        local = pc.local_timestamp(column) if kind.tz else column
        micros = pc.fill_null(column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()), _UNKNOWN)
        moments = local.cast(pa.timestamp("us"), safe=False).to_pylist()
        return micros.to_numpy(), ["" if moment is None else moment.isoformat() for moment in moments]
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise _refused(stage, name, kind, _TIMES)
    parsed = [_parsed(text) for text in column.to_pylist()]
    found = [_UNKNOWN if moment is None else (moment - _EPOCH) // _MICROSECOND for moment in parsed]
    return np.array(found, np.int64), ["" if moment is None else moment.isoformat() for moment in parsed]


_MICROSECOND = dt.timedelta(microseconds=1)
_PATTERN = re.compile(_TIME, re.ASCII)


def _parsed(text: str | None) -> dt.datetime | None:
    match = None if text is None else _PATTERN.match(text)
    if match is None:
        return None
    *parts, fraction = match.groups()
    try:
        numbers = [*map(int, parts), int((fraction or "").ljust(6, "0")[:6])]
        return dt.datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001 - as above
    except ValueError:
        return None


# -- Spark ------------------------------------------------------------------------------------------------------------

_MICROS, _TEXT = "__mmlrs_micros__", "__mmlrs_text__"


def sequences_of_frame(
    stage: str, df: DataFrame, location: str, time: str, id_column: str | None, gap: float, output: str
) -> DataFrame:
    """Return a DataFrame with the names of the sequences in a column."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F
    from pyspark.sql.types import IntegralType, NullType, StringType

    from mmlrs.engine.spark import quoted

    if df.isStreaming:
        raise InvalidParamError(
            f"{stage}: needs all rows of a location, so it cannot run on a stream; use foreachBatch"
        )
    for read in (location, id_column):
        kind = NullType() if read is None else df.schema[read].dataType
        if not isinstance(kind, StringType | IntegralType | NullType):
            raise _refused(stage, str(read), kind.simpleString(), _NAMES)
    micros, text = _moment_columns(stage, df, time)
    moments = df.select("*", micros.alias(_MICROS), text.alias(_TEXT))
    place = F.col(quoted(location)).cast("string")
    known = place.isNotNull() & F.col(_MICROS).isNotNull()
    window = Window.partitionBy(place, known).orderBy(_MICROS)
    before = F.lag(_MICROS).over(window)
    starts = before.isNull() | ((F.col(_MICROS) - before) > gap * _SECOND)
    # Two windows, because one function of a window cannot read another one.
    headed = moments.withColumn(_TEXT, F.when(starts, F.col(_TEXT)))
    first = F.last(_TEXT, ignorenulls=True).over(
        window.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    own = F.lit(None).cast("string") if id_column is None else F.col(quoted(id_column)).cast("string")
    unknown = F.concat(F.coalesce(place, F.lit("")), F.lit("?"), own)
    name = F.when(known, F.concat(place, F.lit("@"), first)).otherwise(unknown)
    return headed.withColumn(output, name).drop(_MICROS, _TEXT)


def _moment_columns(stage: str, df: DataFrame, time: str) -> tuple[Column, Column]:
    """Return the microseconds and the text of each time."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NullType, StringType, TimestampNTZType, TimestampType

    from mmlrs.engine.spark import quoted

    column, kind = F.col(quoted(time)), df.schema[time].dataType
    if isinstance(kind, TimestampType):
        whole, micros = F.date_format(column, "yyyy-MM-dd'T'HH:mm:ss"), F.unix_micros(column)
        return micros, _with_fraction(whole, F.pmod(micros, F.lit(_SECOND)))
    if not isinstance(kind, StringType | NullType | TimestampNTZType):
        raise _refused(stage, time, kind.simpleString(), _TIMES)
    parts = [F.regexp_extract(column.cast("string"), _TIME, group) for group in range(1, 8)]
    date, clock, fraction = F.concat_ws("-", *parts[:3]), parts[3:6], parts[6]
    valid_clock = (parts[3] < "24") & (parts[4] < "60") & (parts[5] < "60") & (parts[0] > "0000")
    day = F.unix_date(F.try_to_timestamp(date, F.lit("yyyy-MM-dd")).cast("date"))
    hours, minutes, seconds = (F.lpad(part, 2, "0").cast("long") for part in clock)
    rest = F.rpad(F.substring(fraction, 1, 6), 6, "0").cast("long")
    of_day = (hours * 60 + minutes) * 60 + seconds
    micros = F.when(valid_clock, (day.cast("long") * 86_400 + of_day) * _SECOND + rest)
    return micros, _with_fraction(F.concat(date, F.lit("T"), F.concat_ws(":", *clock)), rest)


def _with_fraction(whole: Column, micros: Column) -> Column:
    """Return the text of a second, with its fraction if there is one, as Python writes it."""
    from pyspark.sql import functions as F

    digits = F.lpad(micros.cast("string"), 6, "0")
    return F.when(micros == 0, whole).otherwise(F.concat(whole, F.lit("."), digits))
