"""What a file of MegaDetector's format says about all its pictures: categories, classes and `info`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import shown
from mmlrs.camera_traps._json_files import info_of
from mmlrs.camera_traps._rows import Lists, Rows
from mmlrs.camera_traps._times import written_time
from mmlrs.errors import InvalidParamError

__all__ = ["Ids", "category_ids", "class_ids", "info_member"]

_FORMAT = "1.6"
_CATEGORIES = ("animal", "person", "vehicle")
_TYPICAL = 0.2
_CONSERVATIVE = 0.05


@dataclass(frozen=True)
class Ids:
    """The ids of labels, and what the file lists."""

    by_label: dict[str, str]
    #: The name of each id. Several ids may have one name; the first is used.
    listed: dict[str, str]

    @classmethod
    def of(cls, listed: Mapping[str, str], labels: set[str], first: int) -> Ids:
        """Return the ids of a list, and of further labels in alphabetical order."""
        names = dict(listed)
        following = max((int(number) + 1 for number in names), default=first)
        more = sorted(labels - set(names.values()))
        names.update((str(following + place), label) for place, label in enumerate(more))
        by_label: dict[str, str] = {}
        for number, name in names.items():
            by_label.setdefault(name, number)
        return cls(by_label, names)


def _is_id(number: object) -> bool:
    return isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 10


def _kept_names(kept: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return the names of the file that the table was read from. Metadata of anything else are not used."""
    found = kept.get(key)
    items = found.items() if isinstance(found, dict) else ()
    return {
        number: name for number, name in items if _is_id(number) and isinstance(name, str) and name.strip()
    }


def category_ids(rows: Rows, lists: Lists, labels: list[str], given: Any, kept: Mapping[str, Any]) -> Ids:
    """Return the ids of the labels of detections."""
    if given is None:
        names = _kept_names(kept, "detection_categories")
        names.pop("0", None)
        listed = names or {str(place + 1): name for place, name in enumerate(_CATEGORIES)}
    else:
        listed = _given(rows.function, given)
    present = set(labels)
    ids = Ids.of(listed, present if given is None else set(), 1)
    wrong = {label for label in present if not label.strip() or label.casefold() == "empty"}
    strange = present - ids.by_label.keys()
    if wrong or strange:
        label = min(wrong or strange)
        problem = (
            "is not the label of a detection; an empty picture has an empty list"
            if wrong
            else f"is not one of param `categories`, {', '.join(map(shown, ids.by_label))}"
        )
        rows.fail(lists.row_of(labels.index(label)), f"{shown(label)} {problem}")
    return ids


def _given(function: str, categories: Any) -> dict[str, str]:
    """Return the param `categories` as names by ids."""
    where = f"{function}: param `categories`"
    if isinstance(categories, Mapping):
        listed = dict(categories)
    elif isinstance(categories, Sequence) and not isinstance(categories, str):
        listed = {str(place + 1): name for place, name in enumerate(categories)}
    else:
        raise InvalidParamError(
            f'{where} must be a list of labels, or a dict of ids and labels such as {{"1": "animal"}}, got {shown(categories)}'
        )
    for number, name in listed.items():
        if not _is_id(number) or int(number) == 0:
            raise InvalidParamError(
                f'{where}: an id must be a whole number from "1" as a text ("0" means an empty picture), got {shown(number)}'
            )
        if not isinstance(name, str) or not name.strip():
            raise InvalidParamError(f"{where}: a label must be a text that is not blank, got {shown(name)}")
    if not listed:
        raise InvalidParamError(f"{where} must have at least one label")
    return listed


def class_ids(
    rows: Rows, lists: Lists, kept: Mapping[str, Any], digits: int
) -> tuple[list[list[list[Any]] | None], dict[str, Any]]:
    """Return the classifications of each detection, best first, as ids and scores; and the members of the file about them."""
    kind = lists.values.type
    if not pa.types.is_struct(kind) or kind.get_field_index("classifications") < 0:
        return [None] * len(lists.values), {}
    found: list[Any] = pc.struct_field(lists.values, ["classifications"]).to_pylist()
    for place, classes in enumerate(found):
        problem = _class_problem(classes)
        if problem is not None:
            rows.fail(lists.row_of(place), f"`classifications` {problem}")
    names = _kept_names(kept, "classification_categories")
    ids = Ids.of(names, {item["label"] for classes in found for item in classes or ()}, 0)
    described = _kept_names(kept, "classification_category_descriptions")
    header: dict[str, Any] = {"classification_categories": ids.listed} if ids.listed else {}
    if described and ids.listed:
        header["classification_category_descriptions"] = {
            number: described.get(number, name) for number, name in ids.listed.items()
        }
    pairs = [
        None
        if classes is None
        else [
            [ids.by_label[item["label"]], round(float(item["score"]), digits)]
            for item in sorted(classes, key=lambda item: -item["score"])
        ]
        for classes in found
    ]
    return pairs, header


def _class_problem(classes: Any) -> str | None:
    if classes is None:
        return None
    if not isinstance(classes, list) or not all(isinstance(item, dict) for item in classes):
        return f"must be a list of structs with label and score, got {shown(classes)}"
    for item in classes:
        label, score = item.get("label"), item.get("score")
        if not isinstance(label, str) or not label.strip():
            return f"must have labels that are not blank, got {shown(label)}"
        if not isinstance(score, float | int) or not 0 <= score <= 1:
            return f"must have scores between 0 and 1, got {shown(score)}"
    return None


def info_member(
    function: str,
    kept: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    detector: Any,
    typical: Any,
    conservative: Any,
) -> dict[str, Any]:
    """Return the member `info`: what was read, what the user says, and what the format asks for."""
    if detector is not None and (not isinstance(detector, str) or not detector.strip()):
        raise InvalidParamError(f"{function}: param `detector` must be a name, got {shown(detector)}")
    older = kept.get("info")
    info = info_of(
        function, {**(older if isinstance(older, dict) else {}), **info_of(function, given, {})}, {}
    )
    metadata = info.get("detector_metadata")
    metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
    high = _threshold(function, "typical", typical, metadata, _TYPICAL)
    low = _threshold(function, "conservative", conservative, metadata, min(_CONSERVATIVE, high))
    if low > high:
        raise InvalidParamError(
            f"{function}: param `conservative_threshold` must be at most `typical_threshold`, got {low} and {high}"
        )
    metadata.update(typical_detection_threshold=high, conservative_detection_threshold=low)
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - the format has no zone
    return {
        "detection_completion_time": written_time(now),
        **info,
        **({} if detector is None else {"detector": detector}),
        "format_version": _FORMAT,
        "detector_metadata": metadata,
    }


def _threshold(function: str, name: str, given: Any, metadata: Mapping[str, Any], default: float) -> float:
    """Return a threshold: that of the user, else that of the file that was read, else the default."""
    value: Any = metadata.get(f"{name}_detection_threshold") if given is None else given
    if given is None and not _is_share(value):
        return default
    if not _is_share(value):
        raise InvalidParamError(
            f"{function}: param `{name}_threshold` must be a number from 0 to 1, got {shown(value)}"
        )
    return float(value)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
