"""The constructors of stages: params are keyword-only, and a value that is passed differs from a default."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs._typing import get_overloads
from mmlrs.base import Stage
from mmlrs.errors import InvalidParamError

__all__ = ["by_name"]


#: The default in signatures of a param that must be set, in the constructor or by its setter. Its class is anonymous, so that
#: stubtest does not compare it with the type of the param.
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
    """Return the constructor of a stage for its signature, or for that of its last overload. The body is not run.

    Only the arguments that the caller passes become params that are set; defaults in the signature do not. An unknown name
    is an error that suggests the nearest param.
    """
    signature = _signature((get_overloads(init) or [init])[-1])
    names = [name for name in signature.parameters if name != "self"]

    @functools.wraps(init)
    def constructor(self: Stage, *args: Any, **params: Any) -> None:
        stage = type(self).__name__
        if args:
            raise InvalidParamError(
                f"{stage}: params must be passed by name, as in {stage}({names[0]}=...), got {shown(args[0], 40)} without a name"
            )
        for name in params:
            if name not in names:
                raise no_param(stage, name, names)
        Stage.__init__(self, params)

    constructor.__signature__ = signature  # type: ignore[attr-defined]
    return cast("Init", constructor)
