"""A check of one promise, and the conditions under which it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmlrs.base import Stage
from mmlrs.engine import table as tables
from mmlrs.errors import MmlrsError
from mmlrs.testing.checks.context import Context
from mmlrs.testing.checks.facts import Facts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "Check",
    "check",
    "columns_changed",
    "expect_error",
    "rows_changed",
    "tagged",
    "without_param",
]

Reason = Callable[[Facts], str | None]


@dataclass(frozen=True)
class Check:
    """One promise of the contract.

    Calling it with a stage, data and a Spark session or None runs it alone. It raises AssertionError if the promise is broken,
    and `NotApplicable` if there is nothing to check.
    """

    name: str
    promise: str
    work: Callable[[Context], None]
    #: Whether it needs a Spark session.
    needs_spark: bool
    #: Whether it runs the stage.
    runs: bool
    #: Functions that return why the check does not apply to a stage with these facts, or None.
    unless: tuple[Reason, ...]

    def reason_against(self, facts: Facts, with_spark: bool) -> str | None:
        """Return why the check does not apply to stages with these facts, or None if it applies."""
        if self.needs_spark and not with_spark:
            return "no Spark session was given"
        if self.runs and not with_spark and "requires_spark" in facts.tags:
            return f"no Spark session was given, and {facts.tags['requires_spark']}"
        return next((reason for unless in self.unless if (reason := unless(facts)) is not None), None)

    def __call__(self, stage: Stage, data: Any, spark: SparkSession | None = None) -> None:
        """Run the check alone."""
        self.work(Context(stage, tables.to_table(data), spark))


def check(
    *, needs_spark: bool = False, runs: bool = True, unless: Iterable[Reason] = ()
) -> Callable[[Callable[[Context], None]], Check]:
    """Return a decorator that makes a check of a function. The docstring of the function is the promise."""

    def wrap(work: Callable[[Context], None]) -> Check:
        assert work.__doc__
        return Check(work.__name__, work.__doc__, work, needs_spark, runs, tuple(unless))

    return wrap


def tagged(tag: str) -> Reason:
    """Exclude stages with a tag, for the reason of the tag."""
    return lambda facts: facts.tags.get(tag)


def rows_changed(facts: Facts) -> str | None:
    """Exclude stages that may change the number of rows."""
    return None if facts.keeps_rows else "the stage may change the number of rows"


def columns_changed(facts: Facts) -> str | None:
    """Exclude stages that may drop columns that they do not name."""
    return None if facts.keeps_columns else "the stage may drop columns that it does not name"


def without_param(name: str) -> Reason:
    """Exclude stages without a param."""
    return lambda facts: None if facts.has_param(name) else f"the stage has no param `{name}`"


def expect_error(kind: type[MmlrsError], work: Callable[[], Any], cx: Context, *names: str) -> None:
    """Run `work`, which must raise one error that contains the name of the stage and the given names."""
    try:
        work()
    except kind as error:
        message = str(error)
        for name in (cx.stage._stage, *names):
            assert name in message, f"the message does not name {name}: {message}"
    else:
        raise AssertionError(f"no {kind.__name__} for {', '.join(names)}")
