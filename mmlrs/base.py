"""Base classes of the stages: params, dispatch on the kind of dataset, persistence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import pyarrow as pa

from mmlrs import _native
from mmlrs._allowed import names_of
from mmlrs._descriptors import stage_class, stage_spec, stage_specs
from mmlrs._display import Shown
from mmlrs._names import NamedParams, no_param
from mmlrs._paths import PathLike
from mmlrs._pyspark import HAS_PYSPARK, Param
from mmlrs.engine import table as tables
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.engine.select import with_views, without_views
from mmlrs.errors import InvalidParamError
from mmlrs.params import types_of, undefined
from mmlrs.params.stages import class_name, stages_in

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
    "class_name",
    "is_spark",
    "stage_class",
    "stage_spec",
    "stage_specs",
]


class Stage(Shown, _Base):
    """A transformer or an estimator: params, columns, persistence."""

    _stage: ClassVar[str]

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__()
        self._built: tuple[str, str, _native.Stage] | None = None
        self._planned: tuple[_native.Stage, pa.Schema, _native.Plan] | None = None
        for param in stage_spec(self._stage)["params"]:
            if param["default_uid_suffix"] is not None:
                self._setDefault(**{param["name"]: self.uid + param["default_uid_suffix"]})
            elif param["default"] is not None:
                self._setDefault(**{param["name"]: param["default"]})
        self._setDefault(**self._own_defaults())
        self._set(**{name: value for name, value in given.items() if value is not None})

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
            copy._paramMap[param] = types_of(type(copy)).all[param.name].copied(value, others)
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
        param = vars(self).get(name) or self.getParam(name)
        value = self._paramMap.get(param)
        return self._defaultParamMap.get(param) if value is None else value

    def _params_json(self) -> str:
        """Return every param that has a value, as the native core reads it."""
        values, others = {}, types_of(type(self)).others
        known = {param.name: value for param, value in {**self._defaultParamMap, **self._paramMap}.items()}
        for name in sorted(known):
            kind = others.get(name)
            values[name] = known[name] if kind is None else kind.to_core(known[name])
        # What has no form in JSON is a value in a space of hyper-parameters, which the core does not read.
        try:
            return json.dumps(values, default=repr, allow_nan=False)
        except ValueError:
            raise self._not_finite(values) from None

    def _not_finite(self, values: dict[str, Any]) -> InvalidParamError:
        """Return the error of the param whose value holds NaN or an infinity, which JSON knows not."""
        for name, value in values.items():
            if re.search(r"\b(NaN|Infinity)\b", json.dumps(value, default=repr)):
                return InvalidParamError(f"{self._stage}: param `{name}` must be finite, got {value!r}")
        return InvalidParamError(f"{self._stage}: a param has no form in JSON")

    def _core(self) -> _native.Stage:
        """Return the native form of the stage, which checks the params.

        It is kept until a param changes, or a file that a param names.
        """
        params, built = self._params_json(), self._built
        if built is None or built[:2] != (self.uid, params) or not built[2].is_current():
            self._built = built = (self.uid, params, _native.Stage(self._stage, self.uid, params))
        return built[2]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the native form and the plan behind: a copy, and another process, makes its own."""
        return {**vars(self), "_built": None, "_planned": None}

    def _check_params(self) -> None:
        self._core()

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

    #: Whether a subclass does work before or beside the kernel, which needs checked params; the kernel checks its own.
    _has_body: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = ("_transform_spark", "_transform_table")
        cls._has_body = any(getattr(cls, name) is not getattr(NativeTransformer, name) for name in names)

    def _transform(self, dataset: Any) -> Any:
        if self._has_body:
            self._check_params()
        return super()._transform(dataset)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return tables.transform(self, table)

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        return spark.transform(self, df)


class PythonTransformer(Transformer):
    """A stage whose work is a DataFrame operation; subclasses write `_transform_spark` and `_transform_table`."""

    def _transform(self, dataset: Any) -> Any:
        self._check_params()
        return super()._transform(dataset)

    def _inputs(self, dataset: Any) -> list[str]:
        """Return the input columns as the dataset spells them; fails on a missing one and on an existing output."""
        columns = Columns.of(dataset, self._stage)
        inputs = columns.resolve_all(self._columns("input"))
        columns.check_new(self._columns("output"))
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
        cls = stage_class(fitted["model"])
        types = types_of(cls).all
        given = {key: types[key].from_core(value) for key, value in fitted["params"].items()}
        model = cls(**given)
        return model._resetUid(self.uid)


class NativeSummary(NativeAggregate, Transformer):
    """A stage that describes all rows by a table of its own; subclasses write `_summarize`."""

    def _transform(self, dataset: Any) -> Any:
        self._check_params()
        return super()._transform(dataset)

    def _summarize(self, dataset: Any) -> pa.Table:
        """Return the description of a table or a DataFrame."""
        raise NotImplementedError

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return self._summarize(table)

    def _transform_spark(self, df: Any) -> Any:
        return df.sparkSession.createDataFrame(self._summarize(df))
