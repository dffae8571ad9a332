"""Features of categories as codes and indicators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators._columns import Features, Flow, Slot, refused

__all__ = ["Codes", "encoded", "is_missing", "known"]


def is_missing(value: Any) -> bool:
    """Return whether a category is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


@dataclass
class Codes:
    """The code of each category of one feature."""

    #: Strings, or numbers; without missing values.
    values: list[Any]
    codes: Sequence[float]
    #: The codes of missing and of unknown values. None refuses them.
    missing: float | None = None
    unknown: float | None = None
    #: Number of indicators.
    width: int = 0

    def feature(self, slot: Slot, column: int, at: str) -> dict[str, Any]:
        """Return the feature as a definition gives it."""
        if self.values and isinstance(self.values[0], str):
            if slot.index is not None:
                raise refused(
                    at, "it encodes strings, and vectors hold numbers", "name the columns with `inputCols`"
                )
            categories: dict[str, Any] = {"strings": self.values}
        else:
            categories = {"numbers": floats([float(value) for value in self.values])}
        feature = {"column": column, "known": categories, "codes": floats(self.codes), "width": self.width}
        if slot.index is not None:
            feature["slot"] = slot.index
        if self.missing is not None:
            feature["missing"] = floats([self.missing])
        if self.unknown is not None:
            feature["unknown"] = floats([self.unknown])
        return feature


#: Larger integers are not exact as doubles.
_EXACT = 2**53


def known(categories: Any, at: str) -> tuple[list[Any], int | None]:
    """Return the categories without the missing value, and the place of the missing value."""
    values = list(categories.tolist() if hasattr(categories, "tolist") else categories)
    places = [place for place, value in enumerate(values) if is_missing(value)]
    if len(places) > 1:
        raise refused(
            at,
            "None and NaN are two categories of it, and a table has one kind of missing value",
            "fit it on one",
        )
    rest = [value for value in values if not is_missing(value)]
    if not (
        all(isinstance(value, str) for value in rest) or all(isinstance(value, int | float) for value in rest)
    ):
        kinds = sorted({type(value).__name__ for value in rest})
        raise refused(
            at,
            f"it has categories of the types {', '.join(kinds)}",
            "fit it on columns of strings or numbers",
        )
    if any(isinstance(value, int) and abs(value) > _EXACT for value in rest):
        raise refused(
            at,
            f"it has integers beyond {_EXACT} as categories, which are read as doubles",
            "fit it on strings",
        )
    return rest, places[0] if places else None


def encoded(
    flow: Flow, origin: str, features: Features, codes: Sequence[Codes], at: str, *, indicators: bool
) -> Features:
    """Add a step that encodes features.

    Parameters
    ----------
    flow, origin, features
        The steps so far, the class that encodes, and what it reads.
    codes : list of Codes
        The codes of each feature.
    at : str
        Where the class stands, for errors.
    indicators : bool
        Whether a code is the place of an indicator; a negative code has none.
    """
    columns: list[str] = list(dict.fromkeys(slot.column for slot in features))
    described = [code.feature(slot, columns.index(slot.column), at) for slot, code in zip(features, codes)]
    name = flow.name(origin)
    flow.add(origin, columns, [name], "encode", features=described, indicators=indicators)
    size = sum(code.width for code in codes) if indicators else len(codes)
    done = [Slot(name, index, size) for index in range(size)]
    if indicators:
        flow.mark(name, "single")
    return done
