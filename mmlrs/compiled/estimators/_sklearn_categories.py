"""Encoders of categories of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators._categories import Codes, encoded, is_missing, known
from mmlrs.compiled.estimators._columns import Features, Flow, refused, vector_slots

__all__ = ["TRANSFORMERS", "ordinal_codes"]


def _grouped(categories: list[Any], rare: Any) -> tuple[list[int], int | None]:
    """Return the code of each category once the infrequent ones share the last code, and that code."""
    if rare is None:
        return list(range(len(categories))), None
    names = [value for value in np.asarray(rare, dtype=object).tolist() if not is_missing(value)]
    missing_is_rare = any(is_missing(value) for value in np.asarray(rare, dtype=object).tolist())
    codes, frequent = [], 0
    for value in categories:
        is_rare = missing_is_rare if is_missing(value) else value in names
        codes.append(-1 if is_rare else frequent)
        frequent += not is_rare
    return [frequent if code < 0 else code for code in codes], frequent


def _one_hot_codes(fitted: Any, index: int, at: str) -> Codes:
    """Return the indicators of a feature of a `OneHotEncoder`."""
    categories = np.asarray(fitted.categories_[index]).tolist()
    values, missing = known(fitted.categories_[index], at)
    rare = getattr(fitted, "infrequent_categories_", None) if _groups(fitted) else None
    codes, other = _grouped(categories, None if rare is None else rare[index])
    width = max(codes, default=-1) + 1
    drop = None if fitted.drop_idx_ is None else fitted.drop_idx_[index]
    if drop is not None:
        dropped = codes[int(drop)]
        # The slots after the dropped one move up.
        codes = [-1 if code == dropped else code - (code > dropped) for code in codes]
        if other is not None:
            other = -1 if other == dropped else other - (other > dropped)
        width -= 1
    unknown: float | None = None
    if fitted.handle_unknown == "ignore":
        unknown = -1
    elif fitted.handle_unknown != "error":
        unknown = -1 if other is None else other
    own = [code for place, code in enumerate(codes) if place != missing]
    return Codes(values, own, None if missing is None else codes[missing], unknown, width)


def _groups(fitted: Any) -> bool:
    """Return whether an encoder groups infrequent categories."""
    limits = (getattr(fitted, "max_categories", None), getattr(fitted, "min_frequency", None))
    return any(limit is not None for limit in limits)


def _one_hot(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    codes = [_one_hot_codes(fitted, index, at) for index in range(len(features))]
    return encoded(flow, type(fitted).__name__, features, codes, at, indicators=True)


def ordinal_codes(fitted: Any, index: int, at: str) -> Codes:
    """Return the codes of a feature of an `OrdinalEncoder`."""
    values, missing = known(fitted.categories_[index], at)
    rare = getattr(fitted, "infrequent_categories_", None) if _groups(fitted) else None
    codes, _ = _grouped(values, None if rare is None else rare[index])
    code = None
    if missing is not None:
        is_nan = fitted.categories_[index][missing] is not None
        code = float(fitted.encoded_missing_value) if is_nan else float(missing)
    unknown = float(fitted.unknown_value) if fitted.handle_unknown == "use_encoded_value" else None
    if missing is not None and fitted.categories_[index][missing] is None and missing < len(values):
        raise refused(
            at, "None is a category between others", "fit it on strings, with NaN for missing values"
        )
    return Codes(values, codes, code, unknown)


def _ordinal(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    codes = [ordinal_codes(fitted, index, at) for index in range(len(features))]
    return encoded(flow, type(fitted).__name__, features, codes, at, indicators=False)


def _bins(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Add the bins of a `KBinsDiscretizer`, as numbers or as indicators."""
    origin, size = type(fitted).__name__, len(features)
    borders = [floats(edges[1:-1]) for edges in fitted.bin_edges_]
    column = flow.vector(origin, features, "finite", [{"op": "bin", "borders": borders}])
    done = flow.marked(vector_slots(column, size), "single")
    if fitted.encode == "ordinal":
        return done
    codes = [Codes(list(range(count)), range(count), width=int(count)) for count in fitted.n_bins_]
    return encoded(flow, origin, done, codes, at, indicators=True)


#: The function that compiles each transformer.
TRANSFORMERS: dict[str, Callable[[Flow, Any, Features, str], Features]] = {
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "KBinsDiscretizer": _bins,
}
