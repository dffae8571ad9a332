"""Base classes of the stages: params, dispatch on the kind of dataset, persistence."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import pyarrow as pa

from mmlrs import _native
from mmlrs._callables import name_of
from mmlrs._params import HAS_PYSPARK, Param, Params
from mmlrs._paths import PathLike
from mmlrs.engine import table as tables
from mmlrs.engine.expr import Expr, Node, Source, Value, compile_program, resolve
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if HAS_PYSPARK:
    from pyspark.ml import Estimator as _Estimator
    from pyspark.ml import Model as _Model
    from pyspark.ml import Transformer as _Transformer
    from pyspark.ml.util import MLReadable, MLWritable

    class _Base(Params, MLReadable[Any], MLWritable):
        """What Spark's pipelines expect of every stage."""
else:
    _Base = Params  # type: ignore[assignment, misc]

    class _Transformer:  # type: ignore[no-redef]
        """What Spark's transformers derive from, without Spark."""

    class _Estimator:  # type: ignore[no-redef]
        """What Spark's estimators derive from, without Spark."""

    class _Model:  # type: ignore[no-redef]
        """What Spark's models derive from, without Spark."""


__all__ = [
    "Estimator",
    "NativeEstimator",
    "NativeModel",
    "NativeTransformer",
    "PythonModel",
    "PythonTransformer",
    "Stage",
    "Transformer",
    "stage_spec",
    "stage_specs",
]


@lru_cache(maxsize=1)
def stage_specs() -> dict[str, dict[str, Any]]:
    """Return the descriptor of every stage by class name."""
    return {spec["name"]: spec for spec in json.loads(_native.stage_specs())}


def stage_spec(name: str) -> dict[str, Any]:
    """Return the descriptor of one stage."""
    return stage_specs()[name]


def is_spark(dataset: Any) -> bool:
    """Is this a Spark DataFrame, classic or Connect?"""
    return type(dataset).__module__.startswith("pyspark.sql.")


_warned: set[str] = set()


def class_name(stage: Any) -> str:
    """Return the full name of a stage's class."""
    return f"{type(stage).__module__}.{type(stage).__name__}"


class Stage(_Base):
    """A transformer or an estimator: params, columns, persistence."""

    _stage: ClassVar[str]

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__()
        for param in stage_spec(self._stage)["params"]:
            if param["default_uid_suffix"] is not None:
                self._setDefault(**{param["name"]: self.uid + param["default_uid_suffix"]})
            elif param["default"] is not None:
                self._setDefault(**{param["name"]: param["default"]})
        self._set(**{name: value for name, value in given.items() if value is not None})

    def _set(self, **kwargs: Any) -> Self:
        for name, value in kwargs.items():
            if value is None:
                continue
            if not self.hasParam(name):
                raise InvalidParamError(f"{self._stage}: there is no param `{name}`")
            param = self.getParam(name)
            try:
                self._paramMap[param] = param.typeConverter(value)
            except TypeError as error:
                raise InvalidParamError(f"{self._stage}: param `{name}` {error}") from None
        return self

    def set(self, param: Param[Any], value: Any) -> None:
        """Set a param.

        Raises
        ------
        InvalidParamError
            The value is of the wrong type.
        """
        self._set(**{param.name: value})

    def _value(self, name: str) -> Any:
        param = self.getParam(name)
        return self.getOrDefault(param) if self.isDefined(param) else None

    def _params_json(self) -> str:
        """Return every param that has a value, as the native core reads it."""
        values = {p.name: self._value(p.name) for p in self.params if self.isDefined(p)}

        def plain(value: Any) -> Any:
            if isinstance(value, Params):
                return {"class": class_name(value), "uid": value.uid}
            if isinstance(value, list):
                return [plain(item) for item in value]
            if callable(value):
                return {"function": name_of(value)}
            return value.to_json() if hasattr(value, "to_json") else value

        # What has no form in JSON is a value in a space of hyper-parameters, which the core does not read.
        return json.dumps({name: plain(value) for name, value in values.items()}, default=repr)

    def _check_params(self) -> None:
        _native.check_params(self._stage, self.uid, self._params_json())

    def _columns(self, role: str) -> list[str]:
        """Return the columns that params of a role name."""
        names: list[str] = []
        for param in stage_spec(self._stage)["params"]:
            if param["role"] != role:
                continue
            value = self._value(param["name"])
            if isinstance(value, dict):
                names += value.values() if role == "input" else value.keys()
            elif isinstance(value, list):
                names += value
            elif value is not None:
                names.append(value)
        return list(dict.fromkeys(names))

    def _portable(self) -> tuple[str, tuple[str, ...]]:
        """Return the params with models and files in a form that other processes can use, and the blobs they need."""
        values = self._params_json()
        if not any(param["type"] in ("model", "file") for param in stage_spec(self._stage)["params"]):
            return values, ()
        blobs: dict[str, str] = _native.portable_blobs(self._stage, self.uid, values)
        if blobs:
            values = json.dumps({**json.loads(values), **{k: {"sha256": v} for k, v in blobs.items()}})
        return values, tuple(blobs.values())

    def _vector_inputs(self) -> frozenset[str]:
        """Return the input columns whose Spark ML vectors the stage reads as they are, sparse ones too."""
        names: list[str] = []
        for param in stage_spec(self._stage)["params"]:
            if "sparsevector" in param["accepts"]:
                value = self._value(param["name"])
                names += [value] if isinstance(value, str) else (value or [])
        return frozenset(names)

    def _warn(self, notes: Iterable[str]) -> None:
        """Tell the user something, once per process."""
        for note in notes:
            if note not in _warned:
                _warned.add(note)
                warnings.warn(note, UserWarning, stacklevel=4)

    def write(self) -> Any:
        """Return the writer, for `stage.write().overwrite().save(path)`."""
        from mmlrs.persistence import StageWriter

        return StageWriter(self)

    def save(self, path: PathLike, *, allow_pickle: bool = False) -> None:
        """Save the stage to a folder that does not exist; models and files are saved along with their SHA-256.

        Parameters
        ----------
        path : path
            The folder; `~` is the home folder.
        allow_pickle : bool, default False
            Save a Python function that cannot be found by its name, such as a lambda, as a pickle.

        Raises
        ------
        InvalidParamError
            A Python function cannot be found by its name.
        """
        writer = self.write()
        (writer.allow_pickle() if allow_pickle else writer).save(path)

    @classmethod
    def read(cls) -> Any:
        """Return the reader."""
        from mmlrs.persistence import StageReader

        return StageReader(cls)

    @classmethod
    def load(cls, path: PathLike, *, allow_pickle: bool = False) -> Self:
        """Load a stage that was saved; nothing is unpickled or evaluated.

        Parameters
        ----------
        path : path
            The folder; `~` is the home folder.
        allow_pickle : bool, default False
            Unpickle a Python function that was saved as a pickle, which runs code that the file holds. Say so only of a file
            that you trust.

        Raises
        ------
        IoError
            There is no such stage, it is damaged, or it holds a pickle.
        """
        reader = cls.read()
        stage: Self = (reader.allow_pickle() if allow_pickle else reader).load(path)
        return stage


