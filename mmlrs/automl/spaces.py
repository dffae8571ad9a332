"""Which hyper-parameters to try: distributions of values, and spaces of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs._pyspark import Param, Params
from mmlrs.errors import InvalidParamError
from mmlrs.params.values import FLOAT, INT

__all__ = [
    "DiscreteHyperParam",
    "FloatRangeHyperParam",
    "GridSpace",
    "HyperParam",
    "TunedParam",
    "HyperparamBuilder",
    "IntRangeHyperParam",
    "ParamSpace",
    "RandomSpace",
    "RangeHyperParam",
]


def _seed(owner: str, value: Any) -> int:
    try:
        return INT.accept(value)
    except TypeError as error:
        raise InvalidParamError(f"{owner}: `seed` {error}") from None


def _stored(
    what: str, value: Any, needed: AbstractSet[str], optional: AbstractSet[str] = frozenset()
) -> dict[str, Any]:
    """Return the members of what `to_json` gave, which a file may have changed."""
    if not isinstance(value, Mapping) or not needed <= set(value) <= needed | optional:
        names = ", ".join(sorted(needed))
        raise InvalidParamError(f"{what}: must be a map with {names}, got {shown(value)}")
    return dict(value)


class HyperParam:
    """What values a hyper-parameter can take; `DiscreteHyperParam`, `IntRangeHyperParam` or `FloatRangeHyperParam`."""

    def draw(self, random: np.random.Generator) -> Any:
        """Return a value drawn at random."""
        raise NotImplementedError

    def values(self) -> Sequence[Any] | None:
        """Return all values, or None when they cannot be listed."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes the same of."""
        return {"kind": type(self).__name__, **vars(self)}

    @staticmethod
    def from_json(value: Any) -> HyperParam:
        """Make the hyper-parameter that `to_json` described."""
        kinds: dict[str, tuple[type[HyperParam], set[str], set[str]]] = {
            "DiscreteHyperParam": (DiscreteHyperParam, {"values"}, {"seed"}),
            "IntRangeHyperParam": (IntRangeHyperParam, {"min", "max"}, {"seed"}),
            "FloatRangeHyperParam": (FloatRangeHyperParam, {"min", "max"}, {"seed", "log"}),
        }
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise InvalidParamError(
                f"HyperParam: there is no kind {shown(kind)}; there are {', '.join(kinds)}"
            )
        made, needed, optional = kinds[kind]
        given = _stored(kind, value, needed | {"kind"}, optional)
        del given["kind"]
        return made(**given)


class DiscreteHyperParam(HyperParam):
    """One of several values.

    Parameters
    ----------
    values : sequence
        The values, of any type that the param takes; not empty.
    seed : int, default 0
        Mixed with the seed of the search: another seed draws other values.

    Examples
    --------
    >>> from mmlrs.automl import DiscreteHyperParam
    >>> DiscreteHyperParam([5, 10]).values()
    [5, 10]
    """

    def __init__(self, values: Sequence[Any], seed: int = 0) -> None:
        given: Any = values
        if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
            raise InvalidParamError(
                f"DiscreteHyperParam: `values` must be a list of values, got {shown(values)}"
            )
        self.choices = [v.item() if isinstance(v, np.generic) else v for v in values]
        self.seed = _seed("DiscreteHyperParam", seed)
        if not self.choices:
            raise InvalidParamError("DiscreteHyperParam: `values` must not be empty")

    def draw(self, random: np.random.Generator) -> Any:
        """Return one of the values, each as likely as the others."""
        return self.choices[int(random.integers(len(self.choices)))]

    def values(self) -> list[Any]:
        """Return the values."""
        return self.choices

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes the same of."""
        return {"kind": "DiscreteHyperParam", "values": self.choices, "seed": self.seed}


class _Range(HyperParam):
    """What both ranges do."""

    def __init__(self, min: float, max: float, seed: int) -> None:
        self.min, self.max = self._number("min", min), self._number("max", max)
        self.seed = _seed(type(self).__name__, seed)
        if not self.min < self.max:
            raise InvalidParamError(
                f"{type(self).__name__}: `min` must be less than `max`, got {min} and {max}"
            )

    @staticmethod
    def _read(value: Any) -> float:
        return FLOAT.accept(value)

    def _number(self, name: str, value: Any) -> float:
        try:
            number = self._read(value)
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
        The least value.
    max : int
        What all values are below.
    seed : int, default 0
        Mixed with the seed of the search: another seed draws other values.

    Examples
    --------
    >>> from mmlrs.automl import IntRangeHyperParam
    >>> list(IntRangeHyperParam(2, 6).values())
    [2, 3, 4, 5]
    """

    def __init__(self, min: int, max: int, seed: int = 0) -> None:
        super().__init__(min, max, seed)

    @staticmethod
    def _read(value: Any) -> float:
        number = INT.accept(value)
        if not -(2**63) <= number < 2**63:
            raise TypeError(f"must be an integer of 64 bits, got {shown(value)}")
        return number

    def draw(self, random: np.random.Generator) -> int:
        """Return a value, each as likely as the others."""
        return int(random.integers(int(self.min), int(self.max)))

    def values(self) -> range:
        """Return every integer of the range."""
        return range(int(self.min), int(self.max))


