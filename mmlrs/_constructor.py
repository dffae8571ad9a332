"""The constructors of stages: params by name, and what was given kept apart from what is a default."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_overloads

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs.base import Stage
from mmlrs.errors import InvalidParamError

__all__ = ["by_name"]


#: The default that a signature shows for a param that must be set, here or by its setter. Its class has no name here, so
#: that stubtest does not compare it with the type of the param.
_REQUIRED: Any = type("Required", (), {"__repr__": lambda _: "<required>"})()

Init = TypeVar("Init", bound=Callable[..., None])


def _signature(init: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(init)
    params = [
        param.replace(default=_REQUIRED)
        if param.kind is param.KEYWORD_ONLY and param.default is param.empty
        else param
        for param in signature.parameters.values()
    ]
    return signature.replace(parameters=params)


def by_name(init: Init) -> Init:
    """Make the constructor of a stage from its signature, or from that of its last overload; the body is not run.

    The stage gets what the caller gave, so that a default in the signature is not a param that was set. A name that is no
    param is an error that says what was meant.
    """
    signature = _signature((get_overloads(init) or [init])[-1])
    known = [name for name in signature.parameters if name != "self"]

    @functools.wraps(init)
    def constructor(self: Stage, *args: Any, **given: Any) -> None:
        stage = type(self).__name__
        if args:
            raise InvalidParamError(
                f"{stage}: params are given by name, as in {stage}({known[0]}=...), got {shown(args[0], 40)} without a name"
            )
        for name in given:
            if name not in known:
                raise no_param(stage, name, known)
        Stage.__init__(self, given)

    constructor.__signature__ = signature  # type: ignore[attr-defined]
    return cast("Init", constructor)
