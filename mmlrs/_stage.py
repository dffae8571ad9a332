"""The base of all stages: params, their native form, saving and loading."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pyarrow as pa

from mmlrs import _native
from mmlrs._allowed import names_of
from mmlrs._descriptors import stage_spec
from mmlrs._display import Shown
from mmlrs._names import NamedParams, no_param
from mmlrs._paths import PathLike
from mmlrs._pyspark import HAS_PYSPARK, BaseModel, Param
from mmlrs._typing import Self
from mmlrs.engine.callers import Owner
from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.params import types_of, undefined
from mmlrs.params.stages import stages_in

if HAS_PYSPARK:
    from pyspark.ml.util import MLReadable, MLWritable

    class _Base(NamedParams, MLReadable[Any], MLWritable):
        """The classes that Spark's pipelines expect of every stage."""
else:
    _Base = NamedParams  # type: ignore[assignment, misc]

__all__ = ["Stage"]

#: The parent of a param that belongs to a class rather than to a stage.
_CLASS = str(getattr(undefined(), "uid", undefined()))


class Stage(Shown, _Base):
    """A transformer or an estimator: params, columns, persistence."""

    _stage: ClassVar[str]

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        if not hasattr(type(self), "_stage"):
            raise TypeError(
                f"{type(self).__name__}: a stage needs params; derive it from a stage such as mmlrs.stages.Lambda, not from a "
                "base class"
            )
        super().__init__()
        self._built: tuple[str, str, _native.Stage] | None = None
        self._planned: tuple[_native.Stage, pa.Schema, _native.Plan] | None = None
        #: The stage that errors of rows name instead, if this one is a part of it.
        self._owner: Owner | None = None
        for param in stage_spec(self._stage)["params"]:
            if param["default_uid_suffix"] is not None:
                self._setDefault(**{param["name"]: self.uid + param["default_uid_suffix"]})
            elif param["default"] is not None:
                self._setDefault(**{param["name"]: param["default"]})
        self._setDefault(**self._own_defaults())
        self._set(**{name: value for name, value in (given or {}).items() if value is not None})

    def _own_defaults(self) -> dict[str, Any]:
        """Return defaults that are not in the descriptor."""
        return {}

    def _set(self, **kwargs: Any) -> Self:
        for name, value in kwargs.items():
            if not self.hasParam(name):
                raise no_param(self._stage, name, self._param_names())
            param = self.getParam(name)
            if value is None:
                self._paramMap.pop(param, None)
                continue
            try:
                self._paramMap[param] = param.typeConverter(value)
            except TypeError as error:
                raise InvalidParamError(f"{self._stage}: param `{name}` {error}") from None
        return self

    def set(self, param: Param[Any] | str, value: Any) -> None:
        """Set a param.

        Parameters
        ----------
        param : Param or str
            The param, or its name.
        value : object
            The value. None clears the param, so that it has its default again.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or the value is of the wrong type.
        """
        self._set(**{self._own(param).name: value})

    def _own(self, param: Any) -> Param[Any]:
        """Return this stage's param for a param or a name."""
        if isinstance(param, str):
            return self.getParam(param)
        if not isinstance(param, Param):
            raise InvalidParamError(f"{self._stage}: a param must be a Param or a name, got {param!r}")
        if param.parent not in (self.uid, _CLASS):
            raise InvalidParamError(
                f"{self._stage}: param `{param.name}` belongs to {param.parent}, not to this stage, {self.uid}"
            )
        return self.getParam(param.name)

    def copy(self, extra: Mapping[Any, Any] | None = None) -> Self:
        """Return a copy with the same uid and some params changed; params of stages in its params can be changed too.

        Parameters
        ----------
        extra : dict, optional
            Values by param, or by the name of a param of this stage. A pipeline passes the params of all its stages to each
            stage, so params of other stages are ignored here; `fit` and `transform` refuse them.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or the value is of the wrong type.
        """
        if not isinstance(extra or {}, Mapping):
            raise InvalidParamError(
                f"{self._stage}: the params must be a dict of params and values, got {extra!r}"
            )
        own, others = {}, {}
        for param, value in (extra or {}).items():
            if isinstance(param, Param) and param.parent not in (self.uid, _CLASS):
                others[param] = value
            elif not isinstance(param, Param) or self.hasParam(param.name):
                own[self._own(param)] = value  # a model shares its estimator's uid and ignores its params
        copy: Self = super().copy(own)
        for param, value in list(copy._paramMap.items()) if others else []:
            copy._paramMap[param] = types_of(type(copy)).all[param.name].copied(value, others)
        return copy

    def _with(self, params: Any) -> Self:
        """Return the stage with params for one call; each must belong to this stage or to a stage in its params."""
        if isinstance(params, Mapping) and not isinstance(
            self, BaseModel
        ):  # cross-validation passes a model the params of its estimator
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
        """Return all params that have a value, as JSON for the native core."""
        values, others = {}, types_of(type(self)).others
        known = {param.name: value for param, value in {**self._defaultParamMap, **self._paramMap}.items()}
        for name in sorted(known):
            kind = others.get(name)
            try:
                values[name] = known[name] if kind is None else kind.to_core(known[name])
            except MmlrsError as error:
                raise type(error)(f"{self._stage}: param `{name}`: {error}") from error.__cause__
        # A value without a JSON form is in a space of hyper-parameters, which the core does not read.
        try:
            return json.dumps(values, default=repr, allow_nan=False)
        except ValueError:
            raise self._not_finite(values) from None

    def _not_finite(self, values: dict[str, Any]) -> InvalidParamError:
        """Return the error for the param that has NaN or an infinity, which JSON lacks."""
        for name, value in values.items():
            if re.search(r"\b(NaN|Infinity)\b", json.dumps(value, default=repr)):
                return InvalidParamError(f"{self._stage}: param `{name}` must be finite, got {value!r}")
        return InvalidParamError(f"{self._stage}: a param has no form in JSON")

    def _core(self) -> _native.Stage:
        """Return the native form of the stage; building it checks the params.

        The native form is kept until a param or a file that a param names changes.
        """
        params, built = self._params_json(), self._built
        if built is None or built[:2] != (self.uid, params) or not built[2].is_current():
            self._built = built = (self.uid, params, _native.Stage(self._stage, self.uid, params))
        return built[2]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the native form and the plan; a copy, or another process, builds new ones."""
        return {**vars(self), "_built": None, "_planned": None}

    def _check_params(self) -> None:
        self._core()

    def _columns(self, role: str) -> list[str]:
        """Return the columns that the params of a role name."""
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
        # A column may be read by several params. If several write it, the checks of outputs find it twice.
        return names if role == "output" else list(dict.fromkeys(names))

    def write(self) -> Any:
        """Return the writer, for `stage.write().overwrite().save(path)`."""
        from mmlrs.persistence import StageWriter

        return StageWriter(self)

    def save(self, path: PathLike, *, allow_pickle: bool = False) -> None:
        """Save the stage to a folder that does not exist; models and files are saved along with their SHA-256.

        Parameters
        ----------
        path : path
            The folder; `~` is the home folder. It appears once the whole stage is written.
        allow_pickle : bool, default False
            Save a Python function that cannot be found by its name, such as a lambda, as a pickle.

        Raises
        ------
        InvalidParamError
            A Python function cannot be found by its name.
        IoError
            The path exists already or cannot be written. If the disk is full, the message gives the free space.
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
        """Load a saved stage; only functions that the caller allows can run.

        Parameters
        ----------
        path : path
            The folder; `~` is the home folder.
        allow_pickle : bool, default False
            Unpickle a Python function that was saved as a pickle, which runs code from the file. Use it only for a file that
            you trust. It also allows functions of any name, and SQL that runs programs.
        allow_functions : list of str
            Names of the functions that the stage may call, or of the modules that define them, as
            `mmlrs.allow_functions` takes them. Needed for every function but `mmlrs.testing.reversed_columns`.

        Raises
        ------
        IoError
            The stage does not exist, is damaged, or contains a pickle or names a function that is not allowed.
        InvalidParamError
            The saved stage has an unknown param, or `allow_functions` is not a list of names.
        """
        reader = cls.read().allow_functions(*names_of(allow_functions))
        stage: Self = (reader.allow_pickle() if allow_pickle else reader).load(path)
        return stage
