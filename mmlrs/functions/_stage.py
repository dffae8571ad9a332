"""A stage, or a pipeline of native stages, as one function: in Python, and for SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._messages import counted
from mmlrs.base import NativeTransformer, stage_spec
from mmlrs.engine.callers import Caller
from mmlrs.engine.chain import needed, plan
from mmlrs.engine.expr import Compiled, Source, compile_program
from mmlrs.errors import ExecutionError, InvalidParamError
from mmlrs.persistence import active_session

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from mmlrs._types import AnyStage
    from mmlrs.engine.worker import Kernel

__all__ = ["StageFunction", "active", "check_session"]


class StageFunction:
    """A stage, or a pipeline of native stages, as one function of its source columns.

    Parameters
    ----------
    stage : Transformer or PipelineModel
        The stage.
    name : str, default ""
        The function that errors name in front of the stage.
    """

    def __init__(self, stage: AnyStage, name: str = "") -> None:
        from mmlrs.engine import spark as engine  # without pyspark, this is the error

        self._engine = engine
        self.stages, self._answer = _native_stages(stage)
        self.name = self.stages[-1]._stage if self._answer is None else "CompiledModel"
        #: The beginning of the names of its columns.
        self.label = self.name
        inputs: list[str] = []
        outputs: set[str] = set()
        for one in self.stages:
            read = one._core().inputs() if isinstance(one, NativeTransformer) else one._columns("input")
            inputs += [n for n in read if n not in outputs]
            outputs |= set(one._columns("output"))
        self.inputs = list(dict.fromkeys(inputs))
        words = tuple((column, f"argument `{column}`") for column in self.inputs)
        self.caller = Caller(name, "", words, 'handleInvalid="keep" keeps such rows')

    def called(self, name: str, argument: str, remedy: str) -> StageFunction:
        """Return the function with errors that name it instead of its only stage, and its argument in these words."""
        self.caller = Caller(name, self.name, tuple((column, argument) for column in self.inputs), remedy)
        self.label = name
        return self

    def kernel(self, compiled: Compiled, session: SparkSession) -> Kernel:
        """Return the kernel of a program, whose errors name this function."""
        return replace(self._engine.kernel_of(compiled, session), caller=self.caller)

    def compile(self, session: SparkSession | None) -> tuple[Compiled, pa.Field]:
        """Return the program of the last stage's single output column, and the field of that column."""
        planned = plan(self.stages, self.inputs, _guess(self), session, replaces=True)
        values = planned.last if self._answer is None else {self._answer: planned.added()[self._answer]}
        results = [value for value in values.values() if value.what != "errors"]
        if len(results) != 1:
            names = ", ".join(f"`{value.field.name}`" for value in results)
            raise InvalidParamError(
                f"{self.name}: a function returns one column, and this stage returns {names}"
            )
        return compile_program(results), results[0].field

    def column(self, columns: Sequence[Column | str], owner: str, *, arrays: bool = False) -> Column:
        """Return the function of columns or column names.

        Parameters
        ----------
        columns : list of Column or str
            One per source column.
        owner : str
            The public function that errors name.
        arrays : bool, default False
            Return vectors as `array<float>`, the form in which they leave the worker.
        """
        from pyspark.sql import functions as F

        from mmlrs.engine.fields import column_type

        engine = self._engine
        self.arity_check()(len(columns))
        session = active(owner)
        arguments = [F.col(c) if isinstance(c, str) else c for c in columns]
        compiled, output = self.compile(session)
        kind = column_type(output)
        result = engine.first_output(self.kernel(compiled, session), kind, self.label, session)
        by_name = dict(zip(self.inputs, arguments, strict=True))
        column = result(*[by_name[name] for name in compiled.columns])
        return column if arrays and kind.wrapped else engine.finished(column, kind)

    def for_sql(self, session: SparkSession, *, arrays: bool = False) -> Any:
        """Return the function as a UDF that a session can register; `arrays` as for `column`."""
        compiled, output = self.compile(session)
        kernel = self.kernel(compiled, session)
        order, check = self.arguments(compiled), self.arity_check()
        return self._engine.sql_function(kernel, output, order, check, arrays=arrays)

    def arguments(self, compiled: Compiled) -> list[tuple[int, pa.DataType]]:
        """Return for each source of a program the number of its argument, and a type that it may have."""
        type_of = _guess(self)
        return [(self.inputs.index(source.column), type_of(source).type) for source in compiled.sources]

    def arity_check(self) -> Callable[[int], None]:
        """Return a function for the workers that raises if the number of arguments is wrong."""
        return partial(_check_arity, self.caller.name or self.name, self.inputs)


