"""Trials: which learner with which values of its hyper-parameters, and what they have in common."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from mmlrs._pyspark import Params
from mmlrs.automl.spaces import GridSpace, ParamSpace, Point, RandomSpace, TunedParam
from mmlrs.errors import InvalidParamError
from mmlrs.params.stages import stages_in

__all__ = ["Trial", "configured", "trials"]

_RANDOM_RUNS = 10
#: How often a random space is asked for a point that was not there yet.
_ATTEMPTS = 100

#: Most points of a grid that are tried without being asked for by `numRuns`, which goes as far.
_MOST_LISTED = 100_000


@dataclass
class Trial:
    """One learner with one choice of params, and how it did."""

    number: int
    model: Any
    point: Point
    #: The metric on each fold; None where it is not defined.
    folds: dict[int, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    error: BaseException | None = None

    def learner(self) -> Any:
        """Return a copy of the learner with the params of this trial."""
        return configured(self.model, self.point)

    def parameters(self) -> dict[str, Any]:
        """Return the values by `Class.param`, by `uid.param` where two stages are of one class."""
        names = [f"{h.owner}.{h.param}" for h, _ in self.point]
        return {
            name if names.count(name) == 1 else f"{h.stage}.{h.param}": value
            for name, (h, value) in zip(names, self.point, strict=True)
        }

    def metric(self) -> float | None:
        """Return the mean over the folds on which it is defined; None for a trial that failed."""
        known = [value for value in self.folds.values() if value is not None]
        return None if self.error is not None or not known else float(np.mean(known))

    def describe(self) -> str:
        """Return learner and params as a line."""
        shown = [f"{name}={_shown(value)}" for name, value in self.parameters().items()]
        return f"{type(self.model).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _name(value)


def _name(value: Any) -> str:
    return str(value.uid) if isinstance(value, Params) else str(value)


def parameters_json(trial: Trial) -> str:
    """Return the params of a trial as JSON."""
    return json.dumps(trial.parameters(), default=_name)


def configured(stage: Any, point: Point) -> Any:
    """Return a copy of a stage in which some params of it and of the stages in it have other values."""
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


def trials(stage: Any, models: Sequence[Any], space: ParamSpace) -> list[Trial]:
    """Return the trials that a search makes."""
    owned = [_hyperparams_of(model, space) for model in models]
    _check_owners(stage, space, owned)
    runs, seed = stage._value("numRuns"), stage._value("seed")
    if isinstance(space, GridSpace):
        found = _on_grid(stage, space, models, owned, runs, seed)
    else:
        assert isinstance(space, RandomSpace)
        found = _drawn(space, models, owned, runs or _RANDOM_RUNS, seed)
    return [Trial(number, model, point) for number, (model, point) in enumerate(found, start=1)]


def _on_grid(
    stage: Any,
    space: GridSpace,
    models: Sequence[Any],
    owned: list[list[TunedParam]],
    runs: int | None,
    seed: int,
) -> list[tuple[Any, Point]]:
    """Return the points of a grid, model by model, or so many of them by chance."""
    sizes = [space.size(own) for own in owned]
    total = sum(sizes)
    if total > _MOST_LISTED if runs is None else total >= 2**63:
        cause = f"the grid has {total} points; set numRuns to try some of them, at most {_MOST_LISTED}"
        raise InvalidParamError(f"{stage._stage}: param `paramSpace`: {cause}, or draw them with RandomSpace")
    numbers: Sequence[int] = range(total)
    if runs is not None and runs < total:
        drawn = np.random.default_rng(seed % 2**64).choice(total, runs, replace=False)
        numbers = sorted(int(number) for number in drawn)
    ends = list(accumulate(sizes))
    places = [(bisect_right(ends, number), number) for number in numbers]
    return [(models[at], space.point(owned[at], number - (ends[at] - sizes[at]))) for at, number in places]


def _hyperparams_of(model: Any, space: ParamSpace) -> list[TunedParam]:
    """Return the hyper-parameters that belong to a model or to a stage in it."""
    inside = {stage.uid: stage for stage in stages_in(model)}
    return [h for h in space.hyperparams if h.stage in inside and inside[h.stage].hasParam(h.param)]


def _check_owners(stage: Any, space: ParamSpace, owned: list[list[TunedParam]]) -> None:
    """Fail on a hyper-parameter that no model has."""
    for h in space.hyperparams:
        if not any(h in own for own in owned):
            raise InvalidParamError(
                f"{stage._stage}: param `paramSpace`: names `{h.param}` of {h.stage}, but none of the models is that "
                "stage or holds it"
            )


def _drawn(
    space: RandomSpace, models: Sequence[Any], owned: list[list[TunedParam]], runs: int, seed: int
) -> list[tuple[Any, Point]]:
    """Draw points that differ, for the models in turn."""
    streams = space.streams(seed)
    found: list[tuple[Any, Point]] = []
    known: set[tuple[int, str]] = set()
    for run in range(runs):
        turn = run % len(models)
        for _ in range(_ATTEMPTS):
            point = tuple((h, h.values.draw(streams[h])) for h in owned[turn])
            key = (turn, json.dumps([value for _, value in point], default=_name))
            if key not in known:
                known.add(key)
                found.append((models[turn], point))
                break
    return found
