"""Columns: those that the stage does not name, that are missing, that exist already, with names of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from mmlrs._pyspark import Params
from mmlrs.base import Stage
from mmlrs.engine.bridge import collect, to_spark
from mmlrs.errors import ColumnNotFoundError, SchemaMismatchError
from mmlrs.testing.checks.check import check, columns_changed, expect_error, rows_changed, tagged
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context, NotApplicable, run_stage

__all__ = [
    "column_names",
    "column_names_on_spark",
    "existing_output",
    "missing_column",
    "other_column_values",
    "other_columns",
]


@check(unless=[columns_changed])
def other_columns(cx: Context) -> None:
    """Columns that the stage does not name are in the result."""
    lost = [name for name in cx.extended.column_names[-3:] if name not in cx.extended_result.column_names]
    assert not lost, f"the result has no {', '.join(lost)}"


@check(unless=[columns_changed, rows_changed])
def other_column_values(cx: Context) -> None:
    """Columns that the stage does not name stay as they are."""
    for name in cx.extended.column_names[-3:]:
        assert cx.extended_result[name].to_pylist() == cx.extended[name].to_pylist(), name


@check()
def missing_column(cx: Context) -> None:
    """A missing input column is named, with what there is."""
    if not cx.inputs:
        raise NotApplicable("the stage names no column of the data")
    for name in cx.inputs:
        work = partial(run_stage, cx.stage, cx.data.drop_columns([name]))
        expect_error(ColumnNotFoundError, work, cx, name)


@check()
def existing_output(cx: Context) -> None:
    """An output column that already exists is named."""
    outputs = [name for name in cx.stage._columns("output") if name not in cx.data.column_names]
    if not outputs:
        raise NotApplicable("the stage names no new column")
    for name in outputs:
        taken = cx.data.append_column(name, pa.nulls(cx.data.num_rows))
        expect_error(SchemaMismatchError, partial(run_stage, cx.stage, taken), cx, name)


@check(unless=[tagged("embeds_column_names")])
def column_names(cx: Context) -> None:
    """Columns may have names with dots, quotes and spaces, in every part that they play; the result is the same."""
    stage, data = _renamed(cx)
    _compare_renamed(cx, run_stage(stage, data), cx.result)


@check(needs_spark=True, unless=[tagged("embeds_column_names")])
def column_names_on_spark(cx: Context) -> None:
    """On Spark too columns may have names with dots, quotes and spaces."""
    stage, data = _renamed(cx)
    _compare_renamed(cx, collect(run_stage(stage, to_spark(cx.spark, data))), cx.result)


def _renamed(cx: Context) -> tuple[Stage, pa.Table]:
    """Return the stage and its data with odd names of columns."""
    stage, data = cx.stage.copy(), cx.data
    held = {name for inner in _stages_in(stage) for name in _texts_of(inner)}  # names that inner stages read
    names = {name: _odd(name) for name in data.column_names if name not in held}
    outputs = set(cx.stage._columns("output"))
    for param in cx.facts.spec["params"]:
        value = stage._value(param["name"])
        if param["role"] == "input":
            stage._set(**{param["name"]: _mapped(value, names, of_values=True)})
        elif param["role"] == "output":
            stage._set(**{param["name"]: _mapped(value, _OddNames(), of_values=False)})
        elif param["type"] == "str_map" and (value or {}).keys() <= outputs:
            # From a column that the stage adds to one more.
            stage._set(**{param["name"]: {_odd(old): _odd(new) for old, new in (value or {}).items()}})
    return stage, data.rename_columns([names.get(name, name) for name in data.column_names])


def _compare_renamed(cx: Context, got: pa.Table, expected: pa.Table) -> None:
    assert got.num_columns == expected.num_columns, f"{got.column_names}"
    got = got.rename_columns(expected.column_names)
    if "reports_column_names" in cx.facts.tags:
        names = {_odd(name): name for name in cx.data.column_names}
        got = pa.table(
            {
                name: [names.get(v, v) for v in column.to_pylist()]
                if pa.types.is_string(column.type)
                else column
                for name, column in zip(got.column_names, got.columns, strict=True)
            }
        )
    assert_same(got, expected, sort=True)


def _odd(name: str) -> str:
    return f"{name}.x `{name}` y"


class _OddNames(dict[str, str]):
    """An odd name for every name."""

    def get(self, name: str, default: Any = None) -> str:
        return _odd(name)


def _mapped(value: Any, names: dict[str, str], *, of_values: bool) -> Any:
    """Return what a param holds with other names of columns, which a map holds as its values or as its keys."""
    if isinstance(value, dict):
        if of_values:
            return {key: names.get(name, name) for key, name in value.items()}
        return {names.get(name, name): other for name, other in value.items()}
    if isinstance(value, list):
        return [names.get(name, name) for name in value]
    return None if value is None else names.get(value, value)


def _stages_in(stage: Params) -> Iterator[Params]:
    """Return the stages that the params of a stage hold."""
    for value in stage._paramMap.values():
        for held in value if isinstance(value, list) else [value]:
            if isinstance(held, Params):
                yield held
                yield from _stages_in(held)


def _texts_of(stage: Params) -> Iterator[str]:
    """Return the texts that the params of a stage hold, names of columns among them."""
    for value in stage._paramMap.values():
        yield from [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
