"""The types of params: what each accepts, and the stages that lie within params."""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mmlrs import _native
from mmlrs._allowed import imported, module_allowed
from mmlrs._messages import shown
from mmlrs._pyspark import HAS_PYSPARK, Param, Params
from mmlrs.errors import InvalidParamError, MmlrsError

if TYPE_CHECKING:
    from mmlrs.automl.spaces import ParamSpace
    from mmlrs.models import ModelHandle

__all__ = [
    "HAS_PYSPARK",
    "Convert",
    "Param",
    "Params",
    "argument",
    "shown",
    "stage_class",
    "stages_in",
    "undefined",
]


_T = TypeVar("_T")


def undefined() -> Any:
    """Return the parent of a param that belongs to a class, not yet to a stage."""
    return Params._dummy()


def _fail(what: str, value: Any) -> TypeError:
    return TypeError(f"must be {what}, got {shown(value)}")


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list, a tuple, an array of NumPy or Arrow, or a column or index of pandas or polars."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return list(value)
    for convert in ("tolist", "to_list"):
        if hasattr(value, convert) and not isinstance(value, np.generic | memoryview):
            items = getattr(value, convert)()
            return items if isinstance(items, list) else None
    return None


#: How many lists and maps may lie within each other in the value of a param.
_MAX_DEPTH = 100


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value of NumPy's as Python's own, also within lists and maps."""
    if depth > _MAX_DEPTH:
        raise TypeError(f"must not have more than {_MAX_DEPTH} lists and maps within each other")
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    return value


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_real(value) and (isinstance(value, int | np.integer) or float(value).is_integer())


def _float(item: Any, what: str, value: Any) -> float:
    """Return a number as a float; integers may be too large for one."""
    try:
        return float(item)
    except OverflowError:
        raise _fail(what, value) from None


def stage_class(name: str) -> Any:
    """Return the class of a stage by its full name.

    Nothing is imported for it but mmlrs, Spark ML and what the caller allows with `allow_functions`: it must be there already.

    Raises
    ------
    TypeError
        It is no stage; the message completes the sentence "param `x` ...".
    """
    module, _, attribute = name.replace("org.apache.spark.", "pyspark.").rpartition(".")
    found: Any = None
    if _may_import(module, attribute):
        imported(module, f"a stage, but {name:.200}")
    if module in sys.modules:
        found = vars(sys.modules[module]).get(attribute)
    if not (isinstance(found, type) and issubclass(found, Params)):
        raise TypeError(
            f"must be a stage, but {name:.200} is none that is known; import {module:.200} first if it is there"
        )
    return found


def _may_import(module: str, attribute: str) -> bool:
    """May a module be imported because data names a class in it?"""
    from mmlrs.base import stage_specs

    if module.partition(".")[0] == "mmlrs":
        spec = stage_specs().get(attribute)
        return spec is not None and module == f"mmlrs.{spec['module']}"
    if module == "pyspark.ml" or module.startswith("pyspark.ml."):
        return HAS_PYSPARK and "tests" not in module.split(".")
    return module_allowed(module, attribute)


def stages_in(stage: Any) -> Iterator[Any]:
    """Return a stage and the stages that it holds: in its params, or as a fitted pipeline does."""
    yield stage
    for value in [*stage._paramMap.values(), getattr(stage, "stages", None)]:
        for inner in value if isinstance(value, list | tuple) else [value]:
            if isinstance(inner, Params):
                yield from stages_in(inner)


def argument(owner: str, name: str, convert: Callable[[Any], _T], value: Any) -> _T:
    """Return an argument of a function, converted as the params of stages are."""
    try:
        return convert(value)
    except MmlrsError:
        raise
    except TypeError as error:
        raise InvalidParamError(f"{owner}: param `{name}` {error}") from None


def _text(value: str) -> str:
    """Return text that other languages can read: a lone half of a pair of UTF-16 is no letter."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _fail("text that UTF-8 can hold", value) from None
    return str(value)


