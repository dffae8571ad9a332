"""Hyper-parameters: the values that a param can take in a search."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError
from mmlrs.params.values import FLOAT, INT

__all__ = [
    "DiscreteHyperParam",
    "FloatRangeHyperParam",
    "HyperParam",
    "IntRangeHyperParam",
    "RangeHyperParam",
    "members_of",
]


def _seed(owner: str, value: Any) -> int:
    try:
        return INT.accept(value)
    except TypeError as error:
        raise InvalidParamError(f"{owner}: `seed` {error}") from None


def members_of(
    owner: str, value: Any, needed: AbstractSet[str], optional: AbstractSet[str] = frozenset()
) -> dict[str, Any]:
    """Return the members of the JSON form of an object, which may come from a changed file."""
    if not isinstance(value, Mapping) or not needed <= set(value) <= needed | optional:
        names = ", ".join(sorted(needed))
        raise InvalidParamError(f"{owner}: must be a map with {names}, got {shown(value)}")
    return dict(value)


class HyperParam(ABC):
    """The values that a hyper-parameter can take.

    Use a subclass: `DiscreteHyperParam`, `IntRangeHyperParam` or `FloatRangeHyperParam`.
    """

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Any:
        """Return a random value."""

    def values(self) -> Sequence[Any] | None:
        """Return all values, or None if they cannot be listed."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"kind": type(self).__name__, **vars(self)}

    @staticmethod
    def from_json(value: Any) -> HyperParam:
        """Return the hyper-parameter that `to_json` serialized."""
        kinds: dict[str, tuple[type[HyperParam], set[str], set[str]]] = {
            "DiscreteHyperParam": (DiscreteHyperParam, {"values"}, {"seed"}),
            "IntRangeHyperParam": (IntRangeHyperParam, {"min", "max"}, {"seed"}),
            "FloatRangeHyperParam": (FloatRangeHyperParam, {"min", "max"}, {"seed", "log"}),
        }
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise InvalidParamError(
                f"HyperParam: there is no kind {shown(kind)}; the kinds are {', '.join(kinds)}"
            )
        cls, needed, optional = kinds[kind]
        members = members_of(kind, value, needed | {"kind"}, optional)
        del members["kind"]
        return cls(**members)


class DiscreteHyperParam(HyperParam):
    """One of several values.

    Parameters
    ----------
    values : sequence
        The values, of any type that the param accepts. Must not be empty.
    seed : int, default 0
        Combined with the seed of the search. Another seed draws other values.

    Raises
    ------
    InvalidParamError
        `values` is not a list of values or is empty, or `seed` is not an integer.

    Examples
    --------
    >>> from mmlrs.automl import DiscreteHyperParam
    >>> DiscreteHyperParam([5, 10]).values()
    [5, 10]
    """

    def __init__(self, values: Sequence[Any], seed: int = 0) -> None:
        items: Any = values
        if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
            raise InvalidParamError(
                f"DiscreteHyperParam: `values` must be a list of values, got {shown(values)}"
            )
        self.choices = [v.item() if isinstance(v, np.generic) else v for v in values]
        self.seed = _seed("DiscreteHyperParam", seed)
        if not self.choices:
            raise InvalidParamError("DiscreteHyperParam: `values` must not be empty")

    def draw(self, random: np.random.Generator) -> Any:
        """Return a random value. All values have the same probability."""
        return self.choices[int(random.integers(len(self.choices)))]

    def values(self) -> list[Any]:
        """Return the values."""
        return self.choices

    def __repr__(self) -> str:
        """Return the class and the values."""
        return f"DiscreteHyperParam({self.choices!r})"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"kind": "DiscreteHyperParam", "values": self.choices, "seed": self.seed}


class _Range(HyperParam):
    """The base class of both ranges."""

    def __init__(self, min: float, max: float, seed: int) -> None:
        self.min, self.max = self._number("min", min), self._number("max", max)
        self.seed = _seed(type(self).__name__, seed)
        if not self.min < self.max:
            raise InvalidParamError(
                f"{type(self).__name__}: `min` must be less than `max`, got {min} and {max}"
            )

    def __repr__(self) -> str:
        """Return the class and the bounds."""
        return f"{type(self).__name__}({self.min!r}, {self.max!r})"

    @staticmethod
    def _converted(value: Any) -> float:
        return FLOAT.accept(value)

    def _number(self, name: str, value: Any) -> float:
        try:
            number = self._converted(value)
        except TypeError as error:
            raise InvalidParamError(f"{type(self).__name__}: `{name}` {error}") from None
        if not math.isfinite(number):
            raise InvalidParamError(f"{type(self).__name__}: `{name}` must be finite, got {number}")
        return number


