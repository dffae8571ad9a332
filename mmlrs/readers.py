"""Read folders, archives and streams of images and other files into Spark."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from mmlrs._names import no_param
from mmlrs._paths import PathLike
from mmlrs.engine.reading import Alpha, Request, checked_alpha, decoded, repartitioned, with_error_col

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["readImages", "read_binary_files", "read_binary_stream", "read_image_stream", "read_images"]

MAX_BYTES = 268_435_456


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
    request = Request(
        "read_binary_files", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return with_error_col(repartitioned(request.files(), num_partitions), error_col)


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
    alpha: Alpha = "drop",
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
    request = Request(
        "read_images", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    files = repartitioned(request.files(), num_partitions)
    return decoded(files, drop_invalid, error_col, checked_alpha("read_images", alpha))


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
    request = Request(
        "read_binary_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    return with_error_col(request.stream(max_files_per_trigger, partition_schema), error_col)


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

    known = [
        name
        for name in inspect.signature(read_images).parameters
        if name not in ("spark", "path", "num_partitions")
    ]
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
    alpha: Alpha = "drop",
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
    request = Request(
        "read_image_stream", spark, path, recursive, sample_ratio, inspect_zip, seed, max_bytes, error_col
    )
    files = request.stream(max_files_per_trigger, partition_schema)
    return decoded(files, drop_invalid, error_col, checked_alpha("read_image_stream", alpha))
