"""Labels on Spark, as ordered values that are the same as on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mmlrs._messages import shown
from mmlrs.errors import DecodeError, InvalidParamError, LimitExceededError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs._stage import Stage

__all__ = ["class_labels", "no_label", "number_label", "plain_label"]


def plain_label(df: DataFrame, name: str) -> Column:
    """Return a label column of strings, numbers or booleans. Decimals become doubles, dates and timestamps strings.

    A timestamp with a time zone is written in UTC, so that the string does not depend on the session.
    """
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    from mmlrs.engine.spark import quoted

    kind, column = df.schema[name].dataType, F.col(quoted(name))
    if isinstance(kind, T.DecimalType):
        return column.cast("double")
    if isinstance(kind, T.DateType | T.TimestampNTZType):
        return column.cast("string")
    return _utc_text(column) if isinstance(kind, T.TimestampType) else column


def _utc_text(moment: Column) -> Column:
    """Return a timestamp as a string in UTC, computed from its microseconds. A cast would use the session's time zone."""
    from pyspark.sql import functions as F

    micros = F.unix_micros(moment)
    of_day = F.pmod(micros, F.lit(86_400_000_000))
    days = ((micros - of_day) / F.lit(86_400_000_000)).cast("int")
    part = of_day % F.lit(1_000_000)
    seconds = ((of_day - part) / F.lit(1_000_000)).cast("int")
    second, minutes = seconds % 60, ((seconds - seconds % 60) / 60).cast("int")
    minute = minutes % 60
    clock = F.format_string(" %02d:%02d:%02d", ((minutes - minute) / 60).cast("int"), minute, second)
    fraction = F.concat(F.lit("."), F.rtrim(F.format_string("%06d", part), F.lit("0")))
    day = F.date_from_unix_date(days).cast("string")
    return F.when(moment.isNotNull(), F.concat(day, clock, F.when(part == 0, F.lit("")).otherwise(fraction)))


def check_classes(stage: Stage, df: DataFrame, name: str) -> None:
    """Raise if the values of a label column cannot be classes."""
    from pyspark.sql import types as T

    kind = df.schema[name].dataType
    allowed = T.StringType | T.CharType | T.VarcharType | T.NumericType | T.BooleanType | T.DateType
    if not isinstance(kind, allowed | T.TimestampType | T.TimestampNTZType):
        raise SchemaMismatchError(
            f"{stage._stage}: column `{name}`: has type {kind.simpleString()}; a label is text, a number, a boolean, a date "
            "or a timestamp"
        )


def checked_label(stage: Stage, df: DataFrame, name: str, value: Column, output: str) -> Any:
    """Add the value of a label as a column. A row without a label raises, or is dropped with `handleInvalid="skip"`."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, FloatType

    from mmlrs.engine import spark
    from mmlrs.engine.causes import named

    # The order of the levels, if the type of the column declares one.
    metadata = {
        key: fact for key, fact in df.schema[name].metadata.items() if key not in ("ml_attr", "mmlrs")
    }
    missing = value.isNull()
    if isinstance(df.schema[name].dataType, DoubleType | FloatType):
        missing = missing | F.isnan(value)
    if stage._value("handleInvalid") == "skip":
        result = df.where(~missing).select("*", value.alias(output, metadata=metadata))
    else:
        cause = (
            f'{stage._stage}: column `{name}`: is null or NaN; handleInvalid="skip" trains without such rows'
        )
        result = df.select(
            "*",
            F.when(missing, F.raise_error(F.lit(named(DecodeError, cause))))
            .otherwise(value)
            .alias(output, metadata=metadata),
        )
    return spark.with_lineage(result, spark.lineage_of(df))


def number_label(stage: Stage, df: DataFrame, name: str, output: str) -> Any:
    """Add a label column of numbers or booleans as doubles. A row without a label raises or is dropped."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, NumericType

    from mmlrs.engine.spark import quoted

    kind = df.schema[name].dataType
    if not isinstance(kind, NumericType | BooleanType):
        raise SchemaMismatchError(
            f"{stage._stage}: column `{name}`: has type {kind.simpleString()}; the label must be a number or a boolean; "
            "DataConversion converts it"
        )
    return checked_label(stage, df, name, F.col(quoted(name)).cast("double"), output)


def class_labels(stage: Stage, df: DataFrame, name: str, output: str) -> tuple[Any, list[Any]]:
    """Return a function that adds class numbers to a DataFrame, and the labels in the order of the numbers."""
    from mmlrs.engine import spark
    from mmlrs.engine.callers import Owner, run_as
    from mmlrs.featurize import ValueIndexer, ValueIndexerModel

    check_classes(stage, df, name)
    raw = f"{output}_value"
    words: tuple[tuple[str, str], ...] = ((f"column `{raw}`", f"column `{name}`"),)

    def checked(frame: DataFrame) -> Any:
        return checked_label(stage, frame, name, plain_label(frame, name), raw)

    labels = stage._value("labels") if stage.hasParam("labels") else None
    if labels is not None and (len(labels) < 2 or len(set(labels)) < len(labels)):
        raise InvalidParamError(
            f"{stage._stage}: param `labels` must have two different labels or more, each once, got {shown(list(labels))}"
        )
    if labels is None:
        try:
            indexer: Any = ValueIndexer(inputCol=raw, outputCol=output).fit(checked(df).select(raw))
        except (DecodeError, LimitExceededError) as error:
            if f"`{raw}`" not in str(error):  # of the label itself, or of a stage before
                raise
            if isinstance(error, LimitExceededError):
                raise LimitExceededError(
                    f"{stage._stage}: column `{name}`: has too many distinct values for classes; use TrainRegressor for numbers"
                ) from None
            raise no_label(stage, df, name) from None
        labels = indexer.getLevels()
    else:
        floating = checked(df).schema[raw].dataType.typeName() in ("double", "float")
        kind: Literal["double"] | None = "double" if floating else None
        if kind == "double" and all(isinstance(v, int | float) for v in labels):
            labels = [float(v) for v in labels]
        policy: Literal["skip", "error"] = "skip" if stage._value("handleInvalid") == "skip" else "error"
        indexer = ValueIndexerModel(
            inputCol=raw, outputCol=output, levels=labels, dataType=kind, handleInvalid=policy
        )
        words = (*words, ("is not one of the levels", "is not in param `labels`"))
    if len(labels) < 2:
        raise DecodeError(
            f"{stage._stage}: column `{name}`: has only one class, {labels[0]!r}; a classifier needs at least two classes"
        )

    def index(frame: DataFrame) -> Any:
        indexed = run_as(Owner(stage._stage, words), indexer, checked(frame))
        lineage = {n: e for n, e in spark.lineage_of(frame).items() if n in frame.columns}
        return spark.with_lineage(indexed.drop(raw), lineage)

    return index, labels


def no_label(stage: Stage, df: DataFrame, name: str) -> DecodeError:
    """Return the error for data in which no row has a label."""
    if df.isEmpty():
        return DecodeError(f"{stage._stage}: column `{name}`: has no value: the dataset has no rows")
    return DecodeError(f"{stage._stage}: column `{name}`: has no value: no row has a label")
