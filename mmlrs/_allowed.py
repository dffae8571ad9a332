"""What the caller allows a saved stage to run: functions by their name, and pickles."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from mmlrs.errors import InvalidParamError

__all__ = [
    "allow_functions",
    "allow_pickle",
    "function_allowed",
    "imported",
    "module_allowed",
    "names_of",
    "pickles_allowed",
]

_PICKLES: ContextVar[bool] = ContextVar("mmlrs_allow_pickle", default=False)
_NAMES: ContextVar[frozenset[str]] = ContextVar("mmlrs_allow_functions", default=frozenset())

#: What mmlrs ships for stages to name. The rest of the package is no safer than other code: it writes files, too.
_OWN = frozenset({"mmlrs.testing:reversed_columns"})


@contextlib.contextmanager
def allow_pickle() -> Iterator[None]:
    """Save and load Python functions as pickles within this block, where they have no name to be found by.

    For pipelines, whose `save` and `load` take no option: stages have `save(path, allow_pickle=True)` and
    `load(path, allow_pickle=True)`. Unpickling runs code that the file holds: load only what you trust. Who allows that
    allows functions of any name with it, and SQL that runs programs.

    Examples
    --------
    >>> import tempfile
    >>> import mmlrs
    >>> from mmlrs.stages import Lambda
    >>> with tempfile.TemporaryDirectory() as folder, mmlrs.allow_pickle():
    ...     Lambda(transformFunc=lambda rows: rows).save(f"{folder}/stage")
    ...     stage = Lambda.load(f"{folder}/stage")
    >>> stage.getTransformFunc()(1)
    1
    """
    token = _PICKLES.set(True)
    try:
        yield
    finally:
        _PICKLES.reset(token)


@contextlib.contextmanager
def allow_functions(*names: str) -> Iterator[None]:
    """Load stages that call Python functions of these names within this block.

    For pipelines and other stages of Spark, whose `load` takes no option: stages have
    `load(path, allow_functions=[...])`. Blocks within blocks add up.

    Parameters
    ----------
    *names : str
        `"mypackage.features"` allows the functions and classes that this module, or a module below it, defines, and
        `"mypackage.features:clean"` or `"mypackage.features.clean"` one of them. Allowed modules are imported, so
        what they do when they are imported is allowed too. There are no wildcards.

    Raises
    ------
    InvalidParamError
        A name has another form.

    Examples
    --------
    >>> import json, tempfile
    >>> import mmlrs
    >>> from mmlrs.stages import UDFTransformer
    >>> stage = UDFTransformer(inputCol="tags", udf=json.dumps, returnType="string")
    >>> with tempfile.TemporaryDirectory() as folder, mmlrs.allow_functions("json:dumps"):
    ...     stage.save(f"{folder}/stage")
    ...     UDFTransformer.load(f"{folder}/stage").getUdf() is json.dumps
    True
    """
    token = _NAMES.set(_NAMES.get() | names_of(names))
    try:
        yield
    finally:
        _NAMES.reset(token)


def names_of(names: Any) -> frozenset[str]:
    """Return the names that a caller allows.

    Raises
    ------
    InvalidParamError
        Something is none.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidParamError(f"allow_functions takes a list of names, got {names!r:.80}")
    found = list(names)
    for name in found:
        if not isinstance(name, str) or not _is_name(name):
            raise InvalidParamError(
                "allow_functions takes names of modules and functions, such as 'mypackage.features' and "
                f"'mypackage.features:clean', got {name!r:.80}; there are no wildcards"
            )
    return frozenset(found)


def _is_name(name: str) -> bool:
    module, colon, path = name.partition(":")
    return _is_dotted(module) and (not colon or _is_dotted(path))


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def pickles_allowed() -> bool:
    """Has the caller allowed pickles?"""
    return _PICKLES.get()


def function_allowed(name: str) -> bool:
    """May a saved stage name this function, `module:name`? False for what has not this form."""
    module, colon, path = name.partition(":")
    if not colon or not _is_name(name):
        return False
    return name in _OWN or pickles_allowed() or _has(module, path)


def module_allowed(module: str, path: str) -> bool:
    """Has the caller allowed to import this module for what it defines under `path`?"""
    return _is_dotted(module) and (pickles_allowed() or _has(module, path))


def imported(module: str, what: str) -> None:
    """Import a module that may be imported; `what`, such as "a function, but json:dumps", begins the error.

    Raises
    ------
    TypeError
        It cannot be imported; the message completes the sentence "param `x` ...".
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever the code of the module raises
        raise TypeError(f"must be {what} is in a module that cannot be imported: {error}") from None


def _has(module: str, path: str) -> bool:
    names = _NAMES.get()
    parts = module.split(".")
    above = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return not names.isdisjoint({f"{module}:{path}", f"{module}.{path}", *above})
