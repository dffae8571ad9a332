"""Assemble plain columns of a Spark DataFrame into vectors with an expression in the JVM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, NumericType, StructType

from mmlrs.engine.causes import named
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import literal, quoted
from mmlrs.engine.spark import fields_of, lineage_of, with_lineage
from mmlrs.engine.versions import without_column
from mmlrs.errors import DecodeError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.base import NativeTransformer

__all__ = ["assemble_in_jvm"]

_ROW = "__mmlrs_row__"
_NAN = "double('NaN')"
_NULL = '`: is null or NaN; handleInvalid="skip" drops such rows'
_NOT_A_NUMBER = "__mmlrs_no_number__"
_FIELD, _ATTRIBUTE = "org/apache/spark/sql/types/StructField", "org/apache/spark/ml/attribute/Attribute"


def assemble_in_jvm(stage: NativeTransformer, df: DataFrame) -> DataFrame | None:
    """Return the DataFrame with the assembled column, or None if the native kernel is cheaper.

    The kernel is cheaper if an input comes from a native stage, because it would cross to the JVM and back. The kernel is also
    used if an input is a vector or an array, which may be sparse, and if `errorCol` is set.
    """
    lineage = lineage_of(df)
    if stage._value("errorCol") is not None or not lineage.keys().isdisjoint(stage._value("inputCols")):
        return None
    columns = _InJvm(df) if hasattr(df, "_jdf") else _InPython(df)
    types = columns.types
    available = Columns(columns.names, stage._stage, df.sparkSession)
    names = available.resolve_all(stage._value("inputCols"))
    are_numbers = all(isinstance(types[name], NumericType | BooleanType) for name in names)
    if not are_numbers or not lineage.keys().isdisjoint(names):
        return None
    output = stage._value("outputCol")
    available.check_new([output])
    keep = stage._value("handleInvalid") == "keep"
    values = [_double(name, types[name].typeName()) for name in names]
    row = F.expr(f"array({', '.join(f'coalesce({v}, {_NAN})' if keep else v for v in values)})")
    if keep:
        return with_lineage(
            df.select("*", columns.with_attributes(array_to_vector(row), output, names)), lineage
        )
    # The array is a separate column, so that it is computed once. It is checked in one loop, because the generated code of one
    # check per column is too large for the JIT compiler of the JVM.
    result = df.select("*", row.alias(_ROW))
    array, valid = _ROW, f"array_contains({_ROW}, {_NAN}) <=> false"
    if stage._value("handleInvalid") == "skip":
        result, lineage = result.where(valid), {}
    else:
        array = f"IF({valid}, {_ROW}, raise_error({_message(stage, names, _ROW)}))"
    vector = columns.with_attributes(array_to_vector(F.expr(array)), output, names)
    return with_lineage(without_column(result, _ROW, vector), lineage)


def _double(name: str, type_name: str) -> str:
    return quoted(name) if type_name == "double" else f"CAST({quoted(name)} AS DOUBLE)"


def _message(stage: NativeTransformer, names: list[str], row: str) -> str:
    """Return the expression of the error for a row with a null or NaN, which names the first such column.

    It has no lambda function, because Spark generates no code for lambda functions or for the expressions next to them.
    """
    texts = f"split(array_join(CAST({row} AS ARRAY<STRING>), ',', 'NaN'), ',')"
    column = (
        f"element_at(array({', '.join(map(literal, names))}), CAST(array_position({texts}, 'NaN') AS INT))"
    )
    start = named(DecodeError, f"{stage._stage}: column `")
    return f"concat({literal(start)}, {column}, {literal(_NULL)})"


# -- schema and attributes: they stay in the JVM on classic Spark, because nominal columns may have millions of levels -----


class _InJvm:
    """The columns of a classic DataFrame."""

    def __init__(self, df: DataFrame) -> None:
        self._df = df
        self._jvm: Any
        self._gateway: Any
        self._jvm, self._gateway = df.sparkSession._jvm, df.sparkSession.sparkContext._gateway
        self._schema = df._jdf.schema()
        #: Names and types without metadata; user-defined types are structs there.
        self._bare = self._schema
        if self._schema.length():
            self._bare = self._jvm.org.apache.spark.sql.types.StructType.fromDDL(self._schema.toDDL())
        fields = StructType.fromJson(json.loads(self._bare.json())).fields
        self.names = [field.name for field in fields]
        self.types = {field.name: field.dataType for field in fields}

    def with_attributes(self, vector: Column, output: str, inputs: list[str]) -> Column:
        """Name a column of assembled vectors and set its attributes."""
        from py4j.protocol import Py4JJavaError  # missing in a client for Spark Connect only

        try:
            metadata = self._attributes(output, inputs)
        except (Py4JJavaError, PySparkException):  # Spark ML cannot read the attributes
            return _InPython(self._df).with_attributes(vector, output, inputs)
        column: Column = type(vector)(getattr(vector._jc, "as")(output, metadata))
        return column

    def _attributes(self, output: str, inputs: list[str]) -> Any:
        kinds = self._jvm.org.apache.spark.ml.attribute
        if self._schema.equals(self._bare):
            return kinds.AttributeGroup(output, len(inputs)).toMetadata()
        attributes = self._gateway.new_array(kinds.Attribute, len(inputs))
        self._jvm.java.lang.System.arraycopy(self._attribute_of_each(inputs), 0, attributes, 0, len(inputs))
        group = kinds.AttributeGroup(output, attributes).toMetadata().getMetadata("ml_attr")
        builder = self._jvm.org.apache.spark.sql.types.MetadataBuilder
        slots_metadata = builder().putLong("num_attrs", len(inputs))
        if group.contains("attrs") and group.getMetadata("attrs").contains("nominal"):
            nominal = group.getMetadata("attrs").getMetadataArray("nominal")
            slots_metadata = slots_metadata.putMetadata(
                "attrs", builder().putMetadataArray("nominal", nominal).build()
            )
        return builder().putMetadata("ml_attr", slots_metadata.build()).build()

    def _attribute_of_each(self, inputs: list[str]) -> Any:
        """Return a Java array of the attributes of the columns, which are unresolved for columns that are not numbers.

        It is one stream inside the JVM. A call from Python costs 0.1 ms, and there would be three per column.
        """
        lang = self._jvm.java.lang
        handles, signature = lang.invoke.MethodHandles, lang.invoke.MethodType.fromMethodDescriptorString
        schema = self._schema.add(_NOT_A_NUMBER, "double")
        loader = schema.getClass().getClassLoader()
        lookup = handles.publicLookup()
        field_of = lookup.bind(schema, "apply", signature(f"(Ljava/lang/String;)L{_FIELD};", loader))
        attribute_of = lookup.findStatic(
            lang.Class.forName(_ATTRIBUTE.replace("/", "."), True, loader),
            "fromStructField",
            signature(f"(L{_FIELD};)L{_ATTRIBUTE};", loader),
        )
        function = lang.invoke.MethodHandleProxies.asInterfaceInstance(
            lang.Class.forName("java.util.function.Function"),
            handles.filterReturnValue(field_of, attribute_of),
        )
        names = [n if isinstance(self.types[n], NumericType) else _NOT_A_NUMBER for n in inputs]
        each = self._jvm.java.util.regex.Pattern.compile("\0").splitAsStream("\0".join(names))
        return each.map(function).toArray()


class _InPython:
    """The columns of any DataFrame, for Spark Connect, which gives no access to the JVM."""

    def __init__(self, df: DataFrame) -> None:
        fields = fields_of(df)
        self.names = [field.name for field in fields]
        self._fields = {field.name: field for field in fields}
        self.types = {name: field.dataType for name, field in self._fields.items()}

    def with_attributes(self, vector: Column, output: str, inputs: list[str]) -> Column:
        """Name a column of assembled vectors and set its attributes, as `attributes.rs` does for the kernel."""
        nominal = []
        for slot, name in enumerate(inputs):
            attribute = self._fields[name].metadata.get("ml_attr")
            if isinstance(attribute, dict) and attribute.get("type") == "nominal":
                members = {k: v for k, v in attribute.items() if k != "type"}
                nominal.append({**members, "name": name, "idx": slot})
        group: dict[str, Any] = {"num_attrs": len(inputs)}
        if nominal:
            group["attrs"] = {"nominal": nominal}
        return vector.alias(output, metadata={"ml_attr": group})
