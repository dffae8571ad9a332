"""Spaces of hyper-parameters: the params to tune, and which combinations of their values to try."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs._pyspark import Param, Params
from mmlrs.automl.hyperparams import HyperParam, members_of
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._types import AnyStage

__all__ = [
    "GridSpace",
    "HyperparamBuilder",
    "ParamSpace",
    "Point",
    "RandomSpace",
    "TunedParam",
]


@dataclass(frozen=True)
class TunedParam:
    """A param of a stage to tune, with the values to try.

    Parameters
    ----------
    stage : str
        uid of the stage.
    owner : str
        Class name of the stage, for reports.
    param : str
        Name of the param.
    values : HyperParam
        The values to try.
    """

    stage: str
    owner: str
    param: str
    values: HyperParam

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {
            "stage": self.stage,
            "owner": self.owner,
            "param": self.param,
            "values": self.values.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> TunedParam:
        """Return the object that `to_json` serialized."""
        members = members_of("TunedParam", value, {"stage", "owner", "param", "values"})
        names = [members[name] for name in ("stage", "owner", "param")]
        if not all(isinstance(name, str) for name in names):
            raise InvalidParamError(f"TunedParam: stage, owner and param must be strings, got {shown(names)}")
        return cls(names[0], names[1], names[2], HyperParam.from_json(members["values"]))


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

    def addHyperparam(
        self, stage: AnyStage, param: Param[Any] | str, values: HyperParam
    ) -> HyperparamBuilder:
        """Add a param.

        Parameters
        ----------
        stage : Params
            The stage that has the param: a learner, or a stage nested in it.
        param : Param or str
            The param or its name.
        values : HyperParam
            The values to try.

        Returns
        -------
        HyperparamBuilder
            The builder itself.

        Raises
        ------
        InvalidParamError
            The stage has no such param, or `values` is not a `HyperParam`.
        """
        if not isinstance(stage, Params):
            raise InvalidParamError(f"HyperparamBuilder: `stage` must be a stage, got {stage!r}")
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
        """Return the added params in order. A param that was added twice keeps its last position and values."""
        return list(self._added)


#: One value for each of several params.
Point = tuple[tuple[TunedParam, Any], ...]


class ParamSpace:
    """A space of hyper-parameters. Use a subclass: `GridSpace` or `RandomSpace`.

    Parameters
    ----------
    hyperparams : iterable of TunedParam
        Result of `HyperparamBuilder.build`.
    """

    kind: str

    def __init__(self, hyperparams: Iterable[TunedParam]) -> None:
        if not isinstance(hyperparams, Iterable):
            raise InvalidParamError(
                f"{type(self).__name__}: expected the result of HyperparamBuilder.build, got {hyperparams!r}"
            )
        self.hyperparams = list(hyperparams)
        for item in self.hyperparams:
            if not isinstance(item, TunedParam):
                raise InvalidParamError(
                    f"{type(self).__name__}: expected the result of HyperparamBuilder.build, got a {type(item).__name__}"
                )

    def space(self) -> ParamSpace:
        """Return the space itself."""
        return self

    def __repr__(self) -> str:
        """Return the class and the values of each hyper-parameter."""
        params = ", ".join(f"{item.owner}.{item.param}={item.values!r}" for item in self.hyperparams)
        return f"{type(self).__name__}({params})"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"kind": self.kind, "params": [h.to_json() for h in self.hyperparams]}

    @staticmethod
    def from_json(value: Any) -> ParamSpace:
        """Return the space that `to_json` serialized."""
        kinds: dict[str, type[ParamSpace]] = {kind.kind: kind for kind in (GridSpace, RandomSpace)}
        members = members_of("ParamSpace", value, {"kind"}, {"params"})
        kind, params = members["kind"], members.get("params", ())
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
        Result of `HyperparamBuilder.build`. Ranges of floats are not allowed, because their values cannot be listed.

    Raises
    ------
    InvalidParamError
        The values of a hyper-parameter cannot be listed.

    Examples
    --------
    >>> from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder, IntRangeHyperParam
    >>> from mmlrs.text import TextFeaturizer
    >>> stage = TextFeaturizer(inputCol="text")
    >>> builder = HyperparamBuilder().addHyperparam(stage, "numFeatures", DiscreteHyperParam([1024, 4096]))
    >>> space = GridSpace(builder.addHyperparam(stage, "nGramLength", IntRangeHyperParam(1, 4)).build())
    >>> space.size(space.hyperparams)
    6
    """

    kind = "grid"

    def __init__(self, hyperparams: Iterable[TunedParam]) -> None:
        super().__init__(hyperparams)
        for h in self.hyperparams:
            if h.values.values() is None:
                raise InvalidParamError(
                    f"GridSpace: the values of {h.owner}.{h.param} cannot be listed; use DiscreteHyperParam, or "
                    "draw them with RandomSpace"
                )

    def size(self, hyperparams: Sequence[TunedParam]) -> int:
        """Return the number of combinations of the values of some of its hyper-parameters."""
        return math.prod(len(h.values.values() or ()) for h in hyperparams)

    def point(self, hyperparams: Sequence[TunedParam], number: int) -> Point:
        """Return the combination of a number, counted from 0. The last hyper-parameter changes fastest.

        Points are computed one at a time, because a grid may have more points than fit into memory.
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
        Result of `HyperparamBuilder.build`.

    Examples
    --------
    >>> from mmlrs.automl import FloatRangeHyperParam, HyperparamBuilder, RandomSpace
    >>> from pyspark.ml.classification import LogisticRegression
    >>> learner = LogisticRegression()
    >>> builder = HyperparamBuilder().addHyperparam(learner, "regParam", FloatRangeHyperParam(0.0, 1.0))
    >>> [(h.owner, h.param) for h in RandomSpace(builder.build()).hyperparams]
    [('LogisticRegression', 'regParam')]
    """

    kind = "random"

    def streams(self, seed: int) -> dict[TunedParam, np.random.Generator]:
        """Return a generator of random numbers for each hyper-parameter."""
        return {
            h: np.random.default_rng([seed % 2**64, getattr(h.values, "seed", 0) % 2**64, place])
            for place, h in enumerate(self.hyperparams)
        }