def _native_stages(model: AnyStage) -> tuple[list[Any], str | None]:
    """Return the native stages of a stage or a pipeline, and the column that answers if they are those of a compiled model."""
    stage: Any = model
    if type(stage).__name__ == "PipelineModel" and not stage.stages:
        raise InvalidParamError("PipelineModel: has no stage")
    if isinstance(stage, type) or not (hasattr(stage, "fit") or hasattr(stage, "transform")):
        raise InvalidParamError(f"a function is made of a stage or a PipelineModel, got {stage!r}")
    if hasattr(stage, "fit"):
        raise InvalidParamError(
            f"{type(stage).__name__}: is an estimator, which cannot be a function; fit it first and pass the model that "
            "stage.fit(data) returns"
        )
    flat = list(_flat(stage))
    answer = None
    if not all(isinstance(item, NativeTransformer) for item in flat):
        from mmlrs.compiled import CompiledModel
        from mmlrs.compiled import compile as compiled

        model = stage if isinstance(stage, CompiledModel) else compiled(stage)
        answer = model._answer()
        flat = needed(model._value("stages"), answer)
    for item in flat:
        if item.hasParam("handleInvalid") and item._value("handleInvalid") == "skip":
            raise InvalidParamError(
                f'{item._stage}: param `handleInvalid` must be "error" or "keep" in a function: a function '
                "returns a value for every row"
            )
    return flat, answer


def _flat(stage: Any) -> Iterator[Any]:
    """Yield the stages of nested pipelines."""
    if type(stage).__name__ != "PipelineModel":
        yield stage
        return
    for inner in stage.stages:
        yield from _flat(inner)


def active(function: str) -> Any:
    """Return the active Spark session, or raise an error that names the function."""
    session = active_session()
    if session is None:
        raise ExecutionError(f"{function}: no Spark session is active; start one first")
    return session


def check_session(function: str, spark: Any) -> None:
    """Raise an error that names the function if `spark` is not a Spark session."""
    if not hasattr(spark, "udf"):
        raise InvalidParamError(f"{function}: param `spark` must be a Spark session, got {spark!r}")


def _check_arity(stage: str, inputs: list[str], count: int) -> None:
    if count != len(inputs):
        raise InvalidParamError(
            f"{stage}: the function takes {counted(len(inputs), 'column')} ({', '.join(inputs)}), got {count}"
        )


def _guess(function: StageFunction) -> Callable[[Source], pa.Field]:
    """Return fields for columns of unknown type, with the first type that the stages accept."""
    kinds = {"image": pa.binary(), "binary": pa.binary(), "text": pa.string(), "numeric": pa.float64()}
    read = {"number": pa.float64(), "string": pa.string(), "tokens": pa.list_(pa.string())}

    def field_of(source: Source) -> pa.Field:
        name = source.column
        for stage in function.stages:
            for param in stage_spec(stage._stage)["params"]:
                if param["role"] == "input" and name in _named(stage._value(param["name"])):
                    kind = next((kinds[a] for a in param["accepts"] if a in kinds), pa.list_(pa.float32()))
                    if stage._stage == "CompiledStep":
                        kind = read.get(stage._value("reads"), kind)
                    return pa.field(name, kind)
        return pa.field(name, pa.binary())

    return field_of


def _named(value: Any) -> list[str]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else [value]
