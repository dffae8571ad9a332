"""Params of every stage with values of any type and size, set in Python, on a table that fits."""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

from checks import answered, each
from mutate import changed, odd
from samples import stages

from mmlrs.base import Estimator, stage_spec

BATCH = 32
SHORT = 192


def item(rng: random.Random) -> Any:
    """The number of a stage, and values of some of its params."""
    number = rng.randrange(len(stages()))
    stage, table = stages()[number]
    values = {}
    for _ in range(rng.choice([1, 1, 2])):
        param = rng.choice(stage_spec(stage._stage)["params"])
        value = stage._value(param["name"])
        try:
            json.dumps(value)
        except TypeError:
            value = None
        near = rng.choice([None, *table.column_names, value])
        values[param["name"]] = (
            changed(value, rng, table.column_names)
            if isinstance(value, (list, dict)) and rng.random() < 0.7
            else odd(rng, near)
        )
    return number, values


def check(items: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each(items, _check_one)


def _check_one(given: Any) -> None:
    number, values = given
    stage, table = stages()[number]
    stage = stage.copy()._set(**values)
    ready = answered(lambda: stage.fit(table)) if isinstance(stage, Estimator) else stage
    if ready is not None:
        ready.transform(table)
