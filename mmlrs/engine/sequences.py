"""Sequences of pictures by location and time, on Spark and on tables."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.columns import wrong_type
from mmlrs.engine.fields import is_text
from mmlrs.engine.times import TIME, time_of
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["sequences_of_frame", "sequences_of_table"]

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - on the clock of a camera, which has no zone
_SECOND = 1_000_000


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
    far = np.diff(micros[order]) > round(gap * _SECOND)
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
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise wrong_type(stage, name, kind, _NAMES)
    return [None if place is None else str(place) for place in column.to_pylist()]


def _moments(stage: str, column: pa.ChunkedArray, name: str) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return the microseconds and the text of each time."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        micros = _micros_of(column)
        # A local time in autumn is not unique, so times with a zone are named in UTC.
        zone = "Z" if kind.tz else ""
        texts = [
            "" if at == _UNKNOWN else (_EPOCH + at * _MICROSECOND).isoformat() + zone
            for at in micros.tolist()
        ]
        return micros, texts
    if not (is_text(kind) or pa.types.is_null(kind)):
        raise wrong_type(stage, name, kind, _TIMES)
    parsed = [None if text is None else time_of(text) for text in column.to_pylist()]
    found = [_UNKNOWN if moment is None else (moment - _EPOCH) // _MICROSECOND for moment in parsed]
    return np.array(found, np.int64), ["" if moment is None else moment.isoformat() for moment in parsed]


def _micros_of(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the microseconds of timestamps. A year that is not from 1 to 9999 is not valid."""
    number = column.cast(pa.int64())
    units = {"s": (_SECOND, 1), "ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
    times, per = units[column.type.unit]
    # Every time in nanoseconds is valid.
    first, last = ((edge - _EPOCH) // _MICROSECOND // times for edge in _EDGES)
    valid = (
        pc.and_(pc.greater_equal(number, first), pc.less_equal(number, last))
        if per == 1
        else pc.is_valid(number)
    )
    known = pc.if_else(pc.fill_null(valid, False), number, 0).to_numpy()
    micros = known * times // per
    micros[~pc.fill_null(valid, False).to_numpy().astype(bool)] = _UNKNOWN
    return micros


_MICROSECOND = dt.timedelta(microseconds=1)
_EDGES = (dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001 - as above


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
            raise wrong_type(stage, str(read), kind.simpleString(), _NAMES)
    micros, text = _moment_columns(stage, df, time)
    moments = df.select("*", micros.alias(_MICROS), text.alias(_TEXT))
    place = F.col(quoted(location)).cast("string")
    known = place.isNotNull() & F.col(_MICROS).isNotNull()
    window = Window.partitionBy(place, known).orderBy(_MICROS)
    before = F.lag(_MICROS).over(window)
    starts = before.isNull() | ((F.col(_MICROS) - before) > round(gap * _SECOND))
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
        micros = F.unix_micros(column)
        return micros, F.concat(_text(micros), F.lit("Z"))
    if not isinstance(kind, StringType | NullType | TimestampNTZType):
        raise wrong_type(stage, time, kind.simpleString(), _TIMES)
    # No function that parses times, because they depend on settings and on the zone of the session.
    texts = [F.regexp_extract(column.cast("string"), TIME, group) for group in range(1, 8)]
    numbers = [F.when(text == "", "0").otherwise(text).cast("long") for text in texts[:6]]
    year, month, day, hour, minute, second = numbers
    fraction = F.rpad(F.substring(texts[6], 1, 6), 6, "0").cast("long")
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    last = F.when(month.isin(4, 6, 9, 11), 30).when(month == 2, F.when(leap, 29).otherwise(28)).otherwise(31)
    valid = (
        (year >= 1)
        & month.between(1, 12)
        & day.between(1, last)
        & (hour < 24)
        & (minute < 60)
        & (second < 60)
    )
    of_day = ((hour * 60 + minute) * 60 + second) * _SECOND + fraction
    micros = F.when(valid, _day_number(year, month, day) * (86_400 * _SECOND) + of_day)
    return micros, _text(micros)


def _day_number(year: Column, month: Column, day: Column) -> Column:
    """Return the days since 1970 in the Gregorian calendar, with years that begin in March."""
    from pyspark.sql import functions as F

    def whole(value: Column, by: int) -> Column:
        return F.floor(value / by)

    years = year - F.when(month <= 2, 1).otherwise(0)
    of_year = whole(153 * ((month + 9) % 12) + 2, 5) + day - 1
    return years * 365 + whole(years, 4) - whole(years, 100) + whole(years, 400) + of_year - 719_468


def _text(micros: Column) -> Column:
    """Return microseconds as Python writes a moment, with a fraction if there is one."""
    from pyspark.sql import functions as F

    def digits(value: Column, count: int) -> Column:
        return F.lpad(value.cast("string"), count, "0")

    of_day = F.pmod(micros, F.lit(86_400 * _SECOND))
    date = F.date_from_unix_date(((micros - of_day) / (86_400 * _SECOND)).cast("int")).cast("string")
    fraction = of_day % _SECOND
    seconds = ((of_day - fraction) / _SECOND).cast("long")
    minutes = ((seconds - seconds % 60) / 60).cast("long")
    hours = ((minutes - minutes % 60) / 60).cast("long")
    clock = F.concat_ws(":", digits(hours, 2), digits(minutes % 60, 2), digits(seconds % 60, 2))
    rest = F.when(fraction == 0, "").otherwise(F.concat(F.lit("."), digits(fraction, 6)))
    return F.concat(date, F.lit("T"), clock, rest)
