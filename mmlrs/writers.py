"""Writing image columns as files."""

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
    df : DataFrame
        With a column of image structs: of Spark, or any table that the stages take.
    path : path
        Folder that every worker can write: local, `~` is the home folder, or any URI that `pyarrow.fs` knows.
    image_col : str
        The image column.
    name_col : str, optional
        Column with the files' names, without extension; `a/b` is the file `b` in the folder `a`. Where it is null, and
        without it, the name is the base name of the image's origin, or else a number that no other file has.
    format : {"png", "jpeg"}
        PNG keeps every pixel.
    quality : int
        JPEG quality, 1 to 100.

    Returns
    -------
    int
        Number of files written. Null images are not written.

    Raises
    ------
    InvalidParamError
        A name is not that of a file below the folder on every system: it is empty, leads through `..`, is absolute, has a
        drive letter, a backslash or a control character, is too long or a device of Windows. Or several rows have the
        same name; their file holds one of them.
    IoError
        A file cannot be written.

    Notes
    -----
    A file is written in a folder of its own beside the others, `.mmlrs-*.part`, and renamed when complete, so a task that is
    retried leaves no half file. That folder is removed at the end, also after an error.
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
    """Writes the images of batches with the columns `name` and `image`, and returns their names: what `mapInArrow` calls."""

    path: str
    name_col: str | None
    format: str
    quality: int
    parts: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the names of the files below the folder."""
        for batch in batches:
            names = self._write(batch.column("name"), batch.column("image"))
            yield pa.RecordBatch.from_pydict({"name": pa.array(names, pa.string())})

    def _place(self) -> tuple[Any, str]:
        """Return the file system and the folder in it."""
        from pyarrow import fs

        if is_remote(self.path):
            filesystem, folder = fs.FileSystem.from_uri(self.path)
            return filesystem, folder
        return fs.LocalFileSystem(), os.path.abspath(local_path(self.path))

    def _write(self, names: pa.Array, images: pa.Array) -> list[str]:
        origins = images.field("origin").to_pylist()
        found = [
            self._name(*given) for given in zip(names.to_pylist(), origins, range(len(names)), strict=True)
        ]
        encoded = _native.encode_images(images, self.format, self.quality).to_pylist()
        with self._named_errors():
            filesystem, folder = self._place()
            filesystem.create_dir(f"{folder}/{self.parts}", recursive=True)
            for name, data in zip(found, encoded, strict=True):
                self._write_file(filesystem, f"{folder}/{self.parts}", f"{folder}/{name}", data)
        return found

    def _write_file(self, filesystem: Any, parts: str, target: str, data: bytes) -> None:
        filesystem.create_dir(os.path.dirname(target), recursive=True)
        part = f"{parts}/{uuid.uuid4().hex}"
        try:
            with filesystem.open_output_stream(part) as stream:
                stream.write(data)
            filesystem.move(part, target)
        except BaseException:
            with contextlib.suppress(OSError):  # of a disk that is full every byte counts
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
        """Remove what tasks that were stopped left."""
        with contextlib.suppress(Exception):  # this machine need not see the folder
            filesystem, folder = self._place()
            filesystem.delete_dir(f"{folder}/{self.parts}")

    def _name(self, name: str | None, origin: str | None, row: int) -> str:
        """Return the name of a file with its extension."""
        column = self.name_col
        if name is None:
            column = None
            name = os.path.splitext(re.split(r"[/\\]", origin or "")[-1])[0] or uuid.uuid4().hex
        file = f"{name}.{_EXTENSIONS[self.format]}"
        why = unsafe_name(name) or unsafe_name(file)
        if why is None:
            return file
        shown = repr(name) if len(name) <= 80 else repr(name[:77]) + "..."
        where = f"column `{column}`" if column is not None else f"the image's origin {origin!r:.200}"
        remedy = "give another name" if column is not None else "give names with `name_col`"
        raise InvalidParamError(
            f"write_images: {where}, row {row} of the batch: the name {shown} {why}, so it is none of a file in the target "
            f"folder; {remedy}"
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
    written: dict[str, int] = {}
    for batch in files(batches_of(rows)):
        for name in batch.column("name").to_pylist():
            written[name] = written.get(name, 0) + 1
    doubled = [name for name, count in written.items() if count > 1]
    return _counted(len(written), sum(written.values()), min(doubled, default=None))


def _write_frame(df: DataFrame, files: Files, image_col: str) -> int:
    from pyspark.sql import functions as F

    image = _image_column(df, image_col)
    name = (
        F.lit(None)
        if files.name_col is None
        else _column(Columns.of(df, "write_images").resolve(files.name_col))
    )
    rows = df.where(image.isNotNull()).select(name.cast("string").alias("name"), image.alias("image"))
    written = rows.mapInArrow(files, "name string").groupBy("name").agg(F.count("*").alias("n"))
    totals = written.agg(F.count("*"), F.sum("n"), F.min(F.when(F.col("n") > 1, F.col("name")))).first()
    return _counted(*totals) if totals is not None else 0


def _counted(files: int, rows: int | None, doubled: str | None) -> int:
    """Return the number of files, which must be that of the rows."""
    if doubled is not None:
        raise InvalidParamError(
            f"write_images: {rows} images have only {files} names, for instance several are `{doubled}`; each file holds one "
            "of the images of its name. Give each row a name of its own with `name_col`"
        )
    return files


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def _image_column(df: DataFrame, name: str) -> Column:
    """Return the column, which must hold image structs."""
    found = Columns.of(df, "write_images").resolve(name)
    kind = df.schema[found].dataType
    if _IMAGE_FIELDS.difference(getattr(kind, "names", ())):
        raise _not_images(name, kind.simpleString())
    return _column(found)


def _not_images(name: str, kind: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"write_images: column `{name}`: has type {kind}; expected an image struct, as ImageTransformer and read_images make"
    )
