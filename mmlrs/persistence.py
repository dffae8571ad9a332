"""Save and load stages in Spark's layout, with or without Spark.

`<path>/metadata` holds one line of JSON as Spark ML writes it. `<path>/models` holds model bytes as parquet files of chunks.
The metadata refer to them by SHA-256, which is checked on loading. `<path>/stages` holds nested stages. A Python function is
saved by name, which is imported only if the caller allows it. Functions are pickled and unpickled only with `allow_pickle`. The
folder appears at its path when it is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import mmlrs
from mmlrs._allowed import allow_functions, allow_pickle, names_of
from mmlrs._paths import PathLike, local_path, path_of
from mmlrs._places import Place, atomic_folder, named_errors
from mmlrs._pyspark import HAS_PYSPARK
from mmlrs._saved import (
    MODELS,
    Saved,
    class_of,
    load_stage,
    read_models,
    read_saved,
    stage_path,
)
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.params import Loading, Saving, types_of
from mmlrs.params.spaces import not_in_metadata
from mmlrs.params.stages import class_name, stages_in

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mmlrs._stage import Stage

if HAS_PYSPARK:
    from pyspark.ml.util import MLReader, MLWriter
else:
    from typing import Generic, TypeVar

    _T = TypeVar("_T")

    class MLWriter:  # type: ignore[no-redef]
        """The base class of writers without Spark."""

    class MLReader(Generic[_T]):  # type: ignore[no-redef]
        """The base class of readers without Spark."""


__all__ = ["StageReader", "StageWriter", "active_session", "allow_functions", "allow_pickle", "locally"]

_CHUNK = 64 * 1024 * 1024


#: Whether stages are saved and loaded without a session that is active.
_LOCALLY: ContextVar[bool] = ContextVar("mmlrs_locally", default=False)


@contextlib.contextmanager
def locally() -> Iterator[None]:
    """Within this block, save and load stages in this machine's files, even if a Spark session with others is active."""
    token = _LOCALLY.set(True)
    try:
        yield
    finally:
        _LOCALLY.reset(token)


def active_session() -> Any:
    """Return the active Spark session, or None; None within `locally`."""
    if not HAS_PYSPARK or _LOCALLY.get():
        return None
    from pyspark.sql import SparkSession

    try:
        return SparkSession.getActiveSession()
    except Exception:  # noqa: BLE001 - such as a Connect session that has ended
        return None


class StageWriter(MLWriter):
    """Writes a stage to a folder.

    Examples
    --------
    >>> import tempfile
    >>> from mmlrs.stages import SelectColumns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     SelectColumns(cols=["a"]).write().overwrite().save(f"{folder}/stage")
    ...     SelectColumns.read().load(f"{folder}/stage")
    SelectColumns(cols=['a'])
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.shouldOverwrite = False
        self.shouldPickle = False

    def overwrite(self) -> StageWriter:
        """Replace an existing stage at the path."""
        self.shouldOverwrite = True
        return self

    def session(self, sparkSession: Any) -> StageWriter:
        """Return the writer. The session is ignored; the method exists for compatibility with Spark's writers."""
        return self

    def allow_pickle(self) -> StageWriter:
        """Save a Python function that cannot be imported by name, such as a lambda, as a pickle."""
        self.shouldPickle = True
        return self

    def save(self, path: PathLike) -> None:
        """Write the stage to a folder; `~` is the home folder.

        Raises
        ------
        IoError
            There is something at the path and `overwrite` was not called, or the folder cannot be written.
        InvalidParamError
            A param holds a value that cannot be saved.
        """
        where = f"{self.stage._stage}: the path to save to"
        path = path_of(path, where)
        if not path:
            raise InvalidParamError(f"{where} must not be empty")
        with contextlib.ExitStack() as stack:
            if self.shouldPickle:
                stack.enter_context(allow_pickle())
            stack.enter_context(named_errors(path, f"the {self.stage._stage} cannot be saved"))
            self._save(path)

    def _save(self, path: str) -> None:
        spark = active_session()
        content = self._content(spark)
        with atomic_folder(spark, path, overwrite=self.shouldOverwrite) as place:
            self._write(spark, place, content)

    def _write(
        self, spark: SparkSession | None, place: Place, content: tuple[dict[str, Any], dict[str, bytes]]
    ) -> None:
        """Write the stage to a folder. The metadata are written last, because they make the folder a stage."""
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
        """Write the stage to a folder. Spark's pipelines call this method."""
        self.save(path)

    def _content(self, spark: SparkSession | None) -> tuple[dict[str, Any], dict[str, bytes]]:
        stage = self.stage
        blobs: dict[str, bytes] = {}
        types = types_of(stage.__class__).all

        for place, inner in _stages_of(stage):
            if not hasattr(inner, "write"):
                param = place.split("/")[0]
                raise InvalidParamError(
                    f"{stage._stage}: param `{param}`: a {class_name(inner)} cannot be saved"
                )

        def saved(values: dict[Any, Any]) -> dict[str, Any]:
            return {
                param.name: types[param.name].to_saved(
                    value, Saving(f"{stage._stage}: param `{param.name}`", stage, blobs)
                )
                for param, value in values.items()
            }

        # The content of an unused default need not be saved.
        defaults = {
            param: value
            for param, value in stage._defaultParamMap.items()
            if types[param.name].is_json or param not in stage._paramMap
        }
        metadata = {
            "class": class_name(stage),
            "timestamp": int(time.time() * 1000),
            "sparkVersion": spark.version if spark is not None else "",
            "uid": stage.uid,
            "paramMap": saved(stage._paramMap),
            "defaultParamMap": saved(defaults),
            "mmlrsVersion": mmlrs.__version__,
            "language": "Python",
        }
        return metadata, blobs


