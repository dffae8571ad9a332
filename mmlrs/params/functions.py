"""Params that are Python functions: the name by which another process finds one, and its pickle.

A saved function is `{"function": "module:name"}`, or where the caller allows it, `{"pickle": its SHA-256, "python": "3.11"}`
with the bytes beside it. No name is looked up and nothing is unpickled unless the caller allows it (`mmlrs/_allowed.py`).
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmlrs._allowed import function_allowed, imported, pickles_allowed
from mmlrs._pyspark import HAS_PYSPARK, Params
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.params._type import Loading, ParamType, Saving, must_be, refused
from mmlrs.params.content import is_hash

__all__ = ["FUNCTION", "name_of"]

Function = Callable[..., Any]

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def name_of(function: Function) -> str:
    """Return `module:name` of a function, to show it: other functions may have the same."""
    owner = getattr(function, "__objclass__", None)  # a method of a builtin class has no module
    module = getattr(function, "__module__", None) or getattr(owner, "__module__", None) or "?"
    return f"{module}:{getattr(function, '__qualname__', None) or f'<{type(function).__name__}>'}"


def _saved_name(function: Function) -> str:
    """Return `module:name`, by which another process finds that very function.

    Raises
    ------
    TypeError
        There is no such name; the message says why and completes the sentence "the function ...".
    """
    name = name_of(function)
    module, _, path = name.partition(":")
    if "<lambda>" in path:
        raise TypeError("is a lambda")
    if "<locals>" in path:
        raise TypeError(f"{path} is defined inside another function")
    if module == "__main__":
        raise TypeError(f"{path} is defined in the script or notebook itself, which no other process imports")
    if _find(module, path) is not function:
        raise TypeError(f"is not what the name {name} leads to")
    return name


def _function_named(name: str) -> Function:
    """Return the function of that name, `module:name`, which the caller must have allowed; its module is imported.

    Raises
    ------
    TypeError
        It is not allowed, or there is none; the message completes the sentence "param `x` ...".
    """
    module, _, path = name.partition(":")
    if not function_allowed(name):
        if not module or not path:
            raise TypeError(f"must be a function, but {name!r:.80} is no name of one, module:name")
        raise TypeError(
            f"names the function {name:.200}, which the stage would call; if you trust it, load the stage with "
            f'allow_functions=["{name:.200}"], or a pipeline inside `with mmlrs.allow_functions("{name:.200}"):`'
        )
    imported(module, f"a function, but {name}")
    found = _find(module, path)
    if not callable(found):
        raise TypeError(f"must be a function, but there is none of the name {name}")
    if name_of(found) != name:  # one that the module has from elsewhere is not what was allowed
        raise TypeError(f"must be a function that {module} defines, but {name} is {name_of(found)}")
    made: Function = found
    return made


def _find(module: str, path: str) -> Any:
    """Follow a name from a module through classes alone, so that no module leads to what another one holds."""
    found: Any = sys.modules.get(module)
    for i, part in enumerate(path.split(".")):
        if found is None or (i > 0 and not isinstance(found, type)):
            return None
        found = getattr(found, part, None)
    return found


def _saved_as(where: str, function: Function, blobs: dict[str, bytes]) -> dict[str, str]:
    """Return the form of a function in the metadata; the bytes of a pickle are added to `blobs`.

    Raises
    ------
    InvalidParamError
        It has no name and pickles are not allowed, or it cannot be pickled.
    """
    try:
        return {"function": _saved_name(function)}
    except TypeError as error:
        if not pickles_allowed():
            raise InvalidParamError(
                f"{where} cannot be saved: the function {error}; define it in a module that can be imported, or save its "
                "code as a pickle with allow_pickle=True"
            ) from None
    data = _pickled(where, function)
    sha256 = hashlib.sha256(data).hexdigest()
    blobs[sha256] = data
    return {"pickle": sha256, "python": _PYTHON}


def _pickled(where: str, function: Function) -> bytes:
    """Return the code of a function and what it refers to, as a pickle."""
    if not HAS_PYSPARK:
        raise InvalidParamError(
            f"{where} cannot be saved as a pickle without pyspark, whose cloudpickle does it"
        )
    if hasattr(function, "asNondeterministic"):
        raise InvalidParamError(
            f"{where} cannot be saved as a pickle: it is a UDF of PySpark; give the function itself and its type"
        )
    from pyspark import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(function)
    except Exception as error:  # pickling runs code of whatever the function refers to
        raise InvalidParamError(f"{where} cannot be saved as a pickle: {error}") from error
    return data


def _is_pickle(value: Any) -> bool:
    """Return whether this is the form of a pickle in the metadata."""
    return isinstance(value, dict) and set(value) == {"pickle", "python"}


def _check_allowed(where: str) -> None:
    """Fail where the caller has not allowed pickles."""
    if not pickles_allowed():
        raise IoError(
            f"{where} is a pickle, which runs code when it is loaded; if you trust it, load it with allow_pickle=True, or a "
            "pipeline inside `with mmlrs.allow_pickle():`"
        )


def _unpickled(where: str, value: dict[str, str], blobs: dict[str, bytes]) -> Any:
    """Unpickle a function, which runs the code that the file holds.

    Raises
    ------
    IoError
        The caller has not allowed it, another version of Python pickled it, or its code fails.
    """
    _check_allowed(where)
    if value["python"] != _PYTHON:
        raise IoError(f"{where} was pickled by Python {value['python']}; this is Python {_PYTHON}")
    try:
        return pickle.loads(blobs[value["pickle"]])  # noqa: S301 - the caller allows it
    except Exception as error:  # whatever the code of the pickle raises
        raise IoError(f"{where} cannot be unpickled: {error}") from error


class FunctionType(ParamType[Function]):
    """A Python function."""

    name = "function"
    is_json = False

    def accept(self, value: Any) -> Function:
        """Accept a function, or a map of its name, `module:name`, where the caller allows it."""
        if callable(value) and not isinstance(value, Params):
            function: Function = value
            return function
        if isinstance(value, Mapping) and isinstance(value.get("function"), str):
            return _function_named(value["function"])
        raise must_be("a function", value)

    def to_core(self, value: Function) -> dict[str, str]:
        """Return the name."""
        return {"function": name_of(value)}

    def to_saved(self, value: Function, saving: Saving) -> dict[str, str]:
        """Return the name, or where the caller allows it, the SHA-256 of a pickle that is saved beside the metadata."""
        return _saved_as(saving.where, value, saving.blobs)

    def check_saved(self, where: str, saved: Any) -> None:
        """Fail on anything but a name or a pickle."""
        items = saved if isinstance(saved, dict) else {}
        named = set(items) == {"function"} and isinstance(items["function"], str)
        pickled = _is_pickle(items) and is_hash(items["pickle"]) and isinstance(items["python"], str)
        if not (named or pickled):
            raise refused(where, "the name or the pickle of a function", saved)

    def saved_blobs(self, where: str, saved: Any) -> Iterable[str]:
        """Return the SHA-256 of a pickle, which the caller must allow."""
        if not _is_pickle(saved):
            return ()
        _check_allowed(where)
        return (saved["pickle"],)

    def from_saved(self, saved: Any, loading: Loading) -> Any:
        """Return the name as `accept` takes it, or unpickle the function."""
        return _unpickled(loading.where, saved, loading.blobs) if _is_pickle(saved) else saved


FUNCTION = FunctionType()
