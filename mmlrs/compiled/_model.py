"""The class of compiled models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import compiled as _generated
from mmlrs.engine.chain import Chain
from mmlrs.errors import InvalidParamError, MmlrsError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["CompiledModel"]


class CompiledModel(_generated.CompiledModel):
    __doc__ = _generated.CompiledModel.__doc__
    __module__ = "mmlrs.compiled"
    _chained: Chain | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the programs, which belong to this process."""
        return {name: value for name, value in super().__getstate__().items() if name != "_chained"}

    def _chain(self) -> Chain:
        """Return the stages as a chain, which keeps what it planned until the params change."""
        stages, outputs, known = self._value("stages"), self._value("outputCols"), self._chained
        if known is None or known.stages is not stages or known.outputs != outputs:
            self._chained = known = Chain(self._stage, stages, outputs)
        return known

    def _answer(self) -> str:
        """Return the column that a function of the model returns."""
        answer, outputs = self._value("answerCol"), self._value("outputCols")
        if answer is None and outputs is not None and len(outputs) == 1:
            return outputs[0]
        columns = [name for stage in self._value("stages") for name in stage._columns("output")]
        if answer is None:
            return columns[-1]
        if answer not in columns:
            raise InvalidParamError(
                f"{self._stage}: param `answerCol` must be a column that the model adds, got {answer!r}; it adds "
                + ", ".join(f"`{name}`" for name in columns)
            )
        return answer

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return self._chain().on_table(table)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return self._chain().on_spark(df)

    def predict_one(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the added columns for one row.

        Parameters
        ----------
        row : dict
            The values by column: numbers, strings, booleans, bytes such as a picture, lists of numbers for vectors, None for null.
            Columns that the model does not read are ignored.

        Returns
        -------
        dict
            The values of the added columns as Python objects; vectors are lists of floats. If the model knows its classes,
            `probabilities` is a dict of the probability of each.

        Raises
        ------
        InvalidParamError
            The row is not a dict, or the model drops such a row.
        ColumnNotFoundError
            A column that the model reads is missing.
        MmlrsError
            A value cannot be used; the message names fitted stage and column.
        """
        if not isinstance(row, Mapping):
            raise InvalidParamError(
                f"{self._stage}: predict_one: param `row` must be a dict, got {row!r:.100}"
            )
        return self._one(dict(row))

    def _one(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            found = self._chain().one(row)
        except MmlrsError as error:
            # There is one row, and it cannot be skipped.
            words = str(error).replace(", row 0 of the table", "").replace("row 0 of the table: ", "")
            raise type(error)(words.replace('; handleInvalid="skip" drops such rows', "")) from None
        if found is None:
            raise InvalidParamError(
                f'{self._stage}: predict_one: the model drops this row, because a stage has handleInvalid="skip"'
            )
        labels, scores = self._value("labels"), self._value("probabilityCol")
        if labels is not None and isinstance(found.get(scores), list):
            found["probabilities"] = dict(zip(labels, found[scores], strict=False))
        return found
