"""Params that are Python functions, saved by name or as pickles.

The serialized form of a function is `{"function": "module:name"}`, or with the caller's permission
`{"pickle": its SHA-256, "python": "3.11"}`, with the bytes beside the metadata. Names are imported and pickles are loaded only
with the caller's permission (`mmlrs/_allowed.py`).
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
    """Return `module:name` of a function for display. It may not be unique."""
    owner = getattr(function, "__objclass__", None)  # a method of a builtin class has no module
    module = getattr(function, "__module__", None) or getattr(owner, "__module__", None) or "?"
    return f"{module}:{getattr(function, '__qualname__', None) or f'<{type(function).__name__}>'}"


def _saved_name(function: Function) -> str:
    """Return `module:name`, by which another process can import the function.

    Raises
    ------
    TypeError
        There is no such name. The message gives the reason and completes the sentence "the function ...".
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
        raise TypeError(f"cannot be imported as {name}")
    return name


def _function_named(name: str) -> Function:
    """Return the function named `module:name`, if the caller allows it. Its module is imported.

    Raises
    ------
    TypeError
        It is not allowed or does not exist. The message completes the sentence "param `x` ...".
    """
    module, _, path = name.partition(":")
    if not function_allowed(name):
        if not module or not path:
            raise TypeError(f"must be a function, but {name!r:.80} does not have the form module:name")
        raise TypeError(
            f"names the function {name:.200}, which the stage would call; if you trust it, load the stage with "
            f'allow_functions=["{name:.200}"], or load a pipeline inside `with mmlrs.allow_functions("{name:.200}"):`'
        )
    imported(module, f"a function, but {name}")
    target = _find(module, path)
    if not callable(target):
        raise TypeError(f"must be a function, but there is no {name}")
    if name_of(target) != name:  # a function that the module imports from elsewhere is not the allowed one
        raise TypeError(f"must be a function that {module} defines, but {name} is {name_of(target)}")
    function: Function = target
    return function


def _find(module: str, path: str) -> Any:
    """Look a dotted name up through classes only, so that a module gives no access to another module."""
    target: Any = sys.modules.get(module)
    for i, part in enumerate(path.split(".")):
        if target is None or (i > 0 and not isinstance(target, type)):
            return None
        target = getattr(target, part, None)
    return target


def _saved_as(where: str, function: Function, blobs: dict[str, bytes]) -> dict[str, str]:
    """Return the serialized form of a function. The bytes of a pickle are added to `blobs`.

    Raises
    ------
    InvalidParamError
        It cannot be imported by name and pickles are not allowed, or it cannot be pickled.
    """
    try:
        return {"function": _saved_name(function)}
    except TypeError as error:
        if not pickles_allowed():
            raise InvalidParamError(
                f"{where} cannot be saved: the function {error}; define it in a module that can be imported, or save "
                "it as a pickle with allow_pickle=True"
            ) from None
    data = _pickled(where, function)
    sha256 = hashlib.sha256(data).hexdigest()
    blobs[sha256] = data
    return {"pickle": sha256, "python": _PYTHON}


def _pickled(where: str, function: Function) -> bytes:
    """Return a pickle of a function, with its code and the objects it refers to."""
    if not HAS_PYSPARK:
        raise InvalidParamError(
            f"{where} cannot be saved as a pickle without pyspark, which includes cloudpickle"
        )
    if hasattr(function, "asNondeterministic"):
        raise InvalidParamError(
            f"{where} cannot be saved as a pickle: it is a UDF of PySpark; set the plain function and its type instead"
        )
    from pyspark import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(function)
    except Exception as error:  # pickling runs code of the objects the function refers to
        raise InvalidParamError(f"{where} cannot be saved as a pickle: {error}") from error
    return data


def _is_pickle(value: Any) -> bool:
    """Return whether a value has the serialized form of a pickle."""
    return isinstance(value, dict) and set(value) == {"pickle", "python"}


def _check_allowed(where: str) -> None:
    """Raise unless the caller allows pickles."""
    if not pickles_allowed():
        raise IoError(
            f"{where} is a pickle, which runs code when it is loaded; if you trust it, load it with allow_pickle=True, or load a "
            "pipeline inside `with mmlrs.allow_pickle():`"
        )


def _unpickled(where: str, value: dict[str, str], blobs: dict[str, bytes]) -> Any:
    """Unpickle a function. This runs code from the file.

    Raises
    ------
    IoError
        The caller does not allow pickles, the pickle is of another Python version, or its code fails.
    """
    _check_allowed(where)
    if value["python"] != _PYTHON:
        raise IoError(f"{where} was pickled by Python {value['python']}; this is Python {_PYTHON}")
    try:
        return pickle.loads(blobs[value["pickle"]])  # noqa: S301 - the caller allows it
    except Exception as error:  # the code of the pickle may raise anything
        raise IoError(f"{where} cannot be unpickled: {error}") from error


class FunctionType(ParamType[Function]):
    """A Python function."""

    name = "function"
    is_json = False

    def accept(self, value: Any) -> Function:
        """Accept a function, or a map with its name, `module:name`, if the caller allows it."""
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
        """Return the name, or the SHA-256 of a pickle that is saved beside the metadata, if the caller allows it."""
        return _saved_as(saving.where, value, saving.blobs)

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise unless the value is a name or a pickle."""
        items = saved if isinstance(saved, dict) else {}
        is_name = set(items) == {"function"} and isinstance(items["function"], str)
        is_pickle = _is_pickle(items) and is_hash(items["pickle"]) and isinstance(items["python"], str)
        if not (is_name or is_pickle):
            raise refused(where, "the name or the pickle of a function", saved)

    def saved_blobs(self, where: str, saved: Any) -> Iterable[str]:
        """Return the SHA-256 of a pickle, which the caller must allow."""
        if not _is_pickle(saved):
            return ()
        _check_allowed(where)
        return (saved["pickle"],)

    def from_saved(self, saved: Any, loading: Loading) -> Any:
        """Return the name in the form that `accept` takes, or the unpickled function."""
        return _unpickled(loading.where, saved, loading.blobs) if _is_pickle(saved) else saved


FUNCTION = FunctionType()