def _unknown_dataset(stage: Stage, work: str, dataset: Any) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{stage._stage}: cannot {work} a {type(dataset).__module__}.{type(dataset).__qualname__}; expected a "
        "Spark DataFrame, a pandas DataFrame, or an object with the Arrow PyCapsule interface"
    )


class Transformer(Stage, _Transformer):
    """A transformer on Spark DataFrames, Arrow tables and pandas DataFrames."""

    def transform(self, dataset: Any, params: Any = None) -> Any:
        """Return the dataset with the stage's columns.

        Parameters
        ----------
        dataset : pyspark.sql.DataFrame, pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame or Arrow PyCapsule object
            The rows. Spark DataFrames stay lazy; the others are processed now.
        params : dict, optional
            Params for this call only.

        Returns
        -------
        object
            The same kind of object; a `pyarrow.Table` for an Arrow object of unknown kind.

        Raises
        ------
        MmlrsError
            A param, a column or a row cannot be used; the message names it.
        """
        stage = self.copy(params) if params else self
        return stage._transform(dataset)

    def _transform(self, dataset: Any) -> Any:
        self._check_params()
        if is_spark(dataset):
            return self._transform_spark(dataset)
        if tables.is_table(dataset):
            return tables.on_table(dataset, self._transform_table)
        raise _unknown_dataset(self, "transform", dataset)

    def _transform_spark(self, df: Any) -> Any:
        raise NotImplementedError

    def _transform_table(self, table: pa.Table) -> pa.Table:
        raise NotImplementedError


