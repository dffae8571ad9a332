"""Assembling plain columns of a Spark DataFrame into vectors, as an expression of the JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, NumericType, StructField

from mmlrs.engine.expr import resolve
from mmlrs.engine.spark import lineage_of, quoted, with_lineage
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs.base import NativeTransformer

__all__ = ["assemble_in_jvm"]

_ROW = "__mmlrs_row__"
_NAN = "double('NaN')"


def assemble_in_jvm(stage: NativeTransformer, df: DataFrame) -> DataFrame | None:
    """Return the DataFrame with the assembled column, or None where the native kernel is the cheaper place.

    The kernel is, where an input is made by a native stage, which would have to travel to the JVM and back; where an
    input is a vector or an array, which may be sparse; and where reasons are wanted.
    """
    fields = {field.name: field for field in df.schema}
    lineage = lineage_of(df)
    names = [
        n if n in fields else resolve(n, fields, stage._stage, ignore_case=True)
        for n in stage._value("inputCols")
    ]
    inputs = [fields[name] for name in names]
    plain = all(isinstance(field.dataType, NumericType | BooleanType) for field in inputs)
    if not plain or stage._value("errorCol") is not None or not lineage.keys().isdisjoint(names):
        return None
    output = stage._value("outputCol")
    if output.lower() in {name.lower() for name in fields}:
        raise SchemaMismatchError(f"{stage._stage}: column `{output}`: exists already")
    array = F.expr(f"array({', '.join(map(_double, inputs))})")
    policy = stage._value("handleInvalid")
    if policy == "keep" or not any(_may_miss(field) for field in inputs):
        return with_lineage(
            df.select("*", array_to_vector(array).alias(output, metadata=_attributes(inputs))), lineage
        )
    # NaN is the greatest of doubles, so the greatest value tells whether anything is missing. The array is a column of
    # its own, so that it is made once.
    row = df.select("*", array.alias(_ROW))
    missing = f"isnan(array_max({_ROW}))"
    if policy == "skip":
        row = row.where(f"NOT {missing}")
    else:
        names_list = ", ".join(_literal(name) for name in names)
        first = f"element_at(array({names_list}), CAST(array_position({_ROW}, {_NAN}) AS INT))"
        message = f"concat({_literal(stage._stage + ': column `')}, {first}, '`: is null or NaN')"
        row = row.withColumn(_ROW, F.expr(f"IF({missing}, raise_error({message}), {_ROW})"))
    kept = [F.col(quoted(name)) for name in df.columns]
    made = row.select(*kept, array_to_vector(F.col(_ROW)).alias(output, metadata=_attributes(inputs)))
    return with_lineage(made, lineage if policy != "skip" else {})


def _may_miss(field: StructField) -> bool:
    return field.nullable or field.dataType.typeName() in ("float", "double")


def _double(field: StructField) -> str:
    column = quoted(field.name)
    value = column if field.dataType.typeName() == "double" else f"CAST({column} AS DOUBLE)"
    return f"coalesce({value}, {_NAN})" if field.nullable else value


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _attributes(inputs: list[StructField]) -> dict[str, Any]:
    """Return the nominal attributes of the columns at their places; the same fact as `attributes.rs` for the kernel."""
    nominal = []
    for slot, field in enumerate(inputs):
        attribute = field.metadata.get("ml_attr", {})
        if attribute.get("type") == "nominal":
            members = {k: v for k, v in attribute.items() if k != "type"}
            nominal.append({"name": field.name, **members, "idx": slot})
    group: dict[str, Any] = {"num_attrs": len(inputs)}
    if nominal:
        group["attrs"] = {"nominal": nominal}
    return {"ml_attr": group}
