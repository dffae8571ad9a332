"""Saving and loading stages in Spark's layout, with Spark or without.

`<path>/metadata` holds one line of JSON as Spark ML writes it. Model bytes lie beside it in `<path>/models` as parquet
files of chunks, named in the metadata with their SHA-256, which is checked on loading, stages within a stage in
`<path>/stages`. A Python function is saved by its name, which is looked up only where the caller allows it; its pickle is
saved, and unpickled, only where the caller says `allow_pickle`. The folder appears when all of it is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import mmlrs
from mmlrs._allowed import allow_functions, allow_pickle, names_of
from mmlrs._callables import check_allowed, function_saved_as, is_pickle, loaded_function
from mmlrs._params import HAS_PYSPARK, Params, stages_in
from mmlrs._paths import PathLike, local_path, path_of
from mmlrs._places import Place, named_errors, saved_whole
from mmlrs._saved import (
    MODELS,
    Saved,
    check_form,
    class_of,
    is_model,
    load_stage,
    read_models,
    read_saved,
    stage_path,
)
from mmlrs.base import Stage, class_name, stage_spec
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


__all__ = ["StageReader", "StageWriter", "active_session", "allow_functions", "allow_pickle"]

_CHUNK = 64 * 1024 * 1024
#: Kinds of params whose values are not in the metadata themselves.
_ASIDE = ("model", "file", "function", "stage", "stage_list")


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
        where = f"{self.stage._stage}: the path to save to"
        path = path_of(path, where)
        if not path:
            raise InvalidParamError(f"{where} must be that of a folder, got an empty one")
        with contextlib.ExitStack() as stack:
            if self.shouldPickle:
                stack.enter_context(allow_pickle())
            stack.enter_context(named_errors(path, f"the {self.stage._stage} cannot be saved"))
            self._save(path)

    def _save(self, path: str) -> None:
        spark = active_session()
        content = self._content(spark)
        with saved_whole(spark, path, overwrite=self.shouldOverwrite) as place:
            self._write(spark, place, content)

    def _write(self, spark: Any, place: Place, content: tuple[dict[str, Any], dict[str, bytes]]) -> None:
        """Write the stage to a folder; the metadata last, without which it is none."""
        metadata, models = content
        if models:
            _write_models(spark, f"{place.inside}/models", models)
        for name, stage in _stages_of(self.stage):
            folder = stage_path(place.inside, name)
            writer = stage.write()
            if isinstance(writer, StageWriter):
                writer._write(spark, Place(folder), writer._content(spark))
            else:
                writer.save(folder)
        if place.content:
            metadata = {**metadata, "content": place.content}
        _write_metadata(spark, f"{place.folder}/metadata", json.dumps(metadata))

    def saveImpl(self, path: PathLike) -> None:
        """Write the stage to a folder; the name Spark's pipelines call."""
        self.save(path)

    def _content(self, spark: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
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
        return metadata, models


def _saved_space(stage: Any, param: str, space: Any) -> Any:
    """Return a space of hyper-parameters, whose values must have a form in JSON."""
    for tuned in space.hyperparams:
        why = _not_plain(stage, tuned)
        if why is not None:
            raise InvalidParamError(
                f"{stage._stage}: param `{param}`: the values of {tuned.owner}.{tuned.param} cannot be saved: they {why}"
            )
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


def _chunks(models: dict[str, bytes]) -> Iterable[tuple[str, int, bytes]]:
    for sha256, data in models.items():
        for part in range(0, max(len(data), 1), _CHUNK):
            yield sha256, part // _CHUNK, data[part : part + _CHUNK]


def _write_metadata(spark: Any, folder: str, text: str) -> None:
    if spark is not None:
        frame = spark.createDataFrame([(text,)], "value string")
        frame.coalesce(1).write.mode("overwrite").text(folder)
        return
    folder = local_path(folder)
    os.makedirs(folder)
    Path(folder, "part-00000").write_text(text + "\n", encoding="utf-8")
    Path(folder, "_SUCCESS").touch()


def _write_models(spark: Any, folder: str, models: dict[str, bytes]) -> None:
    if spark is not None:
        frame = spark.createDataFrame(list(_chunks(models)), "sha256 string, part int, data binary")
        frame.coalesce(1).write.parquet(folder)
        return
    os.makedirs(local_path(folder))
    columns = [list(column) for column in zip(*_chunks(models), strict=True)]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, MODELS, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=MODELS)
    pq.write_table(table, f"{local_path(folder)}/part-00000.parquet")


