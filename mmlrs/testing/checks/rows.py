"""Checks of rows: their number, order, chunks and kind of table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mmlrs.testing.checks.check import check, rows_changed, tagged, without_param
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context, run_stage
from mmlrs.testing.checks.facts import Facts

__all__ = ["chunks", "kinds_of_table", "order", "row_count", "schema", "slices", "views", "views_with_skip"]


@check(unless=[tagged("requires_rows")])
def schema(cx: Context) -> None:
    """The output schema is the same with and without rows."""
    empty = cx.model.transform(cx.data.slice(0, 0))
    assert empty.num_rows == 0 or cx.facts.makes_another_table, f"no rows became {empty.num_rows}"
    assert empty.schema.equals(cx.result.schema, check_metadata=True), (
        f"{empty.schema} is not {cx.result.schema}"
    )


@check(unless=[rows_changed])
def row_count(cx: Context) -> None:
    """The result has one row per input row."""
    assert cx.result.num_rows == cx.data.num_rows, f"{cx.data.num_rows} rows became {cx.result.num_rows}"


@check(unless=[rows_changed])
def slices(cx: Context) -> None:
    """A slice of the data gives the slice of the result."""
    assert_same(cx.model.transform(cx.data.slice(2)), cx.result.slice(2))


@check()
def chunks(cx: Context) -> None:
    """The result does not depend on the chunks of a table, which may be empty."""
    chunked = pa.concat_tables([cx.data.slice(0, 1), cx.data.slice(1, 0), cx.data.slice(1)])
    assert_same(run_stage(cx.stage, chunked), cx.result)


def _order_matters(facts: Facts) -> str | None:
    return None if facts.makes_another_table else rows_changed(facts)


@check(unless=[_order_matters])
def order(cx: Context) -> None:
    """The result of a row does not depend on its position, and a summary does not depend on the order of the rows."""
    order = list(reversed(range(cx.data.num_rows)))
    expected = cx.result.take(order) if cx.facts.keeps_rows else cx.result
    # A stage that drops or repeats rows keeps an order of its own.
    assert_same(run_stage(cx.stage, cx.data.take(order)), expected, sort=not cx.facts.keeps_rows)


@check()
def kinds_of_table(cx: Context) -> None:
    """A record batch, and any object with the Arrow PyCapsule interface, works like a table."""
    batch = cx.data.combine_chunks().to_batches()[0]
    result = run_stage(cx.stage, batch)
    assert isinstance(result, pa.RecordBatch), f"a record batch became a {type(result).__name__}"
    assert result.num_rows == cx.result.num_rows, f"{cx.result.num_rows} rows became {result.num_rows}"

    class Capsule:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return cx.data.__arrow_c_stream__(requested_schema)

    assert_same(run_stage(cx.stage, Capsule()), cx.result)


@check()
def views(cx: Context) -> None:
    """Strings and bytes may be Arrow views, as in polars, in input columns and others."""
    assert_same(run_stage(cx.stage, _with_views(cx.extended)), cx.extended_result)


@check(unless=[without_param("handleInvalid")])
def views_with_skip(cx: Context) -> None:
    """With "skip", strings and bytes may be Arrow views too, and no good row is dropped."""
    assert_same(run_stage(cx.with_params(handleInvalid="skip"), _with_views(cx.extended)), cx.extended_result)


def _with_views(data: pa.Table) -> pa.Table:
    """Return the table with Arrow views in place of strings and bytes."""
    columns = [_viewed(column.combine_chunks()) for column in data.columns]
    fields = [field.with_type(column.type) for field, column in zip(data.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _viewed(array: pa.Array) -> pa.Array:
    """Return an array with Arrow views in place of strings and bytes, at any depth."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array.cast(pa.string_view())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return array.cast(pa.binary_view())
    if pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type):
        values = _viewed(array.values)
        field = kind.value_field.with_type(values.type)
        return pa.ListArray.from_arrays(array.offsets, values, type=pa.list_(field), mask=array.is_null())
    if pa.types.is_struct(kind):
        members = [_viewed(array.field(i)) for i in range(len(kind))]
        fields = [field.with_type(member.type) for field, member in zip(kind, members, strict=True)]
        return pa.StructArray.from_arrays(members, fields=fields, mask=array.is_null())
    return array
