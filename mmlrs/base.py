"""Base classes of the stages: params, dispatch on the kind of dataset, persistence."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import pyarrow as pa

from mmlrs import _native
from mmlrs._allowed import names_of
from mmlrs._callables import name_of
from mmlrs._names import NamedParams, no_param
from mmlrs._params import HAS_PYSPARK, Param, Params, stages_in, undefined
from mmlrs._paths import PathLike
from mmlrs.engine import table as tables
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.engine.expr import Expr, Node, Source, Value, check_new, compile_program, resolve_all
from mmlrs.engine.select import with_views, without_views
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if HAS_PYSPARK:
    from pyspark.ml import Estimator as _Estimator
    from pyspark.ml import Model as _Model
    from pyspark.ml import Transformer as _Transformer
    from pyspark.ml.util import MLReadable, MLWritable

    class _Base(NamedParams, MLReadable[Any], MLWritable):
        """What Spark's pipelines expect of every stage."""
else:
    _Base = NamedParams  # type: ignore[assignment, misc]

    class _Transformer:  # type: ignore[no-redef]
        """What Spark's transformers derive from, without Spark."""

    class _Estimator:  # type: ignore[no-redef]
        """What Spark's estimators derive from, without Spark."""

    class _Model:  # type: ignore[no-redef]
        """What Spark's models derive from, without Spark."""


