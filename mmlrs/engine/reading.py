"""What the readers share: files, archive entries and streams as rows, and the decoding of their images."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from mmlrs._messages import shown
from mmlrs._paths import path_of
from mmlrs.engine.archives import Entries
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import quoted
from mmlrs.errors import InvalidParamError, IoError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

__all__ = ["Alpha", "Request", "checked_alpha", "decoded", "repartitioned", "with_error_col"]

#: How an alpha channel is decoded.
Alpha: TypeAlias = Literal["drop", "composite", "keep"]

_SAMPLE_STEPS = 1_000_000
_FILE_SCHEMA = "path string, modificationTime timestamp, length long, content binary"
_FILE_COLUMNS = ("path", "modificationTime", "length", "content")
_ARCHIVES = "*.[zZ][iI][pP]"
#: Internal name of the column of reasons why `content` is null, until it gets the user's name.
_REASON = "__mmlrs_reason__"


@dataclass
class Request:
    """The arguments of a reader, checked on construction."""

    reader: str
    spark: SparkSession
    path: Any
    recursive: bool
    sample_ratio: Any
    inspect_zip: bool
    seed: int
    max_bytes: Any
    error_col: str | None

    def __post_init__(self) -> None:
        if not hasattr(self.spark, "readStream"):
            raise InvalidParamError(
                f"{self.reader}: param `spark` must be a SparkSession, got {type(self.spark).__name__}; "
                f"call {self.reader}(spark, path)"
            )
        if not isinstance(self.sample_ratio, Real) or not 0 <= float(self.sample_ratio) <= 1:
            raise InvalidParamError(
                f"{self.reader}: param `sample_ratio` must be a number between 0 and 1, got {self.sample_ratio!r}"
            )
        if not isinstance(self.max_bytes, Integral) or self.max_bytes < 1:
            raise InvalidParamError(
                f"{self.reader}: param `max_bytes` must be an integer of at least 1, got {self.max_bytes!r}"
            )
        where = f"{self.reader}: param `path`"
        if isinstance(self.path, list | tuple):
            self.path = [path_of(path, where) for path in self.path]
        else:
            self.path = path_of(self.path, where)

    def files(self) -> DataFrame:
        """Return the present files, with the column of reasons."""
        lookup = self.recursive and not self._partitions()
        files = self._sampled(self._files_only(self._load(self.spark.read, lookup)))
        if not self.inspect_zip:
            return files
        archives = self._load(self.spark.read, lookup, _ARCHIVES)
        if not archives.inputFiles():
            return files
        return files.unionByName(self._sampled(self._entries(archives)), allowMissingColumns=True)

    def stream(self, max_files_per_trigger: int | None, partition_schema: str | None) -> DataFrame:
        """Return the present and future files as a stream, with the column of reasons."""
        from pyspark.sql.types import StructType

        from mmlrs.engine.versions import schema_of

        partitions = self._partitions() if partition_schema is None else schema_of(partition_schema).fields
        schema = StructType([*schema_of(_FILE_SCHEMA).fields, *partitions])
        lookup = self.recursive and not partitions

        def load(pattern: str | None = None) -> DataFrame:
            reader = self.spark.readStream.schema(schema)
            if max_files_per_trigger is not None:
                reader = reader.option("maxFilesPerTrigger", max_files_per_trigger)
            return self._load(reader, lookup, pattern)

        files = self._sampled(self._files_only(load()))
        if not self.inspect_zip:
            return files
        return files.unionByName(self._sampled(self._entries(load(_ARCHIVES))))

    def _partitions(self) -> list[StructField]:
        """Return the partition columns, from folder names such as `label=cat`. Spark finds them only without recursive lookup."""
        try:
            schema = self._load(self.spark.read, False).schema
        except IoError:
            raise
        except Exception as error:
            if "CONFLICTING" in str(error).upper():
                return []
            raise
        return [field for field in schema if field.name not in _FILE_COLUMNS]

    def _load(self, reader: Any, lookup: bool, pattern: str | None = None) -> DataFrame:
        reader = reader.format("binaryFile").option("recursiveFileLookup", str(lookup).lower())
        if pattern is not None:
            reader = reader.option("pathGlobFilter", pattern)
        return self._existing(lambda: reader.load(self.path))

    def _existing(self, load: Callable[[], DataFrame]) -> DataFrame:
        """Return the loaded DataFrame, or raise an `IoError` if the path does not exist.

        Spark looks the path up in `load` or with the schema.
        """
        try:
            df = load()
            df.schema  # noqa: B018 - Connect looks the path up here
        except Exception as error:
            missing = re.search(r"Path does not exist: ([^\n]*?)\.?( SQLSTATE|\n|$)", str(error))
            if missing is None:
                raise
            raise IoError(
                f"{self.reader}: param `path` does not exist: {missing[1]}; it must be a folder, a file or a glob "
                "that the driver and every worker can read"
            ) from None
        return df

    def _files_only(self, df: DataFrame) -> DataFrame:
        """Return the files that are not archives, with null instead of `content` if they are too large."""
        from pyspark.sql import functions as F

        if self.inspect_zip:
            df = df.where(~F.lower("path").endswith(".zip"))
        small = F.col("length") <= self.max_bytes
        too_large = F.format_string(
            f"too large: %d bytes exceed max_bytes of {self.max_bytes} (%s)", "length", "path"
        )
        partitions = [n for n in df.columns if n not in _FILE_COLUMNS]
        content = F.when(small, F.col("content")).alias("content")
        reason = F.when(~small, too_large).alias(_REASON)
        return df.select("path", "length", content, *(quoted(n) for n in partitions), reason)

    def _entries(self, archives: DataFrame) -> DataFrame:
        """Return the entries of archives as rows like those of plain files."""
        from pyspark.sql.types import LongType, StringType, StructField, StructType

        from mmlrs.engine.projection import mapped

        partitions = [field for field in archives.schema if field.name not in _FILE_COLUMNS]
        archives = archives.select("path", "content", *(quoted(f.name) for f in partitions))
        path, content = archives.schema["path"], archives.schema["content"]
        length, reason = StructField("length", LongType()), StructField(_REASON, StringType())
        schema = StructType([path, length, content, *partitions, reason])
        return mapped(archives, Entries(tuple(schema.names), _REASON, self.max_bytes), schema)

    def _sampled(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        if self.sample_ratio >= 1:
            return df
        draw = F.pmod(F.xxhash64(F.col("path"), F.lit(self.seed)), F.lit(_SAMPLE_STEPS))
        return df.where(draw < int(self.sample_ratio * _SAMPLE_STEPS))


def repartitioned(df: DataFrame, partitions: int | None) -> DataFrame:
    """Return the rows in a number of partitions, if one is given."""
    return df if partitions is None else df.repartition(partitions)


def with_error_col(files: DataFrame, error_col: str | None) -> DataFrame:
    """Rename the column of reasons to the user's name, or drop it."""
    if error_col is None:
        return files.drop(_REASON)
    Columns.of(files, "read_binary_files").check_new([error_col])
    return files.withColumnRenamed(_REASON, error_col)


