"""A sample of pictures that keeps the share of mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs._messages import shown
from mmlrs.engine.cells import file_cells, is_picture
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.errors import InvalidParamError, SchemaMismatchError
from mmlrs.plot.answers import first_answers
from mmlrs.plot.rows import Rows, Values, named_pair, read

__all__ = ["Sample", "sampled", "shares"]

_FUNCTION = "show_images"
_KEY = "mmlrs_key"


@dataclass(frozen=True)
class Sample:
    """The pictures to draw, what is known about them, and the counts of all rows."""

    images: pa.ChunkedArray
    where: str
    labels: list[Any] | None
    predictions: list[Any] | None
    probabilities: list[float] | None
    #: Whether each prediction is wrong; None without label or prediction.
    wrong: list[bool | None]
    total: int
    total_wrong: int


def sampled(data: Any, columns: Mapping[str, Any], count: int, seed: int) -> Sample:
    """Return at most `count` rows. `columns` gives the column of each role, or the values themselves."""
    if is_spark(data):
        return _of_spark(data, columns, count, seed)
    if is_table(data) and not is_picture(data):  # Pillow images offer Arrow data too
        rows = read(_FUNCTION, data, _columns(columns))
    else:
        rows = _of_sequence(data, columns)
    rows = _checked(rows)
    judged = _judged(rows)
    rng = np.random.default_rng(seed % 2**64)
    keys = rng.permutation(rows.table.num_rows).astype(np.int64)
    places = np.sort(_chosen(judged.state, keys, count))
    return _sample(rows, judged, places)


def _checked(rows: Rows) -> Rows:
    """Return the rows with the first answers of `ImageClassifier` as predictions. Raise if a probability is none."""
    rows = first_answers(rows)
    if "probability" in rows.names:
        rows.check_probabilities("probability")
    return rows


def _columns(columns: Mapping[str, Any]) -> dict[str, str | None]:
    for role, name in columns.items():
        if name is not None and not isinstance(name, str):
            argument = {"image": "image_col", "probability": "probabilities"}.get(role, f"{role}s")
            raise InvalidParamError(
                f"{_FUNCTION}: param `{argument}` must be the name of a column of the dataset, got {shown(name)}"
            )
    return dict(columns)


def _of_sequence(data: Any, columns: Mapping[str, Any]) -> Rows:
    """Return a picture, or a sequence of them, with as many labels and predictions as rows."""
    if is_picture(data):
        data = [data]
        columns = {
            role: [value] if value is not None and _is_single(role, value) else value
            for role, value in columns.items()
        }
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise refused(_FUNCTION, "read", data)
    cells = list(data)
    given = {role: values for role, values in columns.items() if role != "image" and values is not None}
    for role, values in given.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            argument = "probabilities" if role == "probability" else f"{role}s"
            raise InvalidParamError(
                f"{_FUNCTION}: param `{argument}` must be a sequence, as the pictures are, got {shown(values)}"
            )
    try:
        image = pa.chunked_array([file_cells(cells)])
    except SchemaMismatchError as error:
        raise SchemaMismatchError(f"{_FUNCTION}: {error}") from None
    arrays = [image, *given.values()]
    return read(_FUNCTION, arrays, {"image": "image", **{role: role for role in given}})


def _is_single(role: str, value: Any) -> bool:
    """Return whether a label, prediction or probability is that of one picture, and not a sequence of one."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return True
    values = list(value)
    return role == "prediction" and bool(values) and isinstance(values[0], Mapping)


@dataclass(frozen=True)
class Judged:
    """Labels and predictions of all rows, and whether each prediction is wrong: 1, 0, or -1 if that is unknown."""

    labels: Values | None
    predictions: Values | None
    state: npt.NDArray[np.int64]


def _judged(rows: Rows) -> Judged:
    has = rows.names
    size = rows.table.num_rows
    if "label" in has and "prediction" in has:
        labels, predictions = named_pair(rows)
        known = predictions.codes_in(labels.values)
        state = np.where(known == labels.codes, 0, 1)
        state[(labels.codes < 0) | (predictions.codes < 0)] = -1
        return Judged(labels, predictions, state)
    labels_only = rows.values("label") if "label" in has else None
    predictions_only = rows.values("prediction") if "prediction" in has else None
    return Judged(labels_only, predictions_only, np.full(size, -1, np.int64))


