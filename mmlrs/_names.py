"""What a name that does not exist was meant to be: params, attributes, columns and public names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs._pyspark import Param, Params
from mmlrs.errors import InvalidParamError, NoSuchAttributeError

__all__ = ["NamedParams", "no_param", "public"]


def _suggestion(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean `x`?", or nothing where no name is like it."""
    near = _native.nearest(name, list(names))
    return "" if near is None else f"; did you mean `{near}`?"


def public(names: dict[str, Any]) -> Callable[[], list[str]]:
    """Return the `__dir__` of a module: what it offers and what Python itself puts there."""
    return lambda: sorted({*names["__all__"], *(name for name in names if name.startswith("__"))})


def no_param(stage: str, name: object, known: Collection[str]) -> InvalidParamError:
    """Return the error of a param that does not exist."""
    near = _native.nearest(str(name), list(known))
    hint = f"did you mean `{near}`?" if near is not None else f"the params are {', '.join(sorted(known))}"
    return InvalidParamError(f"{stage}: there is no param `{name}`; {hint}")


def _setter(param: str) -> str:
    return f"set{param[0].upper()}{param[1:]}"


class NamedParams(Params):
    """Params that refuse a name that is none of theirs, and an assignment that would not set anything."""

    _stage: ClassVar[str]

    def hasParam(self, paramName: str) -> bool:
        """Is there a param of that name?"""
        return isinstance(vars(self).get(paramName), Param)

    def getParam(self, paramName: str) -> Param[Any]:
        """Return the param of that name.

        Raises
        ------
        InvalidParamError
            There is none.
        """
        if not self.hasParam(paramName):
            raise no_param(self._stage, paramName, self._param_names())
        return super().getParam(paramName)

    def _param_names(self) -> list[str]:
        return [name for name, value in vars(self).items() if isinstance(value, Param)]

    if not TYPE_CHECKING:  # for a type checker there are only the attributes that are declared

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute, unless it is a param's name or a slip of one."""
            if not name.startswith("_") and name != "uid" and not isinstance(value, Param):
                self._refuse_param(name, value)
            object.__setattr__(self, name, value)

        def __getattr__(self, name: str) -> Any:
            """Fail, with what the name was meant to be."""
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
        what = "is a param" if meant == name else f"is not an attribute (did you mean the param `{meant}`?)"
        text = shown(value, 40)
        raise NoSuchAttributeError(
            f"{self._stage}: `{name}` {what}, and an assignment sets none: write "
            f"stage.{_setter(meant)}({text}) or {type(self).__name__}({meant}={text})",
        )

    def _instead_of(self, name: str) -> str:
        """Return what to use instead of an attribute that is not there."""
        if name in ("transform", "transformSchema") and hasattr(type(self), "fit"):
            return "; it is an estimator: fit it first and transform with the model, stage.fit(data).transform(data)"
        if name in ("fit", "fitMultiple") and hasattr(type(self), "transform"):
            return "; it is a transformer and needs no fit: stage.transform(data)"
        return _suggestion(name, [n for n in dir(self) if not n.startswith("_")])
