"""All checks, and the functions that run them on a stage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mmlrs.base import Stage
from mmlrs.engine import table as tables
from mmlrs.engine.datasets import is_table, refused
from mmlrs.engine.select import without_views
from mmlrs.errors import InvalidParamError
from mmlrs.testing.checks import columns, merging, nulls, on_spark, params, persistence, rows
from mmlrs.testing.checks.check import Check
from mmlrs.testing.checks.context import Context, NotApplicable
from mmlrs.testing.checks.facts import Facts
from mmlrs.testing.checks.report import Outcome, Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["CHECKS", "check_stage", "checks_of", "report_of"]

#: Minimum number of rows, so that checks can split and reorder them.
_MIN_ROWS = 4

#: All checks by name, in the order in which they run: cheap ones first.
CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        params.default_construction,
        params.set_and_get,
        params.bad_types,
        params.copy,
        params.bad_values,
        rows.schema,
        rows.row_count,
        rows.slices,
        rows.chunks,
        rows.order,
        rows.kinds_of_table,
        rows.views,
        rows.views_with_skip,
        columns.other_columns,
        columns.other_column_values,
        columns.missing_column,
        columns.existing_output,
        columns.column_names,
        nulls.null_in_null_out,
        nulls.null_reason,
        nulls.null_skip,
        nulls.null_error,
        merging.partitions,
        persistence.save_and_load,
        persistence.overwrite,
        persistence.pickling,
        on_spark.spark_equals_table,
        on_spark.repartitioned,
        on_spark.spark_schema,
        on_spark.known_fields,
        on_spark.fused_equals_unfused,
        columns.column_names_on_spark,
    )
}


def check_stage(stage: Stage, data: Any, spark: SparkSession | None = None) -> Report:
    """Run every check of the contract on a stage.

    Which checks apply depends on the `tags` of the class: see `mmlrs.testing.Tags`.

    Parameters
    ----------
    stage : Stage
        A stage whose params are set so that it runs on `data` without error.
    data : pyarrow.Table, pandas.DataFrame or Arrow PyCapsule object
        Data of at least four rows.
    spark : SparkSession, optional
        Session for the checks on Spark. Without it, they do not run.

    Returns
    -------
    Report
        The outcome of each check, with the reasons of those that did not run. Its string has a line per check.

    Raises
    ------
    AssertionError
        A promise is broken. The message names all broken promises.
    InvalidParamError
        The class declares a tag that does not exist.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.stages import SelectColumns
    >>> from mmlrs.testing import check_stage
    >>> stage = SelectColumns(cols=["a"])
    >>> report = check_stage(stage, pa.table({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}))
    >>> report.not_applicable["other_columns"]
    'the stage may drop columns that it does not name'
    >>> print(report)
    SelectColumns: 16 checks passed, 0 failed, 16 not applicable
      default_construction   passed in ... s
      ...
      fused_equals_unfused   not applicable: no Spark session was given
      ...
    """
    report = report_of(stage, data, spark)
    if report.failed:
        text = "\n".join(f"{report.stage}: {name}: {cause}" for name, cause in report.failed.items())
        first = next(outcome.error for outcome in report.outcomes if outcome.error is not None)
        raise AssertionError(text) from first
    return report


def report_of(
    stage: Stage, data: Any, spark: SparkSession | None = None, *, only: Iterable[str] | None = None
) -> Report:
    """Run the checks of the contract on a stage, or only those named in `only`, and return their outcomes."""
    _check_is_stage(stage)
    if not is_table(data):
        raise refused("check_stage", "use as data", data)
    table = without_views(tables.to_table(data))
    if table.num_rows < _MIN_ROWS:
        raise InvalidParamError(
            f"check_stage: param `data` must have at least {_MIN_ROWS} rows, got {table.num_rows}"
        )
    cx = Context(stage, table, spark)
    names = CHECKS if only is None else only
    outcomes = tuple(_run(CHECKS[name], cx) for name in names)
    return Report(type(stage).__name__, outcomes)


def _check_is_stage(value: object) -> None:
    if not isinstance(value, Stage):
        kind = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        raise InvalidParamError(f"check_stage: param `stage` must be a stage, got {kind}")


def _run(check: Check, cx: Context) -> Outcome:
    """Run one check."""
    reason = check.reason_against(cx.facts, cx.spark is not None)
    if reason is not None:
        return Outcome(check.name, "not applicable", reason)
    start = time.perf_counter()
    try:
        check.work(cx)
    except NotApplicable as why:
        return Outcome(check.name, "not applicable", str(why))
    except AssertionError as error:
        return Outcome(check.name, "failed", str(error) or "an assertion", error=error)
    except Exception as error:  # noqa: BLE001 - a user's stage may raise anything
        cause = f"{check.promise} But it raised {type(error).__name__}: {error}"
        return Outcome(check.name, "failed", cause, error=error)
    return Outcome(check.name, "passed", seconds=time.perf_counter() - start)


def checks_of(stage: Stage | type[Stage], with_spark: bool = False) -> Iterator[tuple[str, Check]]:
    """Return the checks that apply to a stage or to a class of stages, by name.

    Some of them need a column that the stage names. They raise `NotApplicable` when they run without one.

    Parameters
    ----------
    stage : Stage or class
        A stage of mmlrs or a subclass.
    with_spark : bool, default False
        Include the checks that need a Spark session.

    Examples
    --------
    >>> from mmlrs.stages import SelectColumns
    >>> from mmlrs.testing import checks_of
    >>> [name for name, check in checks_of(SelectColumns)][:3]
    ['default_construction', 'set_and_get', 'bad_types']
    """
    facts = Facts.of(stage if isinstance(stage, type) else type(stage))
    for name, check in CHECKS.items():
        if check.reason_against(facts, with_spark) is None:
            yield name, check