class Convert:
    """Type converters, one per param type of the descriptors; ranges are checked by the native core."""

    @staticmethod
    def bool(value: Any) -> bool:
        """Accept Python and NumPy booleans."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise _fail("True or False", value)

    @staticmethod
    def int(value: Any) -> int:
        """Accept integers of any kind and floats without a fraction."""
        if isinstance(value, bool | np.bool_):
            raise _fail("an integer", value)
        if isinstance(value, int | np.integer) or (
            isinstance(value, float | np.floating) and float(value).is_integer()
        ):
            return int(value)
        raise _fail("an integer", value)

    @staticmethod
    def float(value: Any) -> float:
        """Accept real numbers of any kind."""
        if _is_real(value):
            return _float(value, "a number", value)
        raise _fail("a number", value)

    @staticmethod
    def str(value: Any) -> str:
        """Accept strings."""
        if isinstance(value, str):
            return _text(value)
        raise _fail("a string", value)

    @staticmethod
    def str_list(value: Any) -> list[builtins.str]:
        """Accept sequences of strings; a single string is not one."""
        if (items := _items(value)) is not None and all(isinstance(item, str) for item in items):
            return [_text(item) for item in items]
        raise _fail("a list of strings", value)

    @staticmethod
    def float_list(value: Any) -> list[builtins.float]:
        """Accept sequences of real numbers."""
        if (items := _items(value)) is not None and all(_is_real(item) for item in items):
            return [_float(item, "a list of numbers", value) for item in items]
        raise _fail("a list of numbers", value)

    @staticmethod
    def int_list(value: Any) -> list[builtins.int]:
        """Accept sequences of integers."""
        if (items := _items(value)) is not None and all(_is_whole(item) for item in items):
            return [builtins.int(item) for item in items]
        raise _fail("a list of integers", value)

    @staticmethod
    def value_list(value: Any) -> list[builtins.str | builtins.float | builtins.bool]:
        """Accept sequences of strings, numbers and booleans."""
        if (items := _items(value)) is not None:
            items = [_plain(item) for item in items]
            if all(isinstance(item, str | builtins.int | builtins.float | builtins.bool) for item in items):
                return items
        raise _fail("a list of strings, numbers or booleans", value)

    @staticmethod
    def str_map(value: Any) -> dict[builtins.str, builtins.str]:
        """Accept mappings from string to string."""
        if isinstance(value, Mapping) and all(
            isinstance(k, str) and isinstance(v, str) for k, v in value.items()
        ):
            return {_text(k): _text(v) for k, v in value.items()}
        raise _fail("a map from string to string", value)

    @staticmethod
    def operations(value: Any) -> list[dict[builtins.str, Any]]:
        """Accept sequences of mappings with the key `action`, or the same as JSON text."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise _fail("a list of operations, each a map with the key `action`", value) from None
        items = _items(value)
        if items is None or not all(isinstance(item, Mapping) for item in items):
            raise _fail("a list of operations, each a map with the key `action`", value)
        for index, item in enumerate(items):
            if "action" not in item:
                keys = [key for key in item if isinstance(key, str)]
                near = _native.nearest("action", keys)
                hint = "" if near is None else f"; did you mean `action` by `{near}`?"
                raise TypeError(f"item {index}: the key `action` is missing, got {shown(item)}{hint}")
        return [_plain(operation) for operation in items]

    @staticmethod
    def stage(value: Any) -> Params:
        """Accept a stage, or a map of its class, one of mmlrs or of Spark ML, and its params."""
        if isinstance(value, Params) and (hasattr(value, "fit") or hasattr(value, "transform")):
            return value
        if isinstance(value, Mapping) and isinstance(value.get("class"), str):
            made: Params = stage_class(value["class"])(**value.get("params", {}))
            return made
        raise _fail("a stage", value)

    @staticmethod
    def function(value: Any) -> Callable[..., Any]:
        """Accept a Python function, or a map of its name, `module:name`, where the caller allows it."""
        if callable(value) and not isinstance(value, Params):
            found: Callable[..., Any] = value
            return found
        if isinstance(value, Mapping) and isinstance(value.get("function"), str):
            from mmlrs._callables import function_named

            return function_named(value["function"])
        raise _fail("a function", value)

    @staticmethod
    def stage_list(value: Any) -> list[Params]:
        """Accept sequences of stages, each as `stage` accepts it."""
        if (items := _items(value)) is not None:
            try:
                return [Convert.stage(item) for item in items]
            except TypeError as error:
                raise TypeError(f"must be a list of stages; one of them {error}") from None
        raise _fail("a list of stages", value)

    @staticmethod
    def param_space(value: Any) -> ParamSpace:
        """Accept a space of hyper-parameters, or what its `to_json` gives."""
        from mmlrs.automl.spaces import ParamSpace

        if isinstance(value, ParamSpace):
            return value
        if isinstance(value, Mapping) and "kind" in value:
            return ParamSpace.from_json(value)
        raise _fail("a GridSpace or a RandomSpace", value)

    @staticmethod
    def model(value: Any) -> ModelHandle:
        """Accept a path, a URI, bytes, an ONNX ModelProto or a model handle."""
        from mmlrs.models import ModelHandle

        if isinstance(value, ModelHandle):
            return value
        if isinstance(value, str | os.PathLike):
            return ModelHandle.from_uri(os.fspath(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return ModelHandle.from_bytes(bytes(value))
        if hasattr(value, "SerializeToString"):
            return ModelHandle.from_bytes(value.SerializeToString())
        raise _fail("a path, a URI, bytes or a model handle", value)

    @staticmethod
    def file(value: Any) -> ModelHandle:
        """Accept a path, a URI, bytes or a handle."""
        return Convert.model(value)
