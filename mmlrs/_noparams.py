"""The part of `pyspark.ml.param` that stages use, for environments without pyspark."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from typing import Any

__all__ = [
    "HasFeaturesCol",
    "HasHandleInvalid",
    "HasInputCol",
    "HasInputCols",
    "HasLabelCol",
    "HasNumFeatures",
    "HasOutputCol",
    "HasOutputCols",
    "HasParallelism",
    "HasSeed",
    "HasWeightCol",
    "Param",
    "Params",
]


class Param:
    """A param with its documentation and its type converter."""

    def __init__(self, parent: Any, name: str, doc: str, typeConverter: Callable[[Any], Any]) -> None:
        self.parent = getattr(parent, "uid", parent)
        self.name = name
        self.doc = doc
        self.typeConverter = typeConverter

    def _copy_new_parent(self, parent: Any) -> Param:
        param = copy.copy(self)
        param.parent = parent.uid
        return param

    def __hash__(self) -> int:
        """Hash by owner and name."""
        return hash(f"{self.parent}__{self.name}")

    def __eq__(self, other: object) -> bool:
        """Compare by owner and name."""
        return isinstance(other, Param) and self.parent == other.parent and self.name == other.name


class Params:
    """An object with params, values and defaults."""

    def __init__(self) -> None:
        self.uid = f"{type(self).__name__}_{uuid.uuid4().hex[-12:]}"
        self._paramMap: dict[Param, Any] = {}
        self._defaultParamMap: dict[Param, Any] = {}
        for name in dir(type(self)):
            value = getattr(type(self), name, None)
            if isinstance(value, Param):
                setattr(self, name, value._copy_new_parent(self))

    @staticmethod
    def _dummy() -> Any:
        return "undefined"

    @property
    def params(self) -> list[Param]:
        """All params of this object, sorted by name."""
        return sorted((v for v in vars(self).values() if isinstance(v, Param)), key=lambda p: p.name)

    def getParam(self, paramName: str) -> Param:
        """Return the param of that name."""
        param = getattr(self, paramName, None)
        if isinstance(param, Param):
            return param
        raise ValueError(f"Cannot find param with name {paramName}.")

    def hasParam(self, paramName: str) -> bool:
        """Return whether there is a param of that name."""
        return isinstance(getattr(self, paramName, None), Param)

    def isSet(self, param: str | Param) -> bool:
        """Return whether the user has set the param."""
        return self._resolveParam(param) in self._paramMap

    def hasDefault(self, param: str | Param) -> bool:
        """Return whether the param has a default."""
        return self._resolveParam(param) in self._defaultParamMap

    def isDefined(self, param: str | Param) -> bool:
        """Return whether there is a value, set or default."""
        return self.isSet(param) or self.hasDefault(param)

    def getOrDefault(self, param: str | Param) -> Any:
        """Return the value, set or default."""
        resolved = self._resolveParam(param)
        return self._paramMap[resolved] if resolved in self._paramMap else self._defaultParamMap[resolved]

    def explainParams(self) -> str:
        """Return the documentation of every param with its values."""
        lines = []
        for param in self.params:
            parts = []
            if self.hasDefault(param):
                parts.append(f"default: {self._defaultParamMap[param]}")
            if self.isSet(param):
                parts.append(f"current: {self._paramMap[param]}")
            lines.append(f"{param.name}: {param.doc} ({', '.join(parts) or 'undefined'})")
        return "\n".join(lines)

    def set(self, param: Param, value: Any) -> None:
        """Set a param."""
        self._set(**{param.name: value})

    def clear(self, param: Param) -> None:
        """Remove the value that the user set."""
        self._paramMap.pop(self._resolveParam(param), None)

    def copy(self, extra: dict[Param, Any] | None = None) -> Any:
        """Return a copy with the same uid and some params changed."""
        that = copy.copy(self)
        that._paramMap = dict(self._paramMap)
        that._defaultParamMap = dict(self._defaultParamMap)
        for param, value in (extra or {}).items():
            that._set(**{param.name: value})
        return that

    def _resolveParam(self, param: str | Param) -> Param:
        return self.getParam(param if isinstance(param, str) else param.name)

    def _set(self, **kwargs: Any) -> Any:
        for name, value in kwargs.items():
            if value is not None:
                param = self.getParam(name)
                self._paramMap[param] = param.typeConverter(value)
        return self

    def _setDefault(self, **kwargs: Any) -> Any:
        for name, value in kwargs.items():
            self._defaultParamMap[self.getParam(name)] = value
        return self

    def _resetUid(self, newUid: Any) -> Any:
        self.uid = str(newUid)
        for kind in ("_paramMap", "_defaultParamMap"):
            setattr(self, kind, {self._reparent(p): v for p, v in getattr(self, kind).items()})
        for param in self.params:
            setattr(self, param.name, self._reparent(param))
        return self

    def _reparent(self, param: Param) -> Param:
        return param._copy_new_parent(self)


class HasFeaturesCol(Params):
    """Has the param `featuresCol`."""


class HasHandleInvalid(Params):
    """Has the param `handleInvalid`."""


class HasInputCol(Params):
    """Has the param `inputCol`."""


class HasInputCols(Params):
    """Has the param `inputCols`."""


class HasLabelCol(Params):
    """Has the param `labelCol`."""


class HasNumFeatures(Params):
    """Has the param `numFeatures`."""


class HasOutputCol(Params):
    """Has the param `outputCol`."""


class HasOutputCols(Params):
    """Has the param `outputCols`."""


class HasParallelism(Params):
    """Has the param `parallelism`."""


class HasSeed(Params):
    """Has the param `seed`."""


class HasWeightCol(Params):
    """Has the param `weightCol`."""
