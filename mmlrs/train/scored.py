"""What the columns that a model scored tell about themselves: the part each plays, in its metadata.

The metadata of a column has the member `mmlrs`: `role` is "label", "prediction", "probability" or "rawPrediction", `kind`
"classification" or "regression", and `labels` the values of the label column in the order of the classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError, SchemaMismatchError

__all__ = ["METADATA", "Scored", "facts_of", "scored_columns"]

METADATA = "mmlrs"
_SCORES = ("probability", "rawPrediction")


@dataclass
class Scored:
    """The columns of scored data, and what was predicted."""

    kind: str | None = None
    label: str | None = None
    prediction: str | None = None
    scores: str | None = None
    labels: list[Any] | None = None
    #: The texts of the classes where the label column holds their numbers.
    names: list[str] | None = field(default=None)
    #: Are the labels text?
    texts: bool = False
    #: Do metadata tell what the classes are?
    marked: bool = False


def facts_of(dataset: Any) -> dict[str, dict[str, Any]]:
    """Return the metadata of every column."""
    if isinstance(dataset, pa.Table):
        return {
            f.name: {k.decode(): json.loads(v) for k, v in (f.metadata or {}).items() if k in _READ}
            for f in dataset.schema
        }
    return {f.name: f.metadata or {} for f in dataset.schema.fields}


_READ = (METADATA.encode(), b"ml_attr")


def scored_columns(stage: Any, dataset: Any, kind: str | None) -> Scored:
    """Return the columns that the stage's params name, the others as the columns' metadata tell.

    `kind` is what the user asked for, or None for what the metadata tell.
    """
    facts = facts_of(dataset)
    columns = Columns.of(dataset, stage._stage)

    def named(param: str) -> str | None:
        value = stage._value(param)
        return None if value is None else columns.resolve(value)

    def marked(*roles: str) -> str | None:
        return _marked(stage, facts, kind, roles)

    made = Scored(
        label=named("labelCol"), prediction=named("scoredLabelsCol"), scores=named("scoresCol"), kind=kind
    )
    told = made.label is None or (made.prediction is None and made.scores is None)
    if told:
        made.label = made.label or marked("label")
        if made.prediction is None and made.scores is None:
            made.prediction, made.scores = marked("prediction"), marked(*_SCORES)
    chosen = [n for n in (made.prediction, made.scores, made.label) if n is not None]
    known = [facts[n][METADATA] for n in chosen if METADATA in facts[n]]
    if made.kind is None:
        made.kind = next((k["kind"] for k in known if "kind" in k), None)
    if made.kind is None and made.scores is not None:
        made.kind = "classification"
    if made.kind is None:
        raise InvalidParamError(
            f'{stage._stage}: param `evaluationMetric` must be "classification" or "regression" (or one metric of them) '
            "here: the columns' metadata do not tell what was predicted"
        )
    if made.label is None:
        raise InvalidParamError(
            f"{stage._stage}: param `labelCol` must be set: no column's metadata tell that it holds the labels"
        )
    if made.kind == "classification":
        made.texts = _is_text(dataset, made.label)
        _find_labels(stage, made, facts, known)
    return made


def _marked(
    stage: Any, facts: dict[str, dict[str, Any]], kind: str | None, roles: tuple[str, ...]
) -> str | None:
    """Return the column whose metadata tell that it plays the first of these parts that any plays."""
    for role in roles:
        marks = {name: fact[METADATA] for name, fact in facts.items() if METADATA in fact}
        found = [n for n, m in marks.items() if m.get("role") == role and kind in (None, m.get("kind"))]
        if len(found) > 1:
            raise SchemaMismatchError(
                f"{stage._stage}: columns {', '.join(f'`{n}`' for n in found)}: several models scored this data; name the "
                "columns to evaluate in labelCol, scoresCol and scoredLabelsCol"
            )
        if found:
            return found[0]
    return None


def _find_labels(
    stage: Any, made: Scored, facts: dict[str, dict[str, Any]], known: list[dict[str, Any]]
) -> None:
    """Find the labels that the numbers of the classes stand for."""
    assert made.label is not None
    made.labels = stage._value("labels")
    names = _names(facts[made.label])
    guessed = _names(facts[made.prediction]) if made.prediction is not None else None
    if made.labels is None and names is None:
        # The labels that the scored columns carry, else the levels of the predictions.
        made.labels = next((k["labels"] for k in known if k.get("labels")), None)
        if made.labels is None and guessed is not None and (made.texts or all(map(_is_number, guessed))):
            made.labels = guessed
    if made.labels is None and names is not None:
        made.names = names
        if guessed is not None and guessed != names:
            raise SchemaMismatchError(
                f"{stage._stage}: column `{made.prediction}`: its numbers stand for {_shown(guessed)}, those of "
                f"`{made.label}` for {_shown(names)}; IndexToValue makes values of both"
            )
    made.marked = bool(known) or made.labels is not None or made.names is not None


def _names(fact: dict[str, Any]) -> list[str] | None:
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


def _is_text(dataset: Any, name: str) -> bool:
    if not isinstance(dataset, pa.Table):
        return bool(dataset.schema[name].dataType.typeName() in ("string", "char", "varchar"))
    kind = dataset.schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _shown(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
