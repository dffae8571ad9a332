"""Stages saved, loaded and pickled."""

from __future__ import annotations

import pickle

from mmlrs._pyspark import Params
from mmlrs.base import Stage
from mmlrs.params.functions import name_of
from mmlrs.params.stages import stages_in
from mmlrs.testing.checks.check import check, tagged
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context, run_stage

__all__ = ["overwrite", "pickling", "save_and_load"]


def functions_of(stage: Stage) -> list[str]:
    """Return the names of the functions that a stage and those within it call, as `load` takes them."""
    values = [value for inner in stages_in(stage) for value in inner._paramMap.values()]
    return [name_of(value) for value in values if callable(value) and not isinstance(value, Params)]


def _state(stage: Stage) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the classes, uids and params of a stage and those within it."""
    return [
        (
            type(inner).__name__,
            inner.uid,
            sorted((param.name, _text(value)) for param, value in inner._paramMap.items()),
        )
        for inner in stages_in(stage)
    ]


def _text(value: object) -> str:
    """Return the value of a param as text; stages within it are compared on their own."""
    values = value if isinstance(value, list) else [value]
    plain = [item.to_json() if hasattr(item, "to_json") else item for item in values]
    return repr([item.uid if isinstance(item, Params) else item for item in plain])


@check()
def save_and_load(cx: Context) -> None:
    """A saved stage loads with the same uid and gives the same output."""
    loaded = _load(cx)
    assert loaded.uid == cx.stage.uid and type(loaded) is type(cx.stage)
    assert_same(run_stage(loaded, cx.data), cx.result)


@check(runs=False)
def overwrite(cx: Context) -> None:
    """What is saved already is replaced only when asked for, and then by all of the stage."""
    try:
        cx.stage.save(cx.saved)
    except Exception:  # noqa: BLE001 - pyspark and mmlrs have no common class
        cx.stage.write().overwrite().save(cx.saved)
    else:
        raise AssertionError("saving over a saved stage must fail without overwrite()")
    assert _state(_load(cx)) == _state(cx.stage)


def _load(cx: Context) -> Stage:
    return type(cx.stage).load(cx.saved, allow_functions=functions_of(cx.stage))


@check(unless=[tagged("not_picklable")])
def pickling(cx: Context) -> None:
    """A pickled stage gives the same output."""
    assert_same(run_stage(pickle.loads(pickle.dumps(cx.stage)), cx.data), cx.result)
