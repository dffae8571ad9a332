"""Inspect and empty the caches of a process."""

from __future__ import annotations

import sys
from typing import NamedTuple

from mmlrs import _native

__all__ = ["CacheInfo", "cache_info", "clear_caches"]


class CacheInfo(NamedTuple):
    """The size and the limits of a cache.

    Attributes
    ----------
    entries, bytes : int
        Present number of entries, and their size in bytes. A model counts with the length of its file.
    max_entries, max_bytes : int or None
        Maximum number of entries and bytes. A single entry may exceed `max_bytes`. Both are None for the bytes of models and
        files, which are kept for as long as a handle or a stage refers to them.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.cache_info()["bytes of models and files"]._fields
    ('entries', 'bytes', 'max_entries', 'max_bytes')
    """

    entries: int
    bytes: int
    max_entries: int | None
    max_bytes: int | None


def cache_info() -> dict[str, CacheInfo]:
    """Return the sizes and limits of the caches of this process, by name.

    A cache is listed after its first use. On Spark, each worker process has its own caches, which are not included.

    Returns
    -------
    dict of str to CacheInfo
        Names include "sessions of models", "prepared models", "tokenizers" and "bytes of models and files".

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.cache_info()["bytes of models and files"].max_bytes is None
    True
    """
    caches = {name: CacheInfo(*numbers) for name, numbers in _native.cache_info().items()}
    worker = sys.modules.get("mmlrs.engine.worker")
    if worker is not None:
        caches["programs of a worker"] = CacheInfo(*worker.program_info())
    caches["bytes of models and files"] = CacheInfo(*_native.blob_info(), None, None)
    return dict(sorted(caches.items()))


def clear_caches() -> None:
    """Empty the caches of this process.

    They hold loaded and prepared models, tokenizers, shapes from trial runs, results of the last batch and the UDFs of Spark
    sessions. Entries in use are freed when their use ends. The next use of a model loads it again.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.clear_caches()
    """
    _native.clear_caches()
    worker = sys.modules.get("mmlrs.engine.worker")
    if worker is not None:
        worker.clear_programs()
    spark = sys.modules.get("mmlrs.engine.spark")
    if spark is not None:
        spark.clear_udfs()
