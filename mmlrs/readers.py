"""Reading folders of images and other files into Spark, and writing images out."""

from __future__ import annotations

import io
import os
import uuid
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.datasets import ignores_case
from mmlrs.engine.expr import resolve
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["read_binary_files", "read_image_stream", "read_images", "write_images"]

MAX_BYTES = 268_435_456
_SAMPLE_STEPS = 1_000_000
_BATCH_BYTES = 32 * 1024 * 1024
_IMAGE_FIELDS = {"origin", "height", "width", "nChannels", "data"}


def read_binary_files(
    spark: SparkSession,
    path: str | list[str],
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    inspect_zip: bool = True,
    seed: int = 0,
    num_partitions: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> DataFrame:
    """Read files, one row each.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Classic or Connect.
    path : str or list of str
        Folder, file or glob; folders named `label=cat` give a column `label`, where all folders are named so.
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

    Returns
    -------
    DataFrame
        `path`, `length` in bytes, `content`, and the partition columns.

    Notes
    -----
    Spark's file sources leave out files of 0 bytes.
    """
    _check("read_binary_files", sample_ratio, max_bytes)
    lookup = recursive and not _partition_columns(spark, path)
    files = _files(_reader(spark.read, lookup).load(path), max_bytes, zips=not inspect_zip)
    files = _sampled(files, sample_ratio, seed)
    if inspect_zip:
        archives = _reader(spark.read, lookup).option("pathGlobFilter", "*.[zZ][iI][pP]").load(path)
        if archives.inputFiles():
            entries = _entries(archives, max_bytes, files)
            files = files.unionByName(_sampled(entries, sample_ratio, seed), allowMissingColumns=True)
    return files.repartition(num_partitions) if num_partitions is not None else files


def read_images(
    spark: SparkSession,
    path: str | list[str],
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
        `df.where("error is not null").groupBy("error").count()`.

    Returns
    -------
    DataFrame
        `path`, `length`, `content` (the encoded bytes), the partition columns, `image` (Spark's image struct: origin,
        height, width, nChannels, mode, data) and the error column.
    """
    _check("read_images", sample_ratio, max_bytes)
    files = read_binary_files(
        spark,
        path,
        recursive=recursive,
        sample_ratio=sample_ratio,
        inspect_zip=inspect_zip,
        seed=seed,
        num_partitions=num_partitions,
        max_bytes=max_bytes,
    )
    return _decoded(files, drop_invalid, error_col)


def read_image_stream(
    spark: SparkSession,
    path: str,
    *,
    recursive: bool = True,
    sample_ratio: float = 1.0,
    seed: int = 0,
    drop_invalid: bool = False,
    max_bytes: int = MAX_BYTES,
    error_col: str | None = None,
    max_files_per_trigger: int | None = None,
) -> DataFrame:
    """Read a growing folder of images as a stream; every file once.

    Parameters
    ----------
    spark, path, recursive, sample_ratio, seed, drop_invalid, max_bytes, error_col
        As for `read_images`. Archives are not looked into.
    max_files_per_trigger : int, optional
        Files per micro-batch.

    Returns
    -------
    DataFrame
        A streaming DataFrame with the columns of `read_images`; partition columns are not discovered.
    """
    _check("read_image_stream", sample_ratio, max_bytes)
    schema = "path string, modificationTime timestamp, length long, content binary"
    reader = _reader(spark.readStream, recursive).schema(schema)
    if max_files_per_trigger is not None:
        reader = reader.option("maxFilesPerTrigger", max_files_per_trigger)
    files = _sampled(_files(reader.load(path), max_bytes, zips=False), sample_ratio, seed)
    return _decoded(files, drop_invalid, error_col)


def _check(reader: str, sample_ratio: float, max_bytes: int) -> None:
    if not 0 <= sample_ratio <= 1:
        raise InvalidParamError(f"{reader}: param `sample_ratio` must be between 0 and 1, got {sample_ratio}")
    if max_bytes < 1:
        raise InvalidParamError(f"{reader}: param `max_bytes` must be at least 1, got {max_bytes}")


_FILE_COLUMNS = ("path", "modificationTime", "length", "content")


def _partition_columns(spark: SparkSession, path: str | list[str]) -> list[str]:
    """Return the columns that folder names such as `label=cat` give; Spark finds them only without recursive lookup."""
    try:
        columns = _reader(spark.read, False).load(path).columns
    except Exception as error:
        if "CONFLICTING" in str(error).upper():
            return []
        raise
    return [name for name in columns if name not in _FILE_COLUMNS]


def _reader(reader: Any, recursive: bool) -> Any:
    return reader.format("binaryFile").option("recursiveFileLookup", str(recursive).lower())


def _files(df: DataFrame, max_bytes: int, *, zips: bool) -> DataFrame:
    """Keep plain files, and null the content of those that are too large."""
    from pyspark.sql import functions as F

    if not zips:
        df = df.where(~F.lower("path").endswith(".zip"))
    content = F.when(F.col("length") <= max_bytes, F.col("content"))
    return df.withColumn("content", content).drop("modificationTime")


def _sampled(df: DataFrame, ratio: float, seed: int) -> DataFrame:
    from pyspark.sql import functions as F

    if ratio >= 1:
        return df
    draw = F.pmod(F.xxhash64(F.col("path"), F.lit(seed)), F.lit(_SAMPLE_STEPS))
    return df.where(draw < int(ratio * _SAMPLE_STEPS))


def _decoded(files: DataFrame, drop_invalid: bool, error_col: str | None) -> DataFrame:
    from mmlrs.image import ImageTransformer

    policy = "skip" if drop_invalid else "keep"
    decode = ImageTransformer(
        inputCol="content", originCol="path", outputCol="image", handleInvalid=policy, errorCol=error_col
    )
    return decode.transform(files)


def _entries(archives: DataFrame, max_bytes: int, like: DataFrame) -> DataFrame:
    """Return the entries of archives as rows like those of plain files."""
    partitions = [n for n in archives.columns if n not in _FILE_COLUMNS]
    columns = ["path", "content", *partitions]
    schema = like.select("path", "length", "content", *[n for n in partitions if n in like.columns]).schema
    names = [field.name for field in schema]

    def expand(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                shared = {name: row[name] for name in names if name in partitions}
                yield from _entry_batches(row["path"], row["content"], shared, names, max_bytes, batch.schema)

    return archives.select(*columns).mapInArrow(expand, schema)


def _entry_batches(
    path: str, content: bytes, shared: dict[str, Any], names: list[str], max_bytes: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Read one archive, a few megabytes of entries at a time; a broken one is a row with null content."""
    types = {"path": pa.string(), "length": pa.int64(), "content": pa.binary()}
    fields = [pa.field(n, types.get(n) or schema.field(n).type) for n in names]
    rows: list[dict[str, Any]] = []
    size = 0

    def flush() -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))

    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, TypeError):
        rows.append({"path": path, "length": len(content or b""), "content": None, **shared})
        yield flush()
        return
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        data = _read_entry(archive, entry, max_bytes)
        rows.append(
            {"path": f"{path}/{entry.filename}", "length": entry.file_size, "content": data, **shared}
        )
        size += len(data or b"")
        if size >= _BATCH_BYTES:
            yield flush()
            rows.clear()
            size = 0
    if rows:
        yield flush()


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes | None:
    """Return an entry's bytes; null when it is too large, damaged or encrypted."""
    try:
        with archive.open(entry) as file:
            data = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError):
        return None
    return data if len(data) <= max_bytes else None