class StageReader(MLReader[Any]):
    """Reads one stage."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.cls = cls
        self.shouldPickle = False
        self.allowedFunctions: frozenset[str] = frozenset()

    def session(self, sparkSession: Any) -> StageReader:
        """Accept a session, as Spark's readers do."""
        return self

    def allow_pickle(self) -> StageReader:
        """Unpickle a Python function that was saved as a pickle, which runs code that the file holds."""
        self.shouldPickle = True
        return self

    def allow_functions(self, *names: str) -> StageReader:
        """Let the stage call functions of these names, which `mmlrs.allow_functions` describes."""
        self.allowedFunctions |= names_of(names)
        return self

    def load(self, path: PathLike) -> Any:
        """Read the stage from a folder; `~` is the home folder."""
        path = path_of(path, f"{self.cls.__name__}: the path to load from")
        with contextlib.ExitStack() as stack:
            if self.shouldPickle:
                stack.enter_context(allow_pickle())
            stack.enter_context(allow_functions(*self.allowedFunctions))
            stack.enter_context(named_errors(path, f"the {self.cls.__name__} cannot be loaded"))
            return self._load(path)

    def _load(self, path: str) -> Any:
        spark = active_session()
        saved = read_saved(spark, path)
        cls = class_of(saved, self.cls, path)
        kinds = _checked_kinds(saved, cls, path)
        models = _models_of(spark, saved, cls, path, kinds)
        stage = cls()
        stage._resetUid(saved.uid)
        for key, target in (("defaultParamMap", stage._defaultParamMap), ("paramMap", stage._paramMap)):
            for name, value in saved.maps[key].items():
                param, where = stage.getParam(name), f"{path}: {cls.__name__}: param `{name}`"
                found = _found(spark, saved.folder, where, kinds[name], name, value, models)
                try:
                    target[param] = param.typeConverter(found)
                except (TypeError, ValueError, KeyError, RecursionError) as error:
                    raise IoError(f"{where} {error}") from None
        _check_spaces(stage, path)
        stage._check_loaded(path)
        return stage


def _checked_kinds(saved: Saved, cls: Any, path: str) -> dict[str, str]:
    """Return the kinds of the params by name; all that are saved must exist, with values of their form."""
    kinds = {param["name"]: param["type"] for param in stage_spec(cls._stage)["params"]}
    for values in saved.maps.values():
        for name, value in values.items():
            if name not in kinds:
                raise InvalidParamError(
                    f"{cls.__name__}: {path}: saved with a param `{name}` that does not exist"
                )
            check_form(f"{path}: {cls.__name__}: param `{name}`", kinds[name], value)
    return kinds


def _models_of(spark: Any, saved: Saved, cls: Any, path: str, kinds: dict[str, str]) -> dict[str, bytes]:
    """Read the models, files and pickles of a stage by their SHA-256."""
    hashes = set()
    for values in saved.maps.values():
        for name, value in values.items():
            if kinds[name] in ("model", "file"):
                hashes.add(value["sha256"])
            elif kinds[name] == "function" and is_pickle(value):
                check_allowed(f"{path}: {cls.__name__}: param `{name}`")
                hashes.add(value["pickle"])
    return read_models(spark, saved.folder, hashes) if hashes else {}


def _found(
    spark: Any, folder: str, where: str, kind: str, name: str, value: Any, models: dict[str, bytes]
) -> Any:
    """Return what a value in the metadata stands for."""
    if is_model(value) and kind in ("model", "file"):
        return models[value["sha256"]]
    if kind == "stage":
        return load_stage(spark, stage_path(folder, name))
    if kind == "stage_list":
        return [load_stage(spark, stage_path(folder, f"{name}/{i}")) for i in range(len(value["stages"]))]
    if kind == "function" and is_pickle(value):
        return loaded_function(where, value, models)
    return value


def _check_spaces(stage: Any, path: str) -> None:
    """Fail on a space of hyper-parameters with values that a stage in a search would read or run on the word of a file."""
    for param in [p for p in stage.params if hasattr(stage._paramMap.get(p), "hyperparams")]:
        for tuned in stage._paramMap[param].hyperparams:
            where = f"{path}: {stage._stage}: param `{param.name}`: the values of {tuned.owner}.{tuned.param}"
            choices = getattr(tuned.values, "choices", [])
            why = _not_plain(stage, tuned)
            if why is None and any(isinstance(value, dict) for value in choices):
                why = "are maps"
            if why is not None:
                raise IoError(f"{where} {why}; the saved stage is damaged or was changed")
            for owner in stages_in(stage):
                if owner.uid == tuned.stage and _checks_itself(owner):
                    for value in choices:
                        owner.copy({tuned.param: value})._check_loaded(where)


def _checks_itself(stage: Any) -> bool:
    return isinstance(stage, Stage) and type(stage)._check_loaded is not Stage._check_loaded


def _not_plain(stage: Any, tuned: Any) -> str | None:
    """Return why the values of a hyper-parameter have no form in the metadata, or None where they have one."""
    for owner in stages_in(stage):
        if owner.uid == tuned.stage and hasattr(owner, "_stage"):
            kinds = {param["name"]: param["type"] for param in stage_spec(owner._stage)["params"]}
            if kinds.get(tuned.param) in _ASIDE:
                return "are models, files, functions or stages, which a saved space does not hold"
    return None
