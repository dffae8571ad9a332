"""Explode, sample and query rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._generated import stages as _generated
from mmlrs._sql import begins_as_query, check_statement
from mmlrs.engine.batches import is_list
from mmlrs.engine.bridge import collect, through_spark
from mmlrs.engine.columns import Columns
from mmlrs.engine.select import filtered, take_rows
from mmlrs.errors import InvalidParamError, LimitExceededError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = ["Explode", "PartitionSample", "Query"]

#: Maximum size of the result of `Explode` on a table, in bytes and as a multiple of the table. The larger one applies.
_MAX_BYTES = 1 << 30
_MAX_TIMES = 100


class Explode(_generated.Explode):
    __doc__ = _generated.Explode.__doc__
    __module__ = "mmlrs.stages"

    def _refuse(self, name: str, kind: Any) -> SchemaMismatchError:
        return SchemaMismatchError(
            f"{self._stage}: column `{name}`: has type {kind}; {self._stage} reads array"
        )

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F
        from pyspark.sql.types import ArrayType

        from mmlrs.engine import spark

        [name] = self._inputs(df)
        kind = df.schema[name].dataType
        if not isinstance(kind, ArrayType):
            raise self._refuse(name, kind.simpleString())
        explode = F.explode_outer if self.getKeepEmpty() else F.explode
        return df.select("*", explode(F.col(spark.quoted(name))).alias(self.getOutputCol()))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        [name] = self._inputs(table)
        kind = table.schema.field(name).type
        if not is_list(kind):
            raise self._refuse(name, kind)
        column = table[name].combine_chunks()
        lengths = (
            pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        )
        self._check_size(name, table, column, lengths)
        copies = np.maximum(lengths, 1) if self.getKeepEmpty() else lengths
        rows = np.repeat(np.arange(len(lengths)), copies)
        filled = lengths[rows] > 0
        elements = take_rows(pc.list_flatten(column), pa.array(np.cumsum(filled) - 1, mask=~filled))
        return take_rows(table, pa.array(rows)).append_column(
            pa.field(self.getOutputCol(), kind.value_type), elements
        )

    def _check_size(
        self, name: str, table: pa.Table, column: pa.Array, lengths: npt.NDArray[np.int64]
    ) -> None:
        """Raise if the result would need far more memory than the table, because each row repeats its array."""
        element_bytes = column.nbytes / max(int(lengths.sum()), 1)
        other_bytes = (table.nbytes - column.nbytes) / max(table.num_rows, 1)
        sizes = lengths * (lengths * element_bytes + other_bytes)
        if sizes.sum() > max(_MAX_BYTES, _MAX_TIMES * table.nbytes):
            row = int(np.argmax(sizes))
            raise LimitExceededError(
                f"{self._stage}: column `{name}`, row {row} of the table: its array of {int(lengths[row]):,} values is "
                f"repeated in as many rows; the result would have about {int(sizes.sum()):,} bytes, the table has {table.nbytes:,}. "
                "Shorten the arrays, or explode on Spark"
            )


class PartitionSample(_generated.PartitionSample):
    __doc__ = _generated.PartitionSample.__doc__
    __module__ = "mmlrs.stages"

    def _size(self) -> tuple[float | None, int]:
        """Return the fraction of rows to take, or None and the number of rows."""
        mode, share, count = self.getMode(), self.getPercent(), self.getCount()
        if mode == "Head":
            if count is None:
                raise InvalidParamError(f'{self._stage}: param `count` must be set for mode "Head"')
            return None, count
        if share is None and count is None:
            raise InvalidParamError(
                f'{self._stage}: param `percent` or `count` must be set for mode "RandomSample"'
            )
        if share is not None and count is not None:
            raise InvalidParamError(f"{self._stage}: param `percent` must not be set together with `count`")
        return share, count or 0

    def _part_column(self, dataset: FrameOrTable) -> str:
        """Return the name of the column of part numbers. Raise if it exists."""
        name: str = self.getNewColName()
        Columns.of(dataset, self._stage).check_new([name])
        return name

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        random = F.rand(self.getSeed())
        if self.getMode() == "AssignToPartition":
            name = self._part_column(df)
            return df.select("*", F.floor(random * self.getNumParts()).cast("int").alias(name))
        share, count = self._size()
        if self.getMode() == "Head":
            return df.limit(count)
        if share is not None:
            return df.sample(withReplacement=False, fraction=share, seed=self.getSeed())
        sample = df.select("*", random.alias(_RANDOM)).orderBy(_RANDOM).limit(count)
        return sample.drop(_RANDOM)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        random = np.random.default_rng(self.getSeed() % 2**64)
        if self.getMode() == "AssignToPartition":
            name = self._part_column(table)
            parts = random.integers(0, self.getNumParts(), table.num_rows, dtype=np.int32)
            return table.append_column(pa.field(name, pa.int32()), pa.array(parts))
        share, count = self._size()
        if self.getMode() == "Head":
            return table.slice(0, count)
        if share is not None:
            return filtered(table, pa.array(random.random(table.num_rows) < share))
        sample = random.choice(table.num_rows, min(count, table.num_rows), replace=False)
        return take_rows(table, pa.array(np.sort(sample), pa.int64()))


_RANDOM = "__mmlrs_random__"


class Query(_generated.Query):
    __doc__ = _generated.Query.__doc__
    __module__ = "mmlrs.stages"

    def _check_loaded(self, where: str) -> None:
        check_statement(f"{where}: {self._stage}: param `statement`", str(self._value("statement")))

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.errors import AnalysisException

        statement: Any = self.getStatement()
        escaped = statement.replace("{", "{{").replace("}", "}}")
        query, places = re.subn(r"\b__THIS__\b", "{THIS}", escaped.strip().rstrip(";"))
        if not places:
            raise InvalidParamError(
                f"{self._stage}: param `statement` must refer to the dataset as `__THIS__`"
            )
        try:
            # Parentheses accept a query only. A command would run at once.
            result = df.sparkSession.sql(f"SELECT * FROM (\n{query}\n)", THIS=df)  # noqa: S608 - the user's own SQL
            _ = result.schema  # Connect analyses a statement only on demand
        except AnalysisException as error:
            reason = self._reason(df, query, error)
            raise InvalidParamError(f"{self._stage}: param `statement` cannot be run: {reason}") from None
        return result

    def _reason(self, df: DataFrame, query: str, error: Exception) -> str:
        """Return why a statement is not a query: its error without the parentheses, or that it is a command."""
        from pyspark.errors import AnalysisException, ParseException

        if isinstance(error, ParseException):
            command = "it is a command; a stage runs only queries: SELECT, WITH, FROM, VALUES or TABLE"
            if not begins_as_query(query):
                return command
            try:
                _ = df.sparkSession.sql(f"EXPLAIN {query}", THIS=df).schema  # for a query, this runs nothing
            except AnalysisException as plain:
                error = plain
            else:
                return command
        return str(error).strip().split("\n\n")[0].split(";\n")[0]  # without the plan

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return collect(through_spark(self, table, self._transform_spark))
