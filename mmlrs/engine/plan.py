"""The plan of a native stage for a dataset, for Spark, tables and column functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs import _native
from mmlrs._warnings import warn_once
from mmlrs.engine.columns import written_twice
from mmlrs.engine.expr import Expr, Node, Value

if TYPE_CHECKING:
    from mmlrs.base import Stage

__all__ = ["Inputs", "StagePlan", "plan_stage"]

#: The columns that a stage reads, with the stage's names for them.
Inputs = tuple[tuple[str, Expr], ...]


def plan_stage(
    stage: Stage, native: _native.Stage, inputs: Inputs, types: pa.Schema, *, portable: bool
) -> StagePlan:
    """Plan a stage for bound input columns: check params, types and the model without processing rows.

    With `portable`, the plan has values that other processes can compute. The stage keeps its last plan.
    """
    known = stage._planned
    if known is None or known[0] is not native or not known[1].equals(types, check_metadata=True):
        stage._planned = known = (native, types, native.plan(types))
    plan = known[2]
    if notes := plan.notes:
        warn_once(notes)
    fields, values, mask = _fields_of(stage._stage, plan), {}, None
    if portable:
        params, blobs = plan.portable()
        node = Node(stage._stage, stage.uid, params, inputs, tuple(blobs), stage._owner)
        mask = Value(node, None, "mask")
        values = {
            field.name: Value(node, None, "errors", field)
            if field.name == plan.error_col
            else Value(node, field.name, field=field)
            for field in fields
        }
    return StagePlan(stage._stage, plan, fields, values, mask, plan.skips)


def _fields_of(stage: str, plan: _native.Plan) -> list[pa.Field]:
    """Return the columns that a stage adds, the error column last; raise if two have the same name."""
    fields = list(plan.schema)
    if plan.error_col is not None:
        fields.append(pa.field(plan.error_col, pa.string()))
    names: set[str] = set()
    for field in fields:
        if field.name in names:
            raise written_twice(stage, field.name)
        names.add(field.name)
    return fields


@dataclass(frozen=True)
class StagePlan:
    """A planned stage.

    Parameters
    ----------
    stage : str
        The name of its class.
    native : mmlrs._native.Plan
        The native plan: params, including those derived from the input columns, and output schema.
    fields : list of pyarrow.Field
        The columns that the stage adds, the error column last.
    values : dict of Value
        Their values by name, which other processes can compute. Empty if the plan is not portable.
    mask : Value or None
        The rows to keep. None if the plan is not portable.
    skips : bool
        Whether rows with errors are dropped.
    """

    stage: str
    native: _native.Plan
    fields: list[pa.Field]
    values: dict[str, Value]
    mask: Value | None
    skips: bool
