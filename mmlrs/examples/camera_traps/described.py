"""Features of the pictures of a study, computed once and kept for all variants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs.engine.versions import frame_of, table_of
from mmlrs.errors import DecodeError
from mmlrs.examples.camera_traps.variants import Settings, features_of
from mmlrs.image import ImageTransformer, read_binary_files

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["Described", "describe"]

#: Columns of features, and the pictures from which they are computed.
_KINDS = {"pixels": "image", "pooled": "image", "spatial": "image", "mirrored": "mirror"}


@dataclass(frozen=True)
class Described:
    """The pictures that can be read, with their features, and the others.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The columns of the table of pictures, and `pixels`, `pooled`, `spatial` and `mirrored` (the map of the mirror image). It is
        persisted: call `unpersist` at the end.
    table : pyarrow.Table
        The rows of the pictures that can be read, without features, in the order of the pictures.
    failures : dict of str to str
        Why each of the other pictures cannot be read.
    """

    frame: DataFrame
    table: pa.Table
    failures: dict[str, str]


def describe(spark: SparkSession, images: Path, table: pa.Table, settings: Settings) -> Described:
    """Compute the features of all pictures in one pass over the files.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        The session.
    images : Path
        The folder of the pictures.
    table : pyarrow.Table
        A row per picture, with the column `file`.
    settings : Settings
        Network and pooling.

    Raises
    ------
    DecodeError
        No picture can be read.
    """
    from pyspark.sql import functions as F

    pictures = _files(spark, images).join(F.broadcast(frame_of(spark, table)), "file")
    made = (
        ImageTransformer(inputCol="image", outputCol="mirror", handleInvalid="keep", errorCol="mirror_error")
        .flip()
        .transform(pictures)
    )
    reasons = ["unread", "mirror_error"]
    for kind, source in _KINDS.items():
        for stage in features_of("spatial" if kind == "mirrored" else kind, settings, source, kind):
            reason = f"{stage.getOutputCol()}_error"
            made = stage.copy({"handleInvalid": "keep", "errorCol": reason}).transform(made)
            reasons.append(reason)
    why = F.coalesce(*reasons).alias("reason")
    frame = made.select(*table.column_names, *_KINDS, why).persist()
    read = table_of(frame.select("file", "reason"))
    found = dict(zip(read["file"].to_pylist(), read["reason"].to_pylist(), strict=True))
    # Spark skips empty files.
    failures = {
        file: found.get(file, "the file is empty or cannot be read")
        for file in table["file"].to_pylist()
        if found.get(file, "") is not None
    }
    if len(failures) == table.num_rows:
        file, why = next(iter(failures.items()))
        frame.unpersist()
        raise DecodeError(f"camera_traps: param `images`: no picture can be read; {file}: {why}")
    good = pa.array([file not in failures for file in table["file"].to_pylist()])
    return Described(frame.where("reason is null").drop("reason"), table.filter(good), failures)


def _files(spark: SparkSession, images: Path) -> DataFrame:
    """Return the files of a folder: their paths below it as `file`, and `image`, a struct of path and bytes."""
    from pyspark.sql import functions as F

    files = read_binary_files(spark, _literal(str(images.resolve())), inspect_zip=False, error_col="unread")
    image = F.struct(F.col("path"), F.col("content").alias("bytes")).alias("image")
    return files.select(_below(F.col("path"), images), image, "unread")


def _below(path: Column, images: Path) -> Column:
    """Return the part of a path of Spark, such as file:/traps/C01/1.jpg, below the folder."""
    from pyspark.sql import functions as F

    root = str(images.resolve()).rstrip("/") + "/"
    return F.substring(path, F.instr(path, root) + len(root), F.length(path)).alias("file")


def _literal(path: str) -> str:
    """Return a path as a glob that means just this path."""
    return "".join(f"\\{letter}" if letter in "\\*?[]{}" else letter for letter in path)
