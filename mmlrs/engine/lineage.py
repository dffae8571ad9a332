"""Facts attached to a Spark DataFrame: its fields, and the native stages that compute its columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import ref

from mmlrs.engine.expr import Expr

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructField

__all__ = ["fields_of", "lineage_of", "with_lineage"]

_LINEAGE = "_mmlrs_lineage"
_FIELDS = "_mmlrs_fields"


def lineage_of(df: DataFrame) -> dict[str, Expr]:
    """Return the expressions of the native columns of a DataFrame; none if the DataFrame is cached."""
    lineage: dict[str, Expr] = vars(df).get(_LINEAGE, {})
    return {} if lineage and _is_cached(df) else lineage


def _is_cached(df: DataFrame) -> bool:
    # On Connect the property makes the server analyze the whole plan, so `_forget_when_cached` replaces it.
    return hasattr(df, "_jdf") and df.is_cached


def _forget_when_cached(df: DataFrame) -> None:
    """End the lineage of a Connect DataFrame when it is cached; such a DataFrame has no flag that says so."""
    weak = ref(df)

    def persist(*args: Any, **kwargs: Any) -> DataFrame:
        frame = weak()
        assert frame is not None, "its method was called"
        vars(frame).pop(_LINEAGE, None)
        return type(frame).persist(frame, *args, **kwargs)

    vars(df)["persist"] = persist


def fields_of(df: DataFrame) -> tuple[StructField, ...]:
    """Return the fields of a DataFrame's schema.

    `df.schema` parses all fields for each new DataFrame, and calls the server on Spark Connect. A native stage attaches the
    fields to the DataFrame that it returns.
    """
    fields: tuple[StructField, ...] | None = vars(df).get(_FIELDS)
    if fields is None:
        vars(df)[_FIELDS] = fields = tuple(df.schema.fields)
    return fields


def with_lineage(
    df: DataFrame, lineage: dict[str, Expr], fields: Iterable[StructField] | None = None
) -> DataFrame:
    """Attach a lineage to a DataFrame, and optionally the fields of its schema."""
    vars(df)[_LINEAGE] = lineage
    if lineage and not hasattr(df, "_jdf"):
        _forget_when_cached(df)
    if fields is not None:
        vars(df)[_FIELDS] = tuple(fields)
    return df
