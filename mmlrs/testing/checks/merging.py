"""States of parts of the rows, merged."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mmlrs.base import NativeEstimator
from mmlrs.testing.checks.check import check
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context
from mmlrs.testing.checks.facts import Facts

__all__ = ["partitions"]


def _without_states(facts: Facts) -> str | None:
    return None if facts.merges else "the stage computes no mergeable states in the native core"


@check(unless=[_without_states])
def partitions(cx: Context) -> None:
    """The model does not depend on how the rows are split, nor on the order in which the parts are merged."""
    stage = cx.stage
    assert isinstance(stage, NativeEstimator)
    native = stage._core()
    columns = cx.data.select(native.inputs())

    def state(part: pa.Table) -> Any:
        fit = native.fit(columns.schema)
        for batch in part.to_batches():
            fit.update(batch, 1)
        return fit

    middle = columns.num_rows // 2
    parts = [columns.slice(0, 1), columns.slice(1, middle), columns.slice(1 + middle), columns.slice(0, 0)]
    for order in (parts, list(reversed(parts))):
        merged = state(columns.slice(0, 0))
        for part in order:
            merged.merge(state(part).state())
        assert_same(stage._model(*merged.finish()).transform(cx.data), cx.result)