class FloatRangeHyperParam(_Range):
    """A number from a range.

    Parameters
    ----------
    min : float
        The least value; above 0 with `log`.
    max : float
        What all values are below.
    seed : int, default 0
        Mixed with the seed of the search: another seed draws other values.
    log : bool, default False
        Draw the logarithm evenly: as many values between 0.001 and 0.01 as between 0.01 and 0.1, which suits
        regularization and step sizes.

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
        """Return a value."""
        if self.log:
            return float(np.exp(random.uniform(np.log(self.min), np.log(self.max))))
        return float(random.uniform(self.min, self.max))


def RangeHyperParam(min: float, max: float, seed: int = 0, *, log: bool = False) -> HyperParam:
    """Return a range of integers for two integers, else one of floats.

    Parameters
    ----------
    min : int or float
        The least value.
    max : int or float
        What all values are below.
    seed : int, default 0
        Mixed with the seed of the search.
    log : bool, default False
        As in `FloatRangeHyperParam`; a range of floats then.

    Examples
    --------
    >>> from mmlrs.automl import RangeHyperParam
    >>> type(RangeHyperParam(1, 5)).__name__, type(RangeHyperParam(0.0, 1.0)).__name__
    ('IntRangeHyperParam', 'FloatRangeHyperParam')
    """
    whole = all(isinstance(bound, int | np.integer) for bound in (min, max))
    if whole and not log:
        return IntRangeHyperParam(int(min), int(max), seed)
    return FloatRangeHyperParam(min, max, seed, log=log)


@dataclass(frozen=True)
class TunedParam:
    """A param of a stage, and the values to try.

    Parameters
    ----------
    stage : str
        The stage's uid.
    owner : str
        The name of the stage's class, for reports.
    param : str
        The param's name.
    values : HyperParam
        What values it can take.
    """

    stage: str
    owner: str
    param: str
    values: HyperParam

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes the same of."""
        return {
            "stage": self.stage,
            "owner": self.owner,
            "param": self.param,
            "values": self.values.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> TunedParam:
        """Make what `to_json` described."""
        given = _stored("TunedParam", value, {"stage", "owner", "param", "values"})
        names = [given[name] for name in ("stage", "owner", "param")]
        if not all(isinstance(name, str) for name in names):
            raise InvalidParamError(f"TunedParam: stage, owner and param must be texts, got {shown(names)}")
        return cls(names[0], names[1], names[2], HyperParam.from_json(given["values"]))


class HyperparamBuilder:
    """Collects the hyper-parameters of a space.

    Examples
    --------
    >>> from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder
    >>> from mmlrs.text import TextFeaturizer
    >>> stage = TextFeaturizer(inputCol="text")
    >>> builder = HyperparamBuilder().addHyperparam(stage, stage.numFeatures, DiscreteHyperParam([1024, 4096]))
    >>> [h.param for h in GridSpace(builder.build()).hyperparams]
    ['numFeatures']
    """

    def __init__(self) -> None:
        self._added: list[TunedParam] = []

    def addHyperparam(self, stage: Any, param: Param[Any] | str, values: HyperParam) -> HyperparamBuilder:
        """Add a param.

        Parameters
        ----------
        stage : Params
            The stage that has the param: a learner, or a stage in it.
        param : Param or str
            The param, or its name.
        values : HyperParam
            What values to try.

        Returns
        -------
        HyperparamBuilder
            This one.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or `values` is not a `HyperParam`.
        """
        if not isinstance(stage, Params):
            raise InvalidParamError(f"HyperparamBuilder: takes a stage first, got {stage!r}")
        name, owner = param if isinstance(param, str) else param.name, type(stage).__name__
        if not stage.hasParam(name):
            raise no_param(f"HyperparamBuilder: {owner}", name, [p.name for p in stage.params])
        if not isinstance(values, HyperParam):
            raise InvalidParamError(
                f"HyperparamBuilder: the values of {owner}.{name} must be a HyperParam such as "
                f"DiscreteHyperParam([...]), got a {type(values).__name__}"
            )
        self._added = [h for h in self._added if (h.stage, h.param) != (stage.uid, name)]
        self._added.append(TunedParam(stage.uid, owner, name, values))
        return self

    def build(self) -> list[TunedParam]:
        """Return what was added, in that order; a param added twice stands where it was added last."""
        return list(self._added)


#: The choice of a value for some params.
Point = tuple[tuple[TunedParam, Any], ...]


class ParamSpace:
    """A space of hyper-parameters; `GridSpace` or `RandomSpace`.

    Parameters
    ----------
    hyperparams : iterable of TunedParam
        What `HyperparamBuilder.build` returns.
    """

    kind: str

    def __init__(self, hyperparams: Iterable[TunedParam]) -> None:
        if not isinstance(hyperparams, Iterable):
            raise InvalidParamError(
                f"{type(self).__name__}: takes what HyperparamBuilder.build returns, got {hyperparams!r}"
            )
        self.hyperparams = list(hyperparams)
        for item in self.hyperparams:
            if not isinstance(item, TunedParam):
                raise InvalidParamError(
                    f"{type(self).__name__}: takes what HyperparamBuilder.build returns, got a {type(item).__name__}"
                )

    def space(self) -> ParamSpace:
        """Return the space itself."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` makes the same of."""
        return {"kind": self.kind, "params": [h.to_json() for h in self.hyperparams]}

    @staticmethod
    def from_json(value: Any) -> ParamSpace:
        """Make the space that `to_json` described."""
        kinds: dict[str, type[ParamSpace]] = {kind.kind: kind for kind in (GridSpace, RandomSpace)}
        given = _stored("ParamSpace", value, {"kind"}, {"params"})
        kind, params = given["kind"], given.get("params", ())
        if not isinstance(kind, str) or kind not in kinds:
            raise TypeError(f'must be a space of kind "grid" or "random", got {shown(kind)}')
        if not isinstance(params, list | tuple):
            raise TypeError(f"must have a list of params, got {shown(params)}")
        return kinds[kind](TunedParam.from_json(h) for h in params)


class GridSpace(ParamSpace):
    """Every combination of the values of its hyper-parameters.

    Parameters
    ----------
    hyperparams : iterable of TunedParam
        What `HyperparamBuilder.build` returns; no ranges of floats, which have no end of values.

    Raises
    ------
    InvalidParamError
        The values of a hyper-parameter cannot be listed.
    """

    kind = "grid"

    def __init__(self, hyperparams: Iterable[TunedParam]) -> None:
        super().__init__(hyperparams)
        for h in self.hyperparams:
            if h.values.values() is None:
                raise InvalidParamError(
                    f"GridSpace: the values of {h.owner}.{h.param} cannot be listed; give DiscreteHyperParam, or "
                    "draw them with RandomSpace"
                )

    def size(self, hyperparams: Sequence[TunedParam]) -> int:
        """Return the number of combinations of the values of some of its hyper-parameters."""
        return math.prod(len(h.values.values() or ()) for h in hyperparams)

    def point(self, hyperparams: Sequence[TunedParam], number: int) -> Point:
        """Return one of these combinations, counted from 0; the last hyper-parameter changes fastest.

        A grid may have more points than fit into memory: those that are tried are made one by one.
        """
        point = []
        for h in reversed(hyperparams):
            values = h.values.values() or ()
            number, place = divmod(number, len(values))
            point.append((h, values[place]))
        return tuple(reversed(point))


class RandomSpace(ParamSpace):
    """Random choices of the values of its hyper-parameters.

    Parameters
    ----------
    hyperparams : iterable of TunedParam
        What `HyperparamBuilder.build` returns.
    """

    kind = "random"

    def streams(self, seed: int) -> dict[TunedParam, np.random.Generator]:
        """Return a source of random numbers for each hyper-parameter."""
        return {
            h: np.random.default_rng([seed % 2**64, getattr(h.values, "seed", 0) % 2**64, place])
            for place, h in enumerate(self.hyperparams)
        }
