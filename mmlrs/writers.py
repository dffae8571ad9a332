"""Write image columns as files."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._paths import PathLike, is_remote, local_path, path_of, unsafe_name, with_space
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_table
from mmlrs.engine.expr import quoted
from mmlrs.engine.sent import Sent
from mmlrs.errors import InvalidParamError, IoError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["write_images"]

_IMAGE_FIELDS = {"origin", "height", "width", "nChannels", "data"}
_EXTENSIONS = {"png": "png", "jpeg": "jpg"}


def write_images(
    df: DataFrame | Any,
    path: PathLike,
    *,
    image_col: str = "image",
    name_col: str | None = None,
    format: str = "png",
    quality: int = 90,
) -> int:
    """Write an image column as encoded files.

    Parameters
    ----------
    df : DataFrame or table
        A DataFrame of Spark, or any table that the stages accept, with a column of image structs.
    path : path
        Folder that every worker can write: a local path (`~` is the home folder) or any URI that `pyarrow.fs` supports.
    image_col : str, default "image"
        Name of the image column.
    name_col : str, optional
        Name of a column with the file names, without extension; `a/b` is the file `b` in the folder `a`. If it is not set
        or the name is null, the name is the base name of the image's origin, or a unique number if there is no origin.
    format : {"png", "jpeg"}, default "png"
        File format. PNG is lossless.
    quality : int, default 90
        Quality of JPEG files, 1 to 100.

    Returns
    -------
    int
        Number of files written. Null images are not written.

    Raises
    ------
    InvalidParamError
        `format` or `quality` is not allowed. Or a name is unsafe on some system: it is empty, contains `..`, is absolute,
        has a drive letter, a backslash or a control character, is too long or is a device name of Windows. Or several rows
        have the same name; in this case the file holds one of their images.
    ColumnNotFoundError, SchemaMismatchError
        There is no column `image_col` or `name_col`, or `image_col` does not hold image structs.
    IoError
        A file cannot be written.

    Notes
    -----
    Files are written to a temporary folder `.mmlrs-*.part` in `path` and moved when complete, so a retried task leaves no
    partial file. The temporary folder is removed at the end, also after an error.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from mmlrs.image import ImageTransformer, write_images
    >>> from mmlrs.testing import sample_image
    >>> table = pa.table({"name": ["a"], "content": [sample_image("jpeg")]})
    >>> images = ImageTransformer(inputCol="content", outputCol="image").resize(32, 32).transform(table)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_images(images, folder, name_col="name"), os.listdir(folder)
    (1, ['a.png'])
    """
    from mmlrs.engine.table import to_table

    if format not in _EXTENSIONS:
        raise InvalidParamError(f'write_images: param `format` must be one of "png", "jpeg", got "{format}"')
    if not 1 <= quality <= 100:
        raise InvalidParamError(f"write_images: param `quality` must be between 1 and 100, got {quality}")
    parts = f".mmlrs-{uuid.uuid4().hex}.part"
    files = Files(path_of(path, "write_images: param `path`"), name_col, format, quality, parts)
    try:
        if is_table(df):
            return _write_table(to_table(df), files, image_col)
        return _write_frame(df, files, image_col)
    finally:
        files.remove_parts()


@dataclass(frozen=True)
class Files:
    """A function for `mapInArrow` that writes batches with the columns `name` and `image` and returns the file names."""

    path: str
    name_col: str | None
    format: str
    quality: int
    parts: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the names of the files, relative to the folder."""
        for batch in batches:
            names = self._write(batch.column("name"), batch.column("image"))
            yield pa.RecordBatch.from_pydict({"name": pa.array(names, pa.string())})

    def _place(self) -> tuple[Any, str]:
        """Return the file system and the path of the folder in it."""
        from pyarrow import fs

        if is_remote(self.path):
            filesystem, folder = fs.FileSystem.from_uri(self.path)
            return filesystem, folder
        return fs.LocalFileSystem(), os.path.abspath(local_path(self.path))

    def _write(self, names: pa.Array, images: pa.Array) -> list[str]:
        origins = images.field("origin").to_pylist()
        files = [self._name(*row) for row in zip(names.to_pylist(), origins, range(len(names)), strict=True)]
        encoded = _native.encode_images(images, self.format, self.quality).to_pylist()
        with self._named_errors():
            filesystem, folder = self._place()
            filesystem.create_dir(f"{folder}/{self.parts}", recursive=True)
            for name, data in zip(files, encoded, strict=True):
                self._write_file(filesystem, f"{folder}/{self.parts}", f"{folder}/{name}", data)
        return files

    def _write_file(self, filesystem: Any, parts: str, target: str, data: bytes) -> None:
        filesystem.create_dir(os.path.dirname(target), recursive=True)
        part = f"{parts}/{uuid.uuid4().hex}"
        try:
            with filesystem.open_output_stream(part) as stream:
                stream.write(data)
            filesystem.move(part, target)
        except BaseException:
            with contextlib.suppress(OSError):  # frees space on a full disk
                filesystem.delete_file(part)
            raise

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"write_images: {self.path}: cannot be written: {error.strerror or error}"
            raise IoError(with_space(message, self.path, error)) from None

    def remove_parts(self) -> None:
        """Remove the temporary folder, with the partial files of stopped tasks."""
        with contextlib.suppress(Exception):  # this machine may have no access to the folder
            filesystem, folder = self._place()
            filesystem.delete_dir(f"{folder}/{self.parts}")

    def _name(self, name: str | None, origin: str | None, row: int) -> str:
        """Return the file name of a row, with its extension."""
        column = self.name_col
        if name is None:
            column = None
            name = os.path.splitext(re.split(r"[/\\]", origin or "")[-1])[0] or uuid.uuid4().hex
        file = f"{name}.{_EXTENSIONS[self.format]}"
        reason = unsafe_name(name) or unsafe_name(file)
        if reason is None:
            return file
        shown_name = repr(name) if len(name) <= 80 else repr(name[:77]) + "..."
        where = f"column `{column}`" if column is not None else f"the image's origin {origin!r:.200}"
        remedy = "use another name" if column is not None else "set `name_col`"
        raise InvalidParamError(
            f"write_images: {where}, row {row} of the batch: the name {shown_name} {reason}, so it is not the name of a file in the "
            f"target folder; {remedy}"
        )


