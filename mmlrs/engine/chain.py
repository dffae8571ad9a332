"""Native stages one after the other: as one program on a table, and in one Python pass on Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import Expr, Source, Value, compile_program
from mmlrs.engine.fields import is_vector_struct
from mmlrs.engine.frames import refuse_aside
from mmlrs.engine.plan import plan_stage
from mmlrs.engine.scalars import one_cell
from mmlrs.engine.table import TableProgram
from mmlrs.errors import ColumnNotFoundError, MmlrsError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    #: The number of a run of stages, and the columns to compute; None for all.
    _Key = tuple[int, tuple[str, ...] | None]

__all__ = ["ON_NAMES", "Chain", "Planned", "needed", "plan", "ranges", "shown_name"]

#: The stages that only choose and name columns.
ON_NAMES = ("SelectColumns", "DropColumns", "RenameColumn")


@dataclass
class Planned:
    """Planned stages: the expression of each visible column, by name and in order."""

    columns: dict[str, Expr]
    #: The rows to keep, if the last stage drops some.
    mask: Value | None = None
    #: The columns of the last stage.
    last: dict[str, Value] = field(default_factory=dict)
    #: The native stages and their native forms; while they are the same, the plan holds.
    natives: tuple[tuple[Any, _native.Stage], ...] = ()

    def is_current(self) -> bool:
        """Return whether the stages still have the params and files of the plan."""
        return all(stage._core() is native for stage, native in self.natives)

    def added(self) -> dict[str, Value]:
        """Return the columns that stages compute."""
        return {name: expr for name, expr in self.columns.items() if isinstance(expr, Value)}


def ranges(stages: Sequence[Any]) -> list[list[Any]]:
    """Return the stages in runs, each up to a stage that drops rows: those after it do not read the dropped rows."""
    runs: list[list[Any]] = [[]]
    for stage in stages:
        runs[-1].append(stage)
        if stage.hasParam("handleInvalid") and stage._value("handleInvalid") == "skip":
            runs.append([])
    return [run for run in runs if run]


def plan(
    stages: Sequence[Any],
    names: Iterable[str],
    field_of: Callable[[Source], pa.Field],
    session: SparkSession | None = None,
    *,
    replaces: bool = False,
) -> Planned:
    """Plan stages over source columns, none of which drops rows but the last.

    Parameters
    ----------
    stages : list of Stage
        Native stages, `SelectColumns`, `DropColumns` and `RenameColumn`.
    names : list of str
        The source columns.
    field_of : callable
        Returns the field of a source column.
    session : SparkSession, optional
        Its settings decide whether names match regardless of case.
    replaces : bool, default False
        Allow a stage to add a column that exists; later stages read the new one.
    """
    given = list(names)
    visible: dict[str, Expr] = {name: Source(name) for name in given}
    mask, natives, last = None, [], {}
    for place, stage in enumerate(stages):
        columns = Columns(list(visible), shown_name(stage), session)
        if stage._stage in ON_NAMES:
            visible = _renamed(stage, columns, visible)
            continue
        if is_unneeded(stage, stages[place + 1 :], columns):
            continue
        native = stage._core()
        vectors = native.vector_inputs()
        read = native.inputs()
        inputs = tuple(
            (name, _as_read(visible[known], name in vectors))
            for name, known in zip(read, _resolved(read, columns, given), strict=True)
        )
        types = pa.schema(
            [(e.field if isinstance(e, Value) else field_of(e)).with_name(name) for name, e in inputs]
        )
        planned = plan_stage(stage, native, inputs, types, portable=True)
        if not replaces:
            columns.check_new(planned.values)
        visible |= planned.values
        natives.append((stage, native))
        mask, last = (planned.mask if planned.skips else None), planned.values
    return Planned(visible, mask, last, tuple(natives))


def shown_name(stage: Any) -> str:
    """Return the name of a stage in errors: that of the fitted stage that it was made from."""
    return str(stage._value("origin") if stage._stage == "CompiledStep" else stage._stage)


def needed(stages: Sequence[Any], answer: str) -> list[Any]:
    """Return the stages that a column of the last stage depends on."""
    wanted, kept = {answer}, []
    for stage in reversed(stages):
        outputs, inputs = set(stage._columns("output")), stage._columns("input")
        if stage._stage in ("SelectColumns", "DropColumns"):
            continue
        if outputs & wanted:
            kept.append(stage)
            wanted = (wanted - outputs) | set(inputs)
    return kept[::-1]


def _resolved(names: Sequence[str], columns: Columns, given: list[str]) -> list[str]:
    """Return the columns called `names`. If one is missing, the error lists `given`, the columns of the dataset."""
    if missing := [name for name in names if columns.get(name) is None]:
        Columns(given, columns.owner, columns.session).resolve(missing[0])
    return columns.resolve_all(names)


def _as_read(expr: Expr, vector: bool) -> Expr:
    return Source(expr.column, vector) if isinstance(expr, Source) else expr


def _renamed(stage: Any, columns: Columns, visible: dict[str, Expr]) -> dict[str, Expr]:
    """Return the visible columns after a stage that selects, drops or renames some."""
    inputs = columns.resolve_all(stage._columns("input"))
    if stage._stage == "SelectColumns":
        return {name: visible[name] for name in inputs}
    if stage._stage == "DropColumns":
        return {name: expr for name, expr in visible.items() if name not in inputs}
    (new,) = stage._columns("output")
    columns.check_new([new])
    return {new if name == inputs[0] else name: expr for name, expr in visible.items()}


def is_unneeded(stage: Any, later: Sequence[Any], columns: Columns) -> bool:
    """Return whether a stage indexes a column that the dataset lacks, and no later stage needs it.

    Data to score may lack the label. As in Spark, its indexer then does nothing.
    """
    if stage._stage != "CompiledStep" or stage._value("origin") != "StringIndexerModel":
        return False
    if all(columns.get(name) is not None for name in stage._columns("input")):
        return False
    outputs = set(stage._columns("output"))
    return not any(outputs & set(other._columns("input")) for other in later)


@dataclass(frozen=True)
class _OneRow:
    planned: Planned
    program: TableProgram


def _kind_of(value: Any) -> Any:
    """Return what decides the type of a cell: its class, for a list that of its items, and the axes of an array."""
    if isinstance(value, list | tuple) and value:
        return (type(value), type(value[0]))
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.ndim)
    return type(value)


def _shown(value: Any) -> str:
    """Return the beginning of a value as text. The objects of other libraries may have no text."""
    try:
        return f"{value!r:.100}"
    except Exception:  # noqa: BLE001 - whatever it is, the error is about the value
        return f"a {type(value).__name__}"


def _plain(array: pa.Array) -> Any:
    """Return the first cell as a Python object; a vector is a list of floats."""
    cell = array[0].as_py()
    if not is_vector_struct(array.type) or cell is None:
        return cell
    if cell["type"] == 1:
        return cell["values"]
    values = [0.0] * cell["size"]
    for index, value in zip(cell["indices"], cell["values"], strict=True):
        values[index] = value
    return values


@dataclass
class Chain:
    """Stages one after the other, with what was planned for the last datasets.

    Parameters
    ----------
    owner : str
        The stage that errors and progress bars name.
    stages : list of Stage
        Native stages, `SelectColumns`, `DropColumns` and `RenameColumn`.
    outputs : list of str or None
        The columns to add; None for all that the stages add and do not drop.
    """

    owner: str
    stages: list[Any]
    outputs: list[str] | None
    #: The program of each run of stages, by the columns to compute and the fields of its sources.
    _programs: list[tuple[_Key, pa.Schema, Planned, TableProgram]] = field(default_factory=list)
    #: The program of single rows, by the types of their values; and the type of each column in earlier rows.
    _rows: dict[tuple[tuple[str, Any], ...], _OneRow] = field(default_factory=dict)
    _types: dict[str, pa.DataType] = field(default_factory=dict)

    def on_table(self, table: pa.Table) -> pa.Table:
        """Return a table with the columns of the stages."""
        runs = ranges(self.stages)
        before = list(table.column_names)
        Columns(before, self.owner).resolve_all(dict.fromkeys(n for n in before if n in self._reads))
        if self.outputs is not None:
            Columns(before, self.owner).check_new(self.outputs)
        for number, stages in enumerate(runs):
            last = number == len(runs) - 1
            table = self._run(number, stages, table, self.outputs if last else None, before)
        return table

    def _run(
        self, number: int, stages: list[Any], table: pa.Table, wanted: list[str] | None, before: list[str]
    ) -> pa.Table:
        # A stage may replace a column of the dataset.
        shown = None if wanted is None else [*before, *wanted]
        planned, program = self.program(number, stages, table.schema, shown)
        result = program.on(table) if program.outputs or program.skips else table
        hidden = len(table.column_names)
        kept, added = [], []
        for name, expr in planned.columns.items():
            if isinstance(expr, Source):
                kept.append((name, result.schema.get_field_index(expr.column)))
            elif shown is None or name in shown:
                place = next(i for i, f in enumerate(program.outputs) if f.name == name)
                added.append((name, hidden + place))
        if wanted is not None:
            Columns(list(planned.columns), self.owner).resolve_all(wanted)
            added.sort(key=lambda item: [*before, *wanted].index(item[0]))
            kept = [item for item in kept if item[0] in wanted or item[0] in before]
        places = [place for _, place in (*kept, *added)]
        fields = [result.schema.field(p).with_name(n) for n, p in (*kept, *added)]
        schema = pa.schema(fields, metadata=table.schema.metadata)
        return pa.Table.from_arrays([result.column(place) for place in places], schema=schema)

    def program(
        self, number: int, stages: list[Any], schema: pa.Schema, wanted: list[str] | None
    ) -> tuple[Planned, TableProgram]:
        """Return the plan and the program of a run of stages for a table of this schema."""
        key = (number, None if wanted is None else tuple(wanted))
        for known, types, planned, program in self._programs:
            if known == key and types.equals(schema, check_metadata=True) and planned.is_current():
                return planned, program
        planned = plan(
            stages, schema.names, lambda source: refuse_aside(self.owner, schema.field(source.column))
        )
        added = {n: v for n, v in planned.added().items() if wanted is None or n in wanted}
        program = self._compiled(planned, added, schema)
        self._programs = [(key, schema, planned, program), *self._programs[: _KEPT - 1]]
        return planned, program

    def _compiled(self, planned: Planned, added: dict[str, Value], schema: pa.Schema) -> TableProgram:
        outputs: list[Value] = list(added.values())
        compiled = compile_program([*outputs, *([planned.mask] if planned.mask is not None else [])])
        fields = [value.field.with_name(name) for name, value in added.items()]
        sources = list(compiled.columns) or list(schema.names[:1])
        read = pa.schema([schema.field(name) for name in sources])
        return TableProgram(
            self.owner, _native.Program(compiled.text), sources, read, fields, skips=planned.mask is not None
        )

    def one(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the added columns of one row as Python objects, or None if a stage drops the row."""
        read = {name: value for name, value in row.items() if name in self._reads}
        while True:
            try:
                return self._one_read(read)
            except ColumnNotFoundError as error:
                # The error lists the names of the row, also of those that no stage reads.
                missing = next((n for n in self._reads - read.keys() if f"column `{n}`" in str(error)), None)
                if missing is not None:
                    Columns(list(row), str(error).partition(":")[0]).resolve(missing)
                raise
            except SchemaMismatchError as error:
                # A missing string is a NaN in pandas.
                nan = [
                    n
                    for n, v in read.items()
                    if isinstance(v, float) and v != v and f"column `{n}`" in str(error)
                ]
                if not nan:
                    raise
                read |= dict.fromkeys(nan)

    def _one_read(self, row: dict[str, Any]) -> dict[str, Any] | None:
        kinds = tuple((name, _kind_of(value)) for name, value in row.items())
        work = self._rows.get(kinds)
        if work is None or not work.planned.is_current():
            work = self._one_row(row)
            if work is None:
                return self._one_in_table(row)
            answer = self._run_one(work, row)
            # Only now: a row that cannot be answered does not decide how later ones are read.
            self._learn_types(work.program.read, row)
            if len(self._rows) >= _KEPT:
                self._rows.clear()
            self._rows[kinds] = work
            return answer
        return self._run_one(work, row)

    def _run_one(self, work: _OneRow, row: Mapping[str, Any]) -> dict[str, Any]:
        arrays = [self._cell(field.name, row[field.name], field.type) for field in work.program.read]
        batch = pa.RecordBatch.from_arrays(arrays, schema=work.program.read)
        made = work.program.program.run(batch, 1, False, first=0)
        return {f.name: _plain(made.column(i)) for i, f in enumerate(work.program.outputs)}

    def _one_row(self, row: Mapping[str, Any]) -> _OneRow | None:
        """Return the program for rows of these types, or None if the stages need several programs."""
        runs = ranges(self.stages)
        table = self._table_of(row)
        if len(runs) > 1 or any(
            s.hasParam("handleInvalid") and s._value("handleInvalid") == "skip" for s in runs[0]
        ):
            return None
        planned, program = self.program(0, runs[0], table.schema, self.outputs)
        return _OneRow(planned, program)

    def _learn_types(self, fields: pa.Schema, row: Mapping[str, Any]) -> None:
        self._types.update({field.name: field.type for field in fields if row[field.name] is not None})

    def _one_in_table(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        table = self._table_of(row)
        result = self.on_table(table)
        self._learn_types(table.schema, row)
        if not result.num_rows:
            return None
        return {name: _plain(result[name].chunk(0)) for name in result.column_names if name not in row}

    def _table_of(self, row: Mapping[str, Any]) -> pa.Table:
        """Return a table of one row. A null has the type that its column had in an earlier row that was answered."""
        columns: dict[str, pa.Array] = {}
        for name, value in row.items():
            columns[name] = self._cell(name, value, self._types.get(name) if value is None else None)
        return pa.table(columns)

    def _cell(self, name: str, value: Any, kind: pa.DataType | None) -> pa.Array:
        try:
            return one_cell(value, kind)
        except (pa.ArrowException, MmlrsError, ValueError, TypeError, OverflowError) as error:
            raise SchemaMismatchError(
                f"{self.owner}: column `{name}`: cannot read {_shown(value)}: {error}"
            ) from None

    @cached_property
    def _reads(self) -> frozenset[str]:
        """The names of the columns that stages read."""
        return frozenset(
            name
            for stage in self.stages
            for name in (stage._columns("input") if stage._stage in ON_NAMES else stage._core().inputs())
        )

    def on_spark(self, df: DataFrame) -> DataFrame:
        """Return a DataFrame with the columns of the stages, in one Python pass if no stage drops rows."""
        from mmlrs.engine.spark import fields_of
        from mmlrs.stages import SelectColumns

        before = [f.name for f in fields_of(df)]
        if self.outputs is not None:
            Columns.of(df, self.owner).check_new(self.outputs)
        visible = list(before)
        for place, stage in enumerate(self.stages):
            columns = Columns(visible, shown_name(stage), df.sparkSession)
            if stage._stage in ("SelectColumns", "DropColumns"):
                # The columns stay until the end, since those of earlier stages may be computed from them.
                visible = list(_renamed(stage, columns, {name: Source(name) for name in visible}))
                continue
            if is_unneeded(stage, self.stages[place + 1 :], columns):
                continue
            _resolved(stage._columns("input"), columns, before)
            df = self._without_hidden(df, visible, stage._columns("output"))
            known = {f.name for f in fields_of(df)}
            df = stage.transform(df)
            if stage._stage == "RenameColumn":
                (old,), (new,) = columns.resolve_all(stage._columns("input")), stage._columns("output")
                visible = [new if name == old else name for name in visible]
            else:
                visible += [f.name for f in fields_of(df) if f.name not in known]
        if self.outputs is not None:
            Columns(visible, self.owner, df.sparkSession).resolve_all(self.outputs)
            visible = [n for n in visible if n in before and n not in self.outputs] + self.outputs
        if visible == [f.name for f in fields_of(df)]:
            return df
        return SelectColumns(cols=visible).transform(df)

    def _without_hidden(self, df: DataFrame, visible: list[str], names: Iterable[str]) -> DataFrame:
        """Drop columns that an earlier stage dropped if a stage adds columns of these names."""
        from mmlrs.stages import SelectColumns

        hidden = [name for name in names if name not in visible and name in df.columns]
        return SelectColumns(cols=visible).transform(df) if hidden else df


#: Maximum number of plans that a chain keeps.
_KEPT = 16
