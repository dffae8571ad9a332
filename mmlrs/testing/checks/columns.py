"""Checks of columns: not named by the stage, missing, already existing, or with odd names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from mmlrs._pyspark import Params
from mmlrs.base import Stage
from mmlrs.engine.bridge import collect
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
    missing = [name for name in cx.extended.column_names[-3:] if name not in cx.extended_result.column_names]
    assert not missing, f"the result has no {', '.join(missing)}"


@check(unless=[columns_changed, rows_changed])
def other_column_values(cx: Context) -> None:
    """Columns that the stage does not name stay as they are."""
    for name in cx.extended.column_names[-3:]:
        assert cx.extended_result[name].to_pylist() == cx.extended[name].to_pylist(), name


@check()
def missing_column(cx: Context) -> None:
    """The error of a missing input column names it."""
    if not cx.inputs:
        raise NotApplicable("the stage names no column of the data")
    for name in cx.inputs:
        work = partial(run_stage, cx.stage, cx.data.drop_columns([name]))
        expect_error(ColumnNotFoundError, work, cx, name)


@check()
def existing_output(cx: Context) -> None:
    """The error of an output column that already exists names it."""
    outputs = [name for name in cx.stage._columns("output") if name not in cx.data.column_names]
    if not outputs:
        raise NotApplicable("the stage names no new column")
    for name in outputs:
        data = cx.data.append_column(name, pa.nulls(cx.data.num_rows))
        expect_error(SchemaMismatchError, partial(run_stage, cx.stage, data), cx, name)


@check(unless=[tagged("embeds_column_names")])
def column_names(cx: Context) -> None:
    """Names of input and output columns may have dots, quotes and spaces, without effect on the result."""
    stage, data = _renamed(cx)
    _compare_renamed(cx, run_stage(stage, data), cx.result)


@check(needs_spark=True, unless=[tagged("embeds_column_names")])
def column_names_on_spark(cx: Context) -> None:
    """On Spark too, names of columns may have dots, quotes and spaces."""
    stage, data = _renamed(cx)
    _compare_renamed(cx, collect(run_stage(stage, cx.on_spark(data))), cx.result)


def _renamed(cx: Context) -> tuple[Stage, pa.Table]:
    """Return the stage and its data with odd column names."""
    stage, data = cx.stage.copy(), cx.data
    nested_strings = {
        name for inner in _stages_in(stage) for name in _strings_of(inner)
    }  # strings in nested stages may be column names
    names = {name: _odd(name) for name in data.column_names if name not in nested_strings}
    outputs = set(cx.stage._columns("output"))
    for param in cx.facts.spec["params"]:
        value = stage._value(param["name"])
        if param["role"] == "input":
            stage._set(**{param["name"]: _mapped(value, names, of_values=True)})
        elif param["role"] == "output":
            stage._set(**{param["name"]: _mapped(value, _OddNames(), of_values=False)})
        elif param["type"] == "str_map" and (value or {}).keys() <= outputs:
            # Maps an output column to a further output column.
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
    """A map of every name to an odd name."""

    def get(self, name: str, default: Any = None) -> str:
        return _odd(name)


def _mapped(value: Any, names: dict[str, str], *, of_values: bool) -> Any:
    """Return the value of a param with replaced column names, which are the values or the keys of a map."""
    if isinstance(value, dict):
        if of_values:
            return {key: names.get(name, name) for key, name in value.items()}
        return {names.get(name, name): other for name, other in value.items()}
    if isinstance(value, list):
        return [names.get(name, name) for name in value]
    return None if value is None else names.get(value, value)


def _stages_in(stage: Params) -> Iterator[Params]:
    """Yield the stages in the params of a stage."""
    for value in stage._paramMap.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Params):
                yield item
                yield from _stages_in(item)


def _strings_of(stage: Params) -> Iterator[str]:
    """Yield the strings in the params of a stage, which include column names."""
    for value in stage._paramMap.values():
        yield from [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
