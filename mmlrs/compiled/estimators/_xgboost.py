"""Boosters and estimators of XGBoost, from their JSON model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats, ints
from mmlrs.compiled.estimators._categories import Codes, encoded
from mmlrs.compiled.estimators._columns import Features, Flow, refused, vector_slots
from mmlrs.compiled.estimators._dumps import reading
from mmlrs.compiled.estimators._outputs import Outputs, linear, threshold
from mmlrs.compiled.estimators._xgboost_json import Parsed, parse

__all__ = ["Dump", "names", "predict"]

#: The inverse links of objectives with one value.
_LINKS = {
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:linear",
            "reg:squaredlogerror",
            "reg:pseudohubererror",
            "reg:absoluteerror",
            "reg:quantileerror",
            "reg:expectileerror",
            "rank:ndcg",
            "rank:map",
            "rank:pairwise",
        ),
        "identity",
    ),
    "reg:logistic": "logit",
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), "log"),
}
_BINARY = ("binary:logistic", "binary:logitraw", "binary:hinge")
_MULTICLASS = ("multi:softmax", "multi:softprob")
#: The margin from which the logistic function exceeds 0.5 in single precision.
_MARGIN = 1.5 * 2.0**-24


@dataclass
class Dump:
    """The content of a JSON model file."""

    content: bytes


def _booster(fitted: Any, at: str) -> Any:
    """Return the booster of an estimator."""
    if isinstance(fitted, Dump) or type(fitted).__name__ == "Booster":
        return fitted
    if not hasattr(fitted, "get_booster"):
        raise refused(at, f"mmlrs does not know the class xgboost.{type(fitted).__name__}")
    if not fitted.__sklearn_is_fitted__():
        raise refused(at, "it is not fitted", "call `fit` first")
    return fitted.get_booster()


def _parsed(booster: Any) -> Parsed:
    return parse(booster.content if isinstance(booster, Dump) else bytes(booster.save_raw("json")))


def names(fitted: Any) -> tuple[list[str] | None, int]:
    """Return the names of the features, if the fit knew them, and their number."""
    parsed = _parsed(_booster(fitted, type(fitted).__name__))
    return parsed.names, parsed.size


def predict(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    """Add the steps of a model of XGBoost."""
    parsed = _parsed(_booster(fitted, at))
    origin = "Booster" if isinstance(fitted, Dump) else type(fitted).__name__
    if len(features) != parsed.size:
        raise refused(at, f"it was fitted on {parsed.size} features, got {len(features)}")
    with reading("the JSON model of XGBoost"):
        features = _coded(flow, origin, features, parsed, at)
    gap = getattr(fitted, "missing", None)
    if gap is not None and not math.isnan(gap):
        features = _erased(flow, origin, features, gap)
    with reading("the JSON model of XGBoost"):
        model, column = _model(flow, fitted, origin, features, parsed, at)
    objective, classes = parsed.objective, getattr(fitted, "classes_", None)
    if objective in _BINARY:
        logistic = objective == "binary:logistic"
        outputs.classifier(
            flow,
            origin,
            column,
            model,
            classes=classes,
            probabilities="logistic" if logistic else "none",
            decision=threshold(_thresholds(classes is not None)[objective]),
            margin=True,
        )
    elif objective in _MULTICLASS:
        outputs.classifier(
            flow,
            origin,
            column,
            model,
            classes=classes,
            probabilities="softmax",
            decision={"rule": "largest_raw"},
        )
    elif objective in _LINKS and classes is None:
        if parsed.outputs != 1:
            raise refused(at, f"it predicts {parsed.outputs} outputs", "compile a model of one output")
        outputs.regressor(flow, origin, column, model, _LINKS[objective])
    else:
        raise refused(
            at, f"mmlrs does not know its objective {objective!r}", "train it with an objective of XGBoost"
        )


def _thresholds(wrapped: bool) -> dict[str, float]:
    """Return what the margin of class 1 exceeds. `XGBClassifier` compares a raw margin with 0.5, as if it were a probability."""
    return {"binary:logistic": _MARGIN, "binary:logitraw": 0.5 if wrapped else 0.0, "binary:hinge": 0.0}


def _erased(flow: Flow, origin: str, features: Features, gap: float) -> Features:
    """Return features with NaN where a value equals the one that counts as missing, in single precision."""
    size = len(features)
    gaps = floats(np.full(size, np.float32(gap)))
    operations = [{"op": "single", "size": size}, {"op": "erase", "values": gaps}]
    return vector_slots(flow.vector(origin, features, "any", operations), size)


def _rounds(fitted: Any) -> int | None:
    """Return the number of rounds that an estimator predicts with: up to the best one, if it stopped early."""
    if not hasattr(fitted, "get_booster"):
        return None
    best = fitted.get_booster().attr("best_iteration")
    return None if best is None else int(best) + 1


def _model(
    flow: Flow, fitted: Any, origin: str, features: Features, parsed: Parsed, at: str
) -> tuple[dict[str, Any], str]:
    """Return the model and the vectors that it reads."""
    base = parsed.base()
    if parsed.booster["name"] == "gblinear":
        weights = np.asarray(parsed.booster["model"]["weights"], dtype=np.float32)
        rows = weights.reshape(parsed.size + 1, parsed.outputs)
        # A missing value counts as zero.
        column = flow.vector(origin, features, "nan")
        kept = np.arange(parsed.size)
        filled = flow.vectors(
            origin,
            column,
            parsed.size,
            "fill",
            missing=floats([np.nan]),
            values=floats(np.zeros(parsed.size)),
            kept=ints(kept),
            indicators=ints([]),
        )
        # XGBoost adds the first start to all outputs.
        return linear(rows[:-1].T, rows[-1] + base[0], parsed.size), filled[0].column
    if parsed.booster["name"] != "gbtree":
        raise refused(at, f"mmlrs does not know its booster {parsed.booster['name']!r}")
    model = parsed.forest(_rounds(fitted), at).model(base, parsed.size, single=True)
    return model, flow.vector(origin, features, "any")


def _coded(flow: Flow, origin: str, features: Features, parsed: Parsed, at: str) -> Features:
    """Return the features with the codes of categories. As in XGBoost an unknown category is an error."""
    levels = parsed.levels()
    chosen = sorted(levels)
    if not chosen:
        return features
    codes = [Codes(levels[index], range(len(levels[index])), missing=np.nan) for index in chosen]
    done = encoded(flow, origin, [features[index] for index in chosen], codes, at, indicators=False)
    replaced = dict(zip(chosen, done))
    return [replaced.get(index, slot) for index, slot in enumerate(features)]
