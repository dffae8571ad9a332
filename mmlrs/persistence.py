"""Saving and loading stages in Spark's layout, with Spark or without.

`<path>/metadata` holds one line of JSON as Spark ML writes it. Model bytes lie beside it in `<path>/models` as parquet
files of chunks, named in the metadata with their SHA-256, which is checked on loading. A Python function is saved by its
name; its pickle is saved, and unpickled, only where the caller says `allow_pickle`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import mmlrs
from mmlrs._callables import allow_pickle, check_allowed, function_saved_as, is_pickle, loaded_function
from mmlrs._params import HAS_PYSPARK, Params, stage_class
from mmlrs._paths import PathLike, local_path, path_of
from mmlrs.base import class_name, stage_spec
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.models import ModelHandle

if HAS_PYSPARK:
    from pyspark.ml.util import MLReader, MLWriter
else:
    from typing import Generic, TypeVar

    _T = TypeVar("_T")

    class MLWriter:  # type: ignore[no-redef]
        """What Spark's writers derive from, without Spark."""

    class MLReader(Generic[_T]):  # type: ignore[no-redef]
        """What Spark's readers derive from, without Spark."""


__all__ = ["StageReader", "StageWriter", "active_session", "allow_pickle"]

_CHUNK = 64 * 1024 * 1024
_MODELS = pa.schema([("sha256", pa.string()), ("part", pa.int32()), ("data", pa.binary())])


def active_session() -> Any:
    """Return the active Spark session, or None."""
    if not HAS_PYSPARK:
        return None
    from pyspark.sql import SparkSession

    try:
        return SparkSession.getActiveSession()
    except Exception:  # noqa: BLE001 - a Connect session that has ended, say
        return None


def _portable(handle: ModelHandle, kind: str) -> tuple[str, bytes]:
    """Return the content of a model with its side files, or of any other file, and its SHA-256."""
    from mmlrs import _native

    if kind == "file":
        content = handle.read()
        return _native.put_blob(content).sha256, content
    blob = _native.self_contained(json.dumps(handle.to_json()))
    data = _native.get_blob(blob.sha256)
    if data is None:
        raise IoError(f"the model with SHA-256 {blob.sha256} is not in this process")
    return blob.sha256, bytes(data)


class StageWriter(MLWriter):
    """Writes one stage."""

    def __init__(self, stage: Any) -> None:
        super().__init__()
        self.stage = stage
        self.shouldOverwrite = False
        self.shouldPickle = False

    def overwrite(self) -> StageWriter:
        """Replace what lies at the path."""
        self.shouldOverwrite = True
        return self

    def session(self, sparkSession: Any) -> StageWriter:
        """Accept a session, as Spark's writers do."""
        return self

    def allow_pickle(self) -> StageWriter:
        """Save a Python function that cannot be found by its name, such as a lambda, as a pickle."""
        self.shouldPickle = True
        return self

    def save(self, path: PathLike) -> None:
        """Write the stage to a folder; `~` is the home folder."""
        path = path_of(path, f"{self.stage._stage}: the path to save to")
        if self.shouldPickle:
            with allow_pickle():
                self._save(path)
        else:
            self._save(path)

    def _save(self, path: str) -> None:
        spark = active_session()
        metadata, models = self._content(spark)
        if spark is None:
            _write_local(path, metadata, models, overwrite=self.shouldOverwrite)
        else:
            _write_spark(spark, path, metadata, models, overwrite=self.shouldOverwrite)
        for place, stage in _stages_of(self.stage):
            writer = stage.write()
            (writer.overwrite() if self.shouldOverwrite else writer).save(_stage_path(path, place))

    def saveImpl(self, path: PathLike) -> None:
        """Write the stage to a folder; the name Spark's pipelines call."""
        self.save(path)

    def _content(self, spark: Any) -> tuple[str, dict[str, bytes]]:
        stage = self.stage
        models: dict[str, bytes] = {}
        kinds = {param["name"]: param["type"] for param in stage_spec(stage._stage)["params"]}

        for place, inner in _stages_of(stage):
            if not hasattr(inner, "write"):
                param = place.split("/")[0]
                raise InvalidParamError(
                    f"{stage._stage}: param `{param}`: a {class_name(inner)} cannot be saved"
                )

        def plain(param: Any, value: Any) -> Any:
            if isinstance(value, Params):
                return {"stage": class_name(value)}
            if kinds[param.name] == "function":
                return function_saved_as(f"{stage._stage}: param `{param.name}`", value, models)
            if kinds[param.name] == "stage_list":
                return {"stages": [class_name(item) for item in value]}
            if kinds[param.name] == "param_space":
                return _saved_space(stage, param.name, value)
            if not isinstance(value, ModelHandle):
                return value
            sha256, data = _portable(value, kinds[param.name])
            models[sha256] = data
            return {"sha256": sha256}

        def hidden(param: Any, value: Any) -> bool:
            return (
                isinstance(value, ModelHandle) and param in stage._paramMap
            )  # its bytes would be for nothing

        metadata = {
            "class": class_name(stage),
            "timestamp": int(time.time() * 1000),
            "sparkVersion": spark.version if spark is not None else "",
            "uid": stage.uid,
            "paramMap": {p.name: plain(p, v) for p, v in stage._paramMap.items()},
            "defaultParamMap": {
                p.name: plain(p, v) for p, v in stage._defaultParamMap.items() if not hidden(p, v)
            },
            "mmlrsVersion": mmlrs.__version__,
            "language": "Python",
        }
        return json.dumps(metadata), models


