"""Read folders, archives and streams of images and other files into Spark."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs._paths import PathLike, path_of
from mmlrs.engine.archives import Entries
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import quoted
from mmlrs.errors import InvalidParamError, IoError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

__all__ = ["readImages", "read_binary_files", "read_binary_stream", "read_image_stream", "read_images"]

MAX_BYTES = 268_435_456
_SAMPLE_STEPS = 1_000_000
_FILE_SCHEMA = "path string, modificationTime timestamp, length long, content binary"
_FILE_COLUMNS = ("path", "modificationTime", "length", "content")
_ARCHIVES = "*.[zZ][iI][pP]"
#: Internal name of the column of reasons why `content` is null, until it gets the user's name.
_REASON = "__mmlrs_reason__"


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
    """Read files as binary data, one row per file.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Classic or Connect.
    path : path or list of paths
        Folders, files or globs; `~` is the home folder. If all folders are named like `label=cat`, `label` becomes a
        partition column.
    recursive : bool, default True
        Read subfolders too.
    sample_ratio : float, default 1.0
        Fraction of the files to keep, between 0 and 1. The choice depends only on the path and `seed`, so it is the same
        in every run.
    inspect_zip : bool, default True
        Read the entries of `.zip` archives as files with paths `archive.zip/entry`. Each entry is sampled on its own.
    seed : int, default 0
        Seed of the sample.
    num_partitions : int, optional
        Number of partitions of the result; by default that of Spark's reader.
    max_bytes : int, default 268435456
        Maximum size in bytes of a file or archive entry. The `content` of a larger one is null.
    error_col : str, optional
        Name of a string column to add with the reason why `content` is null: "damaged archive", "damaged archive
        entry", "encrypted archive entry", "unsupported archive entry" or "too large", followed by a colon, details and
        the path.

    Returns
    -------
    DataFrame
        `path` (string), `length` (long, in bytes), `content` (binary), the partition columns and the error column.

    Raises
    ------
    InvalidParamError
        `sample_ratio` or `max_bytes` is out of range, or `path` is not a path.
    IoError
        The path does not exist.
    SchemaMismatchError
        The column `error_col` already exists.

    Notes
    -----
    Spark's file sources skip files of 0 bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mmlrs.image import read_binary_files
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = pathlib.Path(folder.name, "a.bin").write_bytes(b"abc")
    >>> read_binary_files(spark, folder.name, error_col="error").select("length", "content", "error").first()
    Row(length=3, content=b'abc', error=None)
    >>> folder.cleanup()
    """
    request = _Request(
        "read_binary_files", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _with_error_col(_repartitioned(request.files(), num_partitions), error_col)


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
    alpha: Literal["drop", "composite", "keep"] = "drop",
) -> DataFrame:
    """Read images, one row per file.

    Images are decoded only when their pixels are needed. A stage that follows decodes directly from `content`, and
    `image` itself is computed only if something reads it.

    Parameters
    ----------
    spark, path, recursive, sample_ratio, inspect_zip, seed, num_partitions, max_bytes
        As for `read_binary_files`.
    drop_invalid : bool, default False
        Drop files that are not images. Otherwise their `image` is null.
    error_col : str, optional
        Name of a string column to add with the reason why `image` is null: an error of the decoder, or a reason of
        `read_binary_files`. To count the failures of a column `error`, use
        `df.where("error is not null").groupBy("error").count()`.
    alpha : {"drop", "composite", "keep"}, default "drop"
        How to decode an alpha channel: "drop" removes it, "composite" blends the image over white, "keep" gives a BGRA image with
        4 channels. Stages that read `image` get it as it is decoded here; those that read `content` have the param themselves.

    Returns
    -------
    DataFrame
        `path`, `length`, `content` (the encoded bytes), the partition columns, `image` (Spark's image struct: origin,
        height, width, nChannels, mode, data) and the error column.

    Raises
    ------
    InvalidParamError
        `sample_ratio` or `max_bytes` is out of range, or `path` is not a path.
    IoError
        The path does not exist.
    SchemaMismatchError
        The column `error_col` already exists.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mmlrs.image import read_images
    >>> from mmlrs.testing import sample_image
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = pathlib.Path(folder.name, "a.jpg").write_bytes(sample_image("jpeg"))
    >>> read_images(spark, folder.name).select("image.height", "image.width", "image.nChannels").first()
    Row(height=48, width=64, nChannels=3)
    >>> folder.cleanup()
    """
    request = _Request(
        "read_images", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    files = _repartitioned(request.files(), num_partitions)
    return _decoded(files, drop_invalid, error_col, _checked_alpha("read_images", alpha))


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
    """Read the files of a growing folder as a stream. Each file is read once.

    Parameters
    ----------
    spark, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
        As for `read_binary_files`. An archive is read once too; entries that are added later are not read.
    path : path
        Folder or glob.
    max_files_per_trigger : int, optional
        Maximum number of files per micro-batch; archives are counted separately. By default there is no limit.
    partition_schema : str, optional
        Schema of the partition columns, such as "label string" for folders named like `label=cat`. By default it is
        inferred from the folders that exist when the stream starts. Set it if the folder may still be empty.

    Returns
    -------
    DataFrame
        A streaming DataFrame with the columns of `read_binary_files`.

    Raises
    ------
    InvalidParamError
        `sample_ratio` or `max_bytes` is out of range, or `path` is not a path.
    IoError
        The folder does not exist.
    SchemaMismatchError
        The column `error_col` already exists.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.image import read_binary_stream
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stream = read_binary_stream(spark, folder, partition_schema="label string")
    >>> stream.isStreaming, stream.columns
    (True, ['path', 'length', 'content', 'label'])
    """
    request = _Request(
        "read_binary_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return _with_error_col(request.stream(max_files_per_trigger, partition_schema), error_col)


def readImages(path: PathLike | list[PathLike], numPartition: int | None = None, **options: Any) -> DataFrame:
    """Read images with the active Spark session: `read_images` under the name that Deep Learning Pipelines had for it.

    Parameters
    ----------
    path : path or list of paths
        As for `read_images`.
    numPartition : int, optional
        Number of partitions of the result.
    **options
        The other options of `read_images`.

    Returns
    -------
    DataFrame
        As for `read_images`. A file that is not an image has a null `image`.

    Raises
    ------
    ExecutionError
        No Spark session is active.
    InvalidParamError, IoError, SchemaMismatchError
        As for `read_images`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mmlrs.image import readImages
    >>> from mmlrs.testing import sample_image
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = pathlib.Path(folder.name, "a.jpg").write_bytes(sample_image("jpeg"))
    >>> readImages(folder.name).select("image.nChannels").first()
    Row(nChannels=3)
    >>> folder.cleanup()
    """
    from mmlrs.functions._stage import active

    known = [name for name in inspect.signature(read_images).parameters if name not in ("spark", "path")]
    for name in options:
        if name not in known:
            raise no_param("readImages", name, known)
    return read_images(active("readImages"), path, num_partitions=numPartition, **options)


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
    alpha: Literal["drop", "composite", "keep"] = "drop",
) -> DataFrame:
    """Read the images of a growing folder as a stream. Each file is read once.

    Parameters
    ----------
    spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, max_files_per_trigger, partition_schema
        As for `read_binary_stream`.
    drop_invalid, error_col, alpha
        As for `read_images`.

    Returns
    -------
    DataFrame
        A streaming DataFrame with the columns of `read_images`.

    Raises
    ------
    InvalidParamError
        `sample_ratio` or `max_bytes` is out of range, or `path` is not a path.
    IoError
        The folder does not exist.
    SchemaMismatchError
        The column `error_col` already exists.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.image import read_image_stream
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stream = read_image_stream(spark, folder)
    >>> stream.isStreaming, stream.columns
    (True, ['path', 'length', 'content', 'image'])
    """
    request = _Request(
        "read_image_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    files = request.stream(max_files_per_trigger, partition_schema)
    return _decoded(files, drop_invalid, error_col, _checked_alpha("read_image_stream", alpha))


@dataclass
class _Request:
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


def _repartitioned(df: DataFrame, partitions: int | None) -> DataFrame:
    return df if partitions is None else df.repartition(partitions)


def _with_error_col(files: DataFrame, error_col: str | None) -> DataFrame:
    """Rename the column of reasons to the user's name, or drop it."""
    if error_col is None:
        return files.drop(_REASON)
    Columns.of(files, "read_binary_files").check_new([error_col])
    return files.withColumnRenamed(_REASON, error_col)


_Alpha = Literal["drop", "composite", "keep"]


def _checked_alpha(reader: str, alpha: Any) -> _Alpha:
    if alpha not in get_args(_Alpha):
        known = ", ".join(f'"{value}"' for value in get_args(_Alpha))
        raise InvalidParamError(f"{reader}: param `alpha` must be one of {known}, got {shown(alpha)}")
    return cast("_Alpha", alpha)


def _decoded(files: DataFrame, drop_invalid: bool, error_col: str | None, alpha: _Alpha) -> DataFrame:
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
