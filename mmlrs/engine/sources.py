"""The plain columns of a Spark DataFrame as native stages read them."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type

from mmlrs import _native
from mmlrs.engine.categories import LEVELS
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import Compiled, Expr, Source
from mmlrs.engine.fields import VECTOR, VECTOR_MEMBERS
from mmlrs.engine.lineage import fields_of
from mmlrs.engine.plan import Inputs
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructField

__all__ = ["Sources", "refuse_old_vectors"]


class Sources:
    """The columns of a DataFrame, for one stage.

    Parameters
    ----------
    df : DataFrame
        The dataset.
    stage : str
        The stage that errors name.
    """

    def __init__(self, df: DataFrame, stage: str) -> None:
        fields = fields_of(df)
        self.stage = stage
        self.session = df.sparkSession
        self.columns = Columns([field.name for field in fields], stage, self.session)
        self._fields = {field.name: field for field in fields}

    @cached_property
    def _zone(self) -> str | None:
        return self.session.conf.get("spark.sql.session.timeZone")

    def inputs(self, native: _native.Stage, lineage: dict[str, Expr]) -> Inputs:
        """Bind a stage's input columns: to their expressions in the lineage, else to the plain columns."""
        vectors = {n for n in native.vector_inputs() if self._is_vector(self.columns.get(n))}
        return self.columns.bind(native.inputs(), lineage, vectors)

    def _is_vector(self, name: str | None) -> bool:
        return name in self._fields and isinstance(self._fields[name].dataType, VectorUDT)

    def schema(self, inputs: Inputs) -> pa.Schema:
        """Return the fields of a stage's input columns, under the stage's names for them.

        The fields of plain columns are those that the worker receives, with their Spark ML attributes. Columns of other
        stages keep the fields of those stages' plans, so planning costs the same at any position in a chain.
        """
        fields = []
        for name, expr in inputs:
            field = self._field(expr) if isinstance(expr, Source) else expr.field
            fields.append(field.with_name(name))
        return pa.schema(fields)

    def _field(self, source: Source) -> pa.Field:
        field = self._fields[source.column]
        name, kind = field.name, field.dataType
        metadata = {}
        if "ml_attr" in field.metadata:
            metadata[b"ml_attr"] = json.dumps(field.metadata["ml_attr"]).encode()
        if LEVELS in field.metadata:
            metadata[LEVELS.encode()] = field.metadata[LEVELS].encode()
        if isinstance(kind, VectorUDT):
            arrow = VECTOR if source.vector else pa.list_(pa.float32())
            return pa.field(name, arrow, metadata={b"mmlrs.kind": b"vector", **metadata})
        refuse_old_vectors(self.stage, field)
        try:
            return pa.field(name, to_arrow_type(kind, timezone=self._zone), metadata=metadata)
        except Exception as error:  # noqa: BLE001 - pyspark has one class per kind of failure
            raise SchemaMismatchError(
                f"{self.stage}: column `{name}`: has type {kind.simpleString()}: {error}"
            ) from None

    def read(self, compiled: Compiled) -> list[Column]:
        """Return the columns that a kernel reads; Spark ML vectors are sent as their members, which is cheaper."""
        columns: list[Column] = []
        for source, name in zip(compiled.sources, compiled.quoted, strict=True):
            plain = F.col(name)
            if source.vector:
                columns += _members(F.unwrap_udt(plain))
            elif self._is_vector(source.column):
                array = vector_to_array(plain, "float32")  # which fails on a null
                columns.append(F.when(plain.isNotNull(), array))
            else:
                columns.append(plain)
        return columns


def _members(vector: Column) -> list[Column]:
    """Return the members of the struct of a Spark ML vector, the lists never null.

    Before each row Spark computes the size of the batch, which for a list column takes time proportional to the number of
    nulls at its end. Dense vectors have no indices: with nulls for them, a batch would take quadratic time.
    """
    empty = {"indices": "array<int>", "values": "array<double>"}
    members = {name: vector[name] for name in VECTOR_MEMBERS}
    return [
        F.coalesce(member, F.array().cast(empty[name])) if name in empty else member
        for name, member in members.items()
    ]


def refuse_old_vectors(stage: str, field: StructField) -> None:
    """Raise if a column holds vectors of `pyspark.mllib`, whose type has the same name."""
    if type(field.dataType).__module__ == "pyspark.mllib.linalg":
        raise SchemaMismatchError(
            f"{stage}: column `{field.name}`: holds vectors of the old pyspark.mllib; convert them first: "
            f'pyspark.mllib.util.MLUtils.convertVectorColumnsToML(df, "{field.name}")'
        )
