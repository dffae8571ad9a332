"""Every stage of the registry keeps the contract, on tables and on Spark."""

from __future__ import annotations

import importlib
import inspect

import pytest

import mmlrs
from mmlrs.base import Stage, stage_specs
from mmlrs.testing import check_stage, sample_stage
from mmlrs.testing.checks import CHECKS, Facts


def stage_class(name: str):
    return getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)


@pytest.mark.parametrize("name", stage_specs())
def test_the_stage_keeps_its_promises(name, spark):
    stage, data = sample_stage(stage_class(name))
    report = check_stage(stage, data, spark)
    facts = Facts.of(type(stage))
    assert ("fused_equals_unfused" in report.passed) == facts.native, report
    assert ("partitions" in report.passed) == facts.merges, report
    assert set(report.not_applicable) | set(report.passed) == set(CHECKS)


def test_every_check_applies_to_several_stages():
    """A tag in the descriptor leaves out a check for one stage; no check is left out for nearly all."""
    for check in CHECKS.values():
        reasons = [check.reason_against(Facts.of(stage_class(name)), True) for name in stage_specs()]
        assert reasons.count(None) >= 5, check.name


@pytest.mark.parametrize("name", stage_specs())
def test_the_stage_is_public_documented_and_typed(name):
    cls = stage_class(name)
    module = importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}")
    assert name in module.__all__
    assert cls.__module__ == module.__name__
    assert "Parameters\n" in cls.__doc__
    assert "Examples\n" in cls.__doc__
    for param in stage_specs()[name]["params"]:
        assert f"{param['name']} : " in cls.__doc__


def test_every_stage_class_is_in_the_registry():
    found = set()
    for namespace in {spec["module"] for spec in stage_specs().values()}:
        module = importlib.import_module(f"mmlrs.{namespace}")
        found |= {
            n for n in module.__all__ if inspect.isclass(o := getattr(module, n)) and issubclass(o, Stage)
        }
    assert found == set(stage_specs())


def test_every_public_name_is_documented():
    for namespace in mmlrs._NAMESPACES:
        module = importlib.import_module(f"mmlrs.{namespace}")
        for name in module.__all__:
            member = getattr(module, name)
            if callable(member):
                assert member.__doc__, f"mmlrs.{namespace}.{name}"
    for name in mmlrs.__all__:
        assert getattr(mmlrs, name).__doc__, f"mmlrs.{name}"
