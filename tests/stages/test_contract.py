"""Every stage of the registry keeps the contract, on tables and on Spark."""

from __future__ import annotations

import importlib
import inspect

import pyarrow as pa
import pytest

import mmlrs
from mmlrs.base import Stage, stage_specs
from mmlrs.stages import SelectColumns
from mmlrs.testing import check_stage, checks_of, sample_stage


def stage_class(name: str):
    return getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)


CASES = [
    pytest.param(name, check, id=f"{name}-{check_name}")
    for name in stage_specs()
    for check_name, check in checks_of(stage_class(name), with_spark=True)
]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_the_stage_keeps_its_promise(name, check, spark):
    stage, data = sample_stage(stage_class(name))
    check(stage, data, spark)


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


class LosesARow(SelectColumns):
    """A stage that breaks its promise."""

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).slice(1)


def test_a_broken_stage_fails_the_contract():
    data = pa.table({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]})
    with pytest.raises(AssertionError, match="SelectColumns: chunks: "):
        check_stage(LosesARow(cols=["a"]), data)