def _saved_space(stage: Any, param: str, space: Any) -> Any:
    """Return a space of hyper-parameters, whose values must have a form in JSON."""
    for tuned in space.hyperparams:
        try:
            json.dumps(tuned.values.to_json())
        except TypeError as error:
            raise InvalidParamError(
                f"{stage._stage}: param `{param}`: the values of {tuned.owner}.{tuned.param} cannot be saved: {error}"
            ) from None
    return space.to_json()


def _stages_of(stage: Any) -> list[tuple[str, Any]]:
    """Return the stages that are params of a stage, each with the name of the folder in which it is saved."""
    found = []
    for param, value in stage._paramMap.items():
        if isinstance(value, Params):
            found.append((param.name, value))
        elif isinstance(value, list):
            found += [(f"{param.name}/{i}", item) for i, item in enumerate(value) if isinstance(item, Params)]
    return found


def _stage_path(path: str, place: str) -> str:
    return f"{path}/stages/{place}"


def _load_stage(spark: Any, path: str) -> Any:
    """Read a stage of whatever class its metadata name."""
    name = _read_metadata(spark, path)["class"]
    try:
        return stage_class(name).load(path)
    except TypeError as error:
        raise IoError(f"{path}: {error}") from None


def _chunks(models: dict[str, bytes]) -> Iterable[tuple[str, int, bytes]]:
    for sha256, data in models.items():
        for part in range(0, max(len(data), 1), _CHUNK):
            yield sha256, part // _CHUNK, data[part : part + _CHUNK]


def _write_spark(spark: Any, path: str, metadata: str, models: dict[str, bytes], *, overwrite: bool) -> None:
    mode = "overwrite" if overwrite else "error"
    from pyspark.errors import AnalysisException

    try:
        spark.createDataFrame([(metadata,)], "value string").coalesce(1).write.mode(mode).text(
            f"{path}/metadata"
        )
    except AnalysisException as error:
        if error.getCondition() == "PATH_ALREADY_EXISTS":
            raise IoError(f"{path}: exists already; use write().overwrite()") from None
        raise
    if models:
        rows = list(_chunks(models))
        frame = spark.createDataFrame(rows, "sha256 string, part int, data binary").coalesce(1)
        frame.write.mode(mode).parquet(f"{path}/models")


def _write_local(path: str, metadata: str, models: dict[str, bytes], *, overwrite: bool) -> None:
    path = local_path(path)
    if os.path.exists(path):
        if not overwrite:
            raise IoError(f"{path}: exists already; use write().overwrite()")
        shutil.rmtree(path)
    os.makedirs(f"{path}/metadata")
    with open(f"{path}/metadata/part-00000", "w", encoding="utf-8") as file:
        file.write(metadata + "\n")
    with open(f"{path}/metadata/_SUCCESS", "w", encoding="utf-8"):
        pass
    if models:
        os.makedirs(f"{path}/models")
        columns = [list(column) for column in zip(*_chunks(models), strict=True)]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, _MODELS, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=_MODELS), f"{path}/models/part-00000.parquet")


