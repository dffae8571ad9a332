"""The answers of `ImageClassifier` as predictions: the first class of each row, with its probability."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.plot.rows import Rows

__all__ = ["first_answers"]

_MEMBERS = {"class", "description", "probability"}


def first_answers(rows: Rows) -> Rows:
    """Return rows whose predictions are answers with the descriptions of the first ones instead; other rows unchanged.

    Their probabilities are added unless others are given. Labels that are classes become their descriptions.
    """
    if "prediction" not in rows.names:
        return rows
    column = rows.column("prediction").combine_chunks()
    lists = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    kind = column.type.value_type if lists else column.type
    if not pa.types.is_struct(kind) or not {member.name for member in kind} >= _MEMBERS:
        return rows
    first = _first(column) if lists else column
    names = _described(first)
    columns = {name: rows.table.column(name) for name in rows.table.column_names}
    columns["prediction"] = names
    given = dict(rows.names)
    facts: dict[str, dict[str, Any]] = {**rows.facts, "prediction": {}}
    if "probability" not in given:
        columns["probability"] = pc.struct_field(first, "probability")
        given["probability"], facts["probability"] = given["prediction"], {}
    if "label" in given and _is_text(rows.column("label").type):
        columns["label"] = _relabelled(rows.column("label"), pc.list_flatten(column) if lists else column)
    return Rows(rows.function, pa.table(columns), given, facts, rows.numbered)


def _first(column: pa.Array) -> pa.Array:
    """Return the first item of each list, null for an empty list."""
    filled = pc.greater(pc.fill_null(pc.list_value_length(column), 0), 0)
    items = pc.list_element(column.filter(filled), 0)
    places = pc.subtract(pc.cumulative_sum(filled.cast(pa.int64())), 1)
    return items.take(pc.if_else(filled, places, None))


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _described(answers: pa.Array) -> pa.Array:
    """Return the description of each answer, or its class if it has none."""
    return pc.coalesce(pc.struct_field(answers, "description"), pc.struct_field(answers, "class"))


def _relabelled(labels: pa.ChunkedArray, answers: pa.Array) -> pa.Array:
    """Return labels that are a class of an answer, and not a description, as its description."""
    described = _described(answers).to_pylist()
    names = dict(zip(pc.struct_field(answers, "class").to_pylist(), described))
    known = set(described)
    return pa.array(
        [label if label in known else names.get(label, label) for label in labels.to_pylist()], pa.string()
    )
