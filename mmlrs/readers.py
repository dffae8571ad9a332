"""Reading folders, archives and streams of images and other files into Spark."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from mmlrs._paths import PathLike, path_of
from mmlrs.engine.archives import Entries
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import quoted
from mmlrs.errors import InvalidParamError, IoError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

__all__ = ["read_binary_files", "read_binary_stream", "read_image_stream", "read_images"]

MAX_BYTES = 268_435_456
_SAMPLE_STEPS = 1_000_000
_FILE_SCHEMA = "path string, modificationTime timestamp, length long, content binary"
_FILE_COLUMNS = ("path", "modificationTime", "length", "content")
_ARCHIVES = "*.[zZ][iI][pP]"
#: Until it has the user's name for it: why `content` is null.
_WHY = "__mmlrs_why__"


def read_binary_files(
    spark: SparkSession,
    path: PathLike | list[PathLike],
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    inspect_zip: bool = True,
    seed: int = 0,
    num_partitions: int | None = None,
    max_bytes: int = MAX_BYTES,
    error_col: str | None = None,
) -> DataFrame:
    """Read files, one row each.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Classic or Connect.
    path : path or list of paths
        Folder, file or glob; `~` is the home folder. Folders named `label=cat` give a column `label`, where all folders
        are named so.
    recursive : bool
        Read sub-folders too.
    sample_ratio : float
        Share of the files to keep, between 0 and 1; decided per path and `seed`, so it is the same in every run.
    inspect_zip : bool
        Read the entries of `.zip` archives as files with paths `archive.zip/entry`, each sampled on its own.
    seed : int
        Chooses another sample.
    num_partitions : int, optional
        Repartition to this number.
    max_bytes : int
        A larger file gets a null `content`, and a larger archive entry too.
    error_col : str, optional
        Name of a column to add that says why `content` is null: "damaged archive", "damaged archive entry",
        "encrypted archive entry", "unsupported archive entry" or "too large", then a colon, details and the path.

    Returns
    -------
    DataFrame
        `path`, `length` in bytes, `content`, the partition columns, and the error column.

    Raises
    ------
    IoError
        There is nothing at the path.

    Notes
    -----
    Spark's file sources leave out files of 0 bytes.
    """
    request = _Request(
        "read_binary_files", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _named(_repartitioned(request.files(), num_partitions), error_col)


def read_images(
    spark: SparkSession,
    path: PathLike | list[PathLike],
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    inspect_zip: bool = True,
    seed: int = 0,
    num_partitions: int | None = None,
    drop_invalid: bool = False,
    max_bytes: int = MAX_BYTES,
    error_col: str | None = None,
) -> DataFrame:
    """Read a folder of images.

    Nothing is decoded until a pixel is needed: a stage that follows decodes straight from `content`, and when nobody
    reads `image` itself it is never made.

    Parameters
    ----------
    spark, path, recursive, sample_ratio, inspect_zip, seed, num_partitions, max_bytes
        As for `read_binary_files`.
    drop_invalid : bool
        Drop files that are not images; otherwise their `image` is null.
    error_col : str, optional
        Name of a column to add that says why `image` is null: count the failures with
        `df.where("error is not null").groupBy("error").count()`. Beside the decoder's reasons there are those of
        `read_binary_files`.

    Returns
    -------
    DataFrame
        `path`, `length`, `content` (the encoded bytes), the partition columns, `image` (Spark's image struct: origin,
        height, width, nChannels, mode, data) and the error column.

    Raises
    ------
    IoError
        There is nothing at the path.
    """
    request = _Request(
        "read_images", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _decoded(_repartitioned(request.files(), num_partitions), drop_invalid, error_col)


def read_binary_stream(
    spark: SparkSession,
    path: PathLike,
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    inspect_zip: bool = True,
    seed: int = 0,
    max_bytes: int = MAX_BYTES,
    error_col: str | None = None,
    max_files_per_trigger: int | None = None,
    partition_schema: str | None = None,
) -> DataFrame:
    """Read a growing folder of files as a stream; every file once.

    Parameters
    ----------
    spark, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
        As for `read_binary_files`. An archive is read once too: what is added to it later is not seen.
    path : path
        Folder or glob.
    max_files_per_trigger : int, optional
        Files per micro-batch; archives are counted on their own.
    partition_schema : str, optional
        The columns that folders named `label=cat` give, as in "label string"; otherwise those that are there when the stream
        starts. A stream over a folder that is empty still cannot know them.

    Returns
    -------
    DataFrame
        A streaming DataFrame with the columns of `read_binary_files`.

    Raises
    ------
    IoError
        There is no such folder.
    """
    request = _Request(
        "read_binary_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _named(request.stream(max_files_per_trigger, partition_schema), error_col)


def read_image_stream(
    spark: SparkSession,
    path: PathLike,
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    inspect_zip: bool = True,
    seed: int = 0,
    drop_invalid: bool = False,
    max_bytes: int = MAX_BYTES,
    error_col: str | None = None,
    max_files_per_trigger: int | None = None,
    partition_schema: str | None = None,
) -> DataFrame:
    """Read a growing folder of images as a stream; every file once.

    Parameters
    ----------
    spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, max_files_per_trigger, partition_schema
        As for `read_binary_stream`.
    drop_invalid, error_col
        As for `read_images`.

    Returns
    -------
    DataFrame
        A streaming DataFrame with the columns of `read_images`.

    Raises
    ------
    IoError
        There is no such folder.
    """
    request = _Request(
        "read_image_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _decoded(request.stream(max_files_per_trigger, partition_schema), drop_invalid, error_col)


@dataclass
class _Request:
    """What a reader was asked for; checked when it is made."""

    reader: str
    spark: SparkSession
    path: Any
    recursive: bool
    sample_ratio: float
    inspect_zip: bool
    seed: int
    max_bytes: int
    error_col: str | None

    def __post_init__(self) -> None:
        if not 0 <= self.sample_ratio <= 1:
            raise InvalidParamError(
                f"{self.reader}: param `sample_ratio` must be between 0 and 1, got {self.sample_ratio}"
            )
        if self.max_bytes < 1:
            raise InvalidParamError(
                f"{self.reader}: param `max_bytes` must be at least 1, got {self.max_bytes}"
            )
        where = f"{self.reader}: param `path`"
        if isinstance(self.path, list | tuple):
            self.path = [path_of(path, where) for path in self.path]
        else:
            self.path = path_of(self.path, where)

    def files(self) -> DataFrame:
        """Return the files as they are now, with the column of reasons."""
        lookup = self.recursive and not self._partitions()
        files = self._sampled(self._plain(self._load(self.spark.read, lookup)))
        if not self.inspect_zip:
            return files
        archives = self._load(self.spark.read, lookup, _ARCHIVES)
        if not archives.inputFiles():
            return files
        return files.unionByName(self._sampled(self._entries(archives)), allowMissingColumns=True)

    def stream(self, max_files_per_trigger: int | None, partition_schema: str | None) -> DataFrame:
        """Return the files that are there and those that come, with the column of reasons."""
        from pyspark.sql.types import StructType

        def fields(ddl: str) -> list[StructField]:
            return cast("StructType", StructType.fromDDL(ddl)).fields

        partitions = self._partitions() if partition_schema is None else fields(partition_schema)
        schema = StructType([*fields(_FILE_SCHEMA), *partitions])
        lookup = self.recursive and not partitions

        def load(pattern: str | None = None) -> DataFrame:
            reader = self.spark.readStream.schema(schema)
            if max_files_per_trigger is not None:
                reader = reader.option("maxFilesPerTrigger", max_files_per_trigger)
            return self._load(reader, lookup, pattern)

        files = self._sampled(self._plain(load()))
        if not self.inspect_zip:
            return files
        return files.unionByName(self._sampled(self._entries(load(_ARCHIVES))))

    def _partitions(self) -> list[StructField]:
        """Return the columns that folder names such as `label=cat` give; Spark finds them only without recursive lookup."""
        try:
            found = self._load(self.spark.read, False).schema
        except IoError:
            raise
        except Exception as error:
            if "CONFLICTING" in str(error).upper():
                return []
            raise
        return [field for field in found if field.name not in _FILE_COLUMNS]

    def _load(self, reader: Any, lookup: bool, pattern: str | None = None) -> DataFrame:
        reader = reader.format("binaryFile").option("recursiveFileLookup", str(lookup).lower())
        if pattern is not None:
            reader = reader.option("pathGlobFilter", pattern)
        return self._found(lambda: reader.load(self.path))

    def _found(self, load: Callable[[], DataFrame]) -> DataFrame:
        """Return what Spark loads, or say that there is nothing, which Spark finds out at once or with the schema."""
        try:
            found = load()
            found.schema  # noqa: B018 - on Connect this is where the path is looked up
        except Exception as error:
            missing = re.search(r"Path does not exist: ([^\n]*?)\.?( SQLSTATE|\n|$)", str(error))
            if missing is None:
                raise
            raise IoError(
                f"{self.reader}: param `path`: Path does not exist: {missing[1]}; give a folder, a file or a glob that "
                "the driver and every worker can read"
            ) from None
        return found

    def _plain(self, df: DataFrame) -> DataFrame:
        """Keep plain files, and null the content of those that are too large."""
        from pyspark.sql import functions as F

        if self.inspect_zip:
            df = df.where(~F.lower("path").endswith(".zip"))
        small = F.col("length") <= self.max_bytes
        too_large = F.format_string(
            f"too large: %d bytes exceed max_bytes of {self.max_bytes} (%s)", "length", "path"
        )
        partitions = [n for n in df.columns if n not in _FILE_COLUMNS]
        content = F.when(small, F.col("content")).alias("content")
        why = F.when(~small, too_large).alias(_WHY)
        return df.select("path", "length", content, *(quoted(n) for n in partitions), why)

    def _entries(self, archives: DataFrame) -> DataFrame:
        """Return the entries of archives as rows like those of plain files."""
        from pyspark.sql.types import LongType, StringType, StructField, StructType

        from mmlrs.engine.projection import mapped

        partitions = [field for field in archives.schema if field.name not in _FILE_COLUMNS]
        archives = archives.select("path", "content", *(quoted(f.name) for f in partitions))
        path, content = archives.schema["path"], archives.schema["content"]
        length, why = StructField("length", LongType()), StructField(_WHY, StringType())
        schema = StructType([path, length, content, *partitions, why])
        return mapped(archives, Entries(tuple(schema.names), _WHY, self.max_bytes), schema)

    def _sampled(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        if self.sample_ratio >= 1:
            return df
        draw = F.pmod(F.xxhash64(F.col("path"), F.lit(self.seed)), F.lit(_SAMPLE_STEPS))
        return df.where(draw < int(self.sample_ratio * _SAMPLE_STEPS))


def _repartitioned(df: DataFrame, partitions: int | None) -> DataFrame:
    return df if partitions is None else df.repartition(partitions)


def _named(files: DataFrame, error_col: str | None) -> DataFrame:
    """Give the column of reasons the user's name, or none."""
    if error_col is None:
        return files.drop(_WHY)
    Columns.of(files, "read_binary_files").check_new([error_col])
    return files.withColumnRenamed(_WHY, error_col)


def _decoded(files: DataFrame, drop_invalid: bool, error_col: str | None) -> DataFrame:
    from pyspark.sql import functions as F

    from mmlrs._generated.image import ImageTransformer
    from mmlrs.engine.spark import lineage_of, with_lineage

    policy: Literal["skip", "keep"] = "skip" if drop_invalid else "keep"
    decode = ImageTransformer(
        inputCol="content", originCol="path", outputCol="image", handleInvalid=policy, errorCol=error_col
    )
    if error_col is None:
        return decode.transform(files.drop(_WHY))
    decoded = decode.transform(files)
    lineage = {name: made for name, made in lineage_of(decoded).items() if name != error_col}
    known = F.coalesce(F.col(_WHY), F.col(quoted(error_col)))
    return with_lineage(decoded.withColumn(error_col, known).drop(_WHY), lineage)
