"""What a native stage does to a dataset, planned once: for Spark, for tables and for column functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs import _native
from mmlrs._warnings import warn_once
from mmlrs.engine.expr import Expr, Node, Value
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from mmlrs.base import Stage

__all__ = ["Inputs", "StagePlan", "plan_stage"]

#: The columns that a stage reads, by the names that it has for them.
Inputs = tuple[tuple[str, Expr], ...]


def plan_stage(
    stage: Stage, native: _native.Stage, inputs: Inputs, types: pa.Schema, *, portable: bool
) -> StagePlan:
    """Plan a stage over bound input columns of these types: params, types and the model are checked, and nothing runs.

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
        node = Node(stage._stage, stage.uid, params, inputs, tuple(blobs))
        mask = Value(node, None, "mask")
        values = {
            field.name: Value(node, None, "errors", field)
            if field.name == plan.error_col
            else Value(node, field.name, field=field)
            for field in fields
        }
    return StagePlan(stage._stage, plan, fields, values, mask, plan.skips)


def _fields_of(stage: str, plan: _native.Plan) -> list[pa.Field]:
    """Return the columns that a stage adds, that of the errors last; fails where two of them have one name."""
    fields = list(plan.schema)
    if plan.error_col is not None:
        fields.append(pa.field(plan.error_col, pa.string()))
    names: set[str] = set()
    for field in fields:
        if field.name in names:
            raise SchemaMismatchError(f"{stage}: column `{field.name}`: would be written twice")
        names.add(field.name)
    return fields


@dataclass(frozen=True)
class StagePlan:
    """A stage over the columns of a dataset.

    Parameters
    ----------
    stage : str
        Its class.
    native : mmlrs._native.Plan
        Its params with those that follow from the input columns, and what it adds.
    fields : list of pyarrow.Field
        The columns that it adds, that of the errors last.
    values : dict of Value
        The same by name, as other processes can compute them; empty where the plan is for this process alone.
    mask : Value or None
        Which rows stay.
    skips : bool
        Whether rows that cannot be processed are dropped.
    """

    stage: str
    native: _native.Plan
    fields: list[pa.Field]
    values: dict[str, Value]
    mask: Value | None
    skips: bool
