"""Trials, each a learner with values of its hyper-parameters."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._pyspark import Params
from mmlrs.automl.names import learner_name, reported
from mmlrs.automl.spaces import GridSpace, ParamSpace, Point, RandomSpace, TunedParam
from mmlrs.errors import InvalidParamError
from mmlrs.params.stages import stages_in

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage

__all__ = ["Trial", "configured", "trials"]

_RANDOM_RUNS = 10
#: Maximum number of draws from a random space to get a new point.
_ATTEMPTS = 100

#: Maximum number of points of a grid that is tried completely, and maximum of `numRuns`.
_MAX_LISTED = 100_000


@dataclass
class Trial:
    """One learner with one choice of params, and its results."""

    number: int
    model: AnyStage
    point: Point
    #: The metric of each fold, None if it is not defined.
    folds: dict[int, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    error: BaseException | None = None

    def learner(self) -> Any:
        """Return a copy of the learner with the params of this trial."""
        return configured(self.model, self.point)

    def parameters(self) -> dict[str, Any]:
        """Return the values by `Class.param`, or by `uid.param` if two stages have the same class."""
        names = [f"{h.owner}.{h.param}" for h, _ in self.point]
        return {
            name if names.count(name) == 1 else f"{h.stage}.{h.param}": value
            for name, (h, value) in zip(names, self.point, strict=True)
        }

    def metric(self) -> float | None:
        """Return the mean metric of the folds in which it is defined, or None if the trial failed."""
        defined = [value for value in self.folds.values() if value is not None]
        return None if self.error is not None or not defined else float(np.mean(defined))

    def describe(self) -> str:
        """Return the learner and its params in one line."""
        return learner_name(self.model, {(h.stage, h.param): value for h, value in self.point})


def _name(value: Any) -> str:
    return str(value.uid) if isinstance(value, Params) else str(reported(value))


def parameters_json(trial: Trial) -> str:
    """Return the params of a trial as JSON."""
    return json.dumps(trial.parameters(), default=_name)


def configured(stage: AnyStage, point: Point) -> Any:
    """Return a copy of a stage, with the values of a point set on it and on its nested stages."""
    copy = stage.copy()
    for param, value in list(copy._paramMap.items()):
        if isinstance(value, Params):
            copy._paramMap[param] = configured(value, point)
        elif isinstance(value, list | tuple) and any(isinstance(item, Params) for item in value):
            copy._paramMap[param] = [configured(item, point) for item in value]
    for h, value in point:
        if h.stage == copy.uid:
            try:
                copy._set(**{h.param: value})
            except (TypeError, ValueError) as error:
                raise InvalidParamError(f"{h.owner}: param `{h.param}`: {error}") from None
    return copy


def trials(stage: Stage, models: Sequence[AnyStage], space: ParamSpace) -> list[Trial]:
    """Return the trials of a search."""
    owned = [_hyperparams_of(model, space) for model in models]
    _check_owners(stage, space, owned)
    runs, seed = stage._value("numRuns"), stage._value("seed")
    if isinstance(space, GridSpace):
        points = _on_grid(stage, space, models, owned, runs, seed)
    else:
        assert isinstance(space, RandomSpace)
        points = _random_points(space, models, owned, runs or _RANDOM_RUNS, seed)
    return [Trial(number, model, point) for number, (model, point) in enumerate(points, start=1)]


def _on_grid(
    stage: Stage,
    space: GridSpace,
    models: Sequence[AnyStage],
    owned: list[list[TunedParam]],
    runs: int | None,
    seed: int,
) -> list[tuple[Any, Point]]:
    """Return the points of a grid model by model, or a random sample of `runs` points."""
    sizes = [space.size(own) for own in owned]
    total = sum(sizes)
    if total > _MAX_LISTED if runs is None else total >= 2**63:
        cause = f"the grid has {total} points; set numRuns to try some of them, at most {_MAX_LISTED}"
        raise InvalidParamError(f"{stage._stage}: param `paramSpace`: {cause}, or draw them with RandomSpace")
    numbers: Sequence[int] = range(total)
    if runs is not None and runs < total:
        sample = np.random.default_rng(seed % 2**64).choice(total, runs, replace=False)
        numbers = sorted(int(number) for number in sample)
    ends = list(accumulate(sizes))
    places = [(bisect_right(ends, number), number) for number in numbers]
    return [(models[at], space.point(owned[at], number - (ends[at] - sizes[at]))) for at, number in places]


def _hyperparams_of(model: AnyStage, space: ParamSpace) -> list[TunedParam]:
    """Return the hyper-parameters that belong to a model or its nested stages."""
    inside = {stage.uid: stage for stage in stages_in(model)}
    return [h for h in space.hyperparams if h.stage in inside and inside[h.stage].hasParam(h.param)]


def _check_owners(stage: Stage, space: ParamSpace, owned: list[list[TunedParam]]) -> None:
    """Raise if no model has a hyper-parameter."""
    for h in space.hyperparams:
        if not any(h in own for own in owned):
            raise InvalidParamError(
                f"{stage._stage}: param `paramSpace`: names `{h.param}` of {h.stage}, but no model is that stage or "
                "contains it"
            )


def _random_points(
    space: RandomSpace, models: Sequence[AnyStage], owned: list[list[TunedParam]], runs: int, seed: int
) -> list[tuple[Any, Point]]:
    """Draw different points, for the models in turn."""
    streams = space.streams(seed)
    points: list[tuple[Any, Point]] = []
    keys: set[tuple[int, str]] = set()
    for run in range(runs):
        turn = run % len(models)
        for _ in range(_ATTEMPTS):
            point = tuple((h, h.values.draw(streams[h])) for h in owned[turn])
            key = (turn, json.dumps([value for _, value in point], default=_name))
            if key not in keys:
                keys.add(key)
                points.append((models[turn], point))
                break
    return points
