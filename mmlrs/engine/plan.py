"""What a native stage does to a dataset, planned once: for Spark, for tables and for column functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs import _native
from mmlrs._warnings import warn_once
from mmlrs.engine.expr import Expr, Node, Source, Value
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from mmlrs.base import Stage

__all__ = ["Handle", "Inputs", "StagePlan", "input_schema", "native_of", "plan_stage"]

#: The columns that a stage reads, by the names that it has for them.
Inputs = tuple[tuple[str, Expr], ...]


class Handle:
    """The native form of a stage and its last plan, kept from one use of the stage to the next.

    Both are made anew when a param changes, or a file that a param names. Pickles and forked processes may share one: it
    holds nothing that belongs to a process.
    """

    def __init__(self) -> None:
        self._built: tuple[str, str, _native.Stage] | None = None
        self._planned: tuple[_native.Stage, pa.Schema, _native.Plan] | None = None

    def __reduce__(self) -> tuple[type[Handle], tuple[()]]:
        """Leave the native form behind: another process makes its own."""
        return Handle, ()

    def native(self, stage: str, uid: str, params: str) -> _native.Stage:
        """Return the stage with these params, checked and built."""
        built = self._built
        if built is None or built[:2] != (uid, params) or not built[2].is_current():
            self._built = built = (uid, params, _native.Stage(stage, uid, params))
        return built[2]

    def plan(self, native: _native.Stage, inputs: pa.Schema) -> _native.Plan:
        """Return the plan of a stage for input columns of these types."""
        planned = self._planned
        if planned is None or planned[0] is not native or not planned[1].equals(inputs, check_metadata=True):
            self._planned = planned = (native, inputs, native.plan(inputs))
        return planned[2]


def native_of(stage: Stage) -> _native.Stage:
    """Return the native form of a stage, which checks its params."""
    return stage._handle.native(stage._stage, stage.uid, stage._params_json())


def plan_stage(stage: Stage, inputs: Inputs, field_of: Callable[[Source], pa.Field]) -> StagePlan:
    """Plan a stage over bound input columns: params, types and the model are checked, and nothing runs."""
    native = stage._handle.plan(native_of(stage), input_schema(inputs, field_of))
    warn_once(native.notes)
    return StagePlan(stage._stage, stage.uid, native, inputs)


def input_schema(inputs: Inputs, field_of: Callable[[Source], pa.Field]) -> pa.Schema:
    """Return the types of the columns that a stage reads, under the names that it has for them.

    `field_of` gives the fields of source columns. Those of other stages' columns are known since those stages were planned, so
    that planning a stage costs the same at the end of a chain as at its beginning.
    """
    fields = [(name, field_of(expr) if isinstance(expr, Source) else expr.field) for name, expr in inputs]
    return pa.schema([pa.field(name, f.type, f.nullable, f.metadata) for name, f in fields])


@dataclass(frozen=True)
class StagePlan:
    """A stage over the columns of a dataset.

    Parameters
    ----------
    stage, uid : str
        Its class and uid.
    native : mmlrs._native.Plan
        Its params with those that follow from the input columns, and what it adds.
    inputs : tuple
        The columns that it reads.
    """

    stage: str
    uid: str
    native: _native.Plan
    inputs: Inputs

    @property
    def skips(self) -> bool:
        """Whether rows that cannot be processed are dropped."""
        return self.native.skips

    @cached_property
    def fields(self) -> list[pa.Field]:
        """The columns that the stage adds, that of the errors last.

        Raises
        ------
        SchemaMismatchError
            Two of them have one name.
        """
        fields, errors = list(self.native.schema), self.native.error_col
        if errors is not None:
            fields.append(pa.field(errors, pa.string()))
        names: set[str] = set()
        for field in fields:
            if field.name in names:
                raise SchemaMismatchError(f"{self.stage}: column `{field.name}`: would be written twice")
            names.add(field.name)
        return fields

    @cached_property
    def node(self) -> Node:
        """The stage in a form that other processes can use."""
        params, blobs = self.native.portable()
        return Node(self.stage, self.uid, params, self.inputs, tuple(blobs))

    @cached_property
    def values(self) -> dict[str, Value]:
        """The columns that the stage adds, by name."""
        errors = self.native.error_col
        return {
            field.name: Value(self.node, None, "errors", field)
            if field.name == errors
            else Value(self.node, field.name, field=field)
            for field in self.fields
        }

    @property
    def mask(self) -> Value:
        """Which rows stay."""
        return Value(self.node, None, "mask")
