"""Read the folder of a saved stage without trusting it. Every error is one of mmlrs that names the path."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmlrs._paths import local_path
from mmlrs._places import content_folder, in_session, named_errors
from mmlrs._sql import check_statement
from mmlrs.errors import IoError
from mmlrs.params.stages import class_named

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "MODELS",
    "Saved",
    "class_of",
    "load_stage",
    "read_models",
    "read_saved",
    "stage_path",
]

#: The schema of stored models: chunks of bytes, each with the SHA-256 of the whole model.
MODELS = pa.schema([("sha256", pa.string()), ("part", pa.int32()), ("data", pa.binary())])

_INCOMPLETE = "incomplete: saved by a process that did not finish"


@dataclass(frozen=True)
class Saved:
    """The metadata of a saved stage, with checked types.

    Parameters
    ----------
    name : str
        Full name of the class.
    uid : str
        The uid.
    maps : dict of dict
        `paramMap` and `defaultParamMap`: the values of params by name.
    folder : str
        Folder of the models and nested stages.
    """

    name: str
    uid: str
    maps: dict[str, dict[str, Any]]
    folder: str


def stage_path(folder: str, place: str) -> str:
    """Return the folder of a nested stage."""
    return f"{folder}/stages/{place}"


def read_saved(spark: SparkSession | None, path: str) -> Saved:
    """Read the metadata of a stage.

    Raises
    ------
    IoError
        The metadata is missing or damaged.
    """
    metadata = _parsed(f"{path}/metadata", _text(spark, path))
    maps = {key: metadata.get(key) for key in ("paramMap", "defaultParamMap")}
    for key, kind in (("class", str), ("uid", str), ("paramMap", dict), ("defaultParamMap", dict)):
        if not isinstance(metadata.get(key), kind):
            raise IoError(
                f"{path}/metadata: `{key}` must be {'a string' if kind is str else 'a map'}, got {metadata.get(key)!r:.80}; "
                "the saved stage is damaged"
            )
    for text in (metadata["class"], metadata["uid"]):
        text.encode()  # raises on a lone UTF-16 surrogate
    folder = content_folder(path, metadata.get("content"))
    return Saved(metadata["class"], metadata["uid"], maps, folder)  # type: ignore[arg-type]


def _parsed(where: str, text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IoError(f"{where}: is not JSON: {error}; the saved stage is damaged") from None
    if not isinstance(metadata, dict):
        raise IoError(f"{where}: must be a map, got {type(metadata).__name__}; the saved stage is damaged")
    return metadata


def _text(spark: SparkSession | None, path: str) -> str:
    """Return the text of the metadata."""
    text = _text_local(path) if spark is None else _text_spark(spark, path)
    if not text.strip():
        raise IoError(f"{path}/metadata: is empty; the stage is {_INCOMPLETE}")
    return text


def _text_local(path: str) -> str:
    folder = f"{local_path(path)}/metadata"
    if not os.path.isdir(folder):
        if os.path.isdir(local_path(path)):
            raise IoError(f"{path}: has no metadata; it is not a stage, or {_INCOMPLETE}")
        if os.path.exists(local_path(path)):
            raise IoError(f"{path}: is a file; a saved stage is a folder")
        raise IoError(f"{path}: no such folder")
    parts = sorted(name for name in os.listdir(folder) if name.startswith("part-"))
    try:
        return "".join(Path(folder, part).read_text(encoding="utf-8") for part in parts)
    except UnicodeDecodeError:
        raise IoError(f"{folder}: is not UTF-8; the saved stage is damaged") from None


def _text_spark(spark: SparkSession, path: str) -> str:
    from pyspark.errors import AnalysisException

    from mmlrs.engine.versions import condition_of

    try:
        return "\n".join(row[0] for row in spark.read.text(f"{path}/metadata").take(1000))
    except AnalysisException as error:
        condition = condition_of(error)
        if condition == "PATH_NOT_FOUND" and in_session(spark).exists(path):
            raise IoError(
                f"{path}: has no metadata ({condition}); it is not a stage, or {_INCOMPLETE}"
            ) from None
        raise IoError(f"{path}/metadata: cannot be read: {condition}") from None


def class_of(saved: Saved, expected: type, path: str) -> Any:
    """Return the class that was saved. It must be the expected class or a subclass."""
    if saved.name == f"{expected.__module__}.{expected.__name__}":
        return expected
    cls = None
    if saved.name.startswith("mmlrs."):
        try:
            cls = class_named(saved.name)
        except TypeError as error:
            raise IoError(f"{path}: the class {error}") from None
    if isinstance(cls, type) and issubclass(cls, expected):
        return cls
    name = saved.name.replace("org.apache.spark.", "pyspark.")[:200]
    raise IoError(
        f"{path}: holds a {name}, not a {expected.__module__}.{expected.__name__}; load it with {name.rpartition('.')[2]}.load"
    )


def read_models(spark: SparkSession | None, folder: str, hashes: set[str]) -> dict[str, bytes]:
    """Read models and files by their SHA-256, which is checked."""
    where = f"{folder}/models"
    with named_errors(where, "cannot be read"):
        if spark is not None:
            schema = "sha256 string, part int, data binary"
            rows = [tuple(row) for row in spark.read.schema(schema).parquet(where).collect()]
        else:
            rows = _rows_of(local_path(where))
        models = {}
        for sha256 in hashes:
            chunks = sorted((part, data) for name, part, data in rows if name == sha256)
            models[sha256] = b"".join(bytes(data) for _, data in chunks)
    for sha256, data in models.items():
        if hashlib.sha256(data).hexdigest() != sha256:
            raise IoError(f"{where}: the model with SHA-256 {sha256} is missing or damaged")
    return models


def _rows_of(folder: str) -> list[tuple[Any, ...]]:
    """Return the rows of the parquet files in a folder. `read_table` would import pandas, which takes longer than reading."""
    rows: list[tuple[Any, ...]] = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".parquet") and not name.startswith((".", "_")):
            with pq.ParquetFile(f"{folder}/{name}") as file:
                table = file.read()
            columns = [table.column(field.name).cast(field.type).to_pylist() for field in MODELS]
            rows += zip(*columns, strict=True)
    return rows


def load_stage(spark: SparkSession | None, path: str) -> Any:
    """Read a stage of the class in its metadata, if that class is allowed."""
    name = _class_in(f"{path}/metadata", _text(spark, path))
    cls = _class_named(path, name)
    if not hasattr(cls, "_stage"):  # not a stage of mmlrs
        _check_within(spark, path)
    with named_errors(path, f"the {cls.__name__} cannot be loaded"):
        return cls.load(path)


def _class_in(where: str, text: str) -> str:
    name = _parsed(where, text).get("class")
    if not isinstance(name, str):
        raise IoError(f"{where}: `class` must be a string, got {name!r:.80}; the saved stage is damaged")
    return name


def _class_named(path: str, name: str) -> Any:
    try:
        cls = class_named(name)
    except TypeError as error:
        raise IoError(f"{path}: the class {error}") from None
    if not callable(getattr(cls, "load", None)):
        raise IoError(f"{path}: a {name:.200} cannot be loaded")
    return cls


def _check_within(spark: SparkSession | None, path: str) -> None:
    """Check the classes and statements of stages nested in a Spark stage.

    The readers of Spark's pipelines and searches import any module that the metadata name, before they check its content.
    """
    for where, text in _metadata_within(spark, path):
        _class_named(where, _class_in(where, text))
        for maps in ("paramMap", "defaultParamMap"):
            params = _parsed(where, text).get(maps)
            if not isinstance(params, dict):
                continue
            if isinstance(params.get("statement"), str):
                check_statement(f"{where}: param `statement`", params["statement"])
            uids = params.get("stageUids")
            for uid in uids if isinstance(uids, list) else []:
                # Spark makes a path of it, in which `..` leaves the folder and `*` matches several.
                if not (isinstance(uid, str) and _is_plain(uid)):
                    raise IoError(
                        f"{where}: {uid!r:.80} is not the uid of a stage; the saved stage is damaged"
                    )


def _is_plain(name: str) -> bool:
    """Return whether Spark and Hadoop take the name literally in a path."""
    return re.fullmatch(r"[\w.-]+", name) is not None and not name.startswith(".")


def _metadata_within(spark: SparkSession | None, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the lines of all metadata in a folder and its subfolders."""
    if spark is None:
        return
    with named_errors(path, "cannot be read"):
        files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)
        names = [row[0] for row in files.select("path").collect()]
        # Spark reads metadata from a folder of parts or from one file.
        paths = [place for place in names if "/metadata/" in place or place.endswith("/metadata")]
        lines = spark.read.text(paths).selectExpr("value", "_metadata.file_path AS path").collect()
    for line in lines:
        if line.value.strip():
            yield line.path.rpartition("/")[0], line.value