class StageReader(MLReader[Any]):
    """Reads one stage."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.cls = cls
        self.shouldPickle = False

    def session(self, sparkSession: Any) -> StageReader:
        """Accept a session, as Spark's readers do."""
        return self

    def allow_pickle(self) -> StageReader:
        """Unpickle a Python function that was saved as a pickle, which runs code that the file holds."""
        self.shouldPickle = True
        return self

    def load(self, path: PathLike) -> Any:
        """Read the stage from a folder; `~` is the home folder."""
        path = path_of(path, f"{self.cls.__name__}: the path to load from")
        if self.shouldPickle:
            with allow_pickle():
                return self._load(path)
        return self._load(path)

    def _load(self, path: str) -> Any:
        spark = active_session()
        metadata = _read_metadata(spark, path)
        cls = _class_of(metadata, self.cls, path)
        values = [(n, v) for k in ("paramMap", "defaultParamMap") for n, v in metadata[k].items()]
        hashes = {v["sha256"] for _, v in values if _is_model(v)}
        kinds = {param["name"]: param["type"] for param in stage_spec(cls._stage)["params"]}
        pickles = {n: v for n, v in values if kinds.get(n) == "function" and is_pickle(v)}
        for name, value in pickles.items():
            check_allowed(f"{path}: {cls.__name__}: param `{name}`")
            hashes.add(value["pickle"])
        models = _read_models(spark, path, hashes) if hashes else {}
        stage = cls()
        stage._resetUid(metadata["uid"])
        for kind, target in (("defaultParamMap", stage._defaultParamMap), ("paramMap", stage._paramMap)):
            for name, value in metadata[kind].items():
                if not stage.hasParam(name):
                    raise InvalidParamError(
                        f"{cls.__name__}: {path}: saved with a param `{name}` that does not exist"
                    )
                param = stage.getParam(name)
                _check_saved(f"{path}: {cls.__name__}: param `{name}`", kinds.get(name), value)
                found: Any
                if _is_model(value):
                    found = models[value["sha256"]]
                elif isinstance(value, dict) and set(value) == {"stage"}:
                    found = _load_stage(spark, _stage_path(path, name))
                elif name in pickles:
                    found = loaded_function(f"{path}: {cls.__name__}: param `{name}`", value, models)
                elif isinstance(value, dict) and set(value) == {"stages"}:
                    places = [_stage_path(path, f"{name}/{i}") for i in range(len(value["stages"]))]
                    found = [_load_stage(spark, place) for place in places]
                else:
                    found = value
                try:
                    target[param] = param.typeConverter(found)
                except TypeError as error:
                    raise IoError(f"{path}: {cls.__name__}: param `{name}` {error}") from None
        return stage


def _check_saved(where: str, kind: str | None, value: Any) -> None:
    """Fail on a value that no stage is saved with.

    A path or URI, which a user may give, would be read or fetched here on the word of a file.
    """
    forms = {
        "model": _is_model(value),
        "file": _is_model(value),
        "stage": isinstance(value, dict) and set(value) == {"stage"},
        "stage_list": isinstance(value, dict) and set(value) == {"stages"},
    }
    if kind is not None and not forms.get(kind, True):
        what = "content under its SHA-256" if kind in ("model", "file") else "stages in folders of their own"
        raise IoError(f"{where} must be {what}, got {value!r:.80}; the saved stage is damaged or was changed")


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"sha256"} and len(value["sha256"]) == 64


def _class_of(metadata: dict[str, Any], expected: type, path: str) -> Any:
    """Return the class that was saved, which must be the expected one or derive from it."""
    module, _, name = metadata["class"].rpartition(".")
    if metadata["class"] == f"{expected.__module__}.{expected.__name__}":
        return expected
    if module.split(".")[0] == "mmlrs":
        found = getattr(importlib.import_module(module), name, None)
        if isinstance(found, type) and issubclass(found, expected):
            return found
    found = metadata["class"].replace("org.apache.spark.", "pyspark.")
    raise IoError(
        f"{path}: holds a {found}, not a {expected.__module__}.{expected.__name__}; load it with {found.rpartition('.')[2]}.load"
    )


def _read_metadata(spark: Any, path: str) -> dict[str, Any]:
    if spark is not None:
        from pyspark.errors import AnalysisException

        try:
            line = spark.read.text(f"{path}/metadata").first()
        except AnalysisException as error:
            raise IoError(f"{path}/metadata: cannot be read: {error.getCondition()}") from None
        if line is None:
            raise IoError(f"{path}/metadata: is empty")
        text = line[0]
    else:
        folder = f"{local_path(path)}/metadata"
        if not os.path.isdir(folder):
            raise IoError(f"{folder}: no such folder")
        parts = sorted(name for name in os.listdir(folder) if name.startswith("part-"))
        text = "".join(Path(folder, part).read_text(encoding="utf-8") for part in parts)
    metadata: dict[str, Any] = json.loads(text)
    return metadata


def _read_models(spark: Any, path: str, hashes: set[str]) -> dict[str, bytes]:
    if spark is not None:
        rows = [tuple(row) for row in spark.read.parquet(f"{path}/models").collect()]
    else:
        folder = f"{local_path(path)}/models"
        rows = [tuple(r.values()) for r in pq.read_table(folder, schema=_MODELS).to_pylist()]
    models = {}
    for sha256 in hashes:
        data = b"".join(bytes(chunk) for _, _, chunk in sorted(r for r in rows if r[0] == sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise IoError(f"{path}/models: the model with SHA-256 {sha256} is missing or damaged")
        models[sha256] = data
    return models