class IntRangeHyperParam(_Range):
    """An integer from a range.

    Parameters
    ----------
    min : int
        Minimum value.
    max : int
        Upper bound, which is excluded.
    seed : int, default 0
        Combined with the seed of the search. Another seed draws other values.

    Raises
    ------
    InvalidParamError
        An argument is not an integer of 64 bits, or `min` is not less than `max`.

    Examples
    --------
    >>> from mmlrs.automl import IntRangeHyperParam
    >>> list(IntRangeHyperParam(2, 6).values())
    [2, 3, 4, 5]
    """

    def __init__(self, min: int, max: int, seed: int = 0) -> None:
        super().__init__(min, max, seed)

    @staticmethod
    def _converted(value: Any) -> float:
        number = INT.accept(value)
        if not -(2**63) <= number < 2**63:
            raise TypeError(f"must be an integer of 64 bits, got {shown(value)}")
        return number

    def draw(self, random: np.random.Generator) -> int:
        """Return a random integer. All integers have the same probability."""
        return int(random.integers(int(self.min), int(self.max)))

    def values(self) -> range:
        """Return all integers of the range."""
        return range(int(self.min), int(self.max))


class FloatRangeHyperParam(_Range):
    """A number from a range.

    Parameters
    ----------
    min : float
        Minimum value. Must be greater than 0 with `log`.
    max : float
        Upper bound, which is excluded.
    seed : int, default 0
        Combined with the seed of the search. Another seed draws other values.
    log : bool, default False
        Draw from a log-uniform distribution: a value between 0.001 and 0.01 is as likely as one between 0.01 and 0.1.
        This suits regularization and step sizes.

    Raises
    ------
    InvalidParamError
        A bound is not a finite number, `min` is not less than `max`, or with `log`, `min` is not greater than 0.

    Examples
    --------
    >>> from mmlrs.automl import FloatRangeHyperParam
    >>> import numpy as np
    >>> 0.001 <= FloatRangeHyperParam(0.001, 1.0, log=True).draw(np.random.default_rng(0)) < 1.0
    True
    """

    def __init__(self, min: float, max: float, seed: int = 0, *, log: bool = False) -> None:
        super().__init__(min, max, seed)
        if not isinstance(log, bool | np.bool_):
            raise InvalidParamError(f"FloatRangeHyperParam: `log` must be True or False, got {shown(log)}")
        self.log = bool(log)
        if log and self.min <= 0:
            raise InvalidParamError(
                f"FloatRangeHyperParam: with `log`, `min` must be greater than 0, got {min}"
            )

    def draw(self, random: np.random.Generator) -> float:
        """Return a random value."""
        if self.log:
            return float(np.exp(random.uniform(np.log(self.min), np.log(self.max))))
        return float(random.uniform(self.min, self.max))


def RangeHyperParam(min: float, max: float, seed: int = 0, *, log: bool = False) -> HyperParam:
    """Return a range of integers if both bounds are integers, otherwise a range of floats.

    Parameters
    ----------
    min : int or float
        Minimum value.
    max : int or float
        Upper bound, which is excluded.
    seed : int, default 0
        Combined with the seed of the search.
    log : bool, default False
        As in `FloatRangeHyperParam`. The result is then a range of floats.

    Raises
    ------
    InvalidParamError
        As for `IntRangeHyperParam` and `FloatRangeHyperParam`.

    Examples
    --------
    >>> from mmlrs.automl import RangeHyperParam
    >>> type(RangeHyperParam(1, 5)).__name__, type(RangeHyperParam(0.0, 1.0)).__name__
    ('IntRangeHyperParam', 'FloatRangeHyperParam')
    """
    are_integers = all(isinstance(bound, int | np.integer) for bound in (min, max))
    if are_integers and not log:
        return IntRangeHyperParam(int(min), int(max), seed)
    return FloatRangeHyperParam(min, max, seed, log=log)
