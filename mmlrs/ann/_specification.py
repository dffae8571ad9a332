"""The settings and columns of a training, from the params of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmlrs.engine.training import FULL_BATCH
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._stage import Stage

__all__ = ["columns_read", "settings_of"]

#: The learning rate of a solver if the user sets none.
_STEP_SIZES = {"l-bfgs": 1.0, "gd": 0.03, "sgd": 0.01, "symsgd": 0.01, "adam": 0.001, "adamw": 0.001}


def settings_of(stage: Stage) -> dict[str, Any]:
    """Return the settings of a training from the params of an estimator.

    Raises
    ------
    InvalidParamError
        Params contradict each other.
    """
    value = stage._value
    solver = value("solver")
    full = solver in FULL_BATCH
    if value("localSteps") and full:
        raise InvalidParamError(
            f'{stage._stage}: param `localSteps` needs batches; use solver="adam", "adamw" or "sgd"'
        )
    if value("localSteps") and solver == "symsgd":
        raise InvalidParamError(
            f'{stage._stage}: param `localSteps` is not for solver="symsgd", which has rounds of its own; use solver="adam", "adamw" '
            'or "sgd"'
        )
    if value("gradientCompression") != "none" and (full or solver == "symsgd" or value("localSteps")):
        raise InvalidParamError(
            f'{stage._stage}: param `gradientCompression` needs gradients of batches; use solver="adam", "adamw" or "sgd" without '
            "`localSteps`"
        )
    held_out = value("validationIndicatorCol") is not None or value("validationFraction") > 0
    if value("earlyStopping") and not held_out:
        raise InvalidParamError(
            f"{stage._stage}: param `earlyStopping` needs rows to validate on; set `validationFraction` or "
            "`validationIndicatorCol`"
        )
    if value("validationIndicatorCol") is not None and value("validationFraction") > 0:
        raise InvalidParamError(
            f"{stage._stage}: params `validationFraction` and `validationIndicatorCol` exclude each other"
        )
    schedule: dict[str, Any] = {"kind": value("schedule")}
    if schedule["kind"] == "step":
        schedule |= {"epochs": value("decayEpochs"), "factor": value("decayFactor")}
    step_size = value("stepSize")
    return {
        "solver": solver,
        "iterations": value("maxIter") if full else value("epochs"),
        "tolerance": value("tol"),
        "step_size": _STEP_SIZES[solver] if step_size is None else step_size,
        "momentum": value("momentum"),
        "nesterov": value("nesterov"),
        "weight_decay": value("weightDecay"),
        "l2": value("l2"),
        "batch_size": value("batchSize"),
        "block_size": value("blockSize"),
        "schedule": schedule,
        "warm_up": value("warmUpEpochs"),
        "seed": value("seed") % 2**64,
        "patience": value("earlyStopping"),
        "validation_fraction": value("validationFraction"),
        "local_steps": value("localSteps"),
        "one_bit": value("gradientCompression") == "1bit",
        "outer_rate": None,
        "outer_momentum": None,
    }


def columns_read(stage: Stage, resolve: Any, labels: str, sized_by: str) -> dict[str, Any]:
    """Return the columns of a training, by their names in the dataset.

    The column of features is for the caller to set. `labels` says what the label column holds: "classes", "values", or "input" if
    there is none.
    """

    def found(param: str) -> str | None:
        name = stage._value(param) if stage.hasParam(param) else None
        return None if name is None else resolve(name)

    return {
        "features": None,
        "label": None if labels == "input" else found("labelCol"),
        "labels": labels,
        "weight": found("weightCol"),
        "held_out": found("validationIndicatorCol"),
        "skips": stage._value("handleInvalid") == "skip",
        "sized_by": sized_by,
    }
