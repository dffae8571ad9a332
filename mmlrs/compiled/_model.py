"""The class of compiled models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import compiled as _generated
from mmlrs._paths import PathLike
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

    def to_onnx(
        self, path: PathLike | None = None, *, inputs: Mapping[str, str | int] | None = None
    ) -> bytes:
        """Return the model as an ONNX model, and write it to a file.

        Each column that it reads is an input of its name: doubles (also for integers and booleans) or strings of shape (rows, 1),
        or vectors of doubles of shape (rows, size). Each of `outputCols` is an output: numbers and indices as doubles of shape (rows, 1), vectors as doubles of
        shape (rows, size), labels as strings of shape (rows, 1). If `outputCols` is not set, the outputs are the columns of the
        learners and their labels; without a learner, all columns that the stages add.

        ONNX knows no errors of single rows and no nulls. A row that the model refuses or drops has NaN in all numbers and
        vectors and an empty string as label, and so has a null in an output. NaN in an input is NaN, not null.

        Predictions are those of the model, and scores differ by rounding only: 1e-9 relative, and 1e-5 for networks of `mmlrs.ann`,
        which compute in single precision. The file needs ONNX Runtime 1.23
        or newer, without mmlrs. For each tree, a row takes some 30 bytes of memory.

        Parameters
        ----------
        path : path, optional
            The file to write. If not given, only the bytes are returned.
        inputs : dict, optional
            The types of columns that the model reads: "double", "string", "long" for 64-bit integers that are categories, or an
            int, the size of vectors. If a column is not given, it has the type that the first stage that reads it expects:
            strings for `StringIndexer`, vectors of the size of the fit for scalers and learners, else doubles.

        Returns
        -------
        bytes
            The serialized ONNX model.

        Raises
        ------
        InvalidParamError
            A stage that the outputs need cannot be said in ONNX, such as one that reads texts or pictures. The message names it
            and its place. Or `inputs` does not fit the model.
        ColumnNotFoundError
            One of `outputCols` does not exist in the ONNX model.
        MissingPackageError
            The package onnx is not installed.
        IoError
            The file cannot be written.

        Examples
        --------
        >>> import numpy as np
        >>> import onnxruntime
        >>> from mmlrs.compiled import CompiledModel
        >>> from mmlrs.featurize import FastVectorAssembler
        >>> model = CompiledModel(stages=[FastVectorAssembler(inputCols=["age", "height"], outputCol="features")])
        >>> session = onnxruntime.InferenceSession(model.to_onnx())
        >>> row = {"age": np.array([[31.0]]), "height": np.array([[1.7]])}
        >>> session.run(["features"], row)[0].tolist()
        [[31.0, 1.7]]
        """
        from mmlrs.compiled._onnx import export, write

        content = export(self._value("stages"), self._value("outputCols"), inputs)
        if path is not None:
            write(path, content)
        return content

    def predict_one(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the added columns for one row.

        Parameters
        ----------
        row : dict
            The values by column: numbers, strings, booleans, None for null. Vectors are lists or NumPy arrays of numbers or vectors
            of pyspark. Pictures are encoded bytes, NumPy arrays or Pillow images. Columns that the model does not read are ignored.

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
            for remedy in ('; handleInvalid="skip" drops such rows', "; fill or drop such rows first"):
                words = words.replace(remedy, "")
            raise type(error)(words) from None
        if found is None:
            raise InvalidParamError(
                f'{self._stage}: predict_one: the model drops this row, because a stage has handleInvalid="skip"'
            )
        labels, scores = self._value("labels"), self._value("probabilityCol")
        if labels is not None and isinstance(found.get(scores), list):
            found["probabilities"] = dict(zip(labels, found[scores], strict=False))
        return found
