"""Checks of params: defaults, setters, getters, invalid values, copies."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmlrs.base import Stage
from mmlrs.errors import InvalidParamError
from mmlrs.testing.checks.check import check, expect_error
from mmlrs.testing.checks.context import Context, run_stage
from mmlrs.testing.checks.facts import Facts

__all__ = ["bad_types", "bad_values", "copy", "default_construction", "set_and_get"]


@check(runs=False)
def default_construction(cx: Context) -> None:
    """A stage can be constructed without arguments, with the defaults of its descriptor."""
    stage: Stage = type(cx.stage)()
    for param in cx.facts.spec["params"]:
        if param["default"] is not None:
            assert stage._value(param["name"]) == param["default"], f"default of {param['name']}"


@check(runs=False)
def set_and_get(cx: Context) -> None:
    """Every param has a setter that returns the stage and a getter that returns the value."""
    copy = cx.stage.copy()
    for param in cx.facts.spec["params"]:
        name = param["name"]
        capital = name[0].upper() + name[1:]
        value = copy._value(name)
        assert getattr(copy, f"get{capital}")() == value, f"get{capital}"
        if value is not None:
            assert getattr(copy, f"set{capital}")(value) is copy, f"set{capital} returns the stage"
            assert copy.isSet(copy.getParam(name)), f"set{capital} sets"
        assert copy.getParam(name).doc, f"{name} is documented"


@check(runs=False)
def bad_types(cx: Context) -> None:
    """A value of another type raises at once, and the error names the stage and the param."""
    for param in cx.facts.spec["params"]:
        for bad in param["invalid"]:
            work = partial(cx.with_params, **{param["name"]: bad})
            expect_error(InvalidParamError, work, cx, param["name"])


def _violations(facts: Facts) -> dict[str, Any]:
    """Return, for each param with a constraint, a value of the right type that violates it."""
    values = {}
    for param in facts.spec["params"]:
        bad, kind = param["violation"], param["type"]
        if bad is None or (kind not in ("int", "float", "str") and bad == ""):
            continue
        values[param["name"]] = [bad] if kind in ("float_list", "int_list") else bad
    return values


def _without_constraint(facts: Facts) -> str | None:
    return None if _violations(facts) else "no param has values of its type that are not allowed"


@check(unless=[_without_constraint])
def bad_values(cx: Context) -> None:
    """A value outside the range raises when the stage is used, and the error names the stage and the param."""
    for name, bad in _violations(cx.facts).items():
        work = partial(run_stage, cx.with_params(**{name: bad}), cx.data)
        expect_error(InvalidParamError, work, cx, name)


@check(runs=False)
def copy(cx: Context) -> None:
    """A copy has the same uid and values, and changing it leaves the original alone."""
    stage = cx.stage
    copy = stage.copy()
    assert copy.uid == stage.uid and type(copy) is type(stage)
    before = stage._params_json()
    assert copy._params_json() == before
    for param in copy.params:
        copy.clear(param)
    assert stage._params_json() == before, "clearing the copy changed the original"
