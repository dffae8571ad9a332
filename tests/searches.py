"""Small searches and models for the tests of `mmlrs.automl`."""

from __future__ import annotations

from mmlrs.automl import (
    HyperparamBuilder,
    TuneHyperparameters,
)
from mmlrs.stages import RenameColumn


def space_of(kind, *added):
    builder = HyperparamBuilder()
    for stage, param, values in added:
        builder.addHyperparam(stage, param, values)
    return kind(builder.build())


def tuner(models, space, **params):
    return TuneHyperparameters(models=models, paramSpace=space, **params)


def values_of(found):
    return [tuple(value for _, value in trial.point) for trial in found]


def renames(*names):
    return [RenameColumn(inputCol=name, outputCol="prediction") for name in names]
