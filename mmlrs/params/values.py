"""Params whose values are JSON: numbers, strings, lists and maps of them, image operations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs.params._type import ParamType, must_be

__all__ = [
    "BOOL",
    "FLOAT",
    "FLOAT_LIST",
    "INT",
    "INT_LIST",
    "OPERATIONS",
    "STR",
    "STR_LIST",
    "STR_MAP",
    "VALUE_LIST",
    "items_of",
]


def items_of(value: Any) -> list[Any] | None:
    """Return the items of a list, a tuple, an array of NumPy or Arrow, or a column or index of pandas or polars."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return list(value)
    for convert in ("tolist", "to_list"):
        if hasattr(value, convert) and not isinstance(value, np.generic | memoryview):
            items = getattr(value, convert)()
            return items if isinstance(items, list) else None
    return None


#: Maximum nesting depth of lists and maps in the value of a param.
_MAX_DEPTH = 100


def _python_value(value: Any, depth: int = 0) -> Any:
    """Convert NumPy values to Python values, also in nested lists and maps."""
    if depth > _MAX_DEPTH:
        raise TypeError(f"must not have lists and maps nested more than {_MAX_DEPTH} deep")
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_python_value(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {key: _python_value(item, depth + 1) for key, item in value.items()}
    return value


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_real(value) and (isinstance(value, int | np.integer) or float(value).is_integer())


def _float(item: Any, expected: str, value: Any) -> float:
    """Return a number as a float. Raise if an integer is too large."""
    try:
        return float(item)
    except OverflowError:
        raise must_be(expected, value) from None


def _text(value: str) -> str:
    """Return a string that UTF-8 can encode. Raise on a lone UTF-16 surrogate."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise must_be("a string that UTF-8 can encode", value) from None
    return str(value)


class BoolType(ParamType[bool]):
    """Python and NumPy booleans."""

    name = "bool"

    def accept(self, value: Any) -> bool:
        """Accept True and False."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise must_be("True or False", value)


class IntType(ParamType[int]):
    """Integers of any kind, and floats without a fraction."""

    name = "int"

    def accept(self, value: Any) -> int:
        """Accept an integer."""
        if _is_whole(value):
            return int(value)
        raise must_be("an integer", value)


class FloatType(ParamType[float]):
    """Real numbers of any kind."""

    name = "float"

    def accept(self, value: Any) -> float:
        """Accept a number."""
        if _is_real(value):
            return _float(value, "a number", value)
        raise must_be("a number", value)


class StrType(ParamType[str]):
    """Strings."""

    name = "str"

    def accept(self, value: Any) -> str:
        """Accept a string."""
        if isinstance(value, str):
            return _text(value)
        raise must_be("a string", value)


class StrListType(ParamType[list[str]]):
    """Sequences of strings. A single string is not accepted."""

    name = "str_list"

    def accept(self, value: Any) -> list[str]:
        """Accept a sequence of strings."""
        if (items := items_of(value)) is not None and all(isinstance(item, str) for item in items):
            return [_text(item) for item in items]
        raise must_be("a list of strings", value)


class FloatListType(ParamType[list[float]]):
    """Sequences of real numbers."""

    name = "float_list"

    def accept(self, value: Any) -> list[float]:
        """Accept a sequence of numbers."""
        if (items := items_of(value)) is not None and all(_is_real(item) for item in items):
            return [_float(item, "a list of numbers", value) for item in items]
        raise must_be("a list of numbers", value)


class IntListType(ParamType[list[int]]):
    """Sequences of integers."""

    name = "int_list"

    def accept(self, value: Any) -> list[int]:
        """Accept a sequence of integers."""
        if (items := items_of(value)) is not None and all(_is_whole(item) for item in items):
            return [int(item) for item in items]
        raise must_be("a list of integers", value)


class ValueListType(ParamType[list[str | float | bool]]):
    """Sequences of strings, numbers and booleans."""

    name = "value_list"

    def accept(self, value: Any) -> list[str | float | bool]:
        """Accept a sequence of strings, numbers or booleans."""
        if (items := items_of(value)) is not None:
            items = [_python_value(item) for item in items]
            if all(isinstance(item, str | int | float | bool) for item in items):
                return items
        raise must_be("a list of strings, numbers or booleans", value)


class StrMapType(ParamType[dict[str, str]]):
    """Mappings from string to string."""

    name = "str_map"

    def accept(self, value: Any) -> dict[str, str]:
        """Accept a mapping from string to string."""
        if isinstance(value, Mapping) and all(
            isinstance(k, str) and isinstance(v, str) for k, v in value.items()
        ):
            return {_text(k): _text(v) for k, v in value.items()}
        raise must_be("a map from string to string", value)


class OperationsType(ParamType[list[dict[str, Any]]]):
    """Sequences of mappings with the key `action`, or their JSON as a string."""

    name = "operations"

    def accept(self, value: Any) -> list[dict[str, Any]]:
        """Accept a sequence of operations."""
        expected = "a list of operations, each a map with the key `action`"
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise must_be(expected, value) from None
        items = items_of(value)
        if items is None or not all(isinstance(item, Mapping) for item in items):
            raise must_be(expected, value)
        for index, item in enumerate(items):
            if "action" not in item:
                keys = [key for key in item if isinstance(key, str)]
                near = _native.nearest("action", keys)
                hint = "" if near is None else f"; there is no key `{near}`: did you mean `action`?"
                raise TypeError(f"item {index}: the key `action` is missing, got {shown(item)}{hint}")
        return [_python_value(operation) for operation in items]


BOOL, INT, FLOAT, STR = BoolType(), IntType(), FloatType(), StrType()
STR_LIST, FLOAT_LIST, INT_LIST, VALUE_LIST = StrListType(), FloatListType(), IntListType(), ValueListType()
STR_MAP, OPERATIONS = StrMapType(), OperationsType()