def _stages_of(stage: Stage) -> list[tuple[str, Any]]:
    """Return the stages that are params of a stage, each with the name of the folder to save it in."""
    types = types_of(stage.__class__).all
    return [
        (f"{param.name}{place}", inner)
        for param, value in stage._paramMap.items()
        for place, inner in types[param.name].stages(value)
    ]


def _chunks(models: dict[str, bytes]) -> Iterable[tuple[str, int, bytes]]:
    for sha256, data in models.items():
        for part in range(0, max(len(data), 1), _CHUNK):
            yield sha256, part // _CHUNK, data[part : part + _CHUNK]


def _write_metadata(spark: SparkSession | None, folder: str, text: str) -> None:
    if spark is not None:
        frame = spark.createDataFrame([(text,)], "value string")
        frame.coalesce(1).write.mode("overwrite").text(folder)
        return
    folder = local_path(folder)
    os.makedirs(folder)
    Path(folder, "part-00000").write_text(text + "\n", encoding="utf-8")
    Path(folder, "_SUCCESS").touch()


def _write_models(spark: SparkSession | None, folder: str, models: dict[str, bytes]) -> None:
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
    """Reads a stage from a folder."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.cls = cls
        self.shouldPickle = False
        self.allowedFunctions: frozenset[str] = frozenset()

    def session(self, sparkSession: Any) -> StageReader:
        """Return the reader. The session is ignored; the method exists for compatibility with Spark's readers."""
        return self

    def allow_pickle(self) -> StageReader:
        """Unpickle a Python function that was saved as a pickle. This runs code from the file."""
        self.shouldPickle = True
        return self

    def allow_functions(self, *names: str) -> StageReader:
        """Let the stage call functions of these names, in the forms of `mmlrs.allow_functions`."""
        self.allowedFunctions |= names_of(names)
        return self

    def load(self, path: PathLike) -> Any:
        """Read the stage from a folder; `~` is the home folder.

        Raises
        ------
        IoError
            There is no stage at the path, it is damaged or of another class, or it holds a pickle, a function or SQL that
            the caller does not allow.
        """
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
        stage = cls()
        types = types_of(stage.__class__).all
        blobs = _blobs_of(spark, saved, stage, path)
        stage._resetUid(saved.uid)
        for key, target in (("defaultParamMap", stage._defaultParamMap), ("paramMap", stage._paramMap)):
            for name, value in saved.maps[key].items():
                param, where = stage.getParam(name), f"{path}: {cls.__name__}: param `{name}`"
                loading = Loading(
                    where, name, lambda place: load_stage(spark, stage_path(saved.folder, place)), blobs
                )
                converted = types[name].from_saved(value, loading)
                try:
                    target[param] = param.typeConverter(converted)
                except (TypeError, ValueError, KeyError, RecursionError) as error:
                    raise IoError(f"{where} {error}") from None
        _check_spaces(stage, path)
        if _checks_itself(stage):
            stage._check_loaded(path)
        return stage


def _blobs_of(spark: SparkSession | None, saved: Saved, stage: Stage, path: str) -> dict[str, bytes]:
    """Return the content beside the metadata by its SHA-256. Raise if a saved param does not exist or has no valid form."""
    cls, types = type(stage).__name__, types_of(stage.__class__).all
    hashes: set[str] = set()
    for values in saved.maps.values():
        for name, value in values.items():
            if name not in types:
                raise InvalidParamError(f"{cls}: {path}: saved with a param `{name}` that does not exist")
            where = f"{path}: {cls}: param `{name}`"
            types[name].check_saved(where, value)
            hashes.update(types[name].saved_blobs(where, value))
    return read_models(spark, saved.folder, hashes) if hashes else {}


def _check_spaces(stage: Stage, path: str) -> None:
    """Raise if the values of a hyper-parameter space would make a stage read a file or run code because the file says so."""
    for param in [p for p in stage.params if hasattr(stage._paramMap.get(p), "hyperparams")]:
        for tuned in stage._paramMap[param].hyperparams:
            where = f"{path}: {stage._stage}: param `{param.name}`: the values of {tuned.owner}.{tuned.param}"
            choices = getattr(tuned.values, "choices", [])
            problem = not_in_metadata(stage, tuned)
            if problem is None and any(isinstance(value, dict) for value in choices):
                problem = "are maps"
            if problem is not None:
                raise IoError(f"{where} {problem}; the saved stage is damaged or was changed")
            for owner in stages_in(stage):
                if owner.uid == tuned.stage and _checks_itself(owner):
                    for value in choices:
                        owner.copy({tuned.param: value})._check_loaded(where)


def _checks_itself(stage: Stage) -> bool:
    """Return whether a stage checks its loaded values, because they could run a program."""
    return hasattr(type(stage), "_check_loaded")
