"""What a caller allows a saved stage to run: functions by name, and pickles."""

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

#: The functions of mmlrs that saved stages may name. The rest of the package is no safer than other code: it writes files, too.
_OWN = frozenset({"mmlrs.testing:reversed_columns"})


@contextlib.contextmanager
def allow_pickle() -> Iterator[None]:
    """Within this block, save and load Python functions that cannot be imported by name as pickles.

    This is for pipelines, whose `save` and `load` have no options. Stages have `save(path, allow_pickle=True)` and
    `load(path, allow_pickle=True)`. Unpickling runs code from the file: load only files that you trust. Pickles also allow
    functions of any name, and SQL that runs programs.

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
    """Within this block, load stages that call Python functions of these names.

    This is for pipelines and other stages of Spark, whose `load` has no options. Stages of mmlrs have
    `load(path, allow_functions=[...])`. Nested blocks add their names.

    Parameters
    ----------
    *names : str
        `"mypackage.features"` allows all functions and classes that this module or its submodules define.
        `"mypackage.features:clean"` or `"mypackage.features.clean"` allows one of them. Allowed modules are imported, so
        the code that runs on import is allowed too. There are no wildcards.

    Raises
    ------
    InvalidParamError
        A name does not have one of these forms.

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
        The argument is not a list of names.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidParamError(f"allow_functions: expected a list of names, got {names!r:.80}")
    checked = list(names)
    for name in checked:
        if not isinstance(name, str) or not _is_name(name):
            raise InvalidParamError(
                "allow_functions: expected names of modules and functions, such as 'mypackage.features' and "
                f"'mypackage.features:clean', got {name!r:.80}; there are no wildcards"
            )
    return frozenset(checked)


def _is_name(name: str) -> bool:
    module, colon, path = name.partition(":")
    return _is_dotted(module) and (not colon or _is_dotted(path))


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def pickles_allowed() -> bool:
    """Return whether the caller allows pickles."""
    return _PICKLES.get()


def function_allowed(name: str) -> bool:
    """Return whether a saved stage may name this function, `module:name`. Any other form is not allowed."""
    module, colon, path = name.partition(":")
    if not colon or not _is_name(name):
        return False
    return name in _OWN or pickles_allowed() or _has(module, path)


def module_allowed(module: str, path: str) -> bool:
    """Return whether the caller allows importing this module for its attribute `path`."""
    return _is_dotted(module) and (pickles_allowed() or _has(module, path))


def imported(module: str, what: str) -> None:
    """Import an allowed module; `what`, such as "a function, but json:dumps", begins the error message.

    Raises
    ------
    TypeError
        The module cannot be imported. The message completes the sentence "param `x` ...".
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - the code of the module may raise anything
        raise TypeError(f"must be {what} is in a module that cannot be imported: {error}") from None


def _has(module: str, path: str) -> bool:
    names = _NAMES.get()
    parts = module.split(".")
    above = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return not names.isdisjoint({f"{module}:{path}", f"{module}.{path}", *above})
