"""States of estimators and summaries as workers send them, and the files of what a fit has learned, with changed bytes and values."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

from checks import answered, each
from mutate import changed, damaged
from samples import stages

from mmlrs.base import NativeAggregate, NativeEstimator, NativeTransformer, stage_spec

BATCH = 64
SHORT = 512


@lru_cache
def _states() -> list[tuple[Any, Any, bytes]]:
    """Estimators and summaries, the data of each, and its state."""
    made = []
    for stage, table in stages():
        if isinstance(stage, NativeAggregate):
            data = table.select(stage._core().inputs()).combine_chunks()
            fit = stage._core().fit(data.schema)
            fit.update(data.to_batches()[0], 1)
            made.append((stage, data, fit.state()))
    return made


@lru_cache
def _files() -> list[tuple[Any, Any, str, bytes]]:
    """Stages with files that are no models, the data of each, the param and the content."""
    made = []
    for stage, table in stages():
        if isinstance(stage, NativeTransformer):
            for param in stage_spec(stage._stage)["params"]:
                if param["type"] == "file" and stage._value(param["name"]) is not None:
                    made.append((stage, table, param["name"], stage._value(param["name"]).read()))
    return made


def item(rng: random.Random) -> Any:
    """Is it a state or a file, the number of its stage, and the content."""
    found: Any = rng.choice([_states, _files])()
    number = rng.randrange(len(found))
    content = found[number][-1]
    try:
        value = json.loads(content)
    except ValueError:
        return len(found[number]) == 3, number, damaged(content, rng)
    return len(found[number]) == 3, number, json.dumps(changed(value, rng)).encode()


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    state, number, content = given
    if state:
        stage, data, _ = _states()[number]
        fit = stage._core().fit(data.schema)
        fit.update(data.to_batches()[0], 1)
        answered(lambda: fit.merge(content))
        finished = json.loads(fit.finish())
        if isinstance(stage, NativeEstimator):
            answered(lambda: stage._model(finished).transform(data))
        return
    stage, data, name, _ = _files()[number]
    stage.copy()._set(**{name: content}).transform(data)