class NativeTransformer(Transformer):
    """A stage whose work is a kernel of the native core; it keeps the row count."""

    def _node(self, bind: Callable[[list[str]], tuple[tuple[str, Expr], ...]], *, portable: bool) -> Node:
        """Return this stage as a node of a program; `portable` puts models in a form that other processes can use."""
        inputs = bind(_native.stage_inputs(self._stage, self.uid, self._params_json()))
        values, blobs = self._portable() if portable else (self._params_json(), ())
        return Node(self._stage, self.uid, values, inputs, blobs)

    def _bound(self, node: Node, field_of: Callable[[Source], pa.Field]) -> Node:
        """Return the node with the params that follow from its input columns, such as the levels in their metadata."""
        compiled = compile_program([Value(node, None, "valid")])
        sources = pa.schema([field_of(source) for source in compiled.sources])
        found = json.loads(_native.Program(compiled.text).bound_params(sources))
        if not found:
            return node
        return replace(node, params=json.dumps({**json.loads(node.params), **found}))

    def _announce(self, node: Node, field_of: Callable[[Source], pa.Field]) -> list[pa.Field]:
        """Return the fields the stage adds, the error column included; `field_of` gives those of source columns."""
        compiled = compile_program([Value(node, None, "valid")])
        sources = pa.schema([field_of(source) for source in compiled.sources])
        program = _native.Program(compiled.text)
        fields = list(program.announce(sources))
        self._warn(program.notes())
        error_col = self._value("errorCol") if self.hasParam("errorCol") else None
        if error_col is not None:
            fields.append(pa.field(error_col, pa.string()))
        seen: set[str] = set()
        for field in fields:
            if field.name in seen:
                raise SchemaMismatchError(f"{self._stage}: column `{field.name}`: would be written twice")
            seen.add(field.name)
        return fields

    def _output_value(self, node: Node, name: str) -> Value:
        """Return the value behind one of the announced columns."""
        if self.hasParam("errorCol") and name == self._value("errorCol"):
            return Value(node, None, "reasons")
        return Value(node, name)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return tables.transform(self, table)

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        return spark.transform(self, df)


class PythonTransformer(Transformer):
    """A stage whose work is a DataFrame operation; subclasses write `_transform_spark` and `_transform_table`."""

    def _inputs(self, columns: list[str], *, ignore_case: bool) -> list[str]:
        """Return the input columns as the dataset spells them; fails on a missing one and on an existing output."""
        inputs = [
            resolve(name, columns, self._stage, ignore_case=ignore_case) for name in self._columns("input")
        ]
        taken = {name.lower() if ignore_case else name for name in columns}
        for name in self._columns("output"):
            if (name.lower() if ignore_case else name) in taken:
                raise SchemaMismatchError(f"{self._stage}: column `{name}`: exists already")
        return inputs


class NativeModel(NativeTransformer, _Model):
    """A native transformer that an estimator made."""


class PythonModel(PythonTransformer, _Model):
    """A transformer written in Python that an estimator made."""


class Estimator(Stage, _Estimator):  # type: ignore[type-arg, unused-ignore]
    """An estimator on Spark DataFrames, Arrow tables and pandas DataFrames."""

    def fit(self, dataset: Any, params: Any = None) -> Any:
        """Fit a model.

        Parameters
        ----------
        dataset : pyspark.sql.DataFrame, pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame or Arrow PyCapsule object
            The rows.
        params : dict or list of dict, optional
            Params for this call only; a list gives one model for each.

        Returns
        -------
        Model or list of Model
            The model has the estimator's uid and its params.

        Raises
        ------
        MmlrsError
            A param or a column cannot be used; the message names it.
        """
        if isinstance(params, list | tuple):
            return [self.fit(dataset, one) for one in params]
        stage = self.copy(params) if params else self
        return stage._fit(dataset)

    def _fit(self, dataset: Any) -> Any:
        self._check_params()
        if is_spark(dataset):
            return self._fit_spark(dataset)
        if tables.is_table(dataset):
            return self._fit_table(tables.to_table(dataset))
        raise _unknown_dataset(self, "fit on", dataset)

    def _fit_spark(self, df: Any) -> Any:
        raise NotImplementedError

    def _fit_table(self, table: pa.Table) -> Any:
        raise NotImplementedError


class NativeEstimator(Estimator):
    """An estimator whose work is a mergeable summary made by the native core: one job on Spark."""

    def _inputs(self) -> list[str]:
        inputs: list[str] = _native.stage_inputs(self._stage, self.uid, self._params_json())
        return inputs

    def _fit_table(self, table: pa.Table) -> Any:
        return self._model(*tables.fit(self, table))

    def _fit_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        return self._model(*spark.fit(self, df))

    def _model(self, name: str, values: str) -> Any:
        """Return the model of that class with those params."""
        from mmlrs.models import ModelHandle

        given = {
            k: ModelHandle.from_json(v) if isinstance(v, dict) and set(v) <= {"sha256", "path"} else v
            for k, v in json.loads(values).items()
        }
        model = stage_class(name)(**given)
        return model._resetUid(self.uid)


def stage_class(name: str) -> Any:
    """Return the public class of a stage."""
    return getattr(importlib.import_module(f"mmlrs.{stage_spec(name)['module']}"), name)
