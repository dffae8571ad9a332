"""The metadata of scored columns, which give the role of each column.

The metadata of a column have a member `mmlrs`. Its `role` is "label", "prediction", "probability" or "rawPrediction", its `kind` is
"classification" or "regression", and its `labels` are the values of the label column in the order of the classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.columns import Columns
from mmlrs.engine.fields import is_text
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs._types import FrameOrTable

__all__ = ["METADATA", "Scored", "facts_of", "levels_of", "scored_columns"]

METADATA = "mmlrs"
_SCORES = ("probability", "rawPrediction")


@dataclass
class Scored:
    """The columns of scored data, and the kind of the predictions."""

    kind: str | None = None
    label: str | None = None
    prediction: str | None = None
    scores: str | None = None
    labels: list[Any] | None = None
    #: The names of the classes if the label column holds their numbers.
    names: list[str] | None = field(default=None)
    #: Whether the labels are strings.
    texts: bool = False
    #: Whether metadata names the classes.
    marked: bool = False


def facts_of(dataset: FrameOrTable) -> dict[str, dict[str, Any]]:
    """Return the metadata of every column."""
    if isinstance(dataset, pa.Table):
        return {
            f.name: {k.decode(): json.loads(v) for k, v in (f.metadata or {}).items() if k in _KEYS}
            for f in dataset.schema
        }
    return {f.name: f.metadata or {} for f in dataset.schema.fields}


_KEYS = (METADATA.encode(), b"ml_attr")


def scored_columns(stage: Stage, dataset: FrameOrTable, kind: str | None) -> Scored:
    """Return the columns that the params of a stage name, and the others from the metadata of the columns.

    `kind` is the kind that the user requested, or None for the kind in the metadata.
    """
    facts = facts_of(dataset)
    columns = Columns.of(dataset, stage._stage)

    def named(param: str) -> str | None:
        value = stage._value(param)
        return None if value is None else columns.resolve(value)

    def marked(*roles: str) -> str | None:
        return _marked(stage, facts, kind, roles)

    scored = Scored(
        label=named("labelCol"), prediction=named("scoredLabelsCol"), scores=named("scoresCol"), kind=kind
    )
    needs_metadata = scored.label is None or (scored.prediction is None and scored.scores is None)
    if needs_metadata:
        scored.label = scored.label or marked("label")
        if scored.prediction is None and scored.scores is None:
            scored.prediction, scored.scores = marked("prediction"), marked(*_SCORES)
    names = [n for n in (scored.prediction, scored.scores, scored.label) if n is not None]
    marks = [facts[n][METADATA] for n in names if METADATA in facts[n]]
    if scored.kind is None:
        scored.kind = next((k["kind"] for k in marks if "kind" in k), None)
    if scored.kind is None and scored.scores is not None:
        scored.kind = "classification"
    if scored.kind is None:
        raise InvalidParamError(
            f'{stage._stage}: param `evaluationMetric` must be "classification", "regression" or a single metric here, '
            "because the metadata of the columns does not say what was predicted"
        )
    if scored.label is None:
        raise InvalidParamError(
            f"{stage._stage}: param `labelCol` must be set, because no column is marked as the label in its metadata"
        )
    if scored.kind == "classification":
        scored.texts = _is_text(dataset, scored.label)
        _find_labels(stage, scored, facts, marks)
    return scored


def _marked(
    stage: Stage, facts: dict[str, dict[str, Any]], kind: str | None, roles: tuple[str, ...]
) -> str | None:
    """Return the column with the first of these roles that a column has in its metadata."""
    for role in roles:
        marks = {name: fact[METADATA] for name, fact in facts.items() if METADATA in fact}
        names = [n for n, m in marks.items() if m.get("role") == role and kind in (None, m.get("kind"))]
        if len(names) > 1:
            raise SchemaMismatchError(
                f"{stage._stage}: columns {', '.join(f'`{n}`' for n in names)}: several models scored this data; set "
                "labelCol, scoresCol and scoredLabelsCol to the columns to evaluate"
            )
        if names:
            return names[0]
    return None


def _find_labels(
    stage: Stage, scored: Scored, facts: dict[str, dict[str, Any]], marks: list[dict[str, Any]]
) -> None:
    """Set the labels or names of the class numbers."""
    assert scored.label is not None
    scored.labels = stage._value("labels")
    names = levels_of(facts[scored.label])
    guessed = levels_of(facts[scored.prediction]) if scored.prediction is not None else None
    if scored.labels is None and names is None:
        # The labels in the metadata of the scored columns, or else the levels of the predictions.
        scored.labels = next((k["labels"] for k in marks if k.get("labels")), None)
        if scored.labels is None and guessed is not None and (scored.texts or all(map(_is_number, guessed))):
            scored.labels = guessed
    if scored.labels is None and names is not None:
        scored.names = names
        if guessed is not None and guessed != names:
            raise SchemaMismatchError(
                f"{stage._stage}: column `{scored.prediction}`: its numbers mean {_listed(guessed)}, but those of "
                f"`{scored.label}` mean {_listed(names)}; convert both to values with IndexToValue"
            )
    scored.marked = bool(marks) or scored.labels is not None or scored.names is not None


def levels_of(fact: dict[str, Any]) -> list[str] | None:
    """Return the levels of a nominal column, without those that an indexer adds for unseen and missing values."""
    attributes = fact.get("ml_attr")
    if not isinstance(attributes, dict) or attributes.get("vals") is None:
        return None
    values, origin = attributes["vals"], attributes.get("mmlrs")
    return [str(text) for text in values[: origin.get("levels") if isinstance(origin, dict) else None]]


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _is_text(dataset: FrameOrTable, name: str) -> bool:
    if not isinstance(dataset, pa.Table):
        return bool(dataset.schema[name].dataType.typeName() in ("string", "char", "varchar"))
    kind = dataset.schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(kind)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
