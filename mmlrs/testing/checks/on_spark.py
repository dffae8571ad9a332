"""Checks that Spark gives the same results, for any partitions, fused with other stages and for no rows."""

from __future__ import annotations

from typing import Any

from mmlrs.base import Estimator
from mmlrs.engine.bridge import collect
from mmlrs.testing.checks.check import check, tagged
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context, NotApplicable, fit_stage, run_stage
from mmlrs.testing.checks.facts import Facts

__all__ = ["fused_equals_unfused", "known_fields", "repartitioned", "spark_equals_table", "spark_schema"]


@check(needs_spark=True)
def spark_equals_table(cx: Context) -> None:
    """Spark gives the same result as a table."""
    assert_same(cx.spark_result, cx.result, sort=True)


@check(needs_spark=True)
def repartitioned(cx: Context) -> None:
    """Spark gives the same result as a table for rows in other partitions."""
    assert_same(collect(run_stage(cx.stage, cx.frame.repartition(3))), cx.result, sort=True)


@check(needs_spark=True, unless=[tagged("requires_rows")])
def spark_schema(cx: Context) -> None:
    """On Spark an empty DataFrame works and has the same schema."""
    empty = cx.spark_model.transform(cx.frame.limit(0))
    assert empty.schema == cx.spark_frame.schema, f"{empty.schema} is not {cx.spark_frame.schema}"
    rows = empty.count()
    assert rows == 0 or cx.facts.makes_another_table, f"no rows became {rows}"


@check(needs_spark=True)
def known_fields(cx: Context) -> None:
    """The fields that stages attach to the result, to save a request for its schema, are those of the schema."""
    from mmlrs.engine.spark import fields_of

    known, schema = fields_of(cx.spark_frame), cx.spark_frame.schema
    assert list(known) == schema.fields, f"{known} are attached, the schema has {schema.simpleString()}"


def _without_kernel(facts: Facts) -> str | None:
    return (
        None if facts.native else "the stage is not a kernel of the native core, and only kernels are fused"
    )


@check(needs_spark=True, unless=[_without_kernel])
def fused_equals_unfused(cx: Context) -> None:
    """The result is the same whether the stage is fused with the stages before it or reads plain columns."""
    from mmlrs.engine.spark import lineage_of

    copied = _after_identity(cx)
    assert lineage_of(copied).keys() >= set(cx.inputs), "the stages before it left no lineage"
    if isinstance(cx.stage, Estimator):
        assert_same(fit_stage(cx.stage, copied).transform(cx.data), cx.result)
        return
    fused = collect(cx.spark_model.transform(copied)).select(cx.spark_result.column_names)
    assert_same(fused, cx.spark_result, sort=True)


def _after_identity(cx: Context) -> Any:
    """Return the DataFrame with every input column computed by an `Identity` from a column of another name."""
    from mmlrs._generated.testing import Identity

    if not cx.inputs:
        raise NotApplicable("the stage names no column of the data")
    names = [f"__{name}__" if name in cx.inputs else name for name in cx.data.column_names]
    df = cx.on_spark(cx.data.rename_columns(names))
    for name in cx.inputs:
        df = Identity(inputCol=f"__{name}__", outputCol=name).transform(df)
    return df
