"""Pairs of near hashes, on Spark and on tables.

Of two hashes that differ in at most d bits, at least one of d + 1 parts is equal. So rows are grouped by each part, and only those
of one group are compared. A pair counts in the first of its equal parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.columns import wrong_type
from mmlrs.engine.fields import is_text
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["pairs_of_frame", "pairs_of_table"]

_PATTERN = r"^[0-9a-fA-F]+\z"
#: Hexadecimal digits that an unsigned integer holds, and a signed one on Spark.
_DIGITS = 16
_DIGITS_OF_LONG = 8
#: Number of candidates that are compared together on a table.
_TOGETHER = 1 << 18


def _check_distance(call: str, distance: int, digits: int) -> None:
    if distance >= digits:
        raise InvalidParamError(
            f"{call}: param `maxDistance` must be less than {digits}, the number of hexadecimal digits of the hashes, got {distance}"
        )


def _damaged(call: str, column: str, text: object) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{call}: column `{column}`: has {text!r:.100}, which is not a hash of hexadecimal digits"
    )


def _sizes(call: str, column: str, short: object, long: object) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{call}: column `{column}`: has hashes of {short} and of {long} digits; compare hashes of one size"
    )


def _ends(digits: int, parts: int) -> list[int]:
    """Return the borders of parts of about equal numbers of digits."""
    return [digits * part // parts for part in range(parts + 1)]


# -- tables -----------------------------------------------------------------------------------------------------------


def pairs_of_table(call: str, table: pa.Table, id_column: str, hash_column: str, distance: int) -> pa.Table:
    """Return the pairs, sorted by their ids."""
    ids, hashes = table.column(id_column), table.column(hash_column)
    if not (pa.types.is_integer(ids.type) or is_text(ids.type) or pa.types.is_null(ids.type)):
        raise wrong_type(call, id_column, ids.type, "strings or integers")
    if not (is_text(hashes.type) or pa.types.is_null(hashes.type)):
        raise wrong_type(call, hash_column, hashes.type, "strings, as ImageHash adds them")
    ids = ids.cast(pa.string()) if pa.types.is_null(ids.type) else ids
    known = pc.and_(pc.is_valid(ids), pc.is_valid(hashes))
    ids, texts = ids.filter(known), hashes.filter(known).cast(pa.string())
    order = pc.sort_indices(ids)
    ids, texts = ids.take(order), texts.take(order)
    left, right, bits = _pairs(_words(call, hash_column, texts, distance), distance, *_parts(texts, distance))
    ranks = _ranks(ids)
    other = ranks[left] != ranks[right]
    left, right, bits = left[other], right[other], bits[other]
    sorted_pairs = np.lexsort((bits, ranks[right], ranks[left]))
    left, right, bits = left[sorted_pairs], right[sorted_pairs], bits[sorted_pairs]
    columns = [ids.take(pa.array(left)), ids.take(pa.array(right)), pa.array(bits, pa.int32())]
    return pa.table(dict(zip(("left", "right", "distance"), columns, strict=True)))


def _ranks(ordered: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the number of each value, which equal values share, of values in order."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    values = ordered.combine_chunks()
    changes = pc.not_equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(changes.astype(np.int64))])


def _words(call: str, column: str, texts: pa.ChunkedArray, distance: int) -> np.ndarray[Any, Any]:
    """Return the bits of the hashes as unsigned integers, a row for each hash."""
    good = pc.match_substring_regex(texts, _PATTERN)
    if (bad := texts.filter(pc.invert(good))) and len(bad):
        raise _damaged(call, column, bad[0].as_py())
    if not len(texts):
        return np.zeros((0, 1), np.uint64)
    lengths = pc.min_max(pc.utf8_length(texts)).as_py()
    if lengths["min"] != lengths["max"]:
        raise _sizes(call, column, lengths["min"], lengths["max"])
    _check_distance(call, distance, lengths["min"])
    width = -(-lengths["min"] // _DIGITS) * _DIGITS
    joined = "".join(text.rjust(width, "0") for text in texts.to_pylist())
    return np.frombuffer(bytes.fromhex(joined), ">u8").astype(np.uint64).reshape(len(texts), -1)


def _parts(texts: pa.ChunkedArray, distance: int) -> list[np.ndarray[Any, Any]]:
    """Return the number of the group of each hash, for each part."""
    if not len(texts):
        return []
    lower = pc.utf8_lower(texts)
    ends = _ends(len(texts[0].as_py()), distance + 1)
    groups = []
    for start, end in pairwise(ends):
        part = pc.utf8_slice_codeunits(lower, start, end).combine_chunks()
        groups.append(part.dictionary_encode().indices.to_numpy(zero_copy_only=False))
    return groups


def _pairs(
    words: np.ndarray[Any, Any], distance: int, *groups: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the rows and the distances of the pairs."""
    empty = np.zeros(0, np.int64)
    found: list[tuple[Any, Any, Any]] = [(empty, empty, empty)]
    for number, group in enumerate(groups):
        order = np.argsort(group, kind="stable")
        sorted_words = words[order]
        for left, right in _candidates(group[order]):
            bits = _ones(sorted_words[left] ^ sorted_words[right])
            near = np.flatnonzero(bits <= distance)
            one, other = order[left[near]], order[right[near]]
            first = np.ones(len(near), bool)
            for earlier in groups[:number]:
                first &= earlier[one] != earlier[other]
            found.append((one[first], other[first], bits[near][first]))
    left, right, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return np.minimum(left, right), np.maximum(left, right), bits