__all__ = [
    "Estimator",
    "NativeAggregate",
    "NativeEstimator",
    "NativeModel",
    "NativeSummary",
    "NativeTransformer",
    "PythonModel",
    "PythonTransformer",
    "Stage",
    "Transformer",
    "is_spark",
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


_warned: set[str] = set()


def _program_of(node: Node, fields: list[pa.Field]) -> tuple[Any, pa.Schema]:
    """Return the program of one node over source columns, and the schema of those in its order."""
    compiled = compile_program([Value(node, None, "valid")])
    by_name = {field.name: field for field in fields}
    return _native.Program(compiled.text), pa.schema([by_name[name] for name in compiled.columns])


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
        self._setDefault(**self._own_defaults())
        self._set(**{name: value for name, value in given.items() if value is not None})

    def _check_loaded(self, where: str) -> None:
        """Fail on a value that would run a program on the word of a file; `where` begins the message."""

    def _own_defaults(self) -> dict[str, Any]:
        """Return defaults that are not in the descriptor."""
        return {}

    def _set(self, **kwargs: Any) -> Self:
        for name, value in kwargs.items():
            if value is None:
                continue
            if not self.hasParam(name):
                raise no_param(self._stage, name, self._param_names())
            param = self.getParam(name)
            try:
                self._paramMap[param] = param.typeConverter(value)
            except TypeError as error:
                raise InvalidParamError(f"{self._stage}: param `{name}` {error}") from None
        return self

    def set(self, param: Param[Any] | str, value: Any) -> None:
        """Set a param, given by itself or by its name.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or the value is of the wrong type.
        """
        self._set(**{self._own(param).name: value})

    def _own(self, param: Any) -> Param[Any]:
        """Return a param of this stage, given by itself or by its name."""
        if isinstance(param, str):
            return self.getParam(param)
        if not isinstance(param, Param):
            raise InvalidParamError(f"{self._stage}: takes params, or their names, got {param!r}")
        if param.parent not in (self.uid, _NOBODY):
            raise InvalidParamError(
                f"{self._stage}: param `{param.name}` of {param.parent} is none of this stage, {self.uid}"
            )
        return self.getParam(param.name)

    def copy(self, extra: Mapping[Any, Any] | None = None) -> Self:
        """Return a copy with the same uid and some params changed, of this stage and of the stages in its params.

        Parameters
        ----------
        extra : dict, optional
            Values by param, or by the name of one of this stage's own. A pipeline gives every stage the params of all
            its stages, so those of other stages are passed over here; `fit` and `transform` refuse them.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or the value is of the wrong type.
        """
        if not isinstance(extra or {}, Mapping):
            raise InvalidParamError(f"{self._stage}: takes a dict of params and values, got {extra!r}")
        own, others = {}, {}
        for param, value in (extra or {}).items():
            if isinstance(param, Param) and param.parent not in (self.uid, _NOBODY):
                others[param] = value
            elif not isinstance(param, Param) or self.hasParam(param.name):
                own[self._own(param)] = value  # a model passes over those of its estimator, whose uid it has
        copy: Self = super().copy(own)
        for param, value in list(copy._paramMap.items()) if others else []:
            if isinstance(value, Params):
                copy._paramMap[param] = value.copy(others)
            elif isinstance(value, list) and any(isinstance(item, Params) for item in value):
                copy._paramMap[param] = [item.copy(others) for item in value]
        return copy

    def _with(self, params: Any) -> Self:
        """Return the stage with params for one call, each of which must be of this stage or of one in its params."""
        if not params:
            return self
        if isinstance(params, Mapping) and not isinstance(
            self, _Model
        ):  # cross-validation gives a model the params of its estimator
            known = {stage.uid for stage in stages_in(self)} - {self.uid}
            for param in params:
                if not isinstance(param, Param) or param.parent not in known:
                    self._own(param)
        return self.copy(params)

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
        found = {name: plain(value) for name, value in values.items()}
        try:
            return json.dumps(found, default=repr, allow_nan=False)
        except ValueError:
            raise self._not_finite(found) from None

    def _not_finite(self, values: dict[str, Any]) -> InvalidParamError:
        """Return the error of the param whose value holds NaN or an infinity, which JSON knows not."""
        for name, value in values.items():
            if re.search(r"\b(NaN|Infinity)\b", json.dumps(value, default=repr)):
                return InvalidParamError(f"{self._stage}: param `{name}` must be finite, got {value!r}")
        return InvalidParamError(f"{self._stage}: a param has no form in JSON")

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

    def _portable(self) -> tuple[str, tuple[_native.Blob, ...]]:
        """Return the params with models and files in a form that other processes can use, and the blobs they need."""
        values = self._params_json()
        if not any(param["type"] in ("model", "file") for param in stage_spec(self._stage)["params"]):
            return values, ()
        blobs = _native.portable_blobs(self._stage, self.uid, values)
        if blobs:
            values = json.dumps({**json.loads(values), **{k: {"sha256": b.sha256} for k, b in blobs.items()}})
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
            The folder; `~` is the home folder. It appears when all of the stage is written.
        allow_pickle : bool, default False
            Save a Python function that cannot be found by its name, such as a lambda, as a pickle.

        Raises
        ------
        InvalidParamError
            A Python function cannot be found by its name.
        IoError
            There is something at the path already, or it cannot be written; on a full disk the message tells the space.
        """
        writer = self.write()
        (writer.allow_pickle() if allow_pickle else writer).save(path)

    @classmethod
    def read(cls) -> Any:
        """Return the reader."""
        from mmlrs.persistence import StageReader

        return StageReader(cls)

    @classmethod
    def load(cls, path: PathLike, *, allow_pickle: bool = False, allow_functions: Iterable[str] = ()) -> Self:
        """Load a stage that was saved; nothing runs that the caller does not allow.

        Parameters
        ----------
        path : path
            The folder; `~` is the home folder.
        allow_pickle : bool, default False
            Unpickle a Python function that was saved as a pickle, which runs code that the file holds. Say so only of a file
            that you trust. It allows functions of any name too, and SQL that runs programs.
        allow_functions : list of str
            Names of the functions that the stage may call, or of the modules that define them, as
            `mmlrs.allow_functions` takes them. Needed for every function but `mmlrs.testing.reversed_columns`.

        Raises
        ------
        IoError
            There is no such stage, it is damaged, or it holds a pickle or names a function that is not allowed.
        InvalidParamError
            It has a param that does not exist, or `allow_functions` is no list of names.
        """
        reader = cls.read().allow_functions(*names_of(allow_functions))
        stage: Self = (reader.allow_pickle() if allow_pickle else reader).load(path)
        return stage


#: The owner of a param of a class, which no stage has copied.
_NOBODY = undefined()


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
        return self._with(params)._transform(dataset)

    def _transform(self, dataset: Any) -> Any:
        self._check_params()
        if is_spark(dataset):
            return self._transform_spark(dataset)
        if is_table(dataset):
            return tables.on_table(dataset, self._on_table, moves=self._moves_rows())
        raise refused(self._stage, "transform", dataset)

    def _on_table(self, table: pa.Table) -> pa.Table:
        # Rust reads text and bytes in any form; of views pyarrow cannot compare or group rows.
        if isinstance(self, NativeTransformer):
            return self._transform_table(table)
        plain = without_views(table)
        return with_views(self._transform_table(plain), plain, table)

    def _moves_rows(self) -> bool:
        """May the result have other rows than the dataset?"""
        skips = self.hasParam("handleInvalid") and self._value("handleInvalid") == "skip"
        return skips or not isinstance(self, NativeTransformer)

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

    def _planned(self, node: Node, field_of: Callable[[Source], pa.Field]) -> tuple[Node, dict[str, Value]]:
        """Return the node with the params that follow from its inputs, and the values it makes by column, errors included.

        `field_of` gives the fields of source columns. Those of other stages' columns are known since those stages were
        planned, so the plan of a stage costs the same at the end of a chain as at its beginning.
        """
        read = [
            pa.field(name, f.type, f.nullable, f.metadata)
            for name, expr in node.inputs
            for f in [field_of(expr) if isinstance(expr, Source) else expr.field]
        ]
        alone = replace(node, inputs=tuple((name, Source(name)) for name, _ in node.inputs))
        program, sources = _program_of(alone, read)
        found = json.loads(program.bound_params(sources))
        if found:
            node, alone = (
                replace(n, params=json.dumps({**json.loads(n.params), **found})) for n in (node, alone)
            )
            program, sources = _program_of(alone, read)
        self._warn(program.notes())
        values = [Value(node, field.name, field=field) for field in program.announce(sources)]
        error_col = self._value("errorCol") if self.hasParam("errorCol") else None
        if error_col is not None:
            values.append(Value(node, None, "reasons", pa.field(error_col, pa.string())))
        made: dict[str, Value] = {}
        for value in values:
            if value.field.name in made:
                raise SchemaMismatchError(
                    f"{self._stage}: column `{value.field.name}`: would be written twice"
                )
            made[value.field.name] = value
        return node, made

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return tables.transform(self, table)

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        return spark.transform(self, df)


class PythonTransformer(Transformer):
    """A stage whose work is a DataFrame operation; subclasses write `_transform_spark` and `_transform_table`."""

    def _inputs(self, columns: list[str], *, ignore_case: bool) -> list[str]:
        """Return the input columns as the dataset spells them; fails on a missing one and on an existing output."""
        inputs = resolve_all(self._columns("input"), columns, self._stage, ignore_case=ignore_case)
        check_new(self._columns("output"), columns, self._stage, ignore_case=ignore_case)
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
        return self._with(params)._fit(dataset)

    def _fit(self, dataset: Any) -> Any:
        self._check_params()
        if is_spark(dataset):
            return self._fit_spark(dataset)
        if is_table(dataset):
            return self._fit_table(without_views(tables.to_table(dataset)))
        raise refused(self._stage, "fit on", dataset)

    def _fit_spark(self, df: Any) -> Any:
        raise NotImplementedError

    def _fit_table(self, table: pa.Table) -> Any:
        raise NotImplementedError


class NativeAggregate(Stage):
    """A stage that reads all rows into mergeable states of the native core: one job on Spark."""

    def _inputs(self) -> list[str]:
        inputs: list[str] = _native.stage_inputs(self._stage, self.uid, self._params_json())
        return inputs

    def _finished(self, dataset: Any) -> Any:
        """Return what the state of all rows ends as."""
        if isinstance(dataset, pa.Table):
            return json.loads(tables.fit(self, dataset))
        from mmlrs.engine import spark

        return json.loads(spark.fit(self, dataset))


class NativeEstimator(NativeAggregate, Estimator):
    """An estimator whose work is done by the native core."""

    def _fit_table(self, table: pa.Table) -> Any:
        return self._model(self._finished(table))

    def _fit_spark(self, df: Any) -> Any:
        return self._model(self._finished(df))

    def _model(self, fitted: dict[str, Any]) -> Any:
        """Return the model of the class and with the params that were fitted."""
        from mmlrs.models import ModelHandle

        name = fitted["model"]
        kinds = {param["name"]: param["type"] for param in stage_spec(name)["params"]}
        given = {
            k: ModelHandle.from_json(v) if kinds[k] in ("model", "file") and v is not None else v
            for k, v in fitted["params"].items()
        }
        model = stage_class(name)(**given)
        return model._resetUid(self.uid)


class NativeSummary(NativeAggregate, Transformer):
    """A stage that describes all rows by a table of its own; subclasses write `_summarize`."""

    def _summarize(self, dataset: Any) -> pa.Table:
        """Return the description of a table or a DataFrame."""
        raise NotImplementedError

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return self._summarize(table)

    def _transform_spark(self, df: Any) -> Any:
        return df.sparkSession.createDataFrame(self._summarize(df))


def stage_class(name: str) -> Any:
    """Return the public class of a stage."""
    return getattr(importlib.import_module(f"mmlrs.{stage_spec(name)['module']}"), name)
