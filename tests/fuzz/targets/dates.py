"""Texts and numbers as dates, and the patterns by which they are read and written."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
from checks import Broken, each, no_reason_is_an_internal_error
from mutate import NUMBERS, text

from mmlrs.featurize import DataConversion

BATCH = 48
SHORT = 384

_PATTERNS = [
    "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd", "yy/M/d", "d MMM yyyy h:mm a", "yyyyMMddHHmmssSSSSSS", "H:mm", "'T'HH", "MMM''yy",
    "hh a", "S", "yyyy", "y", "SSSSSSS", "EEE", "z", "Q", "[yyyy]", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "DDD", "VV", "XXX",
]  # fmt: skip
_TEXTS = [
    "2020-02-29 23:59:59", "2021-02-29", "99/1/1", "9 Feb 2001 1:05 PM", "20200101000000123456", "24:00", "T07", "Jun'00",
    "0001-01-01 00:00:00", "9999-12-31 23:59:59", "10000-01-01 00:00:00", "-0001-01-01", "0000-00-00", "2021-03-28 02:30:00",
]  # fmt: skip
_ZONES = [
    "UTC",
    "Europe/Paris",
    "+14:00",
    "-12:00",
    "+25:00",
    "Nowhere/City",
    "",
    "GMT+2",
    "America/Caracas",
    "Z",
    "\0",
]
_TARGETS = ["date", "timestamp", "long", "string", "integer", "boolean", "float", "byte"]


def item(rng: random.Random) -> Any:
    """A pattern, a zone, a type to convert to, and values of one type."""
    pattern = rng.choice(_PATTERNS)
    pattern = text(rng, pattern) if rng.random() < 0.6 else pattern
    kind = rng.choice(["text", "text", "number", "timestamp", "date", "seconds", "float"])
    if kind == "text":
        values = [
            text(rng, rng.choice(_TEXTS)) if rng.random() < 0.7 else rng.choice(_TEXTS) for _ in range(6)
        ]
        values = [v.encode(errors="replace").decode() for v in values]
    elif kind == "float":
        values = [
            rng.choice([0.0, -1.5, 1e300, float("nan"), float("inf"), 253402300799999.0]) for _ in range(6)
        ]
    else:
        limit = 2**31 if kind == "date" else 2**63
        near = [253_402_300_800_000, 253_402_300_799_999, -62_135_596_800_001, 1_600_000_000_000, 2_932_897]
        values = [v for v in (rng.choice([*NUMBERS, *near]) for _ in range(12)) if -limit <= v < limit]
    return pattern, rng.choice([None, rng.choice(_ZONES)]), rng.choice(_TARGETS), kind, values


_TYPES = {
    "text": pa.string(),
    "number": pa.int64(),
    "timestamp": pa.timestamp("us", "Europe/Paris"),
    "seconds": pa.timestamp("s"),
    "date": pa.date32(),
    "float": pa.float64(),
}


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    pattern, zone, target, kind, values = given
    table = pa.table({"v": _column(values, _TYPES[kind])})
    pattern = pattern.encode(errors="replace").decode()
    stage = DataConversion(
        cols=["v"],
        outputCols=["o"],
        convertTo=target,
        dateTimeFormat=pattern,
        handleInvalid="keep",
        errorCol="why",
    )
    if zone is not None:
        stage.setTimeZone(zone)
    made = stage.transform(table)
    if made.num_rows != table.num_rows:
        raise Broken(f"{table.num_rows} rows became {made.num_rows}")
    no_reason_is_an_internal_error(made["why"].to_pylist())
    if target == "timestamp" and kind == "text":
        # What was read is written as it was, or as Java writes the same time.
        _round(stage, made)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        width = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        return pa.array([*values, None], width).view(kind)
    return pa.array([*values, None], kind)


def _round(stage: Any, made: pa.Table) -> None:
    back = (
        stage.copy()._set(cols=["o"], outputCols=["t"], convertTo="string", errorCol="why2").transform(made)
    )
    again = stage.copy()._set(cols=["t"], outputCols=["o2"], errorCol="why3").transform(back)
    for before, written, after in zip(made["o"].to_pylist(), back["t"].to_pylist(), again["o2"].to_pylist()):
        if before is not None and written is None:
            raise Broken("a time that was read cannot be written")
        del after
