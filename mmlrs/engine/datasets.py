"""The kind of a dataset: a Spark DataFrame, a table, or another object."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from typing_extensions import TypeIs

__all__ = [
    "is_pandas",
    "is_polars",
    "is_spark",
    "is_table",
    "refused",
]


def _mro(dataset: Any) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(dataset).__mro__]


def is_spark(dataset: Any) -> TypeIs[DataFrame]:
    """Return whether this is a Spark DataFrame, classic or Connect."""
    spark = sys.modules.get("pyspark.sql")  # if it is not imported, there is no DataFrame
    if spark is None or not isinstance(dataset, spark.DataFrame):
        return False
    import mmlrs.engine.versions  # noqa: F401 - raises an error for an unsupported version of PySpark

    return True


def is_pandas(dataset: Any) -> bool:
    """Return whether this is a pandas DataFrame or a subclass, such as that of GeoPandas."""
    return any(name.startswith("pandas.") and name.endswith(".DataFrame") for name in _mro(dataset))


def is_polars(dataset: Any) -> bool:
    """Return whether this is a polars DataFrame."""
    return any(name.startswith("polars.") and name.endswith(".DataFrame") for name in _mro(dataset))


def is_table(dataset: Any) -> bool:
    """Return whether this is a pandas DataFrame or a table with the Arrow PyCapsule interface."""
    if is_pandas(dataset):
        return True
    arrow = hasattr(dataset, "__arrow_c_stream__") or hasattr(dataset, "__arrow_c_array__")
    return arrow and not isinstance(dataset, type) and not _is_column(dataset)


def refused(stage: str, work: str, dataset: Any) -> SchemaMismatchError:
    """Return the error for an object that is not a dataset, with a way to convert it."""
    kind = type(dataset)
    name = f"a {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
    return SchemaMismatchError(
        f"{stage}: cannot {work} {name}{_remedy(dataset)}; expected a Spark DataFrame, a pandas or polars DataFrame, a "
        "pyarrow.Table, or another table with the Arrow PyCapsule interface"
    )


def _is_column(dataset: Any) -> bool:
    """Return whether this is a single column of pandas, polars or pyarrow."""
    kinds = {"Series", "Array", "ChunkedArray", "Index"}
    return any(
        name.split(".")[0] in ("pandas", "polars", "pyarrow") and name.rsplit(".", 1)[-1] in kinds
        for name in _mro(dataset)
    )


def _remedy(dataset: Any) -> str:
    """Return how to convert an object that users commonly pass to a table."""
    names = _mro(dataset)
    if isinstance(dataset, type):
        return f", the class {dataset.__qualname__}"
    if names[0].startswith("pyspark.sql.connect."):
        import pyspark

        from mmlrs.engine.versions import CONNECT_SINCE

        return f": Spark Connect needs PySpark {CONNECT_SINCE} or newer, and PySpark {pyspark.__version__} is installed"
    if _is_column(dataset):
        arrow = names[0].startswith("pyarrow")
        return ", a single column: convert it with " + (
            'pyarrow.table({"name": column})' if arrow else "its to_frame()"
        )
    if isinstance(dataset, Mapping):
        return ": convert it with pyarrow.table(data)"
    if isinstance(dataset, Sequence) and dataset and all(isinstance(row, Mapping) for row in dataset):
        return " of dicts: convert it with pyarrow.Table.from_pylist(rows)"
    if any(name.startswith("pandas.") and name.endswith("GroupBy") for name in names):
        return ": aggregate it first"
    if any(name.startswith("polars.") and name.endswith(".LazyFrame") for name in names):
        return ": collect() it first"
    if any(name.startswith("pyspark.pandas.") and name.endswith(".DataFrame") for name in names):
        return ": call its to_spark()"
    if any(name.startswith("numpy.") for name in names):
        return ': name its columns, as in pandas.DataFrame(data, columns=["a", "b"])'
    return ""