def _write_table(table: pa.Table, files: Files, image_col: str) -> int:
    from mmlrs.engine.table import batches_of

    image = table[Columns.of(table, "write_images").resolve(image_col)].combine_chunks()
    if not pa.types.is_struct(image.type) or _IMAGE_FIELDS.difference(f.name for f in image.type):
        raise _not_images(image_col, str(image.type))
    if files.name_col is None:
        names = pa.nulls(table.num_rows, pa.string())
    else:
        name = Columns.of(table, "write_images").resolve(files.name_col)
        names = table[name].cast(pa.string()).combine_chunks()
    rows = pa.table({"name": names, "image": image}).filter(image.is_valid())
    counts: dict[str, int] = {}
    for batch in files(batches_of(rows)):
        for name in batch.column("name").to_pylist():
            counts[name] = counts.get(name, 0) + 1
    duplicates = [name for name, count in counts.items() if count > 1]
    return _counted(len(counts), sum(counts.values()), min(duplicates, default=None))


def _write_frame(df: DataFrame, files: Files, image_col: str) -> int:
    from pyspark.sql import functions as F

    image = _image_column(df, image_col)
    name = (
        F.lit(None)
        if files.name_col is None
        else _column(Columns.of(df, "write_images").resolve(files.name_col))
    )
    rows = df.where(image.isNotNull()).select(name.cast("string").alias("name"), image.alias("image"))
    counts = rows.mapInArrow(Sent(files), "name string").groupBy("name").agg(F.count("*").alias("n"))
    totals = counts.agg(F.count("*"), F.sum("n"), F.min(F.when(F.col("n") > 1, F.col("name")))).first()
    return _counted(*totals) if totals is not None else 0


def _counted(files: int, rows: int | None, duplicate: str | None) -> int:
    """Return the number of files, or raise if several rows have one name."""
    if duplicate is not None:
        raise InvalidParamError(
            f"write_images: {rows} images have only {files} names; several are named `{duplicate}`, for example. Each file holds "
            "one of the images of its name. Use a column of unique names as `name_col`"
        )
    return files


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def _image_column(df: DataFrame, name: str) -> Column:
    """Return the column, which must hold image structs."""
    column = Columns.of(df, "write_images").resolve(name)
    kind = df.schema[column].dataType
    if _IMAGE_FIELDS.difference(getattr(kind, "names", ())):
        raise _not_images(name, kind.simpleString())
    return _column(column)


def _not_images(name: str, kind: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"write_images: column `{name}`: has type {kind}; expected an image struct, as ImageTransformer and read_images return"
    )
