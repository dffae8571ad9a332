"""What a process remembers: a look at its caches, and how to empty them."""

from __future__ import annotations

import sys
from typing import NamedTuple

from mmlrs import _native

__all__ = ["CacheInfo", "cache_info", "clear_caches"]


class CacheInfo(NamedTuple):
    """What a cache holds.

    Attributes
    ----------
    entries, bytes : int
        What it holds now; bytes as far as they are counted: those of models are the lengths of their files.
    max_entries, max_bytes : int or None
        The maximum; a single entry may have more bytes. None for the bytes of models and files, which live as long as a handle
        or a stage refers to them.
    """

    entries: int
    bytes: int
    max_entries: int | None
    max_bytes: int | None


def cache_info() -> dict[str, CacheInfo]:
    """Return what the caches of this process hold, by name.

    A cache is listed from its first use on. On Spark the workers are processes of their own, with caches of their own.

    Returns
    -------
    dict of str to CacheInfo
        Among others "sessions of models", "prepared models", "tokenizers", and "bytes of models and files".

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.cache_info()["bytes of models and files"].max_bytes is None
    True
    """
    made = {name: CacheInfo(*numbers) for name, numbers in _native.cache_info().items()}
    worker = sys.modules.get("mmlrs.engine.worker")
    if worker is not None:
        made["programs of a worker"] = CacheInfo(*worker.program_info())
    made["bytes of models and files"] = CacheInfo(*_native.blob_info(), None, None)
    return dict(sorted(made.items()))


def clear_caches() -> None:
    """Empty the caches of this process: loaded and prepared models, tokenizers, shapes found by trial runs, results of the last batch.

    What is in use lives on until it is no longer. The next use of a model loads it again.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.clear_caches()
    """
    _native.clear_caches()
    worker = sys.modules.get("mmlrs.engine.worker")
    if worker is not None:
        worker.clear_programs()
