"""The columns of a model that answer its users, and a scorer that returns them as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs.base import NativeTransformer
from mmlrs.compiled._model import CompiledModel
from mmlrs.engine.chain import ON_NAMES
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.engine.fields import is_vector_struct
from mmlrs.engine.table import to_table
from mmlrs.errors import InvalidParamError, SchemaMismatchError
from mmlrs.vectors import as_lists

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Scorer", "answers", "frame_of", "reads"]

_RENAMED = "RenameColumn"
#: Stages between a prediction and the answer of a function of the model.
_OF_ANSWERS = ("IndexToValue", _RENAMED)


def answers(model: CompiledModel) -> list[str] | None:
    """Return the columns that answer: those of the learner and of the stages after it. None if the model has no learner."""
    outputs, answer = model._value("outputCols"), model._value("answerCol")
    if outputs is not None:
        return list(outputs)
    if answer is None:
        return None
    stages = model._value("stages")
    place, column = len(stages), answer
    for number in reversed(range(len(stages))):
        if column not in stages[number]._columns("output"):
            continue
        place = number
        if stages[number]._stage not in _OF_ANSWERS:
            break
        (column,) = stages[number]._columns("input")
    return _visible(stages[place:]) or None


def _visible(stages: Sequence[Any]) -> list[str]:
    """Return the columns that stages add and keep."""
    names: list[str] = []
    for stage in stages:
        inputs, outputs = stage._columns("input"), stage._columns("output")
        if stage._stage == _RENAMED:
            names = [outputs[0] if name == inputs[0] else name for name in names]
        elif stage._stage == "SelectColumns":
            names = [name for name in names if name in inputs]
        elif stage._stage == "DropColumns":
            names = [name for name in names if name not in inputs]
        else:
            names += [name for name in outputs if name not in names]
    return names


def reads(stages: Sequence[Any], outputs: Iterable[str] | None) -> set[str]:
    """Return the columns of a dataset that the stages need for some of their columns; for all if `outputs` is None."""
    wanted = set(_visible(stages) if outputs is None else outputs)
    for place in reversed(range(len(stages))):
        stage = stages[place]
        made = set(stage._columns("output"))
        if made & wanted or _drops_rows(stage, stages[place + 1 :]):
            wanted = (wanted - made) | set(stage._columns("input"))
    return wanted


def _drops_rows(stage: Any, later: Sequence[Any]) -> bool:
    """Return whether a stage drops rows that it cannot process. The indexer of a label does nothing where the label is missing."""
    if not stage.hasParam("handleInvalid") or stage._value("handleInvalid") != "skip":
        return False
    made = set(stage._columns("output"))
    return any(made & set(other._columns("input")) for other in later)


def frame_of(data: Any, owner: str) -> pd.DataFrame:
    """Return rows as a pandas DataFrame: a DataFrame, another table, a dict of the values of one row, or a list of such dicts."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    rows = [data] if isinstance(data, Mapping) else data
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(rows)
    if is_spark(data) or not is_table(data):
        raise (
            refused(owner, "score", data)
            if not is_spark(data)
            else SchemaMismatchError(
                f"{owner}: cannot score a Spark DataFrame; use the `transform` of the model, or mlflow.pyfunc.spark_udf"
            )
        )
    return to_table(data).to_pandas()


class Scorer:
    """Scores rows with stages one after the other, and returns the columns that answer.

    Parameters
    ----------
    stages : list of Transformer
        Stages of mmlrs that work on tables.
    owner : str
        The function that errors name.
    """

    def __init__(self, stages: Sequence[Any], owner: str) -> None:
        self.stages = list(stages)
        self.owner = owner
        self.outputs: list[str] | None = None
        last = self.stages[-1]
        if isinstance(last, CompiledModel):
            self.outputs = answers(last)
            # So that the other columns are not computed, and not read.
            self.stages[-1] = last if self.outputs is None else last.copy({"outputCols": self.outputs})

    def columns_read(self, names: Sequence[str]) -> list[str]:
        """Return those of the columns of a dataset that the stages read; all of them if that cannot be told."""
        inner: list[Any] = []
        for stage in self.stages:
            inner += stage._value("stages") if isinstance(stage, CompiledModel) else [stage]
        if not all(isinstance(stage, NativeTransformer) or stage._stage in ON_NAMES for stage in inner):
            return list(names)
        wanted = reads(inner, self.outputs)
        return [name for name in names if name in wanted] if wanted <= set(names) else list(names)

    def predict(self, data: Any) -> pd.DataFrame:
        """Return the answers for rows, as a pandas DataFrame with the index of the rows; vectors are arrays of numbers."""
        frame = frame_of(data, self.owner)
        table = to_table(frame)
        before = set(table.column_names)
        for stage in self.stages:
            table = stage.transform(table)
        added = self.outputs or [name for name in table.column_names if name not in before]
        if not added:
            raise InvalidParamError(f"{self.owner}: the model adds no column")
        result = _plain(table.select(added)).to_pandas()
        if len(result) == len(frame):
            result.index = frame.index
        return result


def _plain(table: pa.Table) -> pa.Table:
    """Return a table with lists of doubles instead of the structs of vectors."""
    for place, field in enumerate(table.schema):
        if is_vector_struct(field.type):
            chunks = [
                as_lists(chunk, f"column `{field.name}`", np.iinfo(np.int32).max, np.float64)
                for chunk in table.column(place).chunks
            ]
            column = pa.chunked_array(chunks, pa.list_(pa.float64()))
            table = table.set_column(place, field.name, column)
    return table