def write_images(
    df: DataFrame,
    path: str,
    *,
    image_col: str = "image",
    name_col: str | None = None,
    format: str = "png",
    quality: int = 90,
) -> int:
    """Write an image column as encoded files.

    Parameters
    ----------
    df : DataFrame
        With a column of image structs.
    path : str
        Folder that every worker can write: local, or any URI that `pyarrow.fs` knows.
    image_col : str
        The image column.
    name_col : str, optional
        Column with the files' names, without extension; otherwise the base name of the image's origin, or a number.
        Two rows with the same name are an error only in that the later overwrites the earlier.
    format : {"png", "jpeg"}
        PNG keeps every pixel.
    quality : int
        JPEG quality, 1 to 100.

    Returns
    -------
    int
        Number of files written. Null images are not written.

    Notes
    -----
    A file is written under another name and renamed when complete, so a task that is retried leaves no half file.
    """
    from pyspark.sql import functions as F

    if format not in ("png", "jpeg"):
        raise InvalidParamError(f'write_images: param `format` must be one of "png", "jpeg", got "{format}"')
    if not 1 <= quality <= 100:
        raise InvalidParamError(f"write_images: param `quality` must be between 1 and 100, got {quality}")
    image = _image_column(df, image_col)
    name = (
        F.lit(None)
        if name_col is None
        else _column(resolve(name_col, df.columns, "write_images", ignore_case=ignores_case(df)))
    )

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            count = _write_batch(batch, path, format, quality)
            yield pa.RecordBatch.from_pydict({"n": [count]})

    rows = df.where(image.isNotNull()).select(name.cast("string").alias("name"), image.alias("image"))
    written = rows.mapInArrow(write, "n long").agg(F.sum("n")).first()
    return int(written[0] or 0) if written is not None else 0


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")


def _image_column(df: DataFrame, name: str) -> Column:
    """Return the column, which must hold image structs."""
    found = resolve(name, df.columns, "write_images", ignore_case=ignores_case(df))
    kind = df.schema[found].dataType
    if _IMAGE_FIELDS.difference(getattr(kind, "names", ())):
        raise SchemaMismatchError(
            f"write_images: column `{name}`: has type {kind.simpleString()}; expected an image struct"
        )
    return _column(found)


def _write_batch(batch: pa.RecordBatch, path: str, format: str, quality: int) -> int:
    from pyarrow import fs

    filesystem, folder = (
        fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), os.path.abspath(path))
    )
    filesystem.create_dir(folder, recursive=True)
    names = batch.column("name").to_pylist()
    images = batch.column("image")
    origins = images.field("origin").to_pylist()
    encoded = _native.encode_images(images, format, quality).to_pylist()
    extension = "jpg" if format == "jpeg" else format
    for name, origin, data in zip(names, origins, encoded, strict=True):
        stem = name or os.path.splitext(os.path.basename(origin or ""))[0] or uuid.uuid4().hex
        target = f"{folder}/{stem}.{extension}"
        part = f"{target}.{uuid.uuid4().hex}.part"
        filesystem.create_dir(os.path.dirname(target), recursive=True)
        with filesystem.open_output_stream(part) as stream:
            stream.write(data)
        filesystem.move(part, target)
    return len(encoded)