def shares(sizes: Mapping[int, int], count: int) -> dict[int, int]:
    """Return how many of `count` rows are from each group, in proportion to the sizes, by the largest remainders."""
    total = sum(sizes.values())
    if total <= count:
        return dict(sizes)
    exact = {group: count * size / total for group, size in sizes.items()}
    parts = {group: int(value) for group, value in exact.items()}
    by_rest = sorted(exact, key=lambda group: (parts[group] - exact[group], -group))
    for group in by_rest[: count - sum(parts.values())]:
        parts[group] += 1
    return parts


def _chosen(state: npt.NDArray[np.int64], keys: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the places of the rows with the smallest keys of each group."""
    sizes = {int(group): int(size) for group, size in zip(*np.unique(state, return_counts=True))}
    places = [np.zeros(0, np.int64)]
    for group, part in shares(sizes, count).items():
        own = np.flatnonzero(state == group)
        places.append(own[np.argsort(keys[own], kind="stable")[:part]])
    return np.concatenate(places)


def _sample(rows: Rows, judged: Judged, places: npt.NDArray[np.int64], images: Any = None) -> Sample:
    state = judged.state[places]
    return Sample(
        images=rows.column("image").take(pa.array(places)) if images is None else images,
        where=rows.names.get("image", "image"),
        labels=_at(judged.labels, places),
        predictions=_at(judged.predictions, places),
        probabilities=_probabilities(rows, places),
        wrong=[None if value < 0 else bool(value) for value in state],
        total=rows.table.num_rows,
        total_wrong=int(np.count_nonzero(judged.state == 1)),
    )


def _at(values: Values | None, places: npt.NDArray[np.int64]) -> list[Any] | None:
    if values is None:
        return None
    return [None if code < 0 else values.values[code] for code in values.codes[places]]


def _probabilities(rows: Rows, places: npt.NDArray[np.int64]) -> list[float] | None:
    """Return the probability of the prediction of each of these rows, NaN for null."""
    if "probability" not in rows.names:
        return None
    some = Rows(rows.function, rows.table.take(pa.array(places)), rows.names, rows.facts, rows.numbered)
    if not some.is_vector("probability"):
        return some.numbers("probability").tolist()
    matrix = some.matrix("probability")
    best = np.full(len(places), np.nan)
    filled = ~np.isnan(matrix).all(axis=1) if matrix.shape[1] else np.zeros(len(places), bool)
    best[filled] = np.nanmax(matrix[filled], axis=1)
    if "prediction" not in some.names:
        return best.tolist()
    raw = some.column("prediction").to_pylist()
    for place, value in enumerate(
        raw
    ):  # the class whose number is predicted, even if another has a higher probability
        if (
            isinstance(value, int | float)
            and value == value
            and 0 <= value < matrix.shape[1]
            and value == int(value)
        ):
            best[place] = matrix[place, int(value)]
    return best.tolist()


def _of_spark(df: Any, columns: Mapping[str, Any], count: int, seed: int) -> Sample:
    """Collect a key of every row with its label and prediction, then the pictures of the rows with the smallest keys."""
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted
    from mmlrs.engine.versions import table_of

    wanted = {role: name for role, name in _columns(columns).items() if name is not None}
    names = dict(zip(wanted, Columns.of(df, _FUNCTION).resolve_all(wanted.values())))
    hashed = [F.col(quoted(names[role])) for role in ("image", "label", "prediction") if role in names]
    keyed = df.withColumn(_KEY, F.xxhash64(*hashed, F.lit(int(seed) % 2**31)))
    rows = read(_FUNCTION, keyed, {**wanted, "image": _KEY})
    rows.names["image"] = names["image"]
    rows = _checked(rows)
    judged = _judged(rows)
    keys = rows.column("image").to_numpy()
    places = _chosen(judged.state, keys, count)
    places = places[np.argsort(keys[places], kind="stable")]
    needed = [int(key) for key in keys[places]]
    image = F.col(quoted(names["image"])).alias("image")
    picked = keyed.where(F.col(_KEY).isin(needed)).select(F.col(_KEY).alias("key"), image)
    found = table_of(picked.dropDuplicates(["key"]))  # equal pictures with equal labels have one key
    first = {key: place for place, key in enumerate(found.column("key").to_pylist())}
    # A row is gone if the data changed between the two jobs.
    images = found.column("image").take(pa.array([first.get(key) for key in needed], pa.int64()))
    return _sample(rows, judged, places, images)
