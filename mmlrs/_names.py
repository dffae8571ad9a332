"""Suggestions for unknown names of params, attributes, columns and public functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._pyspark import Param, Params
from mmlrs.errors import InvalidParamError, NoSuchAttributeError

__all__ = ["NamedParams", "no_param", "public"]


def _suggestion(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean `x`?", or "" if no name is similar."""
    near = _native.nearest(name, list(names))
    return "" if near is None else f"; did you mean `{near}`?"


def public(names: dict[str, Any]) -> Callable[[], list[str]]:
    """Return the `__dir__` of a module: its public names and those that Python adds."""
    return lambda: sorted({*names["__all__"], *(name for name in names if name.startswith("__"))})


def no_param(stage: str, name: object, names: Collection[str]) -> InvalidParamError:
    """Return the error of a param that does not exist."""
    near = _native.nearest(str(name), list(names))
    hint = f"did you mean `{near}`?" if near is not None else f"the params are {', '.join(sorted(names))}"
    return InvalidParamError(f"{stage}: there is no param `{name}`; {hint}")


def _setter(param: str) -> str:
    return f"set{param[0].upper()}{param[1:]}"


class NamedParams(Params):
    """Params that raise on unknown names, and on assignments that would not set a param."""

    _stage: ClassVar[str]

    def hasParam(self, paramName: str) -> bool:
        """Return whether there is a param of that name."""
        return isinstance(vars(self).get(paramName), Param)

    def getParam(self, paramName: str) -> Param[Any]:
        """Return the param of that name.

        Raises
        ------
        InvalidParamError
            There is no such param.
        """
        if not self.hasParam(paramName):
            raise no_param(self._stage, paramName, self._param_names())
        return super().getParam(paramName)

    def _param_names(self) -> list[str]:
        return [name for name, value in vars(self).items() if isinstance(value, Param)]

    if not TYPE_CHECKING:  # type checkers see the declared attributes only

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute, unless its name is that of a param or a misspelling of one."""
            if not name.startswith("_") and name != "uid" and not isinstance(value, Param):
                self._refuse_param(name, value)
            object.__setattr__(self, name, value)

        def __getattr__(self, name: str) -> Any:
            """Raise an error that suggests the nearest name."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise NoSuchAttributeError(f"{type(self).__name__}: there is no `{name}`{self._instead_of(name)}")

    def _refuse_param(self, name: str, value: Any) -> None:
        params = self._param_names()
        if name not in params and (name in vars(self) or hasattr(type(self), name)):
            return
        meant = name if name in params else _native.nearest(name, params, strict=True)
        if meant is None:
            return
        problem = (
            "is a param" if meant == name else f"is not an attribute (did you mean the param `{meant}`?)"
        )
        text = shown(value, 40)
        raise NoSuchAttributeError(
            f"{self._stage}: `{name}` {problem}, and cannot be assigned; write "
            f"stage.{_setter(meant)}({text}) or {type(self).__name__}({meant}={text})",
        )

    def _instead_of(self, name: str) -> str:
        """Return a hint on what to use instead of a missing attribute."""
        if name in ("transform", "transformSchema") and hasattr(type(self), "fit"):
            return "; it is an estimator: fit it first and transform with the model, stage.fit(data).transform(data)"
        if name in ("fit", "fitMultiple") and hasattr(type(self), "transform"):
            return "; it is a transformer and needs no fit: stage.transform(data)"
        return _suggestion(name, [n for n in dir(self) if not n.startswith("_")])
