"""Checks of merged states."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from mmlrs._messages import shown
from mmlrs.base import NativeAggregate, NativeEstimator
from mmlrs.testing.checks.check import check
from mmlrs.testing.checks.compare import assert_same, same
from mmlrs.testing.checks.context import Context, NotApplicable
from mmlrs.testing.checks.facts import Facts

__all__ = ["partitions"]


def _without_states(facts: Facts) -> str | None:
    return None if facts.merges else "the stage computes no mergeable states in the native core"


@check(unless=[_without_states])
def partitions(cx: Context) -> None:
    """The model or summary depends neither on how the rows are split nor on the order in which the parts are merged."""
    stage = cx.stage
    assert isinstance(stage, NativeAggregate)
    if not cx.inputs:
        raise NotApplicable("the stage names no column of the data")
    native = stage._core()
    columns = cx.data.select(native.inputs())

    def state(part: pa.Table) -> Any:
        fit = native.fit(columns.schema)
        for batch in part.to_batches():
            fit.update(batch, 1)
        return fit

    expected = json.loads(state(columns).finish())
    middle = columns.num_rows // 2
    parts = [columns.slice(0, 1), columns.slice(1, middle), columns.slice(1 + middle), columns.slice(0, 0)]
    for order in (parts, list(reversed(parts))):
        merged = state(columns.slice(0, 0))
        for part in order:
            merged.merge(state(part).state())
        finished = json.loads(merged.finish())
        if isinstance(stage, NativeEstimator):
            assert_same(stage._model(finished).transform(cx.data), cx.result)
        else:
            assert same(finished, expected), f"{shown(finished, 200)} is not {shown(expected, 200)}"
