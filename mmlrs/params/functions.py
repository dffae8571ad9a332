"""Python functions as values of params: the name by which another process finds one, and its pickle.

A saved function is `{"function": "module:name"}`, or where the caller allows it, `{"pickle": its SHA-256, "python": "3.11"}`
with the bytes beside it. No name is looked up and nothing is unpickled unless the caller allows it (`mmlrs/_allowed.py`).
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from typing import Any

from mmlrs._allowed import function_allowed, imported, pickles_allowed
from mmlrs._pyspark import HAS_PYSPARK
from mmlrs.errors import InvalidParamError, IoError

__all__ = [
    "check_allowed",
    "function_named",
    "function_saved_as",
    "is_pickle",
    "loaded_function",
    "name_of",
]

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


def function_named(name: str) -> Function:
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


def function_saved_as(where: str, function: Function, blobs: dict[str, bytes]) -> dict[str, str]:
    """Return what stands for a function in the metadata; the bytes of a pickle are added to `blobs`.

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


def is_pickle(value: Any) -> bool:
    """Is this what stands for a pickle in the metadata?"""
    return isinstance(value, dict) and set(value) == {"pickle", "python"}


def check_allowed(where: str) -> None:
    """Fail where the caller has not allowed pickles."""
    if not pickles_allowed():
        raise IoError(
            f"{where} is a pickle, which runs code when it is loaded; if you trust it, load it with allow_pickle=True, or a "
            "pipeline inside `with mmlrs.allow_pickle():`"
        )


def loaded_function(where: str, value: dict[str, str], blobs: dict[str, bytes]) -> Any:
    """Unpickle a function, which runs the code that the file holds.

    Raises
    ------
    IoError
        The caller has not allowed it, another version of Python pickled it, or its code fails.
    """
    check_allowed(where)
    if value["python"] != _PYTHON:
        raise IoError(f"{where} was pickled by Python {value['python']}; this is Python {_PYTHON}")
    try:
        return pickle.loads(blobs[value["pickle"]])  # noqa: S301 - the caller allows it
    except Exception as error:  # whatever the code of the pickle raises
        raise IoError(f"{where} cannot be unpickled: {error}") from error
