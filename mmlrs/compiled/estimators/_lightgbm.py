"""Boosters and estimators of LightGBM, from their text dump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmlrs.compiled.estimators._categories import Codes, encoded
from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._dumps import reading
from mmlrs.compiled.estimators._lightgbm_text import Parsed, parse
from mmlrs.compiled.estimators._outputs import Outputs

__all__ = ["Dump", "names", "predict"]

#: Objectives whose target is a probability.
_SHARES = ("cross_entropy", "xentropy")
#: The inverse links of objectives with one value.
_LINKS = {
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "log"),
    **dict.fromkeys(_SHARES, "logit"),
    **dict.fromkeys(("cross_entropy_lambda", "xentlambda"), "softplus"),
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"),
        "identity",
    ),
}
_MULTICLASS = {"multiclass": "softmax", "softmax": "softmax", "multiclassova": "sigmoids", "ova": "sigmoids"}


@dataclass
class Dump:
    """The text of a model file."""

    text: str


def _parsed(fitted: Any, at: str) -> Parsed:
    """Return the parsed dump, with the rounds that the original predicts with."""
    if isinstance(fitted, Dump):
        return parse(fitted.text)
    if type(fitted).__name__ == "Booster":
        return parse(fitted.model_to_string())
    if not hasattr(fitted, "booster_") and not hasattr(type(fitted), "booster_"):
        raise refused(at, f"mmlrs does not know the class lightgbm.{type(fitted).__name__}")
    if getattr(fitted, "_Booster", None) is None:
        raise refused(at, "it is not fitted", "call `fit` first")
    return parse(fitted.booster_.model_to_string())


def names(fitted: Any) -> tuple[list[str] | None, int]:
    """Return the names of the features, if the fit knew them, and their number."""
    parsed = _parsed(fitted, type(fitted).__name__)
    known = parsed.header["feature_names"].split(" ")
    if hasattr(fitted, "feature_names_in_"):
        # The dump has underscores for spaces.
        own = [str(name) for name in fitted.feature_names_in_]
        known = own if len(own) == len(known) else known
    is_plain = all(name == f"Column_{number}" for number, name in enumerate(known))
    return (None if is_plain else known), parsed.size


def predict(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    """Add the steps of a model of LightGBM."""
    parsed = _parsed(fitted, at)
    origin = "Booster" if isinstance(fitted, Dump) else type(fitted).__name__
    if len(features) != parsed.size:
        raise refused(at, f"it was fitted on {parsed.size} features, got {len(features)}")
    name, *options = parsed.header.get("objective", "custom").split(" ")
    settings = dict(option.partition(":")[::2] for option in options)
    classes = getattr(fitted, "classes_", None)
    with reading("the text dump of LightGBM"):
        column = flow.vector(origin, _coded(flow, origin, features, parsed, at), "any")
    rounds = len(parsed.trees) / parsed.trees_per_round if "average_output" in parsed.header else 1.0
    start, forest = np.zeros(parsed.trees_per_round), parsed.forest(at)
    binary = name == "binary" or (classes is not None and len(classes) == 2 and name in _SHARES)
    if name in _MULTICLASS or binary:
        # Raw values are sums, also those of random forests.
        factor = 1.0 if _MULTICLASS.get(name) == "softmax" else float(settings.get("sigmoid", "1"))
        outputs.classifier(
            flow,
            origin,
            column,
            forest.model(start, parsed.size),
            classes=classes,
            probabilities="logistic" if binary else _MULTICLASS[name],
            divisor=rounds / factor,
            decision={"rule": "largest_probability"},
            margin=binary,
        )
    elif name in _LINKS and classes is None:
        link = "signed_square" if "sqrt" in settings else _LINKS[name]
        outputs.regressor(flow, origin, column, forest.model(start, parsed.size, divisor=rounds), link)
    else:
        raise refused(
            at, f"mmlrs does not know its objective {name!r}", "train it with an objective of LightGBM"
        )


def _coded(flow: Flow, origin: str, features: Features, parsed: Parsed, at: str) -> Features:
    """Return the features with the codes of category columns of pandas. Unknown categories are missing values."""
    chosen = sorted(parsed.levels)
    if not chosen:
        return features
    codes = [
        Codes(parsed.levels[index], range(len(parsed.levels[index])), missing=np.nan, unknown=np.nan)
        for index in chosen
    ]
    done = encoded(flow, origin, [features[index] for index in chosen], codes, at, indicators=False)
    replaced = dict(zip(chosen, done))
    return [replaced.get(index, slot) for index, slot in enumerate(features)]