def _candidates(groups: np.ndarray[Any, Any]) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Yield all pairs of places with equal groups, which are sorted, some at a time."""
    places = np.arange(len(groups))
    # The number of places that follow each one in its group.
    counts = np.searchsorted(groups, groups, side="right") - places - 1
    sums = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(groups):
        last = max(int(np.searchsorted(sums, sums[first] + _TOGETHER, side="right")) - 1, first + 1)
        some = counts[first:last]
        left = np.repeat(places[first:last], some)
        offset = np.arange(len(left)) - np.repeat(sums[first:last] - sums[first], some)
        yield left, left + 1 + offset
        first = last


def _ones(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the number of set bits of each row."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2
        counts = np.bitwise_count(words)
    else:
        counts = _BITS[words.view(np.uint8)].reshape(len(words), 8 * words.shape[1])
    return counts[:, 0] if counts.shape[1] == 1 else counts.sum(axis=1, dtype=np.int64)


_BITS = np.array([byte.bit_count() for byte in range(256)], np.uint8)


# -- Spark ------------------------------------------------------------------------------------------------------------


def pairs_of_frame(call: str, df: DataFrame, id_column: str, hash_column: str, distance: int) -> DataFrame:
    """Return the pairs."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import IntegralType, StringType

    from mmlrs.engine.spark import quoted

    kinds = {name: df.schema[name].dataType for name in (id_column, hash_column)}
    if not isinstance(kinds[id_column], StringType | IntegralType):
        raise wrong_type(call, id_column, kinds[id_column].simpleString(), "strings or integers")
    if not isinstance(kinds[hash_column], StringType):
        raise wrong_type(
            call, hash_column, kinds[hash_column].simpleString(), "strings, as ImageHash adds them"
        )
    if df.isStreaming:
        raise InvalidParamError(f"{call}: compares all rows, so it cannot run on a stream; use foreachBatch")
    rows = df.select(
        F.col(quoted(id_column)).alias("id"), F.lower(F.col(quoted(hash_column))).alias("hash")
    ).where("id IS NOT NULL AND hash IS NOT NULL")
    digits = _checked_digits(call, hash_column, rows, distance)
    ends = _ends(digits, distance + 1)
    parts = [_part("hash", start, end) for start, end in pairwise(ends)]
    keyed = rows.select("id", "hash", F.posexplode(F.array(*parts)).alias("part", "key"))
    left, right = keyed.alias("l"), keyed.alias("r")
    same = (F.col("l.part") == F.col("r.part")) & (F.col("l.key") == F.col("r.key"))
    joined = left.join(right, same & (F.col("l.id") < F.col("r.id")))
    bits = _distance(digits)
    earlier = F.lit(False)
    for number, (start, end) in enumerate(pairwise(ends)):
        equal = _part("l.hash", start, end) == _part("r.hash", start, end)
        earlier = earlier | ((F.col("l.part") > number) & equal)
    pairs = joined.where(~earlier).select(
        F.col("l.id").alias("left"), F.col("r.id").alias("right"), bits.alias("distance")
    )
    return pairs.where(F.col("distance") <= distance)


def _part(column: str, start: int, end: int) -> Column:
    from pyspark.sql import functions as F

    return F.substring(column, start + 1, end - start)


def _checked_digits(call: str, column: str, rows: DataFrame, distance: int) -> int:
    """Return the number of digits of the hashes."""
    from pyspark.sql import functions as F

    bad = F.first(F.when(~F.col("hash").rlike(_PATTERN), F.col("hash")), ignorenulls=True)
    facts = rows.select(F.min(F.length("hash")), F.max(F.length("hash")), bad).first()
    short, long, text = facts if facts is not None else (None, None, None)
    if text is not None:
        raise _damaged(call, column, text)
    if short != long:
        raise _sizes(call, column, short, long)
    if short is not None:
        _check_distance(call, distance, short)
    return int(short or distance + 1)


def _distance(digits: int) -> Column:
    """Return the number of different bits of two hashes."""
    from pyspark.sql import functions as F

    def number(column: str, start: int) -> Column:
        text = _part(column, start, min(start + _DIGITS_OF_LONG, digits))
        return F.conv(text, 16, 10).cast("long")

    total = F.lit(0)
    for start in range(0, digits, _DIGITS_OF_LONG):
        total = total + F.bit_count(number("l.hash", start).bitwiseXOR(number("r.hash", start)))
    return total.cast("int")