def checked_alpha(reader: str, alpha: Any) -> Alpha:
    """Return the handling of alpha channels. Raise if there is no such handling."""
    if alpha not in get_args(Alpha):
        known = ", ".join(f'"{value}"' for value in get_args(Alpha))
        raise InvalidParamError(f"{reader}: param `alpha` must be one of {known}, got {shown(alpha)}")
    return cast("Alpha", alpha)


def decoded(files: DataFrame, drop_invalid: bool, error_col: str | None, alpha: Alpha) -> DataFrame:
    """Add the column of images, and that of errors if it has a name."""
    from pyspark.sql import functions as F

    from mmlrs._generated.image import ImageTransformer
    from mmlrs.engine.spark import lineage_of, with_lineage

    policy: Literal["skip", "keep"] = "skip" if drop_invalid else "keep"
    decode = ImageTransformer(
        inputCol="content",
        originCol="path",
        outputCol="image",
        handleInvalid=policy,
        errorCol=error_col,
        alpha=alpha,
    )
    if error_col is None:
        return decode.transform(files.drop(_REASON))
    decoded = decode.transform(files)
    lineage = {name: expr for name, expr in lineage_of(decoded).items() if name != error_col}
    reason = F.coalesce(F.col(_REASON), F.col(quoted(error_col)))
    return with_lineage(decoded.withColumn(error_col, reason).drop(_REASON), lineage)
