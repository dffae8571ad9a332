"""Find images that look alike by their perceptual hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.columns import Columns
from mmlrs.engine.hashes import pairs_of_frame, pairs_of_table
from mmlrs.engine.table import from_table, to_rows
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["near_duplicates"]

_CALL = "near_duplicates"


def near_duplicates(dataset: Dataset, *, idCol: str, hashCol: str = "hash", maxDistance: int = 6) -> Any:
    """Return the pairs of images whose hashes differ in few bits.

    Parameters
    ----------
    dataset : DataFrame or table
        A Spark, pandas or polars DataFrame, a `pyarrow.Table`, or any object with the Arrow PyCapsule interface.
    idCol : str
        Name of a column that tells the images apart, such as their path: strings or integers.
    hashCol : str, default "hash"
        Name of the column of hashes of one size, as `ImageHash` adds it. Rows with a null hash or a null id are not in any pair.
    maxDistance : int, default 6
        Maximum number of bits that differ. It must be less than the number of hexadecimal digits of a hash: less than 16 for 64
        bits. Of 64 bits, up to 6 are usual for copies that were scaled or compressed; of other images, about half differ.

    Returns
    -------
    DataFrame or table
        The same kind of object as `dataset`, with the columns `left` and `right`, ids of which the left one is smaller, and
        `distance`, the number of different bits. Each pair of rows occurs once, and rows of one id are no pair. On a table the pairs
        are sorted by `left` and `right`.

    Raises
    ------
    ColumnNotFoundError
        The dataset has no such column.
    InvalidParamError
        `maxDistance` is negative or too large for the hashes.
    SchemaMismatchError
        A column has another type, a hash is not hexadecimal, or the hashes have different sizes.

    Notes
    -----
    The result is exact. Hashes that differ in at most `maxDistance` bits have one of `maxDistance + 1` parts in common, so only
    rows with an equal part are compared: 100,000 hashes of 64 bits take about two seconds. On Spark it costs one join, after a job that
    checks the hashes. Many equal hashes give many pairs: n copies of one image are n (n - 1) / 2 pairs.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.image import near_duplicates
    >>> table = pa.table({"path": ["a", "b", "c"], "hash": ["ffff0000ffff0000", "ffff0000ffff0001", "0123456789abcdef"]})
    >>> near_duplicates(table, idCol="path").to_pylist()
    [{'left': 'a', 'right': 'b', 'distance': 1}]
    """
    if type(maxDistance) is not int or maxDistance < 0:
        raise InvalidParamError(
            f"{_CALL}: param `maxDistance` must be an integer of at least 0, got {maxDistance!r}"
        )
    rows = to_rows(dataset, _CALL, "compare the rows of")
    ids, hashes = Columns.of(rows, _CALL).resolve_all([idCol, hashCol])
    if isinstance(rows, pa.Table):
        return from_table(pairs_of_table(_CALL, rows, ids, hashes, maxDistance), dataset)
    return pairs_of_frame(_CALL, rows, ids, hashes, maxDistance)
