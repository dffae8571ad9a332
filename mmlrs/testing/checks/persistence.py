"""Checks of saving, loading and pickling."""

from __future__ import annotations

import pickle

from mmlrs._pyspark import Params
from mmlrs.base import Stage
from mmlrs.params.stages import stages_in
from mmlrs.testing.checks.check import check, tagged
from mmlrs.testing.checks.compare import assert_same
from mmlrs.testing.checks.context import Context, run_stage

__all__ = ["overwrite", "pickling", "save_and_load"]


def _state(stage: Stage) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the classes, uids and params of a stage and its nested stages."""
    return [
        (
            type(inner).__name__,
            inner.uid,
            sorted((param.name, _text(value)) for param, value in inner._paramMap.items()),
        )
        for inner in stages_in(stage)
    ]


def _text(value: object) -> str:
    """Return the value of a param as a string, with uids in place of nested stages, which are compared separately."""
    values = value if isinstance(value, list) else [value]
    items = [item.to_json() if hasattr(item, "to_json") else item for item in values]
    return repr([item.uid if isinstance(item, Params) else item for item in items])


@check()
def save_and_load(cx: Context) -> None:
    """A saved stage loads with the same uid and gives the same output."""
    loaded = cx.saved.stage
    assert loaded.uid == cx.stage.uid and type(loaded) is type(cx.stage)
    assert_same(run_stage(loaded, cx.data), cx.result)


@check(runs=False)
def overwrite(cx: Context) -> None:
    """An existing save is replaced only with `overwrite()`, and then completely."""
    assert cx.saved.refused, "saving over a saved stage must fail without overwrite()"
    assert _state(cx.saved.stage) == _state(cx.stage)


@check(unless=[tagged("not_picklable")])
def pickling(cx: Context) -> None:
    """A pickled stage gives the same output."""
    assert_same(run_stage(pickle.loads(pickle.dumps(cx.stage)), cx.data), cx.result)
